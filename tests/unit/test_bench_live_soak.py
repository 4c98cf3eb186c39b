"""``whisper-jax bench live``: streams of hours, whose memory must not grow, and silence."""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_bench_fake import RATE, KnowingLive, KnowingModel, words_every

from whisper_jax.audio.encode import encode_audio
from whisper_jax.bench.live import soak as live_soak
from whisper_jax.bench.live.plan import LivePlan
from whisper_jax.bench.live.run import Ours
from whisper_jax.bench.live.soak import measure_sound
from whisper_jax.bench.live.soak_plot import plot_soak
from whisper_jax.bench.live.soak_report import soak_grids, soak_warnings
from whisper_jax.bench.live.soak_results import MemorySample, SoakReport, SoakRun
from whisper_jax.bench.live.soak_sounds import (
    Sound,
    quiet_noise,
    recordings_sound,
    silent_sounds,
)
from whisper_jax.bench.live.tracks import Track
from whisper_jax.bench.live.usage import Usage
from whisper_jax.cli.__main__ import main
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.evaluate.manifest import Clip

TEXT = "Red fine day in the middle of the night"
MIB = 1 << 20


def nothing(_: str) -> None:
    """Whoever is not interested in progress."""


def track(name: str = "a", tag: str = "en", seconds: float = 6.0) -> Track:
    return Track(
        name=name,
        set_name="said",
        language=tag,
        tag=tag,
        samples=np.zeros(round(seconds * RATE), np.float32),
        words=words_every(TEXT),
        reference=TEXT,
    )


def plan_of(**given: Any) -> LivePlan:
    wanted = {"scenario": "silence", "with_offline": False, "speed": 400.0, **given}
    return LivePlan(**wanted)


def a_clip() -> Clip:
    return Clip(
        path=Path("a.wav"), name="a", set_name="said", language="en", text=TEXT, duration_s=6.0
    )


def ours_of(live: Any) -> Ours:
    return Ours(model=KnowingModel(TEXT), live=live, n_compiled=lambda: 0)


def run_of(samples: list[tuple[float, int]], **given: Any) -> SoakRun:
    wanted: dict[str, Any] = {
        "sound": "zeros",
        "audio_s": samples[-1][0] if samples else 60.0,
        "text": "",
        "n_words": 0,
        "rate": None,
        "n_segments": 0,
        "n_events": 1,
        "usage": Usage(wall_s=1800.0, busy_s=9.0, cpu_s=36.0, peak_memory_bytes=900 * MIB),
        "memory": tuple(MemorySample(at_s=s, memory_bytes=mib * MIB) for s, mib in samples),
        "kept_bytes": 0,
        "waited_s": 0.0,
        "most_late_s": 0.0,
        "n_compiled": 0,
        **given,
    }
    return SoakRun(**wanted)


def test_recordings_are_played_again_and_again_but_held_once() -> None:
    tracks = [track("a"), track("b", seconds=9.0)]
    sound = recordings_sound(tracks, 3 * 3600.0)
    assert 3 * 3600 - 6 < sound.duration_s <= 3 * 3600 + 1
    assert len(sound.parts) > 2500
    # Two recordings, the silence between them, and a part of one at the end.
    assert len({id(part.base if part.base is not None else part) for part in sound.parts}) == 3
    n_played = len(sound.parts) // 2
    assert len(sound.reference.split("\n")) == n_played
    assert sound.reference.startswith(f"{TEXT}\n{TEXT}\n")


def test_the_last_recording_ends_at_a_pause_with_its_words() -> None:
    sound = recordings_sound([track()], 3.0)
    # Words begin every half second; the pause nearest to 3 s is before the sixth.
    assert sound.reference.split() == TEXT.split()[:5]
    assert sound.duration_s == pytest.approx(2.85 + 1.0)
    assert recordings_sound([track()], 10.0).reference == TEXT  # 3 s more are not begun


def test_a_stream_has_one_language() -> None:
    with pytest.raises(OptionError, match="has one language, and the recordings have de, en"):
        recordings_sound([track(), track(tag="de")], 60.0)


def test_blocks_are_all_of_a_sound_in_order() -> None:
    parts = (np.arange(1000, dtype=np.float32), np.arange(1000, 1500, dtype=np.float32))
    blocks = list(Sound(name="a", parts=parts).blocks(640))
    assert [len(block) for block in blocks] == [640, 360, 500]
    np.testing.assert_array_equal(np.concatenate(blocks), np.arange(1500))


