"""Texts of peers, kept on disk: what was recorded once is never recorded again.

One file for each peer version, settings and weights, with a line for each clip: its content's hash
and what it was told, and what the peer wrote. A line is written as soon as it is there, so that an
interrupted recording goes on where it ended. What failed is not kept, and tried again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

from filelock import FileLock

from whisper_jax.bench.peers.environment import peers_folder
from whisper_jax.bench.peers.run import PeerFile, PeerJob, PeerText, peer_texts
from whisper_jax.bench.peers.settings import PeerSettings
from whisper_jax.bench.peers.weights import weights_hash
from whisper_jax.evaluate import Clip, EvaluationReport, score_clip


class PeerTexts:
    """What one peer with one set of settings and weights has written so far.

    Args:
        settings: Which system, and how it decodes.
        model: A CTranslate2 model folder.
    """

    def __init__(self, settings: PeerSettings, model: Path) -> None:
        self._settings = settings
        self._model = model
        self._about = {
            "system": settings.system,
            "packages": settings.peer.packages,
            "compute_type": settings.compute_type,
            "options": settings.options(),
            "weights": weights_hash(model),
        }
        key = hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()
        name = f"{settings.label.replace(' ', '-')}-{key[:16]}.jsonl"
        self.path = peers_folder() / "texts" / name
        """The file; its first line says what it is."""

    def record(
        self,
        files: Sequence[PeerFile],
        *,
        threads: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[PeerText, ...]:
        """The texts of some recordings, in order; those that are not kept yet are written now.

        Two processes that want the same at once do not fight: the second waits for the first.

        Args:
            files: The recordings.
            threads: Threads that the peer may use, and cores it is pinned to (on Linux).
            progress: Is told how many of those that were missing are done, and how many they are.

        Raises:
            PeerError: the peer could not be installed, or ended early; what it wrote is kept.
        """
        keys = [_key(file) for file in files]
        kept = self._read()
        if any(key not in kept for key in keys):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                kept = self._read()
                wanted = dict(zip(keys, files, strict=True))
                missing = {key: file for key, file in wanted.items() if key not in kept}
                if missing:
                    kept |= self._write(missing, threads, progress or (lambda _n, _of: None))
        return tuple(kept[key] for key in keys)

    def evaluate(
        self,
        clips: Sequence[Clip],
        *,
        threads: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> EvaluationReport:
        """The texts of some clips, scored.

        The languages are given as to ours: a code-switched clip goes without, and a peer that can
        detects the language of each window. Arguments and errors are those of `record`.
        """
        files = [
            PeerFile(
                path=clip.path,
                language=clip.given_language,
                multilingual=clip.given_language is None and self._settings.is_multilingual,
            )
            for clip in clips
        ]
        texts = self.record(files, threads=threads, progress=progress)
        results = [
            score_clip(
                clip,
                written.text,
                audio_s=written.duration_s,
                seconds=written.wall_s,
                error=written.error,
            )
            for clip, written in zip(clips, texts, strict=True)
        ]
        return EvaluationReport(
            name=self._settings.label, clips=tuple(results), settings=self._about, is_peer=True
        )

    def _read(self) -> dict[str, PeerText]:
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return {}
        # What stands after the last end of line was cut off while it was written.
        rows = [json.loads(line) for line in lines[1:-1]]
        return {row.pop("clip"): PeerText(**row) for row in rows}

    def _write(
        self,
        missing: dict[str, PeerFile],
        threads: int,
        progress: Callable[[int, int], None],
    ) -> dict[str, PeerText]:
        job = PeerJob(
            settings=self._settings,
            model=self._model,
            files=tuple(missing.values()),
            threads=threads,
        )
        written: dict[str, PeerText] = {}
        with self.path.open("a+", encoding="utf-8") as out:
            self._begin(out)
            for key, text in zip(missing, peer_texts(job), strict=True):
                written[key] = text
                if text.error is None:
                    out.write(json.dumps({"clip": key, **asdict(text)}, ensure_ascii=False) + "\n")
                    out.flush()
                progress(len(written), len(missing))
        return written

    def _begin(self, out: IO[str]) -> None:
        """Leave the file at the start of a line, its first line written."""
        out.seek(0)
        content = out.read()
        whole = content[: content.rfind("\n") + 1]
        if whole != content:
            out.seek(0)
            out.truncate(len(whole.encode()))
        if not whole:
            out.write(json.dumps(self._about) + "\n")
            out.flush()


def _key(file: PeerFile) -> str:
    """The recording's content and what the peer is told of it."""
    try:
        with file.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:  # the peer will say what is wrong with it
        digest = str(file.path)
    return f"{digest} {json.dumps(file.options(), sort_keys=True)}"
