import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from whisper_jax.errors import OptionError
from whisper_jax.evaluate import (
    Clip,
    Comparison,
    EvaluationReport,
    Pool,
    markdown_tables,
    plain_tables,
    read_systems,
    report_json,
    rich_tables,
    score_clip,
)


def clip(name: str, set_name: str, language: str, text: str, segments=()) -> Clip:
    return Clip(
        path=Path("/clips") / name,
        name=f"clips/{name}",
        set_name=set_name,
        language=language,
        text=text,
        duration_s=30.0,
        segments=segments,
    )


CLIPS = (
    clip("a", "read", "en", "the cat sat"),
    clip("b", "talk", "zh", "你好吗"),
    clip("c", "read", "en", "the dog"),
    clip("d", "mixed", "zh+en", "你好 house", (("zh", "你好"), ("en", "house"))),
)


def system(name: str, texts: list[str | None], **other) -> EvaluationReport:
    results = [
        score_clip(
            one,
            text or "",
            audio_s=30.0 if text else 0.0,
            seconds=2.0,
            error=None if text else "no recording",
        )
        for one, text in zip(CLIPS, texts, strict=True)
    ]
    return EvaluationReport(name=name, clips=tuple(results), **other)


OURS = system("ours", ["The bat sat.", "你好", None, "你好 house"], settings={"model": "base"})
PEER = system("peer|x", ["the cat sat", "你", "a dog", "你"], is_peer=True)
POOL = Pool(name="all read", patterns=("read", "talk"))

ALONE = """\
set           clips  minutes  measure      %  S/D/I  of  times real time  seconds
read   2 (1 failed)     0.50  WER      60.00  1/2/0   5              7.5     4.00
talk              1     0.50  CER      33.33  0/1/0   3             15.0     2.00
mixed             1     0.50  MER       0.00  0/0/0   3             15.0     2.00
total  2 (1 failed)     0.50  WER      60.00  1/2/0   5              7.5     4.00
total             1     0.50  CER      33.33  0/1/0   3             15.0     2.00
total             1     0.50  MER       0.00  0/0/0   3             15.0     2.00

Kept of each language, %

set    language  of   ours
mixed  zh         2  100.0
mixed  en         1  100.0

4 clips, 1.5 minutes in 8.0 s: 11.2 times real time; 1 failed"""

TOGETHER = """\
set              clips  minutes  of  measure              ours  peer|x
all read             2     1.00   5  WER      60.00 (1 failed)   20.00
all read             1     0.50   3  CER                 33.33   66.67
read                 2     1.00   5  WER      60.00 (1 failed)   20.00
talk                 1     0.50   3  CER                 33.33   66.67
mixed                1     0.50   3  MER                  0.00   66.67
total                2     1.00   5  WER      60.00 (1 failed)   20.00
total                1     0.50   3  CER                 33.33   66.67
total                1     0.50   3  MER                  0.00   66.67
times real time                                           11.2    15.0
seconds                                                    8.0     8.0

Kept of each language, %

set    language  of   ours  peer|x
mixed  zh         2  100.0    50.0
mixed  en         1  100.0     0.0

Error rate less that of the best peer, %

set       measure  system  best peer  difference  standard error
all read  WER      ours    peer|x         +40.00
all read  CER      ours    peer|x         -33.33
total     WER      ours    peer|x         +40.00
total     CER      ours    peer|x         -33.33
total     MER      ours    peer|x         -66.67

ours: 4 clips, 1.5 minutes in 8.0 s: 11.2 times real time; 1 failed
peer|x: 4 clips, 2.0 minutes in 8.0 s: 15.0 times real time
a peer's seconds are those of its recording: to compare speeds, whisper-jax bench
fewer than 5 clips give no standard error"""

ONE = Comparison(systems=(OURS,))
BOTH = Comparison(systems=(OURS, PEER), pools=(POOL,))


