import json
from dataclasses import replace
from pathlib import Path

import pytest
from bench_samples import LIMITS, MACHINE, measurement
from rich.console import Console

from whisper_jax.bench import report as figures
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.results import limits_from_json, limits_json
from whisper_jax.bench.run import BenchReport
from whisper_jax.bench.tables import markdown_report, plain_report, rich_report
from whisper_jax.bench.workload import Recording

# Two rounds of two configurations of ours and three of peers.
RUNS = (
    measurement("whisper-jax", "float32", 2.0, n_tokens=100, occupancy=0.5, device_s={"run": 1.0}),
    measurement("faster-whisper", "float32", 6.0),
    measurement("whisper-jax", "bfloat16", 1.0, n_tokens=100, occupancy=0.5),
    measurement("faster-whisper", "int8", 3.0),
    measurement("openai-whisper", "float32", 30.0),
    measurement("whisper-jax", "float32", 4.0, n_tokens=100, occupancy=0.7, device_s={"run": 2.0}),
    measurement("faster-whisper", "float32", 8.0),
    measurement("whisper-jax", "bfloat16", 2.0, n_tokens=100, occupancy=0.7),
    measurement("faster-whisper", "int8", 5.0),
    measurement("openai-whisper", "float32", 30.0),
)
PLAN = Plan(recordings=(Recording(path=Path("a.wav")),), model="base", threads=2)
REPORT = BenchReport(plan=PLAN, measurements=RUNS, limits=LIMITS, problems=())


def test_speeds_are_those_of_the_median_run():
    groups = list(figures.by_configuration(RUNS).values())
    assert [group[0].configuration.label for group in groups] == [
        "whisper-jax float32",
        "whisper-jax bfloat16",
        "faster-whisper float32",
        "faster-whisper int8",
        "openai-whisper float32",
    ]
    assert figures.steady_s(groups[0]) == 3.0
    assert figures.times_real_time(groups[0]) == 40.0
    assert figures.tokens_per_second(groups[0]) == (100 / 2 + 100 / 4) / 2
    assert figures.tokens_per_second(groups[2]) is None
    assert figures.median_of(groups[0], "occupancy") == pytest.approx(0.6)
    assert figures.device_s(groups[0]) == {"run": 1.5}


def test_ratios_are_taken_against_a_peers_better_compute_type():
    assert [str(ratio) for ratio in figures.ratios(RUNS)] == [
        "whisper-jax float32 is 1.33 times faster-whisper int8 (its better compute type);"
        " 1.25 to 1.50 over 2 runs",
        "whisper-jax float32 is 10.00 times openai-whisper float32; 7.50 to 15.00 over 2 runs",
        "whisper-jax bfloat16 is 2.67 times faster-whisper int8 (its better compute type);"
        " 2.50 to 3.00 over 2 runs",
        "whisper-jax bfloat16 is 20.00 times openai-whisper float32; 15.00 to 30.00 over 2 runs",
    ]
    assert str(figures.ratios(RUNS[:2])[0]) == (
        "whisper-jax float32 is 3.00 times faster-whisper float32"
    )
    assert figures.ratios(RUNS[:1]) == ()


def test_doubtful_figures_are_warned_of():
    assert figures.warnings_of(REPORT) == ()
    calm = replace(RUNS[0], others_cores=0.09)
    assert figures.warnings_of(replace(REPORT, measurements=(calm,))) == ()

    doubtful = (
        replace(RUNS[0], others_cores=0.4, n_compiled_late=3),
        replace(RUNS[1], audio_s=100.0),
        replace(RUNS[3], audio_s=60.0, failed=("a.wav: no sound",)),
    )
    busy, compiled, failed, lengths = figures.warnings_of(replace(REPORT, measurements=doubtful))
    assert "0.4 cores" in busy
    assert compiled == "whisper-jax float32: 3 programs were compiled in the timed run"
    assert failed == "faster-whisper int8: 1 failed, which its times leave out"
    assert "different lengths" in lengths


