import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bench_samples import MACHINE, measurement, words

from whisper_jax.bench import plot
from whisper_jax.bench.compare import earlier_grid, last_run
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.report import append_json_lines, times_as_fast
from whisper_jax.bench.results import Configuration
from whisper_jax.bench.run import BenchReport
from whisper_jax.bench.tables import bars, comparison_grid, plain_report
from whisper_jax.bench.workload import Recording
from whisper_jax.errors import OptionError, WhisperJaxError

PLAN = Plan(recordings=(Recording(path=Path("a.wav")),), model="base", threads=2)


def batch(size: int, steady_s: float):
    one = measurement("whisper-jax", "auto", steady_s)
    return replace(one, configuration=replace(one.configuration, batch_size=size))


RUNS = (
    measurement("whisper-jax", "auto", 2.0),
    measurement("openvino-genai", "default", 3.0, rates=(words(errors=6),)),
    measurement("openvino-genai", "f32", 6.0, first_s=None),
    batch(1, 8.0),
    batch(32, 1.5),
)


def report(*runs, **changes) -> BenchReport:
    plan = replace(PLAN, **changes)
    return BenchReport(plan=plan, measurements=runs, limits=None, problems=())


def test_the_comparison_has_a_row_for_each_configuration_the_fastest_first():
    grid = comparison_grid(report(*RUNS, neighbour=True))
    assert grid.title == "Comparison: beam 1, a busy neighbour on one core"
    expected = ("", "times real time", "WER %", "memory MiB", "first s", "ours over it")
    assert grid.headers == expected
    assert grid.rows == (
        ("whisper-jax auto batch 32", "80.0", "2.50", "100", "3.00", ""),
        ("whisper-jax auto", "60.0", "2.50", "100", "3.00", ""),
        ("openvino-genai default", "40.0", "3.00", "100", "3.00", "2.00"),
        ("openvino-genai f32", "20.0", "2.50", "100", "", "4.00"),
        ("whisper-jax auto batch 1", "15.0", "2.50", "100", "3.00", ""),
    )
    assert times_as_fast(RUNS[1:3]) == {}, "without ours there is no ratio"


def test_bars_are_as_long_as_the_speeds():
    fastest, _, slow = bars((RUNS[0], RUNS[1], RUNS[2]))
    assert fastest == f"whisper-jax auto        {'█' * 24} 60.0, WER 2.50 %"
    assert slow == f"openvino-genai f32      {'█' * 8} 20.0, WER 2.50 %"
    text = plain_report(report(*RUNS), MACHINE)
    assert f"{'█' * 24} 80.0, WER 2.50 %" in text
    assert "█" not in plain_report(report(RUNS[0]), MACHINE), "alone it is no comparison"
    # Ratios in words are of ours as users have it, not of each batch size.
    assert "whisper-jax auto is 1.50 times openvino-genai default" in text
    assert "batch 32 is" not in text


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "runs.jsonl"
    slower = (measurement("whisper-jax", "auto", 9.0), measurement("gone", "int8", 4.0))
    append_json_lines(path, report(*slower), {"sets": "a"}, MACHINE)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    # A run before that, and another one's headline after it.
    old = [{**line, "time": "2020-01-01", "audio_s": 1.0} for line in lines]
    other = [{**line, "time": "2030-01-01", "headline": "hour"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*old, *lines, *other]))
    return path


def test_a_run_stands_beside_the_last_one(earlier: Path):
    run = last_run(earlier)
    grid = earlier_grid(report(RUNS[0], RUNS[1], beam_size=5), {"sets": "b"}, run)
    assert (
        f"Beside the run of {run.time} (sets a, now b; decoding beam 1, now beam 5)" == grid.title
    )
    assert grid.rows == (
        ("whisper-jax auto", "13.3", "60.0", "4.50", "WER 2.50 %", "WER 2.50 %"),
        ("openvino-genai default", "", "40.0", "", "", "WER 3.00 %"),
        ("gone int8", "30.0", "", "", "WER 2.50 %", ""),
    )
    assert "(" not in earlier_grid(report(RUNS[0]), {"sets": "a"}, run).title


def test_headlines_are_compared_with_their_own(earlier: Path):
    assert last_run(earlier, "hour").time == "2030-01-01"
    with pytest.raises(OptionError, match="no earlier run"):
        last_run(earlier, "batch")


@pytest.mark.parametrize("content", ["no JSON", '{"a": 1}', "[]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(OptionError, match="no file of earlier runs"):
        last_run(path)


def test_a_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    drawn = []
    monkeypatch.setattr(pyplot, "close", drawn.append)
    path = tmp_path / "a.png"
    plot.check_plot(path)
    plot.plot_report(report(*RUNS), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    compared, sweep = drawn[0].axes
    assert [round(bar.get_width()) for bar in compared.patches] == [20, 40, 60]
    assert [text.get_text() for text in compared.get_yticklabels()][-1] == "whisper-jax auto"
    assert "40.0, WER 3.00 %" in [text.get_text() for text in compared.texts]
    (line,) = sweep.lines
    assert line.get_xydata().tolist() == [[1, 15], [32, 80]]
    plot.plot_report(report(*RUNS[:3]), path)
    assert len(drawn[1].axes) == 1
    with pytest.raises(WhisperJaxError, match="cannot write"):
        plot.plot_report(report(*RUNS), tmp_path / "no" / "folder.png")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OptionError, match=r"pip install 'whisper-jax\[plot\]'"):
        plot.check_plot(tmp_path / "a.png")


def test_a_batch_size_belongs_to_the_name():
    one = Configuration(system="whisper-jax", compute_type="auto", batch_size=8)
    assert one.label == "whisper-jax auto batch 8"
