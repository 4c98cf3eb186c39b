"""The driver and the public methods, on the fake engine: order, errors, progress, cancellation."""

import threading
import time
from pathlib import Path

import fake_whisper as fake
import numpy as np
import pytest
from letters import at, said, words

import whisper_jax
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.errors import (
    AudioError,
    CancelledError,
    EngineClosedError,
    EngineError,
    OptionError,
    WhisperJaxError,
)
from whisper_jax.requests import Decode, Decoded, Encode, Release

SEQUENTIAL = {"long_form": "sequential"}
BOTH = pytest.mark.parametrize("long_form", ["sequential", "parallel"])
"""In parallel the fake cuts every 30 s."""


def hear_position(window: Encode, _: Decode) -> Decoded:
    """Says at which second the window begins, up to its end."""
    start = f" {fake.first_second(window):g}"
    return said([at(0), *words(start), at(window.n_frames / 100)])


@BOTH
def test_windows_of_a_recording_follow_one_another(long_form: str) -> None:
    model = fake.whisper(hear_position)
    transcript = model.transcribe(fake.seconds(70), language="en", long_form=long_form)
    assert transcript.text == " 0 30 60"
    assert transcript["text"] == transcript.text
    assert transcript["segments"][1]["start"] == 30
    assert "words" not in transcript
    with pytest.raises(KeyError, match="not one of"):
        transcript["words"]


@BOTH
def test_results_come_in_the_order_of_the_recordings(long_form: str) -> None:
    model = fake.whisper(hear_position)
    lengths = [65, 5, 31, 0.001, 100, 12] * 3
    results = model.transcribe_batch([fake.seconds(n) for n in lengths], long_form=long_form)
    assert [result.duration for result in results] == pytest.approx(lengths, abs=1e-4)
    expected = ["".join(f" {start}" for start in range(0, int(n + 0.99), 30)) for n in lengths]
    assert [r.text for r in results] == [
        t if n > 0.01 else "" for t, n in zip(expected, lengths, strict=True)
    ]


@BOTH
def test_recordings_are_taken_as_they_are_needed_and_slots_are_given_back(long_form: str) -> None:
    taken = []

    def recordings():
        for index in range(30):
            taken.append(index)
            yield fake.seconds(1)

    model = fake.whisper(hear_position, batch_size=2)
    completed = model.as_completed(recordings(), language="en", long_form=long_form)
    next(completed)
    assert len(taken) <= 6
    assert sorted(index for index, _ in completed) != []
    engine = model._engine
    assert isinstance(engine, FakeEngine)
    assert not engine.held
    assert sum(isinstance(request, Release) for _, request in engine.log) == 30


@BOTH
def test_no_more_windows_than_the_batch_size_are_held(long_form: str) -> None:
    most = []

    def hear(window: Encode, request: Decode) -> Decoded:
        engine = model._engine
        assert isinstance(engine, FakeEngine)
        most.append(len(engine.held))
        return hear_position(window, request)

    model = fake.whisper(hear, batch_size=4)
    model.transcribe_batch(
        [fake.seconds(40)] * 10, batch_size=2, language="en", long_form=long_form
    )
    assert max(most) <= 2


@BOTH
def test_one_bad_file_does_not_spoil_the_others(tmp_path: Path, long_form: str) -> None:
    bad = tmp_path / "notes.wav"
    bad.write_text("not audio at all")
    model = fake.whisper(hear_position)
    audios = [fake.seconds(5), bad, tmp_path / "missing.mp3", fake.seconds(31)]
    results = model.transcribe_batch(audios, long_form=long_form)
    assert [result.text for result in results] == [" 0", "", "", " 0 30"]
    assert [type(result.error) for result in results] == [
        type(None), AudioError, AudioError, type(None)
    ]  # fmt: skip
    assert "no such file" in str(results[2].error)
    with pytest.raises(AudioError):
        model.transcribe_batch(audios, on_error="raise")
    with pytest.raises(AudioError, match="no such file"):
        model.transcribe(tmp_path / "missing.mp3")


@BOTH
def test_what_was_final_before_an_error_is_kept(long_form: str) -> None:
    def hear(window: Encode, request: Decode) -> Decoded:
        if fake.first_second(window) >= 60:
            raise EngineError("the device failed: out of memory")
        return hear_position(window, request)

    # One window at once: else the third region may fail before the first one is heard.
    (result,) = fake.whisper(hear).transcribe_batch(
        [fake.seconds(100)], language="en", long_form=long_form, batch_size=1
    )
    assert result.text == " 0 30"
    assert result.duration == 60
    assert isinstance(result.error, EngineError)


def test_a_defect_in_one_recording_is_reported_as_such() -> None:
    def hear(*_: object) -> Decoded:
        raise ZeroDivisionError("oops")

    (result,) = fake.whisper(hear).transcribe_batch([fake.seconds(1)])
    assert isinstance(result.error, WhisperJaxError)
    assert "please report" in str(result.error)
    assert isinstance(result.error.__cause__, ZeroDivisionError)


