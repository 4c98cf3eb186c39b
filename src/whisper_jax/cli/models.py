"""``whisper-jax models``: list, fetch and find the weights."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from whisper_jax.checkpoints.cache import cached_models, size_bytes
from whisper_jax.checkpoints.download import DownloadProgress, OnProgress
from whisper_jax.checkpoints.resolve import resolve_model
from whisper_jax.checkpoints.sources import ALIASES, SOURCES
from whisper_jax.cli.help import PLAIN
from whisper_jax.errors import WhisperJaxError

app = typer.Typer(name="models", help="List, fetch and find models.", **PLAIN)

_COLUMNS = ("model", "MB", "source")


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
