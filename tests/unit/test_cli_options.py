"""The options of ``whisper-jax transcribe``: what is typed, and what the model is given."""

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from whisper_jax.cli import transcribe
from whisper_jax.cli.__main__ import main, translated
from whisper_jax.cli.options import PANELS, SUBTITLES, spelled
from whisper_jax.errors import OptionError
from whisper_jax.options import TranscribeOptions

# For each option words of the command line and what comes of them, none of it the default.
GIVEN: dict[str, tuple[str, object]] = {
    "language": ("--language German", "German"),
    "task": ("--task translate", "translate"),
    "long_form": ("--long-form sequential", "sequential"),
    "vad_filter": ("--vad-filter True", True),
    "beam_size": ("--beam-size 2", 2),
    "best_of": ("--best-of 3", 3),
    "patience": ("--patience 1.5", 1.5),
    "length_penalty": ("--length-penalty 0.6", 0.6),
    "repetition_penalty": ("--repetition-penalty 1.1", 1.1),
    "no_repeat_ngram_size": ("--no-repeat-ngram-size 3", 3),
    "temperature": ("--temperature 0,0.4", (0.0, 0.4)),
    "compression_ratio_threshold": ("--compression-ratio-threshold None", None),
    "logprob_threshold": ("--logprob-threshold -0.5", -0.5),
    "no_speech_threshold": ("--no-speech-threshold 0.5", 0.5),
    "drop_known_hallucinations": ("--no-drop-known-hallucinations", False),
    "seed": ("--seed 7", 7),
    "initial_prompt": ("--initial-prompt --odd_text", "--odd_text"),
    "carry_initial_prompt": ("--carry-initial-prompt", True),
    "prefix": ("--prefix Well,", "Well,"),
    "hotwords": ("--hotwords whisper_jax", "whisper_jax"),
    "condition_on_previous_text": ("--no-condition-on-previous-text", False),
    "prompt_reset_on_temperature": ("--prompt-reset-on-temperature 0.3", 0.3),
    "suppress_tokens": ("--suppress-tokens 1,2", (1, 2)),
    "suppress_blank": ("--suppress-blank False", False),
    "without_timestamps": ("--without-timestamps", True),
    "max_initial_timestamp": ("--max-initial-timestamp None", None),
    "word_timestamps": ("--word-timestamps", True),
    "prepend_punctuations": ("--prepend-punctuations ¿", "¿"),
    "append_punctuations": ("--append-punctuations .,", ".,"),
    "hallucination_silence_threshold": ("--hallucination_silence_threshold 2", 2),
    "max_new_tokens": ("--max-new-tokens 100", 100),
    "language_detection_threshold": ("--language-detection-threshold None", None),
    "language_detection_segments": ("--language-detection-segments 4", 4),
    "chinese_script": ("--chinese-script traditional", "traditional"),
    "clip_timestamps": ("--clip-timestamps 0,10,20", (0.0, 10.0, 20.0)),
    "chunk_length": ("--chunk-length 20.5", 20.5),
    "window_padding": ("--window-padding 4", 4.0),
    "vad_threshold": ("--vad-threshold 0.4", 0.4),
    "vad_neg_threshold": ("--vad-neg-threshold 0.2", 0.2),
    "vad_min_speech_duration_ms": ("--vad-min-speech-duration-ms 250", 250),
    "vad_min_silence_duration_ms": ("--vad-min-silence-duration-ms 500", 500),
    "vad_speech_pad_ms": ("--vad-speech-pad-ms 100", 100),
    "channel": ("--channel 1", 1),
    "channels": ("--channels split", "split"),
}

type OptionsOf = Callable[..., dict[str, Any]]


