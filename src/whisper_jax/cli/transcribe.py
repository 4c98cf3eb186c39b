"""``whisper-jax transcribe``: recordings to text on stdout, or to files."""

import threading
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_jax.cli.jobs import Job, ModelChoice, OutputChoice, checked_job, run_job
from whisper_jax.cli.options import (
    option,
    options_of,
    subtitle_options,
    taken,
    takes,
    transcription_options,
)
from whisper_jax.cli.subtitles import take_subtitles, transcribed
from whisper_jax.errors import OptionError
from whisper_jax.options import TranscribeOptions

if TYPE_CHECKING:
    from whisper_jax.cli.results import Results
    from whisper_jax.transcribe import FileProgress, Whisper

_Files = Annotated[list[str], typer.Argument(metavar="FILES", help="Audio or video: paths, URLs.")]
_Translation = Annotated[
    bool,
    option(
        "Subtitles",
        "Put the English translation under what is said: srt, vtt, ass, lrc.",
        "--subtitle-translation",
    ),
]


@takes(
    options_of(ModelChoice), options_of(OutputChoice), transcription_options(), subtitle_options()
)
def transcribe_command(
    files: _Files, *, subtitle_translation: _Translation = False, **given: Any
) -> None:
    """Turn recordings into text with timestamps.

    Exit code 0: all done. 1: some failed, each named with its reason on stderr. 2: usage.
    """
    try:
        subtitles = take_subtitles(given, has_translation=subtitle_translation)
        options = taken(TranscribeOptions, given)
        job = checked_job(files, options, subtitles, given)
        code = run_job(job, "Transcribing", partial(_transcribe, job, options))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(code)


def _transcribe(
    job: Job,
    options: TranscribeOptions,
    model: "Whisper",
    there: Sequence[int],
    results: "Results",
    cancel: threading.Event,
) -> None:
    def on_progress(progress: "FileProgress") -> None:
        results.progressed(there[progress.index], progress)

    for position, transcript, translation in transcribed(
        model,
        [job.files[index] for index in there],
        {field.name: getattr(options, field.name) for field in fields(options)},
        has_translation=job.subtitles.has_translation,
        on_progress=on_progress,
        cancel=cancel,
    ):
        results.completed(there[position], transcript, translation)
