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
        str | None, typer.Option(help="float32 or bfloat16; what suits the device by default.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, gpu or tpu; the best there is by default.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Windows of audio decoded at once.")
    ] = None,
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

    chosen = {"device": device, "compute_type": compute_type, "batch_size": batch_size}
    try:
        wanted = None if sets is None else [name.strip() for name in sets.split(",")]
        clips = select_clips(read_manifest(manifest), sets=wanted, limit=limit)
        _check_folder(json_path)
        report = _run(model, clips, chosen)
        _print_table(report, markdown=markdown)
        if json_path is not None:
            _write(
                json_path, report_json(report, {"manifest": str(manifest), "model": model} | chosen)
            )
    except WhisperJaxError as error:
        _log(f"whisper-jax evaluate: {error}")
        raise typer.Exit(2 if isinstance(error, OptionError) else 1) from error

    for result in report.failed:
        _log(f"failed: {result.clip.name}: {result.error}")
    if report.failed:
        raise typer.Exit(1)


def _run(model: str, clips: "list[Clip]", chosen: dict[str, Any]) -> "EvaluationReport":
    import whisper_jax
    from whisper_jax.evaluate import evaluate

    given = {name: value for name, value in chosen.items() if value is not None}
    return evaluate(whisper_jax.load_model(model, **given), clips, progress=_log)


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
