"""``whisper-jax bench live``: recordings played into streams that know what is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_bench_fake import TEXT, KnowingLive, KnowingModel, track, words_every

from whisper_jax.audio.encode import encode_audio
from whisper_jax.bench.live import run as live_run
from whisper_jax.bench.live.plan import LivePlan, options_grid
from whisper_jax.bench.live.plot import plot_live
from whisper_jax.bench.live.reference import spoken_words
from whisper_jax.bench.live.report import append_live, live_grids, warnings_of
from whisper_jax.bench.live.results import LiveReport
from whisper_jax.bench.live.run import Ours, measure_ours, offline_rates, read_tracks, run_all
from whisper_jax.bench.live.usage import UsageClock
from whisper_jax.bench.peers import run as peer_run
from whisper_jax.bench.peers.environment import PeerError
from whisper_jax.bench.workload import Recording
from whisper_jax.cli.__main__ import main
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.evaluate.manifest import Clip

N_WORDS = 9


def nothing(_: str) -> None:
    """Whoever is not interested in progress."""


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.wav").write_bytes(encode_audio(np.zeros(6 * 16_000, np.float32), "wav"))
    row = {"path": "a.wav", "set": "said", "language": "en", "text": TEXT, "duration_s": 6.0}
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path


def clip() -> Clip:
    return Clip(
        path=Path("a.wav"), name="a", set_name="said", language="en", text=TEXT, duration_s=6.0
    )


def plan_of(**given: Any) -> LivePlan:
    return LivePlan(clips=(clip(),), **{"speed": 20.0, **given})


def ours_of(live: KnowingLive, model: KnowingModel | None = None) -> Ours:
    return Ours(model=model or KnowingModel(TEXT), live=live, n_compiled=lambda: 0)


@pytest.fixture(scope="module")
def report() -> LiveReport:
    live = KnowingLive(TEXT)
    ours = ours_of(live)
    grid = options_grid(["alignment", "agreement"], [0.5, 1.0], [0.5], ["adapts=false"])
    plan = plan_of(grid=grid, n_streams=(1, 2))
    runs, problems = run_all(
        plan.ours, lambda one: measure_ours(plan, one, [track()], ours), nothing
    )
    offline = offline_rates(plan, [track()], ours.model, nothing)
    assert live.opened[-1] == {
        "owner": "stream 1",
        "language": "en",
        "policy": "agreement",
        "interval_s": 1.0,
        "hold_back_s": 0.5,
        "adapts": False,
    }
    return LiveReport(plan=plan, runs=tuple(runs), offline=offline, problems=tuple(problems))


def test_a_measurement_has_every_policy_and_number_of_streams(report: LiveReport) -> None:
    assert report.problems == ()
    assert [(run.configuration.label, run.configuration.n_streams) for run in report.runs] == [
        (f"{policy}, every {interval_s} s", n_streams)
        for policy in ("alignment, 0.5 s held back", "agreement")
        for interval_s in ("0.5", "1")
        for n_streams in (1, 2)
    ]
    one, two = report.runs[:2]
    assert (len(one.streams), len(two.streams)) == (1, 2)
    figures = one.by_set["said"]
    assert (figures.rate.errors, len(figures.commit_delays_s)) == (0, N_WORDS)
    # 0.3 s of audio are played in 0.015 s, in blocks that take 2 ms.
    assert 0.012 < min(figures.commit_delays_s) <= max(figures.commit_delays_s) < 5
    assert min(figures.first_shown_delays_s) < min(figures.commit_delays_s)
    assert [one.rates["said"].errors for one in report.offline] == [0, 0]
    assert one.usage.wall_s > 0.29


def test_the_tables_have_a_row_for_each_set(report: LiveReport) -> None:
    delays, costs = live_grids(report)
    assert [len(section) for section in delays.sections] == [1] * 8
    row = dict(zip(delays.headers[:4], delays.sections[1][0], strict=False))
    assert row == {
        "policy": "alignment, 0.5 s held back",
        "interval s": "0.5",
        "streams": "2",
        "set": "said",
    }
    assert delays.sections[0][0][-3:] == ("WER 0.00", "WER 0.00", "WER 0.00")
    assert costs.sections[0][0][4:8] == (f"{N_WORDS}", "0", "0", "0")
    run = report.runs[0]
    other = replace(run.streams[0], set_name="other")
    two_sets = replace(report, runs=(replace(run, streams=(*run.streams, other)),))
    delays, costs = live_grids(two_sets)
    assert [row[3] for row in delays.rows] == ["said", "other", "all"]
    assert delays.rows[2][9] == ""
    assert [bool(row[-1]) for row in costs.rows] == [False, False, True]
    assert live_grids(replace(report, offline=()))[0].rows[0][-2:] == ("", "")


def test_what_makes_figures_doubtful_is_told(report: LiveReport) -> None:
    run = replace(report.runs[0], n_compiled=2, most_late_s=0.25)
    compiled, late = warnings_of(replace(report, runs=(run,)))
    assert "2 programs were compiled" in compiled
    assert "0.25 s late" in late
    fine = replace(run, n_compiled=0, most_late_s=0.01)
    assert warnings_of(replace(report, runs=(fine,))) == []


def test_json_has_a_line_for_each_run_with_every_word(report: LiveReport, tmp_path: Path) -> None:
    for _ in range(2):
        append_live(tmp_path / "live.jsonl", report)
    lines = [json.loads(line) for line in (tmp_path / "live.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * len(report.runs)
    line = lines[1]
    assert (line["kind"], line["system"], line["n_streams"]) == ("live", "whisper-jax", 2)
    assert line["options"]["adapts"] is False
    assert line["commit"]["median_s"] > 0
    assert line["sets"]["said"]["n_units"] == 2 * N_WORDS
    assert line["offline"]["greedy"]["said"]["rate"] == 0
    assert [unit["unit"] for unit in lines[0]["streams"][0]["units"]] == TEXT.lower().split()


def test_a_picture_is_drawn_of_streams_and_of_curves(report: LiveReport, tmp_path: Path) -> None:
    plot_live(report, tmp_path / "live.png")
    both = (tmp_path / "live.png").read_bytes()
    assert both.startswith(b"\x89PNG")
    single = tuple(run for run in report.runs if run.configuration.n_streams == 1)
    plot_live(replace(report, runs=single), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes() != both
    with pytest.raises(WhisperJaxError, match="nothing to draw"):
        plot_live(replace(report, runs=()), tmp_path / "none.png")


def test_a_stream_that_fails_does_not_stop_the_others() -> None:
    class Refusing:
        def open(self, on_event: Any, **options: Any) -> Any:
            raise WhisperJaxError("no room")

    plan = plan_of(grid=options_grid(["alignment"], [0.5], [0.5], []), n_streams=(1, 2))
    ours = Ours(model=KnowingModel(TEXT), live=Refusing(), n_compiled=lambda: 0)
    runs, problems = run_all(
        plan.ours, lambda one: measure_ours(plan, one, [track()], ours), nothing
    )
    assert runs == []
    assert problems[1] == "alignment, 0.5 s held back, every 0.5 s, 2 streams: no room"


def test_words_are_aligned_once_and_anew_when_the_audio_or_the_text_changes(
    manifest: Path,
) -> None:
    path = manifest.with_name("a.wav")
    model = KnowingModel(TEXT)
    recording = Recording(path=path, language="en", tag="en", reference=TEXT)
    first = spoken_words(model, recording, progress=nothing)
    assert spoken_words(model, recording, progress=nothing) == first == words_every(TEXT)
    assert model.n_aligned == 1
    spoken_words(model, replace(recording, reference="Red fine"), progress=nothing)
    path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    spoken_words(model, recording, progress=nothing)
    assert model.n_aligned == 3
    for kept in (manifest.parent / "cache" / "bench" / "alignments").iterdir():
        kept.write_bytes(b'{"words": [{"sta')
    assert spoken_words(model, recording, progress=nothing) == first
    assert model.n_aligned == 4
    with pytest.raises(OptionError, match="no reference"):
        spoken_words(model, replace(recording, reference=None), progress=nothing)


def test_options_are_every_combination() -> None:
    grid = options_grid(["alignment", "agreement"], [0.3, 1.0], [0.4, 0.8], ["beam_size=3"])
    assert [(one["policy"], one["interval_s"], one["hold_back_s"]) for one in grid] == [
        ("alignment", 0.3, 0.4),
        ("alignment", 0.3, 0.8),
        ("alignment", 1.0, 0.4),
        ("alignment", 1.0, 0.8),
        ("agreement", 0.3, 0.4),
        ("agreement", 1.0, 0.4),
    ]
    (one,) = options_grid(
        ["agreement"], [1], [1], ["detects_pauses=false", "silence_s=0.8", "initial_prompt=a, b"]
    )
    assert (one["detects_pauses"], one["silence_s"]) == (False, 0.8)
    assert one["initial_prompt"] == "a, b"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"others": ["nothing=1"]}, "no NAME=VALUE"),
        ({"others": ["policy=alignment"]}, "no NAME=VALUE"),
        ({"others": ["beam_size"]}, "no NAME=VALUE"),
        ({"others": ["beam_size=many"]}, "give a number"),
        ({"others": ["adapts=yes"]}, "true or false"),
        ({"policies": ["guess"]}, "'alignment' or 'agreement'"),
        ({"intervals_s": [99.0]}, "interval_s must be"),
    ],
)
def test_options_that_are_none_are_refused(wrong: dict[str, Any], message: str) -> None:
    given = {"policies": ["alignment"], "intervals_s": [0.5], "hold_backs_s": [0.5], "others": []}
    with pytest.raises(OptionError, match=message):
        options_grid(**{**given, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"peers": ("whisper",)}, "no peer whisper"),
        ({"n_streams": (0,)}, "at least 1"),
        ({"block_ms": 0}, "1 to 1000"),
        ({"speed": 0.0}, "more than 0"),
        ({"grid": ()}, "nothing to measure"),
        ({"skips_rest": True, "n_streams": (1, 2)}, "skips rest only of one stream"),
        ({"skips_rest": True, "speed": 2.0}, "skips rest only of one stream"),
        ({"skips_rest": True, "peers": ("whisper-streaming",)}, "skips rest only of one stream"),
    ],
)
def test_plans_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        plan_of(**wrong)


def test_usage_is_what_was_used_meanwhile() -> None:
    busy = iter([1.0, 1.0, 4.0])
    with UsageClock(lambda: next(busy)) as clock:
        np.ones(1_000_000)
        usage = clock.usage
    assert usage.busy_s == 3.0
    assert usage.device_share == 3.0 / usage.wall_s
    both = usage + replace(usage, peak_memory_bytes=None)
    assert (both.busy_s, both.peak_memory_bytes) == (6.0, usage.peak_memory_bytes)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KnowingLive:
    def no_environment(*_: object, **__: object) -> Path:
        raise PeerError("cannot be installed")

    live = KnowingLive(TEXT)
    monkeypatch.setattr(peer_run, "peer_python", no_environment)
    monkeypatch.setattr(live_run, "load_ours", lambda *_: ours_of(live))
    monkeypatch.setattr(live_run, "resolve_model", lambda _: tmp_path)
    return live


def run_command(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "live", *words])
    return int(str(ended.value.code or 0))


def test_the_command_prints_tables_and_writes_what_it_is_told(
    manifest: Path, loaded: KnowingLive, capsys: pytest.CaptureFixture[str]
) -> None:
    out = manifest.parent
    words = ["--manifest", str(manifest), "--speed", "20", "--streams", "1,2", "--markdown"]
    code = run_command(
        *words, "--json", str(out / "a.jsonl"), "--plot", str(out / "a.png"), "--hold-backs", "0.4"
    )
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "| alignment, 0.4 s held back | 0.5 | 2 | said |" in printed.out
    assert "offline, greedy" in printed.err
    assert len((out / "a.jsonl").read_text().splitlines()) == 2
    assert (out / "a.png").is_file()
    assert loaded.opened[0]["hold_back_s"] == 0.4


@pytest.mark.parametrize(
    "wrong",
    [
        ["--streams", "1.5"],
        ["--streams", "many"],
        ["--sets", "none"],
        ["--against", "nobody"],
        ["--intervals", ""],
        ["--json", "/nowhere/at/all.jsonl"],
        ["--plot", "picture.jpg"],
    ],
)
def test_the_command_refuses_what_cannot_be(manifest: Path, wrong: list[str]) -> None:
    assert run_command("--manifest", str(manifest), *wrong) == 2


def test_what_fails_is_told_in_the_end(
    manifest: Path, loaded: KnowingLive, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--manifest", str(manifest), "--policies", "", "--against", "whisper-streaming"]
    assert run_command(*words, "--no-offline") == 2  # no model for it in the folder
    manifest.with_name("model.bin").write_bytes(b"")
    assert run_command(*words, "--no-offline") == 1
    error = "failed: whisper-streaming, 1 stream: cannot be installed"
    assert error in capsys.readouterr().err
    assert loaded.opened == []


def test_tracks_are_read_with_their_words(manifest: Path) -> None:
    found = replace(clip(), path=manifest.with_name("a.wav"))
    (one,) = read_tracks(LivePlan(clips=(found,)), KnowingModel(TEXT), nothing)
    assert (one.duration_s, one.set_name, one.language) == (6.0, "said", "en")
    assert one.words == words_every(TEXT)
