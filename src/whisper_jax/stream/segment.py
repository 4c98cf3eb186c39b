"""A segment of a stream that is not done yet."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

from whisper_jax.audio.units import FRAMES_PER_SECOND
from whisper_jax.programs.fallback import Attempt
from whisper_jax.stream.agreement import HeardWord
from whisper_jax.types import Segment, Word

_LEAST_KEPT_FRAMES = 300
"""What is left of a window that is cut, at least: the model hears what went before."""
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "…")


@dataclass
class OpenSegment:
    """What is known of a segment. Frames are of 10 ms, of the stream.

    Attributes:
        number: Of the segment.
        start: Its first frame.
        window: First frame of the window that is heard next.
        end: Where its speech ends, once it is known.
        stop: One past the last frame of it that is heard, once it is known: a little later.
        heard: One past the last frame that was heard in an update.
        committed: Its words that will stay.
        n_left: How many of them the window has left behind.
        pauses: Where all that had been said was committed, and how many words these were.
        hypothesis: The words that seem to follow.
        shown: The tentative text that was told last.
        language: Code of its language, once it is settled.
        attempt: How the last plausible update was decoded.
        is_whole: Whether that has heard all that was said before a pause, or the end.
    """

    number: int
    start: int
    window: int
    end: int | None = None
    stop: int | None = None
    heard: int = 0
    committed: list[HeardWord] = field(default_factory=list[HeardWord])
    n_left: int = 0
    pauses: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    hypothesis: tuple[HeardWord, ...] = ()
    shown: str = ""
    language: str | None = None
    attempt: Attempt | None = None
    is_whole: bool = False

    @property
    def in_window(self) -> tuple[int, ...]:
        """Tokens of the committed text that the window has."""
        words = self.committed[self.n_left :]
        return tuple(token for word in words for token in word.tokens)

    @property
    def committed_end(self) -> int:
        """Where the committed text ends, or the window begins."""
        return max([self.window, *(word.end for word in self.committed[-1:])])

    def commit(self, n_words: int) -> tuple[HeardWord, ...]:
        """Settle the first words of the hypothesis."""
        words, self.hypothesis = self.hypothesis[:n_words], self.hypothesis[n_words:]
        n_before = len(self.committed)
        self.committed += words
        if words and words[0].is_sign:
            # It belongs to the word before the pause.
            self.pauses = [(frame, n + (n == n_before)) for frame, n in self.pauses]
        return words

    def part_sign(self) -> int:
        """Part the last word of the hypothesis from its punctuation, which is not settled yet.

        Whether a sentence ends in a pause is known when it is known how it goes on.

        Returns:
            How many words are settled.
        """
        if not self.hypothesis:
            return 0
        word, sign = self.hypothesis[-1].parted()
        self.hypothesis = (*self.hypothesis[:-1], word, *([sign] if sign else []))
        return len(self.hypothesis) - (sign is not None or word.is_sign)

    def leave(self, longest: int) -> tuple[int, ...]:
        """Shorten a window that is longer than so many frames, in the last pause that is possible.

        If there was none it is cut in the longest gap between words, behind a sentence if possible.

        Returns:
            Tokens of the text that it leaves behind; none if there is no place to cut.
        """
        if self.heard - self.window <= longest:
            return ()
        latest = self.heard - _LEAST_KEPT_FRAMES
        pauses = [pause for pause in self.pauses if self.window < pause[0] <= latest]
        if pauses:
            return self._leave(*pauses[-1])
        own = self.committed[self.n_left :]
        gaps = [
            (_ends_sentence(word), after.start - word.end, index)
            for index, (word, after) in enumerate(pairwise(own))
            if self.window < word.end <= latest
        ]
        if not gaps:
            return ()
        _, _, index = max(gaps)
        end = own[index].end
        return self._leave((end + max(end, own[index + 1].start)) // 2, self.n_left + index + 1)

    def _leave(self, window: int, n_left: int) -> tuple[int, ...]:
        left = self.committed[self.n_left : n_left]
        self.window, self.n_left = window, n_left
        self.pauses = [pause for pause in self.pauses if pause[0] > window]
        return tuple(token for word in left for token in word.tokens)

    def leave_all(self) -> tuple[int, ...]:
        """Begin a new window behind the committed text; tokens of what is left behind.

        What was heard and not committed is lost but for its end.
        """
        window = max(self.committed_end, self.heard - _LEAST_KEPT_FRAMES)
        return self._leave(window, len(self.committed))

    def result(self) -> Segment:
        """The segment as it is now."""
        words, attempt = self.committed, self.attempt
        return Segment(
            id=self.number,
            seek=self.window,
            start=(words[0].start if words else self.start) / FRAMES_PER_SECOND,
            end=(words[-1].end if words else self.stop or self.start) / FRAMES_PER_SECOND,
            text="".join(word.text for word in words),
            tokens=tuple(token for word in words for token in word.tokens),
            temperature=attempt.temperature if attempt else 0.0,
            avg_logprob=attempt.decoded.avg_logprob if attempt else 0.0,
            compression_ratio=attempt.compression_ratio if attempt else 0.0,
            no_speech_prob=attempt.decoded.no_speech_prob if attempt else 0.0,
            language=self.language or "",
            words=spoken(words),
        )


def spoken(words: "list[HeardWord] | tuple[HeardWord, ...]") -> tuple[Word, ...]:
    """Words as they are told, in seconds."""
    found: list[Word] = []
    for word in words:
        if found and word.is_sign:
            found[-1] = replace(found[-1], word=found[-1].word + word.text)
        else:
            found.append(
                Word(
                    start=word.start / FRAMES_PER_SECOND,
                    end=word.end / FRAMES_PER_SECOND,
                    word=word.text,
                    probability=word.probability,
                )
            )
    return tuple(found)


def _ends_sentence(word: HeardWord) -> bool:
    return word.text.rstrip().endswith(_SENTENCE_ENDS)
