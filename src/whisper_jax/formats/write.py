"""Transcripts into files, whole or not at all."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from whisper_jax.errors import WhisperJaxError
from whisper_jax.formats.options import SubtitleOptions
from whisper_jax.formats.render import render, require_format
from whisper_jax.stored.files import write_whole
from whisper_jax.types import Transcript


def write_transcript(
    transcript: Transcript,
    path: str | os.PathLike[str],
    file_format: str,
    options: SubtitleOptions | None = None,
    *,
    translation: Transcript | None = None,
) -> None:
    """Write a transcript to a file, in UTF-8, replacing what is there.

    The file is written under another name in the same folder, brought to the disk and renamed: at
    no time is there half a file under its name. Folders that are missing are made.

    Args:
        transcript: What to write.
        path: Where; the suffix is not looked at.
        file_format: One of `whisper_jax.formats.FORMATS`.
        options: As in `whisper_jax.formats.render`.
        translation: As in `whisper_jax.formats.render`.

    Raises:
        OptionError: If there is no such format.
        WhisperJaxError: If the file cannot be written.
    """
    # A lone surrogate has no UTF-8: a question mark is better than no transcript.
    text = render(transcript, file_format, options, translation=translation)
    content = text.encode("utf-8", errors="replace")
    target = Path(path)
    try:
        write_whole(target, [content])
    except OSError as error:
        raise WhisperJaxError(
            f"cannot write {str(target)!r}: {error.strerror or error}; choose another output "
            "folder, or make room or give permission there"
        ) from error


def output_paths(
    names: Sequence[str],
    output_dir: str | os.PathLike[str],
    file_format: str,
) -> list[Path]:
    """A file for each recording: the folder, the recording's name without suffix, the format.

    No two are the same, not even where upper and lower case are one. Recordings that differ in
    their suffix only keep it (``talk.mp3.srt``); those that still agree are numbered in order
    (``talk.mp3-2.srt``).

    Args:
        names: Paths or URLs of all the recordings of a run.
        output_dir: The folder they go to.
        file_format: One of `whisper_jax.formats.FORMATS`.

    Returns:
        A path for each name, in order.

    Raises:
        OptionError: If there is no such format.
    """
    suffix = require_format(file_format)
    files = [_file_name(name) for name in names]
    stems = [PurePath(file).stem for file in files]
    n_with_stem = Counter(stem.casefold() for stem in stems)
    taken: set[str] = set()
    paths: list[Path] = []
    for file, stem in zip(files, stems, strict=True):
        base = stem if n_with_stem[stem.casefold()] == 1 else file
        chosen, number = base, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{base}-{number}"
        taken.add(chosen.casefold())
        paths.append(Path(output_dir) / f"{chosen}.{suffix}")
    return paths


def _file_name(name: str) -> str:
    """The last part of a path or URL; a URL's query is no part of it."""
    if name.lower().startswith(("http://", "https://")):
        with suppress(ValueError):
            # A quoted slash must not lead into another folder.
            name = unquote(urlsplit(name).path).rstrip("/")
    return PurePath(name).name.replace("\0", "_") or "audio"