def test_silence_is_zeros_and_a_quiet_room() -> None:
    zeros, noise = silent_sounds(90.0)
    assert zeros.duration_s == noise.duration_s == 90.0
    assert not any(part.any() for part in zeros.parts)
    samples = quiet_noise()
    np.testing.assert_array_equal(samples, quiet_noise())
    assert 20 * np.log10(np.sqrt(np.mean(np.square(samples)))) == pytest.approx(-60.0, abs=0.01)
    power = np.square(np.abs(np.fft.rfft(samples)))
    low, high = (power[60 * f : 120 * f].sum() for f in (100, 3200))  # octaves, in steps of 1/60 Hz
    assert low == pytest.approx(high, rel=0.01)


def test_a_long_stream_is_scored_and_only_its_text_is_kept() -> None:
    live = KnowingLive(" ".join([TEXT] * 4))
    plan = plan_of(scenario="long", clips=(a_clip(),), minutes=0.5)
    sound = recordings_sound([track()], plan.total_s)
    told: list[str] = []
    run, problems = measure_sound(plan, sound, ours_of(live), told.append)
    assert problems == []
    assert run.rate is not None
    assert (run.rate.errors, run.rate.n_reference, run.n_words) == (0, 36, 36)
    assert (run.n_segments, run.audio_s) == (1, 28.0)
    assert run.n_events > 36
    assert len(run.text) <= run.kept_bytes < 2000
    assert told == ["recordings: 0 of 0.466667 minutes"]
    assert [one["owner"] for one in live.opened] == ["recordings", "recordings"]
    assert sum(live.streams[0].blocks) == 20 * RATE  # to warm up
    assert sum(live.streams[1].blocks) == 28 * RATE


def test_memory_is_looked_at_over_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count(100)
    monkeypatch.setattr(live_soak, "resident_bytes", lambda: next(looks) * MIB)
    sound = replace(silent_sounds(60.0)[0], name="nothing")
    run, _ = measure_sound(plan_of(minutes=1.0), sound, ours_of(KnowingLive("")), nothing)
    # While it warms up there are 3 looks: in the beginning, after 10 s, and at the end.
    assert [round(one.at_s) for one in run.memory] == [0, 10, 20, 30, 40, 50, 60]
    assert [one.memory_bytes // MIB for one in run.memory] == list(range(103, 110))
    # From half a minute on, each the median of what was seen in the minute before: 103 to 106 at
    # first, 104 to 109 in the end.
    assert [mark.memory_bytes // MIB for mark in run.marks] == [104, 106]
    assert run.growth_bytes == 2 * MIB


def test_words_of_silence_are_a_problem() -> None:
    sound = silent_sounds(30.0)[0]
    run, problems = measure_sound(plan_of(), sound, ours_of(KnowingLive("Thank you.")), nothing)
    assert run.n_words == 2
    assert problems == ["nothing was said, and this committed: Thank you."]


def test_a_stream_that_breaks_off_is_told() -> None:
    class Cutting:
        def open(self, on_event: Any, **options: Any) -> Any:
            stream = KnowingLive("").open(on_event, **options)
            stream.cancel()
            return stream

    class Refusing:
        def open(self, on_event: Any, **options: Any) -> Any:
            stream = KnowingLive("").open(on_event, **options)

            class Deaf:
                backlog_s = 0.0
                cancel = staticmethod(stream.cancel)

                def send(self, _: Any) -> None:
                    raise ValueError("the stream has been finished")

            return Deaf()

    sound = silent_sounds(3000.0)[0]
    run, _ = measure_sound(plan_of(speed=1.0), sound, ours_of(Cutting()), nothing)
    assert run.audio_s == 0.0
    with pytest.raises(WhisperJaxError, match=r"zeros could not be played: .*finished"):
        measure_sound(plan_of(), sound, ours_of(Refusing()), nothing)


def test_memory_is_told_after_ten_minutes_and_every_thirty() -> None:
    run = run_of([(10.0 * k, 500 + (k >= 900)) for k in range(1081)])
    assert [mark.at_s / 60 for mark in run.marks] == [10, 40, 70, 100, 130, 160, 180]
    assert run.growth_bytes == MIB
    short = run_of([(0.0, 500), (120.0, 510), (239.0, 511), (240.0, 512)])
    assert [mark.at_s for mark in short.marks] == [120.0, 240.0]
    jumping = run_of([(10.0 * k, 500 + 90 * (k in (60, 240))) for k in range(241)])
    assert [mark.memory_bytes // MIB for mark in jumping.marks] == [500, 500]
    nowhere = run_of([])
    assert (nowhere.marks, nowhere.growth_bytes) == ([], None)


def test_the_tables_tell_text_cost_and_memory(tmp_path: Path) -> None:
    run = run_of([(0.0, 500), (900.0, 510), (1800.0, 512)], most_late_s=0.2)
    report = SoakReport(plan=plan_of(speed=1.0), runs=(run,), problems=())
    text, cost, memory = soak_grids(report)
    assert text.rows[0] == ("zeros", "30.0", "0", "", "", "", "0", "1")
    assert cost.rows[0][:4] == ("zeros", "0.0200", "2.00", "0.5")
    assert [row[1:] for row in memory.rows] == [
        ("15.0", "510.0", "0.0"),
        ("30.0", "512.0", "2.0"),
        ("most", "900.0", ""),
        ("kept to measure", "0.00", ""),
    ]
    # Ten times as fast, 36 s of the processor are still 2 % of the audio's time.
    fast = replace(run, usage=replace(run.usage, wall_s=180.0))
    _, cost, _ = soak_grids(SoakReport(plan=plan_of(speed=10.0), runs=(fast,), problems=()))
    assert cost.rows[0][2] == "2.00"
    assert "by the time of the audio" in cost.title
    (late,) = soak_warnings(report)
    assert late == "zeros: audio was sent up to 0.20 s late"
    plot_soak(report, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WhisperJaxError, match="does not tell"):
        plot_soak(replace(report, runs=(run_of([]),)), tmp_path / "b.png")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scenario": "noise"}, "there are: delays, long, silence"),
        ({"scenario": "delays", "clips": (a_clip(),), "minutes": 3.0}, "delays has no minutes"),
        ({"scenario": "delays"}, "delays needs recordings"),
        ({"scenario": "long"}, "long needs recordings"),
        ({"clips": (a_clip(),)}, "silence has no recordings"),
        ({"n_streams": (2,)}, "one stream at a time"),
        ({"peers": ("whisper-streaming",)}, "one stream at a time"),
        ({"grid": ({"interval_s": 0.5}, {"interval_s": 1.0})}, "one value of each option"),
        ({"most_s": 10.0}, "silence has no seconds"),
        ({"with_offline": True}, "compares nothing"),
    ],
)
def test_plans_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        plan_of(**wrong)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[KnowingLive]:
    """What the command loads; its text can be changed."""
    found = [KnowingLive("")]
    monkeypatch.setattr(live_soak, "load_ours", lambda *_: ours_of(found[-1]))
    return found


def run_command(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "live", *words])
    return int(str(ended.value.code or 0))


