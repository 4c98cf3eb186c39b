"""``whisper-jax bench live``: recordings played into streams that know what is said."""

from pathlib import Path

import numpy as np
import pytest
from live_bench_fake import KnowingLive, KnowingModel, words_every

from whisper_jax.bench.live.plan import LivePlan, options_grid
from whisper_jax.bench.live.report import live_grids
from whisper_jax.bench.live.results import LiveReport
from whisper_jax.bench.live.run import Ours, measure_ours, run_all
from whisper_jax.bench.live.tracks import Track
from whisper_jax.evaluate.manifest import Clip

TEXT = "One fine day in the middle of the night"


def track(text: str = TEXT, seconds: float = 6.0) -> Track:
    return Track(
        name="a",
        set_name="said",
        language="en",
        tag="en",
        samples=np.zeros(round(seconds * 16_000), np.float32),
        words=words_every(text),
        reference=text,
    )


def clip() -> Clip:
    return Clip(
        path=Path("a.wav"), name="a", set_name="said", language="en", text=TEXT, duration_s=6.0
    )


def test_a_measurement_from_the_plan_to_the_table() -> None:
    live, model = KnowingLive(TEXT), KnowingModel(TEXT)
    grid = options_grid(["alignment"], [0.5], [0.5], ["adapts=false"])
    plan = LivePlan(clips=(clip(),), grid=grid, speed=4.0, n_streams=(1, 2))
    ours = Ours(model=model, live=live, n_compiled=lambda: 0)
    runs, problems = run_all(
        plan.ours, lambda one: measure_ours(plan, one, [track()], ours), lambda _: None
    )
    assert problems == []
    one, two = runs
    assert (len(one.streams), len(two.streams)) == (1, 2)
    (figures,) = one.by_set.values()
    assert figures.rate.errors == 0
    assert len(figures.commit_delays_s) == 9
    # 0.3 s of audio are played in 0.075 s, in blocks of 40 ms that take 10.
    assert 0.07 < min(figures.commit_delays_s) <= max(figures.commit_delays_s) < 0.3
    assert max(figures.first_shown_delays_s) < 0.07
    report = LiveReport(plan=plan, runs=tuple(runs), offline=(), problems=())
    print(live_grids(report))
