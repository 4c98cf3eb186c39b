"""A transcription as server-sent events: OpenAI's, and ours with ``stream_detail``."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import Any, final

from whisper_jax.driver import FileProgress
from whisper_jax.server import answers
from whisper_jax.server.errors import as_api_error
from whisper_jax.server.fields import Asked
from whisper_jax.server.work import Begun, Queued, WorkEvent
from whisper_jax.types import Segment, Transcript


@final
class Told:
    """What has been told of a transcription.

    Text goes out a segment at a time. All the ``delta`` together are the text of ``done``.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._has_text = False
        self._pending_space = ""
        self._speakers: dict[str, str] = {}
        self._begun_s = perf_counter()

    def events(self, event: WorkEvent) -> list[dict[str, Any]]:
        """What a client is told of an event."""
        match event:
            case Queued(position=position):
                return self._detail({"type": "transcript.queued", "position": position})
            case Begun():
                self._begun_s = perf_counter()
                return []
            case FileProgress():
                told = [piece for segment in event.segments for piece in self._segment(segment)]
                return told + self._detail(self._progress(event))
            case Transcript():
                return [self._done(event)]

    def _segment(self, segment: Segment) -> list[dict[str, Any]]:
        if self._asked.response_format == "diarized_json":
            told = [answers.diarized_segment(segment, self._speakers)]
        else:
            told = []
        text = segment.text if self._has_text else segment.text.lstrip()
        # A space at an end may be the end of all, where the text has none.
        text = self._pending_space + text
        stripped = text.rstrip()
        self._pending_space = text[len(stripped) :]
        if stripped:
            self._has_text = True
            told.append({"type": "transcript.text.delta", "delta": stripped})
        else:
            self._pending_space = "" if not self._has_text else self._pending_space
        has_words = "word" in self._asked.granularities
        fields = answers.detail_segment(segment, has_words=has_words)
        return told + self._detail({"type": "transcript.segment", "segment": fields})

    def _progress(self, progress: FileProgress) -> dict[str, Any]:
        seconds = perf_counter() - self._begun_s
        return {
            "type": "transcript.progress",
            "position_s": round(progress.position_s, 3),
            "duration_s": progress.duration_s,
            "speed": round(progress.position_s / seconds, 2) if seconds > 0 else 0.0,
        }

    def _done(self, transcript: Transcript) -> dict[str, Any]:
        done: dict[str, Any] = {
            "type": "transcript.text.done",
            "text": transcript.text.strip(),
        }
        if self._asked.tells_detail:
            done["language"] = transcript.language
            done["duration"] = transcript.duration
        return done

    def _detail(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        return [event] if self._asked.tells_detail else []


async def server_sent(
    told: Told, first: Sequence[dict[str, Any]], work: AsyncGenerator[WorkEvent]
) -> AsyncGenerator[bytes]:
    """The events as they go over the network; an error is the last of them.

    Args:
        told: What has been told so far.
        first: What is to be told at once.
        work: What follows.
    """
    async with aclosing(work):
        for fields in first:
            yield encoded(fields)
        try:
            async for event in work:
                for fields in told.events(event):
                    yield encoded(fields)
        except Exception as error:
            yield encoded({"type": "error"} | as_api_error(error).body())


def encoded(fields: dict[str, Any]) -> bytes:
    """One event. JSON holds no line break, so it is a single line."""
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()
