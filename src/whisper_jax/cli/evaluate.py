"""``whisper-jax evaluate MANIFEST``: error rates and speed over recordings with references."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.evaluate import Clip, EvaluationReport


def evaluate_command(  # one parameter for each argument and option of the command line
    manifest: Annotated[
        Path,
        typer.Argument(help="JSON lines with path, set, language and text of each recording."),
    ],
    model: Annotated[str, typer.Option(help="Size name, hub id, folder or file.")] = "base",
    compute_type: Annotated[
        str, typer.Option(metavar="TYPE", help="float32 or bfloat16.")
    ] = "float32",
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="cpu, cuda, rocm or tpu; JAX's choice by default."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most windows decoded at once.")
    ] = 16,
    sets: Annotated[
        str | None, typer.Option(help="Only these sets of the manifest: a,b,c.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many clips of each set.")
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="Also write figures and all texts to this file, as JSON."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table in Markdown.")
    ] = False,
) -> None:
    """Transcribe the recordings of a manifest and report error rates and speed.

    Words are counted (WER), or characters (CER) in languages written without spaces. Exit code 0
    if all clips were transcribed, 1 if some failed, 2 for a mistake in the call.
    """
    from whisper_jax.evaluate import read_manifest, report_json, select_clips

    settings = {"compute_type": compute_type, "device": device, "batch_size": batch_size}
    about = {"manifest": str(manifest), "model": model, **settings}
    try:
        wanted = None if sets is None else [name.strip() for name in sets.split(",")]
        clips = select_clips(read_manifest(manifest), sets=wanted, limit=limit)
        _check_folder(json_path)
        report = _run(model, settings, clips)
        _print_table(report, markdown=markdown)
        if json_path is not None:
            _write(json_path, report_json(report, about))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        _log(f"whisper-jax evaluate: {error}")
        raise typer.Exit(1) from error

    for result in report.failed:
        _log(f"failed: {result.clip.name}: {result.error}")
    if report.failed:
        raise typer.Exit(1)


def _run(model: str, settings: dict[str, Any], clips: "list[Clip]") -> "EvaluationReport":
    from whisper_jax.cli.progress import Display
    from whisper_jax.evaluate import evaluate
    from whisper_jax.transcribe import load_model

    with Display(len(clips)) as display:
        display.stage(f"Loading {model}")
        loaded = load_model(model, **settings, on_download=display.downloaded)
    with loaded:
        return evaluate(loaded, clips, progress=_log)


def _print_table(report: "EvaluationReport", *, markdown: bool) -> None:
    from rich.console import Console

    from whisper_jax.evaluate import markdown_table, plain_table, rich_table

    if markdown:
        typer.echo(markdown_table(report))
    elif sys.stdout.isatty():
        Console().print(rich_table(report))
    else:
        typer.echo(plain_table(report))


def _check_folder(json_path: Path | None) -> None:
    # Said before the work is done, not after.
    if json_path is not None and not json_path.parent.is_dir():
        raise OptionError(f"there is no folder {json_path.parent} to write {json_path.name} into")


def _write(path: Path, content: str) -> None:
    """Replace the file as a whole: a run that is stopped leaves the old one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WhisperJaxError(f"cannot write {path}: {error.strerror or error}") from error


def _log(message: str) -> None:
    typer.echo(message, err=True)
