"""``whisper-jax bench live``: live streams, from the end of each word to its text."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from whisper_jax.cli.bench_output import check_outputs, print_grids
from whisper_jax.cli.bench_workload import names_in
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.bench.live.plan import LivePlan, Scenario
    from whisper_jax.evaluate.grid import Grid

_ScenarioName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="delays: from the end of each word to its text; long: recordings one after the other"
        " in one stream of hours, and its memory; silence: what streams cost and write in which"
        " nobody speaks.",
    ),
]
_Manifest = Annotated[
    Path | None,
    typer.Option(
        help="JSON lines with path, set, language and text: what is played, and said."
        " Not for silence."
    ),
]
_Sets = Annotated[
    str | None,
    typer.Option(
        metavar="A,B:LANGUAGE", help="Only these sets of the manifest, or one language of a set."
    ),
]
_Streams = Annotated[
    str, typer.Option(metavar="N,N", help="Streams at once, each number measured by itself.")
]
_BlockMs = Annotated[
    int, typer.Option(min=1, max=1000, metavar="MS", help="Audio that is sent at once.")
]
_Speed = Annotated[
    float, typer.Option(metavar="X", help="Seconds of audio in a second; 1 is real time.")
]
_SkipRest = Annotated[
    bool,
    typer.Option(
        "--skip-rest",
        help="Of one stream: skip the time in which there is nothing to do. The figures are those"
        " of real time, sooner.",
    ),
]
_Seconds = Annotated[
    float | None,
    typer.Option(min=5, metavar="S", help="Of delays: most seconds of each stream, up to a pause."),
]
_Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.1, metavar="M", help="Of long and silence: how long a stream is; 60 if unset."
    ),
]
_Policies = Annotated[
    str, typer.Option(metavar="A,B", help="alignment, agreement, or both; empty for peers alone.")
]
_Intervals = Annotated[
    str, typer.Option(metavar="S,S", help="Seconds of new speech after which text is updated.")
]
_HoldBacks = Annotated[
    str,
    typer.Option(metavar="S,S", help="Of alignment: seconds before the end that stay tentative."),
]
_Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="Another option of the streams, such as adapts=false; give it again for more.",
    ),
]
_Model = Annotated[str, typer.Option(help="Size name, hub id, folder or file.")]
_ComputeType = Annotated[str, typer.Option(metavar="TYPE", help="Type of the numbers.")]
_BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Most windows decoded at once.")
]
_Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda, rocm or tpu; peers use the CPU.")
]
_Offline = Annotated[
    bool | None,
    typer.Option(
        "--offline/--no-offline",
        help="Transcribe the recordings offline before, to compare error rates; by default only"
        " for delays.",
    ),
]
_Against = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Peers: whisper-streaming, and whisper-streaming-vad with its VAD filter.",
    ),
]
_Json = Annotated[
    Path | None, typer.Option("--json", help="Append all figures to this file, as JSON lines.")
]
_Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw delays against streams and errors, or memory over time, into this PNG file."
    ),
]
_Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")]


def bench_live_command(
    scenario: _ScenarioName = "delays",
    manifest: _Manifest = None,
    sets: _Sets = None,
    streams: _Streams = "1",
    block_ms: _BlockMs = 40,
    speed: _Speed = 1.0,
    skip_rest: _SkipRest = False,
    seconds: _Seconds = None,
    minutes: _Minutes = None,
    policies: _Policies = "alignment",
    intervals: _Intervals = "0.5",
    hold_backs: _HoldBacks = "0.5",
    options: _Options = None,
    model: _Model = "base",
    compute_type: _ComputeType = "auto",
    batch_size: _BatchSize = None,
    device: _Device = None,
    offline: _Offline = None,
    against: _Against = None,
    json_path: _Json = None,
    plot: _Plot = None,
    markdown: _Markdown = False,
) -> None:
    """Play recordings into live streams as if they were being spoken, and measure.

    Exit code 0 if all went well, 1 if something failed, 2 for a mistake in the call.
    """
    given = SimpleNamespace(**locals())
    try:
        plan = _plan(given)
        check_outputs(json_path, plot)
        problems = _run(plan, json_path, plot, markdown=markdown)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except (WhisperJaxError, OSError) as error:
        typer.echo(f"whisper-jax bench live: {error}", err=True)
        raise typer.Exit(1) from error
    for problem in problems:
        typer.echo(f"failed: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _plan(given: SimpleNamespace) -> "LivePlan":
    """What the command's arguments say."""
    from whisper_jax.bench.live.plan import LivePlan, options_grid
    from whisper_jax.evaluate.manifest import read_manifest, select_clips

    sets = None if given.sets is None else names_in(given.sets)
    if given.manifest is None and sets is not None:
        raise OptionError("--sets are those of a manifest: give one with --manifest")
    clips = None if given.manifest is None else read_manifest(given.manifest)
    is_about_delays = given.scenario == "delays"
    return LivePlan(
        scenario=cast("Scenario", given.scenario),
        clips=() if clips is None else tuple(select_clips(clips, sets=sets)),
        n_streams=tuple(int(n) for n in _numbers(given.streams, "--streams")),
        grid=options_grid(
            names_in(given.policies),
            _numbers(given.intervals, "--intervals"),
            _numbers(given.hold_backs, "--hold-backs"),
            given.options or (),
        ),
        peers=names_in(given.against or ""),
        model=given.model,
        compute_type=given.compute_type,
        batch_size=given.batch_size,
        device=given.device,
        block_ms=given.block_ms,
        speed=given.speed,
        skips_rest=given.skip_rest,
        most_s=given.seconds,
        minutes=given.minutes,
        with_offline=is_about_delays if given.offline is None else given.offline,
    )


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        found = tuple(float(name) for name in names_in(text))
    except ValueError as error:
        raise OptionError(f"{option} is {text!r}; give numbers with commas") from error
    if not found or (option == "--streams" and any(number % 1 for number in found)):
        raise OptionError(f"{option} is {text!r}; give numbers with commas")
    return found


class _Scenario(NamedTuple):
    """How a scenario is measured and its report told."""

    run: "Callable[[LivePlan, Callable[[str], None]], Any]"
    grids: "Callable[[Any], list[Grid]]"
    warnings: Callable[[Any], list[str]]
    append: Callable[[Path, Any], None]
    draw: Callable[[Any, Path], None]


def _scenario_of(plan: "LivePlan") -> _Scenario:
    if plan.scenario == "delays":
        from whisper_jax.bench.live.plot import plot_live
        from whisper_jax.bench.live.report import append_live, live_grids, warnings_of
        from whisper_jax.bench.live.run import run_live

        return _Scenario(run_live, live_grids, warnings_of, append_live, plot_live)
    from whisper_jax.bench.live.soak import run_soak
    from whisper_jax.bench.live.soak_plot import plot_soak
    from whisper_jax.bench.live.soak_report import append_soak, soak_grids, soak_warnings

    return _Scenario(run_soak, soak_grids, soak_warnings, append_soak, plot_soak)


def _run(
    plan: "LivePlan", json_path: Path | None, plot: Path | None, *, markdown: bool
) -> tuple[str, ...]:
    """Measure, and tell what came of it; what went wrong."""
    scenario = _scenario_of(plan)
    report = scenario.run(plan, _progress)
    print_grids(scenario.grids(report), markdown=markdown)
    for warning in scenario.warnings(report):
        typer.echo(f"warning: {warning}", err=True)
    if json_path is not None:
        scenario.append(json_path, report)
    if plot is not None:
        scenario.draw(report, plot)
    return report.problems


def _progress(text: str) -> None:
    typer.echo(text, err=True)