@pytest.fixture
def options_of(monkeypatch: pytest.MonkeyPatch) -> OptionsOf:
    """What the model is given for the options of a command line."""
    chosen: list[TranscribeOptions] = []

    def run_job(job: Any, stage: str, work: Any) -> int:
        _, options = work.args
        chosen.append(options)
        return 0

    def options_of(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as end:
            main(["a.wav", *words])
        assert end.value.code == 0
        options = chosen.pop()
        return {field.name: getattr(options, field.name) for field in fields(options)}

    monkeypatch.setattr(transcribe, "run_job", run_job)
    return options_of


def test_the_defaults_are_those_of_the_options(options_of: OptionsOf):
    assert options_of() == {
        field.name: getattr(TranscribeOptions(), field.name) for field in fields(TranscribeOptions)
    }


def test_every_option_reaches_the_model(options_of: OptionsOf):
    assert set(GIVEN) == {field.name for field in fields(TranscribeOptions)}
    # One channel, and each by itself, are not asked for at once.
    for left_out in ("channel", "channels"):
        wanted = {name: given for name, given in GIVEN.items() if name != left_out}
        given = options_of(*(word for words, _ in wanted.values() for word in words.split()))
        del given[left_out]
        assert given == {name: value for name, (_, value) in wanted.items()}
    assert all(value != getattr(TranscribeOptions(), name) for name, (_, value) in GIVEN.items())


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--language auto", "language", "auto"),
        ("--vad-filter None", "vad_filter", None),
        ("--vad_filter", "vad_filter", True),
        ("--no-vad-filter", "vad_filter", False),
        ("--temperature 0", "temperature", (0.0,)),
        ("--temperature=0,0.5", "temperature", (0.0, 0.5)),
        ("--temperature_increment_on_fallback None", "temperature", (0.0,)),
        ("--temperature_increment_on_fallback=0.5 --temperature 0.5", "temperature", (0.5, 1.0)),
        ("--length-penalty None", "length_penalty", None),
        ("--compression_ratio_threshold None", "compression_ratio_threshold", None),
        ("--log_prob_threshold -2", "logprob_threshold", -2),
        ("--max-new-tokens None", "max_new_tokens", None),
        ("--clip_timestamps 0", "clip_timestamps", (0.0,)),
        ("--suppress_tokens=", "suppress_tokens", ()),
        ("--carry_initial_prompt False", "carry_initial_prompt", False),
        ("--initial_prompt None", "initial_prompt", "None"),
        ("--hotwords 5", "hotwords", "5"),
        ("--patience 2", "patience", 2),
    ],
)
def test_values_are_what_they_look_like(
    options_of: OptionsOf, words: str, name: str, value: object
):
    given = options_of(*words.split())[name]
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("a.wav --output_dir my_dir", "a.wav --output-dir my_dir"),
        ("--initial_prompt --a_b a_b.wav", "--initial-prompt --a_b a_b.wav"),
        ("--initial_prompt=a_b", "--initial-prompt=a_b"),
        ("--condition_on_previous_text False a", "--condition-on-previous-text False a"),
        ("--condition_on_previous_text=False", "--condition-on-previous-text False"),
        ("--no-condition-on-previous-text a", "--condition-on-previous-text False a"),
        ("--suppress-blank a", "--suppress-blank True a"),
        ("--without_timestamps True a", "--without-timestamps a"),
        ("--word_timestamps True a", "--word-timestamps a"),
        ("--verbose False a", "a"),
        ("--fp16 False a", "--compute-type float32 a"),
        ("--fp16 True a", "--compute-type float16 a"),
        ("a --temperature 0.2", "--temperature 0.2 a"),
        (
            "--temperature_increment_on_fallback 0.2 a",
            "--temperature 0,0.2,0.4,0.6,0.8,1 a",
        ),
        ("--log_prob_threshold -2 a", "--logprob-threshold -2 a"),
        ("--vad_filter False a", "--vad-filter False a"),
        ("--suppress_tokens -1 a", "--suppress-tokens -1 a"),
        ("-o my_dir -- --a_b", "-o my_dir -- --a_b"),
        ("--help", "--help"),
    ],
)
def test_other_spellings_are_translated(theirs: str, ours: str):
    assert translated(theirs.split()) == ours.split()


def test_an_option_of_openai_whisper_that_is_missing_is_named():
    with pytest.raises(OptionError, match="--threads is an option of openai-whisper"):
        translated(["--threads", "2"])


@pytest.mark.parametrize("columns", [80, 120])
def test_help_has_every_option_under_its_heading(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main(["transcribe", "--help"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    for panel, options in PANELS.items():
        under = text.partition(f"\n{panel}:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  (--[a-z-]+)", under, re.M) == [spelled(name) for name in options]
    under = text.partition("\nSubtitles:\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"^  (--[a-z-]+)", under, re.M)) == {
        "--subtitle-translation",
        *map(spelled, SUBTITLES),
    }
