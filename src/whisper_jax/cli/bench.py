"""``whisper-jax bench``: speed and memory, beside other systems and the limits of the machine."""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_jax.cli.bench_output import check_outputs, print_grid
from whisper_jax.cli.bench_workload import Choice, Workload, names_in
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.bench.plan import Plan
    from whisper_jax.bench.run import BenchReport


_Files = Annotated[list[Path] | None, typer.Argument(help="Recordings; or give a manifest.")]
_Manifest = Annotated[
    Path | None,
    typer.Option(help="JSON lines with path, set, language and text: error rates are told."),
]
_Sets = Annotated[
    str | None,
    typer.Option(
        metavar="A,B:LANGUAGE", help="Only these sets of the manifest, or one language of a set."
    ),
]
_WorkloadName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of the manifest: short (recordings of 30 s at most), long (the others) or all.",
    ),
]
_Language = Annotated[
    str | None, typer.Option(metavar="CODE", help="Language of the files; detected by default.")
]
_Repeat = Annotated[
    int, typer.Option(min=1, metavar="N", help="Each recording so many times in the call.")
]
_Headline = Annotated[
    bool,
    typer.Option(
        "--headline",
        help="Of the manifest: an hour, ten files in a batch, mixed languages; against"
        " openai-whisper if nothing else is said.",
    ),
]
_Minutes = Annotated[
    float | None, typer.Option(metavar="M", help="Most minutes of each of --headline.")
]
_Model = Annotated[str, typer.Option(help="Size name, hub id, folder or file.")]
_ComputeTypes = Annotated[str, typer.Option(metavar="A,B", help="Number types, with commas.")]
_BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Most windows decoded at once.")
]
_BatchSizes = Annotated[
    str | None, typer.Option(metavar="N,N", help="Measure ours with each of these batch sizes too.")
]
_BeamSize = Annotated[
    int, typer.Option(min=1, metavar="N", help="Hypotheses kept, by the peers too; 1 is greedy.")
]
_Defaults = Annotated[
    bool,
    typer.Option(
        "--defaults",
        help="Every system decodes as it does by itself, ours with beam 5 and fallback.",
    ),
]
_LongForm = Annotated[
    str, typer.Option(metavar="NAME", help="parallel or sequential, for whisper-jax.")
]
_Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="cpu, cuda, rocm or tpu, for whisper-jax; peers use the CPU."
    ),
]
_NDevices = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Devices that share the windows out, for whisper-jax; of any kind."
    ),
]
_Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Cores every process may use; all by default."),
]
_Runs = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes of each configuration, in turn.")
]
_Against = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Peers: faster-whisper, faster-whisper-batched, openai-whisper, openvino-genai,"
        " transformers, whisper.cpp.",
    ),
]
_PeerComputeTypes = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="A peer runs in those that it knows: float32, int8, bfloat16, default, f32 (OpenVINO);"
        " in all if unset.",
    ),
]
_Neighbour = Annotated[
    bool, typer.Option("--neighbour", help="A process that never rests shares the first core.")
]
_Starts = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Only measure N starts of the command line, to a file's text; see --against.",
    ),
]
_Cold = Annotated[
    bool, typer.Option("--cold", help="Compile everything: start with an empty cache.")
]
_LimitsOnly = Annotated[
    bool, typer.Option("--limits-only", help="Only measure the limits of the machine.")
]
_Json = Annotated[
    Path | None, typer.Option("--json", help="Append all figures to this file, as JSON lines.")
]
_Compare = Annotated[
    Path | None, typer.Option(help="Show the last run in this file of --json beside this one.")
]
_Plot = Annotated[Path | None, typer.Option(help="Draw the speeds into this PNG file.")]
_Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")]


@dataclass(frozen=True, kw_only=True)
class _Output:
    """Where results go.

    Attributes:
        json_path: JSON lines are appended to it.
        compare: A file with earlier runs.
        plot: The picture to draw.
        markdown: Print the tables in Markdown.
    """

    json_path: Path | None
    compare: Path | None
    plot: Path | None
    markdown: bool

    def __post_init__(self) -> None:
        check_outputs(self.json_path, self.plot)


def bench_command(
    files: _Files = None,
    manifest: _Manifest = None,
    sets: _Sets = None,
    workload: _WorkloadName = "all",
    language: _Language = None,
    repeat: _Repeat = 1,
    headline: _Headline = False,
    minutes: _Minutes = None,
    model: _Model = "base",
    compute_type: _ComputeTypes = "auto",
    batch_size: _BatchSize = None,
    batch_sizes: _BatchSizes = None,
    beam_size: _BeamSize = 1,
    defaults: _Defaults = False,
    long_form: _LongForm = "parallel",
    device: _Device = None,
    n_devices: _NDevices = 1,
    threads: _Threads = None,
    runs: _Runs = 1,
    against: _Against = None,
    peer_compute_types: _PeerComputeTypes = None,
    neighbour: _Neighbour = False,
    starts: _Starts = None,
    cold: _Cold = False,
    limits_only: _LimitsOnly = False,
    json_path: _Json = None,
    compare: _Compare = None,
    plot: _Plot = None,
    markdown: _Markdown = False,
) -> None:
    """Measure speed and memory, each configuration in a fresh process of its own.

    Everything is transcribed once to warm up and once against the clock, by all systems at
    temperature 0. Exit code 0 if all went well, 1 if something failed, 2 for a mistake in the call.
    """
    given = SimpleNamespace(**locals())
    try:
        if starts is not None:
            _print_starts(files, language, model, starts, against)
            return
        is_failed = _bench(given)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        _log(f"whisper-jax bench: {error}")
        raise typer.Exit(1) from error
    if is_failed:
        raise typer.Exit(1)


