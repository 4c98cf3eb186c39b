"""The end of ``whisper-jax live --finish``: the recording once more, and what that changed."""

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from whisper_jax.cli.progress import Display
from whisper_jax.stream.collected import Collected
from whisper_jax.stream.difference import Difference
from whisper_jax.stream.fields import segment_fields
from whisper_jax.stream.finish import Finished, finish

if TYPE_CHECKING:
    from whisper_jax.cli.live import ShowChoice
    from whisper_jax.cli.live_files import LiveFiles
    from whisper_jax.transcribe import Whisper

_CONTEXT = 4
"""Words that are shown before and after a change."""


def finish_recording(
    model: "Whisper",
    files: "LiveFiles",
    collected: Collected,
    options: dict[str, Any],
    shown: "ShowChoice",
) -> None:
    """Transcribe what was recorded, write it in place of the live transcript, and compare them.

    Raises:
        WhisperJaxError: It cannot be done; the live transcript stays.
    """
    if files.recording is None:
        return
    with Display(1, quiet=shown.quiet) as display:
        display.start_clock("Finishing")
        finished = finish(
            model,
            files.recording,
            collected.transcript(),
            on_progress=lambda progress: display.transcribed(0, progress),
            word_timestamps=True,
            **options,
        )
    files.write(finished.transcript)
    if shown.json:
        typer.echo(json.dumps(_fields(finished), ensure_ascii=False))
        return
    if not files.has_outputs:
        for segment in finished.transcript.segments:
            typer.echo(segment.text.strip())
    console = Console(stderr=True, highlight=False)
    for line in report(finished.difference):
        console.print(line, soft_wrap=True)


def report(found: Difference) -> list[Text]:
    """What changed, for a person: a count, and each change with some words around it."""
    lines = [Text(f"The second pass changed {found.n_changed} of {found.n_words} words.")]
    for index, part in enumerate(found.parts):
        if part.is_same:
            continue
        line = Text("  ")
        if index:
            line.append(_last_words(found.parts[index - 1].after), style="dim")
        line.append(" ")
        if part.before.strip():
            line.append(f"[-{part.before.strip()}-]", style="red strike")
        if part.after.strip():
            line.append(f"{{+{part.after.strip()}+}}", style="green")
        if index + 1 < len(found.parts):
            line.append(" " + _first_words(found.parts[index + 1].after), style="dim")
        lines.append(line)
    return lines


def _last_words(text: str) -> str:
    return text.split()[-1][-12:] if len(text.split()) == 1 else " ".join(text.split()[-_CONTEXT:])


def _first_words(text: str) -> str:
    return text.split()[0][:12] if len(text.split()) == 1 else " ".join(text.split()[:_CONTEXT])


def _fields(finished: Finished) -> dict[str, Any]:
    return {
        "type": "finished",
        "text": finished.transcript.text,
        "language": finished.transcript.language,
        "segments": [segment_fields(segment) for segment in finished.transcript.segments],
        "n_changed": finished.difference.n_changed,
        "n_words": finished.difference.n_words,
        "changes": [
            {"before": part.before.strip(), "after": part.after.strip()}
            for part in finished.difference.changes
        ],
    }
