"""When each word of a reference is spoken: forced alignment, done once and kept."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from whisper_jax.bench.workload import Recording
from whisper_jax.errors import OptionError
from whisper_jax.scoring import strip_brackets
from whisper_jax.stored.files import cache_folder, write_whole
from whisper_jax.types import Transcript, Word


class Aligner(Protocol):
    """What finds the times: `whisper_jax.transcribe.Whisper`."""

    @property
    def name(self) -> str:
        """What it was loaded as."""
        ...

    def align(self, audio: Path, text: str, *, language: str | None = None) -> Transcript:
        """The text with the times of its words."""
        ...


def spoken_words(
    model: Aligner, recording: Recording, *, progress: Callable[[str], None]
) -> tuple[Word, ...]:
    """The words of a recording's reference with their times.

    They are kept in the cache, under the hash of the recording and the text: in
    ``bench/alignments`` of the cache folder.

    Args:
        model: What aligns, if it has not been done before.
        recording: With its reference. Brackets are taken out of it, as they are when it is scored.
        progress: Is told that it is being done.

    Returns:
        All of its words. The probability of those that seem not to be spoken is 0, and their times
        are a guess.

    Raises:
        OptionError: The recording has no reference.
        AlignmentError: The reference is not what is said.
        AudioError: The recording cannot be read.
    """
    if not recording.reference:
        raise OptionError(f"{recording.path.name} has no reference to take the words from")
    text = strip_brackets(recording.reference)
    path = _kept_at(model.name, recording, text)
    with suppress(OSError, ValueError, TypeError, KeyError):
        return tuple(Word(**word) for word in json.loads(path.read_bytes())["words"])
    progress(f"when the words of {recording.path.name} are spoken")
    aligned = model.align(recording.path, text, language=recording.language)
    words = tuple(word for segment in aligned.segments for word in segment.words or ())
    kept: dict[str, Any] = {"text": text, "words": [asdict(word) for word in words]}
    write_whole(path, [json.dumps(kept, ensure_ascii=False).encode()])
    return words


def _kept_at(model: str, recording: Recording, text: str) -> Path:
    with recording.path.open("rb") as file:
        audio = hashlib.file_digest(file, "sha256").hexdigest()
    how = [audio, text, recording.language, model, version("whisper-jax")]
    key = hashlib.sha256(json.dumps(how).encode()).hexdigest()
    return cache_folder() / "bench" / "alignments" / f"{key[:32]}.json"
