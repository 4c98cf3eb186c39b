"""``whisper-jax models``: list, fetch, find and convert the weights."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from whisper_jax.checkpoints.cache import cached_models, size_bytes
from whisper_jax.checkpoints.download import DownloadProgress, OnProgress
from whisper_jax.checkpoints.resolve import resolve_model
from whisper_jax.checkpoints.sources import ALIASES, SOURCES
from whisper_jax.cli.help import PLAIN
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.checkpoints.convert import StoredType

app = typer.Typer(name="models", help="List, fetch, find and convert models.", **PLAIN)

_COLUMNS = ("model", "MB", "source")
_AS_STORED = "stored"


@app.command("list")
def list_models() -> None:
    """Show every model by name: its size if it is on this machine, and where it comes from."""
    rows = _rows()
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*_COLUMNS)
    table.columns[1].justify = "right"
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@app.command("get")
def get_models(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Names (see 'list') or hub ids.")
    ],
) -> None:
    """Fetch models, unless they are here already, and print the folder of each."""
    failed = False
    for name in names:
        try:
            with _progress() as on_progress:
                folder = resolve_model(name, on_progress=on_progress)
        except WhisperJaxError as error:
            failed = True
            typer.echo(f"whisper-jax: {error}", err=True)
        else:
            typer.echo(folder)
    raise typer.Exit(1 if failed else 0)


@app.command("path")
def model_path(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name (see 'list') or a hub id.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not fetch: fail if it is not here.")
    ] = False,
) -> None:
    """Print the folder of a model, fetching it first if need be."""
    try:
        with _progress() as on_progress:
            folder = resolve_model(name, offline=True if offline else None, on_progress=on_progress)
    except WhisperJaxError as error:
        typer.echo(f"whisper-jax: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(folder)


@app.command("convert")
def convert_model(
    source: Annotated[
        str,
        typer.Argument(metavar="SRC", help="A name (see 'list'), hub id, folder or file."),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DST", help="The new folder.")],
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            help="Type of all weights: float32, float16, bfloat16, or stored: each as it is.",
        ),
    ] = _AS_STORED,
) -> None:
    """Write a model as a Hugging Face folder of safetensors, whatever format it is in."""
    from whisper_jax.checkpoints.convert import STORED_TYPES, write_hugging_face
    from whisper_jax.checkpoints.load import load_checkpoint

    if dtype not in (_AS_STORED, *STORED_TYPES):
        known = ", ".join((_AS_STORED, *STORED_TYPES))
        typer.echo(f"whisper-jax: --dtype is {dtype!r}; there are: {known}", err=True)
        raise typer.Exit(2)
    try:
        with _progress() as on_progress:
            found = resolve_model(source, on_progress=on_progress)
        kind = None if dtype == _AS_STORED else cast("StoredType", dtype)
        write_hugging_face(load_checkpoint(found), folder.expanduser(), kind)
    except (WhisperJaxError, OSError) as error:
        typer.echo(f"whisper-jax: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, OptionError) else 1) from error
    typer.echo(folder)


def _rows() -> list[tuple[str, str, str]]:
    """Name, size and source of every model. A cached one shows the folder it stands in."""
    cached = cached_models()
    rows: list[tuple[str, str, str]] = []
    for name, sources in SOURCES.items():
        folder = cached.get(name)
        if folder is None:
            rows.append((name, "-", " or ".join(str(source) for source in sources)))
        else:
            rows.append((name, f"{size_bytes(folder) / 1e6:.0f}", str(folder)))
    rows += [(alias, "", f"is {name}") for alias, name in ALIASES.items()]
    return rows


@contextmanager
def _progress() -> Iterator[OnProgress | None]:
    """A bar on stderr while something is fetched; nothing if stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(progress: DownloadProgress) -> None:
            if progress.what not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[progress.what] = bar.add_task(progress.what, total=progress.total_bytes)
            bar.update(
                tasks[progress.what], completed=progress.done_bytes, total=progress.total_bytes
            )

        yield on_progress
