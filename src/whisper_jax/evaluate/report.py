"""A comparison of systems as tables: for a terminal, as plain text, in Markdown."""

from rich.console import Group, RenderableType

from whisper_jax.evaluate.compare import MIN_CLIPS, Comparison, Row
from whisper_jax.evaluate.grid import Cells, Grid, markdown_grid, plain_grid, rich_grid
from whisper_jax.evaluate.results import EvaluationReport, SetResult

_ONE_SYSTEM = (
    "set",
    "clips",
    "minutes",
    "measure",
    "%",
    "S/D/I",
    "of",
    "times real time",
    "seconds",
)
_SEVERAL_SYSTEMS = ("set", "clips", "minutes", "of", "measure")
_DIFFERENCE = ("set", "measure", "system", "best peer", "difference", "standard error")


def rich_tables(comparison: Comparison) -> RenderableType:
    """The tables for a terminal."""
    return Group(*map(rich_grid, grids(comparison)), *notes(comparison))


def plain_tables(comparison: Comparison) -> str:
    """The tables as aligned text, for a file or a pipe."""
    return "\n\n".join([*map(plain_grid, grids(comparison)), "\n".join(notes(comparison))])


def markdown_tables(comparison: Comparison) -> str:
    """The tables in Markdown."""
    lines = [f"- {note}" for note in notes(comparison)]
    return "\n\n".join([*map(markdown_grid, grids(comparison)), "\n".join(lines)])


def grids(comparison: Comparison) -> list[Grid]:
    """Error rates; what was kept of each language; differences from the best peer."""
    found = [_rates(comparison)]
    kept = _kept(comparison)
    if kept.rows:
        found.append(kept)
    if comparison.differences:
        found.append(_differences(comparison))
    return found


def notes(comparison: Comparison) -> list[str]:
    """The lines below the tables: clips, minutes and speed of each system, and warnings."""
    lines = [_summary(system) for system in comparison.systems]
    if len(comparison.systems) == 1:
        return lines
    lines = [f"{one.name}: {line}" for one, line in zip(comparison.systems, lines, strict=True)]
    if any(system.is_peer for system in comparison.systems):
        lines.append(
            "a peer's seconds are those of its recording: to compare speeds, whisper-jax bench"
        )
    if any(one.standard_error is None for one in comparison.differences):
        lines.append(f"fewer than {MIN_CLIPS} clips give no standard error")
    return lines


def _rates(comparison: Comparison) -> Grid:
    groups = (comparison.pool_rows, comparison.set_rows, comparison.total_rows)
    groups = tuple(group for group in groups if group)
    if len(comparison.systems) == 1:
        sections = tuple(tuple(_full_cells(row[0]) for row in group) for group in groups)
        return Grid("", _ONE_SYSTEM, sections, (0, 3))
    sections = tuple(tuple(map(_cells, group)) for group in groups)
    speeds = tuple(
        (name, *[""] * (len(_SEVERAL_SYSTEMS) - 1), *figures)
        for name, figures in (
            ("times real time", [f"{one.times_real_time:.1f}" for one in comparison.systems]),
            ("seconds", [f"{one.seconds:.1f}" for one in comparison.systems]),
        )
    )
    names = (system.name for system in comparison.systems)
    return Grid("", (*_SEVERAL_SYSTEMS, *names), (*sections, speeds), (0, 4))


def _full_cells(row: SetResult) -> Cells:
    score = row.score
    return (
        row.name,
        f"{len(row.clips)} ({row.n_failed} failed)" if row.n_failed else str(len(row.clips)),
        f"{row.audio_s / 60:.2f}",
        score.unit,
        f"{100 * score.rate:.2f}",
        f"{score.substitutions}/{score.deletions}/{score.insertions}",
        str(score.n_reference),
        f"{row.times_real_time:.1f}",
        f"{row.seconds:.2f}",
    )


def _cells(row: Row) -> Cells:
    # A system that failed on a clip does not know how long it is.
    longest = max(row, key=lambda one: one.audio_s)
    failed = [f" ({one.n_failed} failed)" if one.n_failed else "" for one in row]
    return (
        row[0].name,
        str(len(row[0].clips)),
        f"{longest.audio_s / 60:.2f}",
        str(row[0].score.n_reference),
        row[0].score.unit,
        *(f"{100 * one.score.rate:.2f}{note}" for one, note in zip(row, failed, strict=True)),
    )


def _kept(comparison: Comparison) -> Grid:
    """The share of each language of code-switched speech."""
    sections: list[tuple[Cells, ...]] = []
    for row in (*comparison.pool_rows, *comparison.set_rows):
        by_language = zip(*(one.kept for one in row), strict=True)
        sections.append(
            tuple(
                (
                    row[0].name,
                    own[0].language,
                    str(own[0].n_reference),
                    *(f"{100 * one.share:.1f}" for one in own),
                )
                for own in by_language
            )
        )
    names = (system.name for system in comparison.systems)
    return Grid(
        "Kept of each language, %",
        ("set", "language", "of", *names),
        tuple(section for section in sections if section),
        (0, 1),
    )


def _differences(comparison: Comparison) -> Grid:
    rows = tuple(
        (
            one.pool,
            one.unit,
            one.ours,
            one.peer,
            f"{100 * one.difference:+.2f}",
            "" if one.standard_error is None else f"{100 * one.standard_error:.2f}",
        )
        for one in comparison.differences
    )
    return Grid("Error rate less that of the best peer, %", _DIFFERENCE, (rows,), (0, 1, 2, 3))


def _summary(system: EvaluationReport) -> str:
    """Clips, minutes, seconds and speed of a system in a sentence."""
    n_clips = len(system.clips)
    clips = "1 clip" if n_clips == 1 else f"{n_clips} clips"
    failed = f"; {len(system.failed)} failed" if system.failed else ""
    return (
        f"{clips}, {system.audio_s / 60:.1f} minutes in {system.seconds:.1f} s:"
        f" {system.times_real_time:.1f} times real time{failed}"
    )
