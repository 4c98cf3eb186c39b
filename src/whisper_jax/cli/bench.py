"""``whisper-jax bench``: speed and memory, beside other systems and the limits of the machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.bench.run import BenchReport, Plan


_Files = Annotated[list[Path] | None, typer.Argument(help="Recordings; or give a manifest.")]
_Manifest = Annotated[
    Path | None,
    typer.Option(help="JSON lines with path, set, language and text: error rates are told."),
]
_Sets = Annotated[str | None, typer.Option(metavar="A,B", help="Only these sets of the manifest.")]
_Workload = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of the manifest: short (recordings of 30 s at most), long (the others) or all.",
    ),
]
_Language = Annotated[
    str | None, typer.Option(metavar="CODE", help="Language of the files; detected by default.")
]
_Model = Annotated[str, typer.Option(help="Size name, hub id, folder or file.")]
_ComputeTypes = Annotated[str, typer.Option(metavar="A,B", help="Number types, with commas.")]
_BatchSize = Annotated[int, typer.Option(min=1, metavar="N", help="Most windows decoded at once.")]
_BeamSize = Annotated[
    int, typer.Option(min=1, metavar="N", help="Hypotheses kept, by the peers too; 1 is greedy.")
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
        metavar="A,B", help="Peers: faster-whisper, faster-whisper-batched, openai-whisper."
    ),
]
_PeerComputeTypes = Annotated[
    str, typer.Option(metavar="A,B", help="openai-whisper always computes in float32.")
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
_Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")]


def bench_command(
    files: _Files = None,
    manifest: _Manifest = None,
    sets: _Sets = None,
    workload: _Workload = "all",
    language: _Language = None,
    model: _Model = "base",
    compute_type: _ComputeTypes = "float32",
    batch_size: _BatchSize = 32,
    beam_size: _BeamSize = 1,
    long_form: _LongForm = "sequential",
    device: _Device = None,
    n_devices: _NDevices = 1,
    threads: _Threads = None,
    runs: _Runs = 1,
    against: _Against = None,
    peer_compute_types: _PeerComputeTypes = "float32,int8",
    cold: _Cold = False,
    limits_only: _LimitsOnly = False,
    json_path: _Json = None,
    markdown: _Markdown = False,
) -> None:
    """Measure speed and memory, each configuration in a fresh process of its own.

    Everything is transcribed once to warm up and once against the clock, by all systems at
    temperature 0. Exit code 0 if all went well, 1 if something failed, 2 for a mistake in the call.
    """
    about = {"manifest": manifest and str(manifest), "sets": sets, "workload": workload}
    try:
        _check_folder(json_path)
        choice = () if limits_only else _recordings(files, manifest, sets, workload, language)
        plan = _plan(
            threads,
            recordings=choice,
            model=model,
            compute_types=_names(compute_type),
            batch_size=batch_size,
            beam_size=beam_size,
            long_form=long_form,
            device=device,
            n_devices=n_devices,
            runs=runs,
            peers=_names(against or ""),
            peer_compute_types=_names(peer_compute_types),
            cold=cold,
        )
        report = _run(plan)
        _print(report, markdown=markdown)
        if json_path is not None:
            _append(json_path, report, about)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        _log(f"whisper-jax bench: {error}")
        raise typer.Exit(1) from error
    if _report_problems(report):
        raise typer.Exit(1)


def _recordings(
    files: list[Path] | None,
    manifest: Path | None,
    sets: str | None,
    workload: str,
    language: str | None,
) -> tuple[Any, ...]:
    from whisper_jax.bench.workload import (
        WorkloadName,
        workload_from_files,
        workload_from_manifest,
    )

    if bool(files) == (manifest is not None):
        raise OptionError("give recordings, or --manifest: one of the two")
    if files:
        if sets is not None or workload != "all":
            raise OptionError("--sets and --workload choose from a manifest: give --manifest")
        return workload_from_files(files, language)
    if language is not None:
        raise OptionError("the manifest tells the languages: --language is for files")
    wanted = None if sets is None else _names(sets)
    return workload_from_manifest(cast("Path", manifest), wanted, cast("WorkloadName", workload))


def _plan(threads: int | None, **fields: Any) -> "Plan":
    from whisper_jax.bench.machine import usable_cores
    from whisper_jax.bench.run import Plan

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


def _check_folder(json_path: Path | None) -> None:
    # Said before the work is done, not after.
    if json_path is not None and not json_path.parent.is_dir():
        raise OptionError(f"there is no folder {json_path.parent} to write {json_path.name} into")


def _names(text: str) -> tuple[str, ...]:
    """The names in a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _log(message: str) -> None:
    typer.echo(message, err=True)