def test_the_command_measures_silence(
    tmp_path: Path, loaded: list[KnowingLive], capsys: pytest.CaptureFixture[str]
) -> None:
    out, picture = tmp_path / "a.jsonl", tmp_path / "a.png"
    words = ["--scenario", "silence", "--minutes", "0.2", "--speed", "100", "--markdown"]
    code = run_command(
        *words, "--json", str(out), "--plot", str(picture), "--option", "silence_s=0.8"
    )
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "| noise, -60 dBFS | 0.2 | 0 |" in printed.out
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["kind"], line["sound"], line["scenario"]) for line in lines] == [
        ("live-soak", "zeros", "silence"),
        ("live-soak", "noise, -60 dBFS", "silence"),
    ]
    assert lines[0]["audio_s"] == 12.0
    assert lines[0]["options"]["silence_s"] == 0.8
    assert lines[0]["marks"][-1]["at_s"] == 12.0
    assert lines[0]["cpu_of_audio"] == pytest.approx(lines[0]["cpu_s"] / 12.0)
    assert picture.is_file()
    assert [one["silence_s"] for one in loaded[-1].opened] == [0.8] * 4
    loaded.append(KnowingLive("You."))
    assert run_command(*words) == 1
    assert "failed: zeros: nothing was said" in capsys.readouterr().err


def test_the_command_measures_recordings(
    tmp_path: Path,
    loaded: list[KnowingLive],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.wav").write_bytes(encode_audio(np.zeros(6 * RATE, np.float32), "wav"))
    row = {"path": "a.wav", "set": "said", "language": "en", "text": TEXT, "duration_s": 6.0}
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps(row) + "\n")
    loaded.append(KnowingLive(" ".join([TEXT, TEXT, "more"])))
    words = ["--scenario", "long", "--manifest", str(manifest), "--minutes", "0.25"]
    assert run_command(*words, "--speed", "100", "--markdown") == 0
    assert "| recordings | 0.2 | 19 | WER 5.56 | 0 | 1 |" in capsys.readouterr().out
    assert loaded[-1].opened[-1]["language"] == "en"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--scenario", "long"],
        ["--scenario", "silence", "--offline"],
        ["--scenario", "silence", "--sets", "said"],
        ["--scenario", "silence", "--streams", "2"],
        ["--scenario", "silence", "--intervals", "0.5,1"],
        ["--scenario", "silence", "--seconds", "20"],
        ["--scenario", "noise"],
        ["--minutes", "10"],
        [],
    ],
)
def test_the_command_refuses_what_cannot_be(wrong: list[str]) -> None:
    assert run_command(*wrong) == 2
