"""`Whisper.follow`: what is told of one recording, for whom, and how it is stopped."""

import threading

import fake_whisper as fake
import pytest
from letters import at, said, words

from whisper_jax.driver import FileProgress
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.errors import AudioError, CancelledError, OptionError
from whisper_jax.requests import Decode, Decoded, Encode
from whisper_jax.transcribe import Whisper
from whisper_jax.types import Transcript

BOTH = pytest.mark.parametrize("long_form", ["sequential", "parallel"])


def hear_position(window: Encode, _: Decode) -> Decoded:
    """Says at which second the window begins, up to its end."""
    start = f" {fake.first_second(window):g}"
    return said([at(0), *words(start), at(window.n_frames / 100)])


def engine_of(model: Whisper) -> FakeEngine:
    engine = model._engine
    assert isinstance(engine, FakeEngine)
    return engine


@BOTH
def test_segments_come_with_the_progress_and_the_transcript_comes_last(long_form: str) -> None:
    model = fake.whisper(hear_position)
    *told, transcript = model.follow(
        fake.seconds(70), owner="key", language="en", long_form=long_form
    )
    assert isinstance(transcript, Transcript)
    assert transcript.text == " 0 30 60"
    reports = [report for report in told if isinstance(report, FileProgress)]
    assert len(reports) == len(told)
    assert tuple(s for report in reports for s in report.segments) == transcript.segments
    assert [report.done for report in reports] == [False] * (len(reports) - 1) + [True]


def test_every_request_says_for_whom_it_is() -> None:
    model = fake.whisper(hear_position)
    list(model.follow(fake.seconds(70), owner="key 1", priority=3))
    origins = [origin for origin, _ in engine_of(model).log]
    assert {(origin.owner, origin.priority) for origin in origins} == {("key 1", 3)}
    assert origins[0].leads


@BOTH
def test_closing_frees_the_slots_at_once(long_form: str) -> None:
    model = fake.whisper(hear_position)
    following = model.follow(fake.seconds(600), owner="key", long_form=long_form)
    assert isinstance(next(following), FileProgress)
    following.close()
    assert not engine_of(model).held
    with pytest.raises(StopIteration):
        next(following)


def test_closing_before_the_first_word_leaves_nothing_behind() -> None:
    model = fake.whisper(hear_position)
    n_threads = threading.active_count()
    model.follow(fake.seconds(60), owner="key").close()
    assert threading.active_count() == n_threads
    assert not engine_of(model).log


@BOTH
@pytest.mark.parametrize("channels", ["mix", "split"])
def test_cancelling_frees_the_slots(long_form: str, channels: str) -> None:
    cancel = threading.Event()
    model = fake.whisper(hear_position)
    following = model.follow(
        fake.seconds(600), owner="key", cancel=cancel, long_form=long_form, channels=channels
    )
    next(following)
    cancel.set()
    with pytest.raises(CancelledError):
        list(following)
    assert not engine_of(model).held


def test_what_goes_wrong_is_raised_by_the_iteration_and_a_wrong_option_by_the_call() -> None:
    model = fake.whisper(hear_position)
    following = model.follow("missing.wav", owner="key")
    with pytest.raises(AudioError, match="no such file"):
        list(following)
    with pytest.raises(OptionError, match="1 to 32"):
        model.follow("missing.wav", owner="key", beam_size=0)
