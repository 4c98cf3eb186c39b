"""Live streams from the plan to the report."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from whisper_jax.bench.live.metrics import committed_text, stream_figures
from whisper_jax.bench.live.plan import LiveConfiguration, LivePlan
from whisper_jax.bench.live.play import LiveLike, Played, play
from whisper_jax.bench.live.reference import spoken_words
from whisper_jax.bench.live.results import (
    LiveReport,
    LiveRun,
    OfflineRates,
    StreamResult,
    pooled_rates,
)
from whisper_jax.bench.live.shown import problems_of, shown_by
from whisper_jax.bench.live.tracks import Track, read_track, shortened, tracks_of_rounds
from whisper_jax.bench.live.usage import UsageClock
from whisper_jax.bench.results import OURS
from whisper_jax.bench.worker import CompileWatch
from whisper_jax.bench.workload import recording_of
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.options import AUTO
from whisper_jax.scoring import error_rate
from whisper_jax.types import Transcript

_WARM_S = 8.0
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
    from whisper_jax.loading import load_model
    from whisper_jax.stream.live import Live

    with ExitStack() as stack:
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
        tracks = read_tracks(plan, model, progress)
        live = Live(model)
        stack.callback(live.close)
        if plan.grid:
            model.warmup()
        return measure(plan, tracks, model, live, lambda: watch.n_compiled, progress)


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


def measure(
    plan: LivePlan,
    tracks: Sequence[Track],
    model: ModelLike,
    live: LiveLike,
    n_compiled: Callable[[], int],
    progress: Progress,
) -> LiveReport:
    """Measure our configurations. What fails is reported, and the rest goes on.

    Args:
        plan: What to measure.
        tracks: Its recordings.
        model: Transcribes them offline, and tells what its device has done.
        live: Opens streams on it.
        n_compiled: How many programs have been compiled so far.
        progress: Is told what is about to be done.

    Raises:
        OptionError: An option cannot be honoured.
    """
    problems: list[str] = []
    offline = _offline(plan, tracks, model, progress) if plan.with_offline else ()
    runs: list[LiveRun] = []
    for one in plan.configurations:
        if one.system != OURS:
            continue
        progress(f"{one.label}, {_count(one.n_streams)}")
        try:
            run, failed = _measure_ours(plan, one, tracks, model, live, n_compiled)
        except OptionError:
            raise
        except WhisperJaxError as error:
            problems.append(f"{one.label}, {_count(one.n_streams)}: {error}")
            continue
        runs.append(run)
        problems += failed
    return LiveReport(plan=plan, runs=tuple(runs), offline=offline, problems=tuple(problems))


def _measure_ours(
    plan: LivePlan,
    configuration: LiveConfiguration,
    tracks: Sequence[Track],
    model: ModelLike,
    live: LiveLike,
    n_compiled: Callable[[], int],
) -> tuple[LiveRun, list[str]]:
    options = dict(configuration.options)
    rounds = tracks_of_rounds(tracks, configuration.n_streams, plan.most_s)
    # The first of the streams' programs are fetched, or compiled, before anything is counted.
    warm = [shortened(track, _WARM_S) for track in rounds[0]]
    play(live, warm, options, block_ms=plan.block_ms)
    n_before, played = n_compiled(), list[Played]()
    usages = []
    for together in rounds:
        with UsageClock(lambda: sum(model.counts.seconds.values())) as clock:
            played += play(live, together, options, block_ms=plan.block_ms, speed=plan.speed)
            usages.append(clock.usage)
    n_late = n_compiled() - n_before
    streams = tuple(_stream_result(one) for one in played)
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
    failed = [
        f"{configuration.label}, {_count(configuration.n_streams)}, {one.track.name}: {problem}"
        for one in played
        for problem in problems_of(one.events)
    ]
    return run, failed


def _stream_result(played: Played) -> StreamResult:
    shown = shown_by(played.events)
    return StreamResult(
        name=played.track.name,
        set_name=played.track.set_name,
        text=committed_text(shown),
        figures=stream_figures(played.track, shown, played.clock),
    )


def _offline(
    plan: LivePlan, tracks: Sequence[Track], model: ModelLike, progress: Progress
) -> tuple[OfflineRates, ...]:
    """Errors of the model where it has all of each recording, as far as it is played."""
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


def _count(n_streams: int) -> str:
    return "1 stream" if n_streams == 1 else f"{n_streams} streams"
