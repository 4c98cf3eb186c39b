import io
import itertools
import json
from pathlib import Path

import pytest
from rich.console import Console

from whisper_jax.errors import AudioError, OptionError
from whisper_jax.evaluate import (
    Clip,
    evaluate,
    markdown_table,
    plain_table,
    report_json,
    rich_table,
    run,
)
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


def clip(name, text, *, set_name="read", language="en", duration_s=30.0):
    return Clip(
        path=Path("/clips") / name,
        name=f"clips/{name}",
        set_name=set_name,
        language=language,
        text=text,
        duration_s=duration_s,
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
        (row.name, row.score.unit, row.n_clips, row.n_failed, row.audio_s, row.seconds)
        for row in report.sets
    ]
    assert rows == [
        ("read", "WER", 3, 1, 61.0, 4.0),
        ("talk", "WER", 1, 0, 30.0, 2.0),
        ("talk", "CER", 1, 0, 30.0, 2.0),
        ("mixed", "CER", 1, 0, 30.0, 2.0),
    ]
    read = report.sets[0].score
    assert (read.substitutions, read.deletions, read.insertions, read.n_reference) == (1, 2, 1, 7)
    assert report.sets[0].times_real_time == 61 / 4
    assert [(row.name, row.score.unit, row.n_clips) for row in report.totals] == [
        ("total", "WER", 4),
        ("total", "CER", 2),
    ]
    assert report.totals[0].score.rate == 4 / 9
    assert report.totals[1].score.rate == 1 / 10
    assert (report.audio_s, report.seconds) == (151.0, 10.0)
    assert report.times_real_time == 15.1


def test_clips_go_in_one_batch_for_each_set_and_language(mixed):
    clips, written = mixed
    model = FakeModel(written)
    evaluate(model, clips, options={"chunk_length": 20})
    assert model.calls == [
        {"names": ["a", "c"], "language": "en", "chunk_length": 20},
        {"names": ["b"], "language": "en", "chunk_length": 20},
        {"names": ["d"], "language": "zh", "chunk_length": 20},
        {"names": ["e"], "language": "de", "chunk_length": 20},
        {"names": ["f"], "language": None, "chunk_length": 20},
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


@pytest.fixture
def report(mixed, two_seconds_a_batch):
    clips, written = mixed
    return evaluate(FakeModel(written), clips)


PLAIN = """\
set           clips  minutes  measure      %  S/D/I  of  times real time  seconds
read   3 (1 failed)     1.02  WER      57.14  1/2/1   7             15.2     4.00
talk              1     0.50  WER       0.00  0/0/0   2             15.0     2.00
talk              1     0.50  CER      33.33  0/1/0   3             15.0     2.00
mixed             1     0.50  CER       0.00  0/0/0   7             15.0     2.00
total  4 (1 failed)     1.52  WER      44.44  1/2/1   9             15.2     6.00
total             2     1.00  CER      10.00  0/1/0  10             15.0     4.00

6 clips, 2.5 minutes in 10.0 s: 15.1 times real time; 1 failed"""


def test_plain_table(report):
    assert plain_table(report) == PLAIN


def test_markdown_table(report):
    lines = markdown_table(report).splitlines()
    assert lines[:3] == [
        "| set | clips | minutes | measure | % | S/D/I | of | times real time | seconds |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        "| read | 3 (1 failed) | 1.02 | WER | 57.14 | 1/2/1 | 7 | 15.2 | 4.00 |",
    ]
    assert lines[-1] == PLAIN.splitlines()[-1]


def test_markdown_keeps_bars_in_names_apart():
    table = markdown_table(evaluate(FakeModel({"a": "x"}), [clip("a", "x", set_name="a|b")]))
    assert r"| a\|b | 1 |" in table


def test_rich_table_has_the_same_cells(report):
    shown = io.StringIO()
    Console(width=200, file=shown).print(rich_table(report))
    for line in PLAIN.splitlines():
        for cell in line.split("  "):
            assert cell.strip() in shown.getvalue()


def test_json_has_sets_totals_and_every_clip(report):
    document = json.loads(report_json(report, {"model": "base"}))
    assert document["about"] == {"model": "base"}
    assert (document["audio_s"], document["seconds"], document["times_real_time"]) == (
        151,
        10,
        15.1,
    )
    assert document["sets"][0] == {
        "set": "read",
        "clips": 3,
        "failed": 1,
        "audio_s": 61.0,
        "seconds": 4.0,
        "times_real_time": 15.25,
        "measure": "WER",
        "rate": 0.571429,
        "substitutions": 1,
        "deletions": 2,
        "insertions": 1,
        "n_reference": 7,
    }
    assert [total["measure"] for total in document["totals"]] == ["WER", "CER"]
    assert len(document["clips"]) == 6
    failed = document["clips"][1]
    assert failed["path"] == "clips/c"
    assert failed["error"] == "c is no recording"
    assert (failed["reference"], failed["hypothesis"], failed["deletions"]) == ("the dog", "", 2)