def test_load_during_the_limits_counts_too():
    report = replace(REPORT, limits=replace(LIMITS, others_cores=0.3))
    assert "0.3 cores" in figures.warnings_of(report)[0]


def test_shares_of_the_limits():
    encoder, decoder = LIMITS.parts
    assert LIMITS.share(encoder) == 0.25  # 200 of bfloat16's 800 GFLOP/s
    assert LIMITS.share(decoder) == 0.5  # 10 of 20 GB/s
    document = json.loads(json.dumps(limits_json(LIMITS)))
    assert [part.pop("share") for part in document["parts"]] == [0.25, 0.5]
    assert limits_from_json(document) == LIMITS


def test_the_plain_report():
    lines = plain_report(REPORT, MACHINE).splitlines()
    rows = {line[:36].strip(): line[36:].split() for line in lines[:8]}
    assert rows["matrix products, bfloat16"] == ["800", "GFLOP/s"]
    assert rows["encoder, a window, bfloat16"] == ["500.0", "200.0", "GFLOP/s", "25", "%"]
    assert rows["decoder, a step of 16 slots, float32"][-2:] == ["50", "%"]
    start = lines.index("2.0 minutes of audio; median of 2 runs")
    rows = {line[:18].strip(): line[18:].split() for line in lines[start + 3 :]}
    assert rows["times real time"] == ["40.0", "80.0", "17.1", "30.0", "4.0"]
    assert rows["WER %"] == ["2.50"] * 5
    assert rows["slot occupancy %"] == ["60.0", "60.0"]
    assert rows["peak memory MiB"] == ["100"] * 5
    assert rows["device s: run"] == ["1.50"]
    assert not {"CER %", "failed", "compile s"} & set(rows), "nobody has them"
    assert "faster-whisper: faster-whisper 1.0" in lines
    settings = (
        "settings: model base, recordings 1, threads 2, beam 1, whisper-jax batch size unset,"
        " parallel"
    )
    assert lines[-2] == settings
    assert lines[-1] == "machine: A CPU (avx2), 2 of 4 cores, 8 GiB, Linux x86_64, Python 3.12.1"


def test_the_same_figures_in_markdown_and_on_a_terminal():
    lines = markdown_report(REPORT, MACHINE).splitlines()
    assert "| times real time | 40.0 | 80.0 | 17.1 | 30.0 | 4.0 |" in lines
    assert "| --- | ---: | ---: | ---: | ---: | ---: |" in lines
    assert lines[-1].startswith("- machine: A CPU")

    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(rich_report(REPORT, MACHINE))
    rows = [line.replace("│", " ").split() for line in captured.get().splitlines()]
    assert ["times", "real", "time", "40.0", "80.0", "17.1", "30.0", "4.0"] in rows


def test_a_report_of_the_limits_alone():
    report = BenchReport(plan=PLAN, measurements=(), limits=LIMITS, problems=())
    assert plain_report(report, MACHINE).splitlines()[-1].startswith("machine: ")
    assert "minutes of audio" not in plain_report(report, MACHINE)


def test_json_lines_are_appended(tmp_path: Path):
    path = tmp_path / "runs.jsonl"
    for _ in range(2):
        figures.append_json_lines(path, REPORT, {"sets": "a"}, MACHINE)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["kind"] for line in lines] == 2 * ["limits", *["measurement"] * len(RUNS)]
    first = lines[1]
    assert first["configuration"] == {
        "system": "whisper-jax",
        "compute_type": "float32",
        "batch_size": None,
    }
    assert first["times_real_time"] == 60.0
    assert first["rates"][0]["rate"] == 0.025
    assert (first["sets"], first["model"], first["n_recordings"]) == ("a", "base", 1)
    assert first["machine"]["cpu"] == "A CPU"
