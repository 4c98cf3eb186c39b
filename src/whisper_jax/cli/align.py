"""``whisper-jax align``: when the words of a text that is known are spoken."""

import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_jax.cli.jobs import ModelChoice, OutputChoice, checked_job, run_job
from whisper_jax.cli.options import option, options_of, subtitle_options, takes
from whisper_jax.cli.subtitles import take_subtitles
from whisper_jax.errors import AlignmentError, AudioError, OptionError
from whisper_jax.options import TranscribeOptions

if TYPE_CHECKING:
    from whisper_jax.cli.results import Results
    from whisper_jax.transcribe import FileProgress, Whisper

_MOST_BYTES = 2**24
"""Of a text: several hundred hours of speech. What is longer is not the text of a recording."""

_Audio = Annotated[str, typer.Argument(metavar="AUDIO", help="Audio or video: path, URL.")]
_TextFile = Annotated[
    str,
    typer.Argument(
        metavar="TEXTFILE",
        help="What is said in it, in UTF-8: each line is a segment; of a single line each "
        "sentence. - is standard input.",
    ),
]
_Language = Annotated[
    str | None,
    option(
        "Language", "Language of the text, code or English name; detected if unset.", metavar="NAME"
    ),
]


@takes(options_of(ModelChoice), options_of(OutputChoice), subtitle_options())
def align_command(
    audio: _Audio, text_file: _TextFile, *, language: _Language = None, **given: Any
) -> None:
    """Find when each word of a given text is spoken (forced alignment).

    Exit code 0: done. 1: it failed, with the reason on stderr. 2: usage.
    """
    from whisper_jax.alignment import lines_to_align

    try:
        subtitles = take_subtitles(given, has_translation=False)
        options = TranscribeOptions(language=language, word_timestamps=True)
        job = checked_job([audio], options, subtitles, given)
        text = _read_text(text_file)
        lines_to_align(audio, text, options.language)
        code = run_job(job, "Aligning", partial(_align, audio, text, language))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(code)


def _align(
    audio: str,
    text: str,
    language: str | None,
    model: "Whisper",
    there: Sequence[int],
    results: "Results",
    cancel: threading.Event,
) -> None:
    (index,) = there

    def on_progress(progress: "FileProgress") -> None:
        results.progressed(index, progress)

    try:
        transcript = model.align(
            audio, text, language=language, on_progress=on_progress, cancel=cancel
        )
    except (AlignmentError, AudioError) as error:
        results.failed(index, str(error))
    else:
        results.completed(index, transcript)


def _read_text(name: str) -> str:
    """The text of a file, or of standard input.

    Raises:
        OptionError: It cannot be read, or is not a text.
    """
    shown = "standard input" if name == "-" else name
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise OptionError(f"cannot read the text {shown}: {error.strerror or error}") from error
    if len(content) > _MOST_BYTES:
        raise OptionError(
            f"{shown} has more than {_MOST_BYTES >> 20} MB; give what is said in the recording"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(
            f"{shown} is not text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
