import itertools
from pathlib import Path

import pytest

from whisper_jax.errors import AudioError, OptionError
from whisper_jax.evaluate import Clip, evaluate, run
from whisper_jax.types import Transcript


class FakeModel:
    """Writes what it is told for each file name, and keeps what it was asked."""

    def __init__(self, written: dict[str, str | Exception]) -> None:
        self.written = written
        self.calls: list[dict] = []

    def transcribe_batch(self, audios, *, on_error, **options):
        assert on_error == "return"
        self.calls.append({"names": [audio.name for audio in audios], **options})
        return [self._transcript(self.written[audio.name]) for audio in audios]

    def _transcript(self, written):
        failed = isinstance(written, Exception)
        return Transcript(
            text="partial words" if failed else written,
            segments=(),
            language="en",
            language_probability=None,
            duration=1.0 if failed else 30.0,
            error=written if failed else None,
        )


def clip(name, text, *, set_name="read", language="en", duration_s=30.0, segments=()):
    return Clip(
        path=Path("/clips") / name,
        name=f"clips/{name}",
        set_name=set_name,
        language=language,
        text=text,
        duration_s=duration_s,
        segments=segments,
    )


@pytest.fixture
def two_seconds_a_batch(monkeypatch):
    # The clock is read before and after each batch.
    ticks = itertools.count(step=2.0)
    monkeypatch.setattr(run.time, "perf_counter", lambda: next(ticks))


@pytest.fixture
def mixed():
    clips = [
        clip("a", "the cat sat"),
        clip("b", "hello (there)", set_name="talk"),
        clip("c", "the dog"),
        clip("d", "你好吗", language="zh-CN", set_name="talk"),
        clip("e", "ein Haus", language="de-DE"),
        clip("f", "你好 house", language="zh+en", set_name="mixed"),
    ]
    written = {
        "a": " The bat sat.",
        "b": " Hello there.",
        "c": AudioError("c is no recording"),
        "d": "你好",
        "e": " Ein Haus da.",
        "f": "你好 house",
    }
    return clips, written


@pytest.mark.usefixtures("two_seconds_a_batch")
def test_each_set_is_scored_and_timed(mixed):
    clips, written = mixed
    report = evaluate(FakeModel(written), clips)
    rows = [
        (row.name, row.score.unit, len(row.clips), row.n_failed, row.audio_s, row.seconds)
        for row in report.sets
    ]
    assert rows == [
        ("read", "WER", 3, 1, 61.0, 4.0),
        ("talk", "WER", 1, 0, 30.0, 2.0),
        ("talk", "CER", 1, 0, 30.0, 2.0),
        ("mixed", "MER", 1, 0, 30.0, 2.0),
    ]
    read = report.sets[0].score
    assert (read.substitutions, read.deletions, read.insertions, read.n_reference) == (1, 2, 1, 7)
    assert report.sets[0].times_real_time == 61 / 4
    assert [(row.name, row.score.unit, len(row.clips)) for row in report.totals] == [
        ("total", "WER", 4),
        ("total", "CER", 1),
        ("total", "MER", 1),
    ]
    assert [row.score.rate for row in report.totals] == [4 / 9, 1 / 3, 0]
    assert (report.audio_s, report.seconds) == (151.0, 10.0)
    assert report.times_real_time == 15.1


@pytest.mark.usefixtures("two_seconds_a_batch")
def test_the_seconds_of_a_batch_are_shared_out_by_length(mixed):
    clips, written = mixed
    report = evaluate(FakeModel(written), clips)
    first, _, third = report.clips[:3]
    assert first.seconds == pytest.approx(2 * 30 / 31)
    assert third.seconds == pytest.approx(2 * 1 / 31)


def test_what_is_kept_of_each_language_is_told_where_the_manifest_tells_the_parts():
    told = clip("a", "你好 house", language="zh+en", segments=(("zh-CN", "你好"), ("en", "house")))
    report = evaluate(FakeModel({"a": "你 horse", "b": "你好"}), [told, clip("b", "x")])
    (kept,) = [row.kept for row in report.sets if row.score.unit == "MER"]
    assert [(own.language, own.share) for own in kept] == [("zh", 0.5), ("en", 0.0)]
    assert report.sets[1].kept == ()


def test_the_report_says_what_was_run(mixed):
    clips, written = mixed
    model = FakeModel(written)
    report = evaluate(model, clips, name="ours", options={"seed": 1}, about={"model": "base"})
    assert report.name == "ours"
    assert report.settings == {"model": "base", "options": {"seed": 1}}
    assert not report.is_peer
    assert [result.clip for result in report.clips] == clips


def test_clips_go_in_one_batch_for_each_set_and_language(mixed):
    clips, written = mixed
    model = FakeModel(written)
    evaluate(model, clips, options={"chunk_length": 20})
    assert model.calls == [
        {"names": ["a", "c"], "language": "en", "chunk_length": 20},
        {"names": ["b"], "language": "en", "chunk_length": 20},
        {"names": ["d"], "language": "zh", "chunk_length": 20},
        {"names": ["e"], "language": "de", "chunk_length": 20},
        {"names": ["f"], "language": "auto", "chunk_length": 20},
    ]


def test_a_failed_clip_is_named_and_all_its_words_are_deletions(mixed):
    clips, written = mixed
    report = evaluate(FakeModel(written), clips)
    (failed,) = report.failed
    assert (failed.clip.name, failed.error, failed.hypothesis) == (
        "clips/c",
        "c is no recording",
        "",
    )
    assert (failed.score.deletions, failed.score.errors) == (2, 2)


def test_failures_in_any_language_of_a_set_are_counted():
    model = FakeModel({"a": "x", "b": AudioError("no"), "c": AudioError("no")})
    clips = [clip("a", "x"), clip("b", "y", language="de"), clip("c", "z", language="fr")]
    report = evaluate(model, clips)
    assert [row.n_failed for row in (*report.sets, *report.totals)] == [2, 2]


def test_progress_is_told_before_each_batch(mixed):
    clips, written = mixed
    told: list[str] = []
    evaluate(FakeModel(written), clips, progress=told.append)
    assert told[:2] == ["read (en): 2 clips, 1.0 min", "talk (en): 1 clip, 0.5 min"]
    assert len(told) == 5
    told.clear()
    evaluate(FakeModel(written), [clip("a", "x", duration_s=None)], progress=told.append)
    assert told == ["read (en): 1 clip"]


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(OptionError, match="no clips"):
        evaluate(FakeModel({}), [])
    with pytest.raises(OptionError, match="comes from the manifest"):
        evaluate(FakeModel({}), [clip("a", "x")], options={"language": "en"})