@BOTH
def test_progress_comes_on_the_callers_thread(long_form: str) -> None:
    reports = []

    def on_progress(report: whisper_jax.FileProgress) -> None:
        assert threading.current_thread() is threading.main_thread()
        reports.append(report)

    model = fake.whisper(hear_position, language_index=2)
    transcript = model.transcribe(fake.seconds(70), on_progress=on_progress, long_form=long_form)
    # The first one tells the language.
    positions = [report.position_s for report in reports]
    if long_form == "sequential":
        assert positions == [0, 30, 60, 70, 70]
    else:  # the last two regions may be done in either order
        assert positions == sorted(positions)
        assert positions[0] == 0
        assert positions[-2:] == [70, 70]
        assert {30, 60} <= set(positions) or {30, 40} <= set(positions)
    assert [report.done for report in reports] == [False] * (len(reports) - 1) + [True]
    assert {report.duration_s for report in reports} == {70}
    assert {report.language for report in reports} == {"de"}
    assert tuple(s for report in reports for s in report.segments) == transcript.segments


@BOTH
def test_segments_come_as_they_are_final_and_leaving_stops_the_work(long_form: str) -> None:
    model = fake.whisper(hear_position)
    options = {"language": "en", "long_form": long_form}
    assert [s.text for s in model.segments(fake.seconds(70), **options)] == [" 0", " 30", " 60"]
    segments = model.segments(fake.seconds(600), **options)
    assert next(segments).text == " 0"
    segments.close()
    engine = model._engine
    assert isinstance(engine, FakeEngine)
    assert not engine.held
    with pytest.raises(AudioError):
        list(model.segments("missing.wav"))


@BOTH
def test_cancelling_stops_and_frees_the_slots(long_form: str) -> None:
    cancel = threading.Event()
    seen = []

    def on_progress(report: whisper_jax.FileProgress) -> None:
        seen.append(report)
        cancel.set()

    model = fake.whisper(hear_position)
    with pytest.raises(CancelledError):
        model.transcribe_batch(
            [fake.seconds(300)] * 8,
            on_progress=on_progress,
            cancel=cancel,
            language="en",
            long_form=long_form,
        )
    engine = model._engine
    assert isinstance(engine, FakeEngine)
    assert not engine.held
    assert model.transcribe(fake.seconds(3)).text == " 0", "the model can still be used"


def test_an_exception_of_the_listener_stops_the_work_and_comes_through() -> None:
    def on_progress(_: whisper_jax.FileProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fake.whisper(hear_position).transcribe(fake.seconds(300), on_progress=on_progress)
    names = [thread.name for thread in threading.enumerate()]
    deadline = time.monotonic() + 5
    while any("whisper-jax-audio" in name for name in names) and time.monotonic() < deadline:
        names = [thread.name for thread in threading.enumerate()]
    assert not any("whisper-jax-audio" in name for name in names)


def test_calls_from_many_threads_do_not_mix() -> None:
    model = fake.whisper(hear_position)
    results: dict[int, str] = {}

    def call(n: int) -> None:
        results[n] = model.transcribe(fake.seconds(n), language="en").text

    threads = [threading.Thread(target=call, args=(n,)) for n in (5, 35, 65)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == {5: " 0", 35: " 0 30", 65: " 0 30 60"}


def test_a_closed_model_says_so() -> None:
    with fake.whisper(hear_position) as model:
        pass
    with pytest.raises(EngineClosedError, match="load the model again"):
        model.transcribe(fake.seconds(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "klingon"}, "klingon"),
        ({"language": "yue"}, "yue"),
        ({"task": "sing"}, "transcribe"),
        ({"beam_size": 0}, "1 to 32"),
        ({"temperature": -0.2}, "0 to 10"),
        ({"long_form": "batched"}, "'parallel' or 'sequential'"),
        ({"chunk_length": 31}, "1 to 30"),
        ({"chunk_length": 0.5}, "1 to 30"),
        ({"clip_timestamps": (3, 1)}, "rising"),
        ({"max_initial_timestamp": -1}, "0 to 30"),
        ({"channel": -1}, "0 or more"),
        ({"suppress_tokens": (60_000,)}, "60000"),
        ({"beam": 5}, "no option beam"),
        ({"initial_prompt": (60_000,)}, "60000"),
        ({"prefix": 5}, "prefix is 5; give str or None"),
        ({"prefix": "x" * 300}, "prefix has 302 tokens"),
        ({"no_speech_threshold": "x"}, "give int or float or None"),
        ({"condition_on_previous_text": 1}, "give bool"),
        ({"beam_size": True}, "beam_size is True; give int"),
        ({"suppress_tokens": "a,b"}, "list of numbers"),
        ({"clip_timestamps": object()}, "list of numbers"),
        ({"clip_timestamps": [float("nan")]}, "rising"),
    ],
)
def test_an_option_that_cannot_be_honoured_is_refused(options: dict, message: str) -> None:
    model = fake.whisper(hear_position)
    for method in (model.transcribe, model.segments):
        with pytest.raises(OptionError, match=message):
            method(fake.seconds(1), **options)


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(OptionError, match="1 or more"):
        fake.whisper(hear_position).transcribe(fake.seconds(1), batch_size=0)