def _print_starts(
    files: list[Path] | None, language: str | None, model: str, n_runs: int, against: str | None
) -> None:
    from whisper_jax.bench.machine import describe_machine, usable_cores
    from whisper_jax.bench.start import PEER, StartPlan, measure_starts
    from whisper_jax.checkpoints import resolve_model

    if not files or len(files) != 1:
        raise OptionError("--starts takes one file")
    if not set(names_in(against or "")) <= {PEER}:
        raise OptionError(f"--starts compares with {PEER} alone")
    plan = StartPlan(
        file=files[0],
        language=language,
        model=model,
        folder=resolve_model(model),
        threads=usable_cores(),
        n_runs=n_runs,
        has_peer=bool(against),
    )
    found = measure_starts(plan)
    typer.echo(f"{describe_machine()}\n" + "\n".join(map(str, found)))


def _bench(given: SimpleNamespace) -> bool:
    """Do what the command's arguments say; whether anything failed."""
    choice = Choice(
        files=given.files,
        manifest=given.manifest,
        sets=given.sets,
        workload=given.workload,
        language=given.language,
    )
    output = _Output(
        json_path=given.json_path, compare=given.compare, plot=given.plot, markdown=given.markdown
    )
    with TemporaryDirectory(prefix="whisper-jax-bench-") as folder:
        if given.limits_only and given.headline:
            raise OptionError("--limits-only and --headline are two runs; give one of them")
        if given.limits_only:
            workloads = (Workload(recordings=(), about={}),)
        elif given.headline:
            workloads = choice.headline(given.minutes, given.repeat, Path(folder))
        else:
            workloads = (choice.workload_of(given.minutes, given.repeat),)
        plans = [
            _plan(
                given.threads,
                recordings=one.recordings,
                model=given.model,
                compute_types=names_in(given.compute_type),
                batch_size=given.batch_size,
                batch_sizes=_sizes(given.batch_sizes),
                beam_size=given.beam_size,
                own_defaults=given.defaults,
                long_form=given.long_form,
                device=given.device,
                n_devices=given.n_devices,
                runs=given.runs,
                peers=names_in(given.against or ("openai-whisper" if given.headline else "")),
                peer_compute_types=given.peer_compute_types and names_in(given.peer_compute_types),
                cold=given.cold,
                neighbour=given.neighbour,
                with_limits=not given.headline,
            )
            for one in workloads
        ]
        is_failed = [_measure(*pair, output) for pair in zip(workloads, plans, strict=True)]
    return any(is_failed)


def _measure(workload: Workload, plan: "Plan", output: _Output) -> bool:
    """Measure a workload and write what came of it; whether anything failed."""
    earlier = None
    if output.compare is not None:
        from whisper_jax.bench.compare import last_run

        # Read before this run is added to the same file.
        earlier = last_run(output.compare, workload.headline)
    report = _run(plan)
    if workload.title:
        typer.echo(f"{'## ' if output.markdown else ''}{workload.title}\n")
    _print(report, markdown=output.markdown)
    if earlier is not None:
        from whisper_jax.bench.compare import earlier_grid

        typer.echo()
        print_grid(earlier_grid(report, workload.about, earlier), markdown=output.markdown)
    if output.json_path is not None:
        _append(output.json_path, report, workload.about)
    if output.plot is not None and report.measurements:
        from whisper_jax.bench.plot import plot_report

        path = output.plot
        if workload.headline is not None:
            path = path.with_stem(f"{path.stem}-{workload.headline}")
        plot_report(report, path)
    return _report_problems(report)


def _plan(threads: int | None, **fields: Any) -> "Plan":
    from whisper_jax.bench.machine import usable_cores
    from whisper_jax.bench.plan import Plan

    n_usable = usable_cores()
    if threads is not None and threads > n_usable:
        raise OptionError(f"threads is {threads}; this process may use {n_usable} cores")
    return Plan(threads=threads or n_usable, **fields)


def _run(plan: "Plan") -> "BenchReport":
    from whisper_jax.bench.run import RealProcesses, run_benchmark
    from whisper_jax.checkpoints import resolve_model
    from whisper_jax.cli.progress import Display

    with Display(0) as display:
        display.stage(f"Finding {plan.model}")
        folder = resolve_model(plan.model, on_progress=display.downloaded)
    if sys.platform != "linux":
        _log("warning: processes cannot be pinned to cores here; whisper-jax uses all of them")
    return run_benchmark(plan, RealProcesses(plan, folder), progress=_log)


def _print(report: "BenchReport", *, markdown: bool) -> None:
    from whisper_jax.bench.machine import describe_machine
    from whisper_jax.bench.tables import markdown_report, plain_report, print_rich

    machine = describe_machine()
    if markdown:
        typer.echo(markdown_report(report, machine))
    elif sys.stdout.isatty():
        print_rich(report, machine)
    else:
        typer.echo(plain_report(report, machine))


def _report_problems(report: "BenchReport") -> bool:
    """Name what failed; whether anything did."""
    failed = {
        f"{one.configuration.label}: {text}": None
        for one in report.measurements
        for text in one.failed
    }
    problems = [*report.problems, *failed]
    for problem in problems:
        _log(f"failed: {problem}")
    return bool(problems)


def _append(path: Path, report: "BenchReport", about: dict[str, Any]) -> None:
    from whisper_jax.bench.machine import describe_machine
    from whisper_jax.bench.report import append_json_lines

    try:
        append_json_lines(path, report, about, describe_machine())
    except OSError as error:
        raise WhisperJaxError(f"cannot write {path}: {error.strerror or error}") from error


def _sizes(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(map(int, names_in(text or "")))
    except ValueError as error:
        raise OptionError(f"batch_sizes is {text!r}; give numbers, with commas") from error


def _log(message: str) -> None:
    typer.echo(message, err=True)