def test_the_table_of_one_system_tells_errors_by_kind():
    assert plain_tables(ONE) == ALONE


def test_the_table_of_several_systems_has_a_column_for_each():
    assert plain_tables(BOTH) == TOGETHER


def test_markdown():
    lines = markdown_tables(BOTH).splitlines()
    assert lines[:2] == [
        r"| set | clips | minutes | of | measure | ours | peer\|x |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    assert lines[2] == "| all read | 2 | 1.00 | 5 | WER | 60.00 (1 failed) | 20.00 |"
    assert "Kept of each language, %:" in lines
    assert lines[-1] == "- fewer than 5 clips give no standard error"


@pytest.mark.parametrize(("comparison", "plain"), [(ONE, ALONE), (BOTH, TOGETHER)])
def test_a_terminal_gets_the_same_cells(comparison, plain):
    shown = io.StringIO()
    Console(width=200, file=shown, markup=False).print(rich_tables(comparison))
    for line in plain.splitlines():
        for cell in line.split("  "):
            assert cell.strip() in shown.getvalue()


def test_json_has_the_figures_and_every_text():
    document = json.loads(report_json(BOTH, {"limit": 3}))
    assert document["about"] == {"limit": 3}
    assert document["pools"] == [{"name": "all read", "patterns": ["read", "talk"]}]
    ours, peer = document["systems"]
    assert (ours["name"], ours["is_peer"], ours["settings"]) == ("ours", False, {"model": "base"})
    assert peer["is_peer"]
    assert (ours["audio_s"], ours["seconds"], ours["times_real_time"]) == (90, 8, 11.25)
    assert ours["sets"][0] == {
        "set": "read",
        "clips": 2,
        "failed": 1,
        "audio_s": 30.0,
        "seconds": 4.0,
        "times_real_time": 7.5,
        "measure": "WER",
        "rate": 0.6,
        "substitutions": 1,
        "deletions": 2,
        "insertions": 0,
        "n_reference": 5,
    }
    assert [row["set"] for row in ours["pools"]] == ["all read", "all read"]
    assert [total["measure"] for total in ours["totals"]] == ["WER", "CER", "MER"]
    assert peer["sets"][2]["kept"]["zh"] == {
        "language": "zh",
        "n_kept": 1,
        "n_reference": 2,
        "share": 0.5,
    }
    failed = ours["clips"][2]
    assert (failed["path"], failed["error"], failed["deletions"]) == ("clips/c", "no recording", 2)
    assert (failed["reference"], failed["hypothesis"]) == ("the dog", "")
    assert document["differences"][0]["difference"] == pytest.approx(0.4)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(report_json(BOTH, {}), encoding="utf-8")
    return path


def test_a_report_is_read_back(written):
    assert read_systems(written, CLIPS) == (OURS, PEER)
    again = Comparison(systems=read_systems(written, CLIPS), pools=(POOL,))
    assert plain_tables(again) == TOGETHER


def test_fewer_clips_may_be_taken_of_it(written):
    ours, peer = read_systems(written, CLIPS[1:2])
    assert [result.clip.name for result in (*ours.clips, *peer.clips)] == ["clips/b", "clips/b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "clips/z"}, "ours has no clip clips/z of read"),
        ({"set_name": "talk"}, "ours has no clip clips/a of talk"),
        ({"text": "the rat sat"}, "clips/a has another reference"),
        ({"language": "de"}, "clips/a has another reference"),
    ],
)
def test_a_report_of_other_clips_is_refused(written, changes, message):
    with pytest.raises(OptionError, match=message):
        read_systems(written, [replace(CLIPS[0], **changes)])


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"systems": [1]}', '{"systems": [{}]}'])
def test_what_is_no_report_is_refused(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(OptionError, match="is no report"):
        read_systems(path, CLIPS)
    with pytest.raises(OptionError, match="is no report"):
        read_systems(tmp_path / "gone.json", CLIPS)