def test_numbers_may_be_given_as_by_openai_whisper() -> None:
    options = whisper_jax.TranscribeOptions(suppress_tokens="-1,5", clip_timestamps="0,5")
    assert (options.suppress_tokens, options.clip_timestamps) == ((-1, 5), (0.0, 5.0))
    options = whisper_jax.TranscribeOptions(suppress_tokens=[7], clip_timestamps=[1, 2.5])
    assert (options.suppress_tokens, options.clip_timestamps) == ((7,), (1.0, 2.5))
    assert whisper_jax.TranscribeOptions(suppress_tokens="").suppress_tokens == ()


@BOTH
@pytest.mark.parametrize("vad_filter", [False, True])
def test_clips_are_heard_alone(long_form: str, vad_filter: bool) -> None:
    model = fake.whisper(hear_position)
    options = {"language": "en", "long_form": long_form, "vad_filter": vad_filter}
    result = model.transcribe(fake.seconds(70), clip_timestamps=(10, 15, 40, 50), **options)
    assert result.duration == 50
    assert result.text == " 10 40"
    assert [(s.start, s.end) for s in result.segments] == [(10, 15), (40, 50)]
    # The second clip is behind the end, the first goes beyond it.
    result = model.transcribe(fake.seconds(12), clip_timestamps=(10, 15, 40, 50), **options)
    assert (result.duration, result.text) == (12, " 10")
    assert model.transcribe(fake.seconds(5), clip_timestamps=(10,), **options).text == ""


@pytest.mark.parametrize("vad_filter", [False, True])
def test_language_auto_is_understood(vad_filter: bool) -> None:
    model = fake.whisper(hear_position, language_index=2)
    for long_form in ("sequential", "parallel"):
        result = model.transcribe(
            fake.seconds(70), language="auto", long_form=long_form, vad_filter=vad_filter
        )
        assert [segment.language for segment in result.segments] == ["de"] * 3
        assert (result.language, result.language_probability) == ("de", None)


@BOTH
@pytest.mark.parametrize("n_samples", [0, 1, 100, 400, 9_000])
def test_very_short_recordings(long_form: str, n_samples: int) -> None:
    model = fake.whisper(hear_position)
    result = model.transcribe(fake.seconds(1)[:n_samples], long_form=long_form)
    assert result.error is None
    assert result.duration == n_samples / 16_000
    assert result.text == (" 0" if n_samples >= 160 else "")
    assert result.language == ("en" if n_samples >= 160 else "")


def test_silence_is_an_empty_transcript() -> None:
    """Through the real voice activity."""
    real = fake.whisper(hear_position)
    model = whisper_jax.Whisper(
        "fake", real.dims, real.tokenizer, real._engine, [real.counts], batch_size=4
    )
    silence = np.zeros(70 * 16_000, np.float32)
    for options in ({}, {"long_form": "sequential", "vad_filter": True}):
        for language in (None, "en", "auto"):
            result = model.transcribe(silence, language=language, **options)
            assert (result.text, result.segments, result.error) == ("", (), None)
            assert result.duration == 70
            assert result.language == ("en" if language == "en" else "")
    kept = model.transcribe(silence, language="en", vad_filter=False)
    assert kept.segments[-1].end == 70


def test_a_channel_can_be_chosen() -> None:
    two = np.stack([fake.seconds(5), -fake.seconds(5)])

    def hear(window: Encode, _: Decode) -> Decoded:
        return said(words("+" if window.samples[3000] > 0 else "-"))

    model = fake.whisper(hear)
    assert model.transcribe(two, channel=1, language="en").text == "-"
    assert model.transcribe(two, channel=0, language="en").text == "+"


def test_names_of_languages_are_understood() -> None:
    assert (
        fake.whisper(hear_position).transcribe(fake.seconds(1), language="German").language == "de"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "enormous"}, "enormous"),
        ({"name": "base", "compute_type": "int3"}, "float32, bfloat16"),
        ({"name": "base", "device": "abacus"}, "cpu"),
        ({"name": "base", "batch_size": 0}, "1 or more"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why(arguments: dict, message: str) -> None:
    with pytest.raises(WhisperJaxError, match=message):
        whisper_jax.load_model(**arguments)
