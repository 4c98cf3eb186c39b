"""Where the figures of benchmarks go: files, which are checked beforehand, and tables."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from whisper_jax.errors import OptionError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from whisper_jax.evaluate.grid import Grid


def check_outputs(json_path: Path | None, plot: Path | None = None) -> None:
    """Whether results can be written: said before the work is done, not after.

    Raises:
        OptionError: There is no such folder, or nothing that draws.
    """
    if json_path is not None and not json_path.parent.is_dir():
        raise OptionError(f"there is no folder {json_path.parent} to write {json_path.name} into")
    if plot is not None:
        from whisper_jax.bench.plot import check_plot

        check_plot(plot)


def print_grid(grid: "Grid", *, markdown: bool) -> None:
    """Print a table: in Markdown, for a terminal, or plain."""
    from whisper_jax.evaluate.grid import markdown_grid, plain_grid, rich_grid

    print_tables(grid, markdown_grid, rich_grid, plain_grid, markdown=markdown)


def print_tables[T](
    tables: T,
    as_markdown: Callable[[T], str],
    for_terminal: "Callable[[T], RenderableType]",
    as_text: Callable[[T], str],
    *,
    markdown: bool,
) -> None:
    """Print tables in one of three ways: Markdown if asked for, else by where they go."""
    from rich.console import Console

    if markdown:
        typer.echo(as_markdown(tables))
    elif sys.stdout.isatty():
        Console(highlight=False, markup=False).print(for_terminal(tables))
    else:
        typer.echo(as_text(tables))


def print_grids(grids: "Iterable[Grid]", *, markdown: bool) -> None:
    """Print what machine this is, and tables."""
    from whisper_jax.bench.machine import describe_machine

    typer.echo(f"{describe_machine()}\n")
    for grid in grids:
        print_grid(grid, markdown=markdown)
        if markdown or not sys.stdout.isatty():
            typer.echo()
