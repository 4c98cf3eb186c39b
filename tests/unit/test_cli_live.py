"""``whisper-jax live``: from sources to captions and files, with live streams that are played."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_live import FakeLive, FakeLiveStream, speech
from live_command import FakeModel, Run, fake_live, fake_model, run_live

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.encode import AudioWriter, encode_audio
from whisper_jax.cli import live_files
from whisper_jax.errors import AudioError, EngineError, UnknownModelError
from whisper_jax.stream.settings import LiveOptions

TWO = "word0.0 word0.1\nword1.0\n"


model, live, run = fake_model, fake_live, run_live


@pytest.fixture
def talk(model: FakeModel) -> Path:
    """A recording with two segments, of two words and of one."""
    path = Path("talk.flac")
    path.write_bytes(encode_audio(speech(2.0, 1.0), "flac"))
    return path


FAST = ("--speed", "1000")


def test_each_segment_is_a_line(run: Run, talk: Path):
    assert run("talk.flac", *FAST) == (0, TWO, "")
    assert run("talk.flac", *FAST, "--times") == (0, "[0:00] word0.0 word0.1\n[0:03] word1.0\n", "")


def test_a_file_is_played_in_real_time(run: Run, live: FakeLive, model: FakeModel):
    Path("a.wav").write_bytes(encode_audio(speech(0.4)[: 16_000 // 2], "wav"))
    started = os.times().elapsed
    assert run("a.wav")[0] == 0
    assert os.times().elapsed - started >= 0.5


def test_every_event_is_a_line_of_json(run: Run, talk: Path):
    code, out, err = run("talk.flac", *FAST, "--json")
    assert (code, err) == (0, "")
    kinds = [json.loads(line)["type"] for line in out.splitlines()]
    assert kinds[0] == "speech_started"
    assert kinds[-1] == "stream_ended"
    assert kinds.count("segment_done") == 2


def test_every_option_reaches_the_stream_and_the_model(
    run: Run, talk: Path, live: FakeLive, model: FakeModel
):
    words = """--language de --task translate --policy agreement --interval 0.3 --hold-back 0.7
        --beam-size 3 --initial-prompt Hallo --hotwords Welt --detects-pauses False
        --vad-threshold 0.4 --silence 0.8 --prefix-padding 0.1 --longest 60 --adapts False"""
    assert run("talk.flac", *FAST, *words.split(), "--model", "tiny", "--device", "cpu")[0] == 0
    assert live.options == {
        "language": "de",
        "task": "translate",
        "policy": "agreement",
        "interval_s": 0.3,
        "hold_back_s": 0.7,
        "beam_size": 3,
        "initial_prompt": "Hallo",
        "hotwords": "Welt",
        "detects_pauses": False,
        "vad_threshold": 0.4,
        "silence_s": 0.8,
        "prefix_padding_s": 0.1,
        "longest_s": 60,
        "adapts": False,
    }
    assert (model.load["name"], model.load["device"]) == ("tiny", "cpu")
    run("talk.flac", *FAST)
    assert LiveOptions(**live.options) == LiveOptions()


def test_transcripts_are_written_in_the_formats_of_their_names(run: Run, talk: Path):
    assert run("talk.flac", *FAST, "-o", "out/a.srt", "--output", "b.TXT", "-o", "c.json")[0] == 0
    assert Path("b.TXT").read_text() == TWO
    assert Path("out/a.srt").read_text().count("-->") == 2
    assert len(json.loads(Path("c.json").read_text())["segments"][0]["words"]) == 2


def test_transcripts_are_renewed_while_it_goes_on(
    run: Run, live: FakeLive, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live_files, "_LEAST_INTERVAL_S", 0.0)
    monkeypatch.setattr(live_files, "_REST", 0)
    seen: set[str] = set()

    def look(stream: FakeLiveStream) -> None:
        if Path("a.txt").exists():
            seen.add(Path("a.txt").read_text())

    live.on_open = lambda stream: vars(stream).update(on_send=look)
    Path("a.wav").write_bytes(encode_audio(speech(4.0, 1.0), "wav"))
    assert run("a.wav", "--speed", "4", "-o", "a.txt")[0] == 0
    assert any(text.startswith("word0.0") and "word0.3" not in text for text in seen)
    assert Path("a.txt").read_text() == "word0.0 word0.1 word0.2 word0.3\nword1.0\n"


@pytest.mark.parametrize("name", ["kept.flac", "kept.WAV"])
def test_the_recording_is_what_was_heard(run: Run, talk: Path, live: FakeLive, name: str):
    assert run("talk.flac", *FAST, "--record", name)[0] == 0
    with open_audio(name) as stream:
        samples = np.concatenate(list(stream.blocks()))
    np.testing.assert_allclose(samples, live.streams[0].samples, atol=1e-4)


def test_finish_replaces_the_transcript_and_says_what_changed(
    run: Run, talk: Path, model: FakeModel, live: FakeLive
):
    model.text = " word0.0 WORD0.1! other1.0 more"
    code, out, err = run("talk.flac", *FAST, "--finish", "-o", "a.txt", "--language", "en")
    assert (code, out) == (0, TWO)
    assert err == (
        "The second pass changed 2 of 4 words.\n  word0.0 WORD0.1! [-word1.0-]{+other1.0 more+}\n"
    )
    assert Path("a.txt").read_text() == "word0.0\nWORD0.1!\nother1.0\nmore\n"
    np.testing.assert_allclose(model.recording, live.streams[0].samples, atol=1e-4)
    assert model.options == {
        "language": "en",
        "task": "transcribe",
        "initial_prompt": None,
        "hotwords": None,
        "word_timestamps": True,
    }


def test_finish_without_files_prints_the_transcript(run: Run, talk: Path):
    code, out, err = run("talk.flac", *FAST, "--finish")
    assert (code, out) == (0, TWO + "word0.0\nword0.1\nword1.0\n")
    assert err == "The second pass changed 0 of 3 words.\n"


def test_finish_is_an_event_of_json(run: Run, talk: Path, model: FakeModel):
    model.text = " word0.0 word0.1"
    out = run("talk.flac", *FAST, "--finish", "--json")[1]
    last = json.loads(out.splitlines()[-1])
    assert last["type"] == "finished"
    assert (last["n_changed"], last["n_words"]) == (1, 3)
    assert last["changes"] == [{"before": "word1.0", "after": ""}]
    assert [segment["text"] for segment in last["segments"]] == [" word0.0", " word0.1"]


def test_a_file_that_breaks_off_is_kept_and_exit_code_1(run: Run, live: FakeLive):
    data = encode_audio(speech(3.0), "wav")
    Path("cut.wav").write_bytes(data[:20])
    code, out, err = run("cut.wav", *FAST)
    assert (code, out) == (1, "")
    assert err.startswith("whisper-jax: cannot open 'cut.wav'")
    assert live.is_closed


def test_a_failing_engine_keeps_what_was_committed(run: Run, live: FakeLive, talk: Path):
    def fail(stream: FakeLiveStream) -> None:
        if stream.received_s > 3.2:
            stream.fail(EngineError("out of memory"))

    live.on_open = lambda stream: vars(stream).update(on_send=fail)
    code, out, err = run("talk.flac", *FAST, "-o", "a.txt")
    assert (code, out) == (1, "word0.0 word0.1\n")
    assert err == "whisper-jax: out of memory\n"
    assert Path("a.txt").read_text() == "word0.0 word0.1\n"


def test_a_model_that_cannot_be_had(run: Run, talk: Path, model: FakeModel):
    model.failure = UnknownModelError("no model 'x'")
    assert run("talk.flac", "--model", "x") == (1, "", "whisper-jax: no model 'x'\n")


def test_a_recording_that_cannot_be_kept_does_not_end_the_captions(
    run: Run, talk: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(writer: AudioWriter, samples: Any) -> None:
        raise AudioError("no space left")

    monkeypatch.setattr(AudioWriter, "write", fail)
    code, out, err = run("talk.flac", *FAST, "--record", "r.flac", "--finish")
    assert (code, out) == (1, TWO)
    assert err.count("no space left") == 2, "said at once, and at the end"


def test_a_transcript_that_cannot_be_written_does_not_end_the_captions(
    run: Run, talk: Path, live: FakeLive
):
    def spoil(stream: FakeLiveStream) -> None:
        Path("a.txt").mkdir(exist_ok=True)

    live.on_open = lambda stream: vars(stream).update(on_send=spoil)
    code, out, err = run("talk.flac", *FAST, "-o", "a.txt", "-o", "b.txt")
    assert (code, out) == (1, TWO)
    assert "cannot write 'a.txt'" in err
    assert Path("b.txt").read_text() == TWO


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("missing.wav", "missing.wav: there is no such file"),
        ("ftp://example.org/a.mp3", "give a URL of http"),
        ("rtsp://", "names no host"),
    ],
)
def test_sources_that_are_not_there(run: Run, model: FakeModel, words: str, reason: str):
    code, out, err = run(*words.split())
    assert (code, out) == (1, "")
    assert reason in err


def test_no_model_is_loaded_for_a_file_that_is_missing(run: Run, model: FakeModel):
    assert run("missing.wav")[0] == 1
    assert model.load == {}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("talk.flac --policy guess", "policy must be 'alignment' or 'agreement'"),
        ("talk.flac --interval 0", "interval_s must be 0.1 to 10"),
        ("talk.flac --interval often", "interval_s must be 0.1 to 10"),
        ("talk.flac --beam-size 0", "beam_size must be 1 to 32"),
        ("talk.flac --task sing", "task must be"),
        ("talk.flac --language klingon", "no language 'klingon'"),
        ("talk.flac --rate 8000", "--rate is for samples that come through a pipe"),
        ("talk.flac --encoding s16le", "--encoding is for samples"),
        ("- --encoding mp3", "--encoding is 'mp3'; there are: s16le"),
        ("- --rate 5", "--rate is 5; give 1000 to 768000"),
        ("- --pcm-channels 0", "--pcm-channels is 0"),
        ("talk.flac --speed 0", "--speed is 0.0"),
        ("talk.flac --speed nan", "--speed is nan"),
        ("talk.flac --reconnect -1", "--reconnect is -1"),
        ("talk.flac --input-device 3", "--input-device names a microphone"),
        ("talk.flac -o a.doc", "let it end in .txt, .srt"),
        ("talk.flac --record a.mp3", "let it end in .flac, .wav"),
        ("talk.flac --record talk.flac", "talk.flac is there already"),
        ("talk.flac -o talk.flac/a.srt", "cannot use talk.flac for a.srt"),
        (".", ". is a folder"),
        ("talk.flac --nonsense", "--nonsense"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(
    run: Run, talk: Path, model: FakeModel, words: str, reason: str, monkeypatch: Any
):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert reason in " ".join(err.split())
    assert model.load == {}
