"""Segments out of the texts of windows."""

from collections.abc import Iterable
from itertools import accumulate

from whisper_jax.audio.units import FRAMES_PER_SECOND
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.fallback import Outcome
from whisper_jax.programs.guards import is_made_up
from whisper_jax.programs.stretches import Spans
from whisper_jax.programs.windows import Span
from whisper_jax.text import WhisperTokenizer
from whisper_jax.text.chinese import CHINESE_LANGUAGES, chinese_converter
from whisper_jax.types import Segment, Word


class Segments:
    """The segments of one program.

    Args:
        tokenizer: The model's.
        options: Task, the script that Chinese is written in, and what is dropped.

    Attributes:
        found: All of them, in order.
    """

    def __init__(self, tokenizer: WhisperTokenizer, options: TranscribeOptions) -> None:
        self.found: list[Segment] = []
        self._tokenizer = tokenizer
        self._options = options
        # A translation is English, whatever was spoken.
        script = options.chinese_script if options.task == "transcribe" else None
        self._to_script = None if script is None else chinese_converter(script)

    def add(
        self,
        spans: Iterable[Span],
        seek: int,
        outcome: Outcome,
        language: str,
        speech: Spans | None,
    ) -> tuple[Segment, ...]:
        """Make segments of the text of a window; one without words, or made up, is none.

        Args:
            spans: Tokens and times, from the window's first frame.
            seek: That frame.
            outcome: What became of the window.
            language: The language it was decoded in.
            speech: Where speech is, in frames of the recording; None if nobody looked for it.
        """
        decoded = outcome.attempt.decoded
        n_before = len(self.found)
        for span in spans:
            text = self._text(span.tokens, language)
            times = seek + span.start, seek + span.end
            if not text.strip() or is_made_up(text, times, speech, decoded, self._options):
                continue
            self.found.append(
                Segment(
                    id=len(self.found),
                    seek=seek,
                    start=times[0] / FRAMES_PER_SECOND,
                    end=times[1] / FRAMES_PER_SECOND,
                    text=text,
                    tokens=span.tokens,
                    temperature=outcome.attempt.temperature,
                    avg_logprob=decoded.avg_logprob,
                    compression_ratio=outcome.attempt.compression_ratio,
                    no_speech_prob=decoded.no_speech_prob,
                    language=language,
                    retries=outcome.retries,
                    words=self._words(span, seek, text, language),
                )
            )
        return tuple(self.found[n_before:])

    def _words(self, span: Span, seek: int, text: str, language: str) -> tuple[Word, ...] | None:
        """The words of a segment, in the script of its text."""
        if span.words is None:
            return None
        written = [word.text for word in span.words]
        stops = list(accumulate(map(len, written)))
        if stops[-1:] == [len(text)]:
            # Converted as a whole, a text is right in places where its words alone would not be.
            starts = [0, *stops[:-1]]
            written = [text[start:stop] for start, stop in zip(starts, stops, strict=True)]
        elif self._to_script is not None and language in CHINESE_LANGUAGES:
            written = list(map(self._to_script, written))
        return tuple(
            Word(
                start=(seek + word.start) / FRAMES_PER_SECOND,
                end=(seek + word.end) / FRAMES_PER_SECOND,
                word=spelled,
                probability=word.probability,
            )
            for word, spelled in zip(span.words, written, strict=True)
        )

    def _text(self, tokens: tuple[int, ...], language: str) -> str:
        text = self._tokenizer.decode(tokens)
        if self._to_script is not None and language in CHINESE_LANGUAGES:
            return self._to_script(text)
        return text


def most_spoken(segments: Iterable[Segment]) -> str:
    """The language with the most seconds, the first one at a tie; empty if there is none."""
    seconds: dict[str, float] = {}
    for segment in segments:
        seconds[segment.language] = seconds.get(segment.language, 0) + segment.end - segment.start
    return max(seconds, key=lambda code: seconds[code], default="")
