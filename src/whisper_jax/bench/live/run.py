"""Live streams from the plan to the report."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from whisper_jax.bench.live.peer import measure_peer_streams
from whisper_jax.bench.live.plan import LiveConfiguration, LivePlan
from whisper_jax.bench.live.play import LiveLike, Played, play
from whisper_jax.bench.live.reference import spoken_words
from whisper_jax.bench.live.results import (
    LiveReport,
    LiveRun,
    OfflineRates,
    pooled_rates,
    stream_result,
)
from whisper_jax.bench.live.shown import problems_of, shown_by
from whisper_jax.bench.live.tracks import Track, read_track, shortened, tracks_of_rounds
from whisper_jax.bench.live.usage import UsageClock
from whisper_jax.bench.worker import CompileWatch
from whisper_jax.bench.workload import recording_of
from whisper_jax.checkpoints import resolve_model
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.options import AUTO
from whisper_jax.scoring import error_rate
from whisper_jax.types import Transcript

_WARM_S = 20.0
_OFFLINE = {"defaults": {}, "greedy": {"beam_size": 1, "temperature": 0}}

type Progress = Callable[[str], None]


class ModelLike(Protocol):
    """What a measurement needs of a model: a `whisper_jax.transcribe.Whisper`."""

    @property
    def name(self) -> str:
        """What it was loaded as."""
        ...

    @property
    def counts(self) -> DeviceCounts:
        """What its device has done so far."""
        ...

    def transcribe(self, audio: Any, **options: Any) -> Transcript:
        """One recording, offline."""
        ...

    def align(self, audio: Path, text: str, *, language: str | None = None) -> Transcript:
        """A given text with its times."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What our streams run on.

    Attributes:
        model: The model.
        live: Opens streams on it.
        n_compiled: Tells how many programs have been compiled so far.
    """

    model: ModelLike
    live: LiveLike
    n_compiled: Callable[[], int]


def run_live(plan: LivePlan, progress: Progress) -> LiveReport:
    """Load the model and measure everything in a plan; peers come last, by themselves.

    Args:
        plan: What to measure.
        progress: Is told, in a line, what is about to be done.

    Raises:
        OptionError: An option cannot be honoured, or a recording has no reference.
        AlignmentError: A reference is not what is said.
        WhisperJaxError: The model cannot be had, or a recording not be read.
    """
    folder = resolve_model(plan.model)
    if plan.theirs and not (folder / "model.bin").is_file():
        raise OptionError(f"{', '.join(plan.peers)}: no model.bin of CTranslate2 in {folder}")
    with ExitStack() as stack:
        ours = load_ours(plan, stack, progress)
        tracks = read_tracks(plan, ours.model, progress)
        offline = offline_rates(plan, tracks, ours.model, progress) if plan.with_offline else ()
        runs, problems = run_all(
            plan.ours, lambda one: measure_ours(plan, one, tracks, ours), progress
        )
    more, failed = run_all(
        plan.theirs, lambda one: (measure_peer_streams(plan, one, tracks, folder), []), progress
    )
    return LiveReport(
        plan=plan,
        runs=(*runs, *more),
        offline=offline,
        problems=(*problems, *failed),
    )


def load_ours(plan: LivePlan, stack: ExitStack, progress: Progress) -> Ours:
    """The plan's model and live streams on it.

    Args:
        plan: Which model.
        stack: Closes them.
        progress: Is told that it is being loaded.

    Raises:
        WhisperJaxError: It cannot be had.
    """
    from whisper_jax.loading import load_model
    from whisper_jax.stream.live import Live

    progress(f"loading {plan.model}")
    watch = CompileWatch()
    watch.start()
    model = stack.enter_context(
        load_model(
            plan.model,
            compute_type=plan.compute_type,
            batch_size=plan.batch_size,
            device=plan.device,
        )
    )
    live = stack.enter_context(Live(model))
    return Ours(model=model, live=live, n_compiled=lambda: watch.n_compiled)


def read_tracks(plan: LivePlan, model: ModelLike, progress: Progress) -> list[Track]:
    """The recordings of a plan, with the times of their words.

    Raises:
        OptionError: A recording has no reference.
        AlignmentError: A reference is not what is said.
        AudioError: A recording cannot be read.
    """
    tracks: list[Track] = []
    for clip in plan.clips:
        recording = recording_of(clip, clip.given_language)
        words = spoken_words(model, recording, progress=progress)
        tracks.append(read_track(recording, clip.set_name, words))
    return tracks


def run_all(
    configurations: Sequence[LiveConfiguration],
    measure: Callable[[LiveConfiguration], tuple[LiveRun, list[str]]],
    progress: Progress,
) -> tuple[list[LiveRun], list[str]]:
    """Measure configurations. One that fails is reported, and the rest goes on.

    Args:
        configurations: In order.
        measure: Measures one, and tells what must not be.
        progress: Is told what is about to be done.

    Returns:
        Those that could be measured, and all problems.

    Raises:
        OptionError: An option cannot be honoured.
    """
    runs: list[LiveRun] = []
    problems: list[str] = []
    for one in configurations:
        n_streams = "1 stream" if one.n_streams == 1 else f"{one.n_streams} streams"
        name = f"{one.label}, {n_streams}"
        progress(name)
        try:
            run, found = measure(one)
        except OptionError:
            raise
        except WhisperJaxError as error:
            problems.append(f"{name}: {error}")
            continue
        runs.append(run)
        problems += [f"{name}, {problem}" for problem in found]
    return runs, problems


def measure_ours(
    plan: LivePlan, configuration: LiveConfiguration, tracks: Sequence[Track], ours: Ours
) -> tuple[LiveRun, list[str]]:
    """Measure one configuration of ours.

    Args:
        plan: How it is played.
        configuration: What.
        tracks: The recordings.
        ours: What the streams run on.

    Returns:
        The measurement, and what the streams did that they must not do.

    Raises:
        OptionError: An option cannot be honoured.
        WhisperJaxError: A stream does not come to its end.
    """
    options = dict(configuration.options)
    rounds = tracks_of_rounds(tracks, configuration.n_streams, plan.most_s)
    # Most programs are fetched, or compiled, before anything is counted.
    warm = [shortened(track, _WARM_S) for track in rounds[0]]
    _play(plan, ours, warm, options)
    n_before, played = ours.n_compiled(), list[Played]()
    usages = []
    for together in rounds:
        with UsageClock(lambda: sum(ours.model.counts.seconds.values())) as clock:
            found = _play(plan, ours, together, options)
            usage = clock.usage
        skipped_s = sum(one.skipped_s for one in found)
        usages.append(replace(usage, wall_s=usage.wall_s + skipped_s))
        played += found
    n_late = ours.n_compiled() - n_before
    streams = tuple(stream_result(p.track, shown_by(p.events), p.clock) for p in played)
    usage = usages[0]
    for one in usages[1:]:
        usage += one
    run = LiveRun(
        configuration=configuration,
        streams=streams,
        usage=usage,
        most_late_s=max(one.most_late_s for one in played),
        n_compiled=n_late,
    )
    return run, [f"{p.track.name}: {problem}" for p in played for problem in problems_of(p.events)]


def _play(
    plan: LivePlan, ours: Ours, tracks: Sequence[Track], options: dict[str, Any]
) -> list[Played]:
    return play(
        ours.live,
        tracks,
        options,
        block_ms=plan.block_ms,
        speed=plan.speed,
        skips_rest=plan.skips_rest,
    )


def offline_rates(
    plan: LivePlan, tracks: Sequence[Track], model: ModelLike, progress: Progress
) -> tuple[OfflineRates, ...]:
    """Errors of the model where it has all of each recording, as far as it is played.

    Args:
        plan: How far that is.
        tracks: The recordings.
        model: Transcribes them by its defaults, and greedily.
        progress: Is told what is about to be done.
    """
    chosen = [track for (track,) in tracks_of_rounds(tracks, 1, plan.most_s)]
    found: list[OfflineRates] = []
    for decoding, options in _OFFLINE.items():
        progress(f"offline, {decoding}")
        rates = [
            (
                track.set_name,
                error_rate([track.reference], [_text(model, track, options)], track.tag),
            )
            for track in chosen
        ]
        found.append(OfflineRates(decoding=decoding, rates=pooled_rates(rates)))
    return tuple(found)


def _text(model: ModelLike, track: Track, options: dict[str, Any]) -> str:
    samples = np.ascontiguousarray(track.samples)
    return model.transcribe(samples, language=track.language or AUTO, **options).text
