"""Words with their times, out of what the engine says of each token of a window's text.

openai-whisper's rules (``timing.py``), in whole 10 ms frames of the recording. Where attention is
early or late, times are mended: a word at a sentence's end, or after a pause, lasts twice the
median at most; where the first or last word of a segment is far outside of the segment's own
times, those are kept. What is added here: words never run backwards, and lie within their segment;
where it is known where speech is, none begins or ends in a silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from whisper_jax.audio.units import FRAMES_PER_TIMESTAMP
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.steps import Steps
from whisper_jax.programs.stretches import Spans
from whisper_jax.programs.windows import Span, SpokenWord
from whisper_jax.requests import Align, Aligned
from whisper_jax.text import WhisperTokenizer
from whisper_jax.text.words import merge_punctuation, split_words

_SENTENCE_ENDS = ".。!！?？"
_LONGEST_MEDIAN_FRAMES = 70
"""Words are taken to last no longer than this, whatever their median."""
_EDGE_FRAMES = 8
"""Voice activity notes a soft beginning so much late. On crimson_long 93.9 % of the words are then
where openai-whisper has them, with the edges as they are 90.6 %, and 93.2 % if silences stay."""
_SHORTEST_FRAMES = 4
"""What is left of a silence without its edges, or of a word without the silence, at least."""
_FAR_FRAMES = 50
"""A word that is so far outside of its segment's own times has got lost."""


@dataclass(kw_only=True, slots=True)
class _Timing:
    """A word on its way: frames of the recording."""

    text: str
    start: float
    end: float
    probability: float


class WordTimer:
    """Finds the words of one program's windows, which it is given in their order.

    Args:
        tokenizer: The model's.
        options: Task, and the punctuation that belongs to words.

    Attributes:
        last_speech: Frame of the recording at which the last segment ended.
    """

    def __init__(self, tokenizer: WhisperTokenizer, options: TranscribeOptions) -> None:
        self._tokenizer = tokenizer
        self._options = options
        self.last_speech = 0

    def time(
        self,
        spans: Sequence[Span],
        seek: int,
        n_frames: int,
        language: str,
        speech: Spans | None,
    ) -> Steps[tuple[Span, ...]]:
        """Ask where the words of the window in the slot are.

        Args:
            spans: Its segments, from its first frame.
            seek: That frame.
            n_frames: Frames of content.
            language: Code of the language that it was decoded in.
            speech: Where speech is, in frames of the recording; None if nobody looked for it.

        Returns:
            The segments with their words, and with times that are the words'.
        """
        eot = self._tokenizer.special.eot
        texts = [[token for token in span.tokens if token < eot] for span in spans]
        tokens = tuple(token for text in texts for token in text)
        if not tokens:
            return tuple(replace(span, words=()) for span in spans)
        task = self._options.task
        aligned = yield Align(
            prompt=self._tokenizer.sot_sequence(language, task, timestamps=False),
            tokens=tokens,
            n_frames=n_frames,
        )
        assert isinstance(aligned, Aligned)
        written = "en" if task == "translate" else language
        by_span: list[list[_Timing]] = []
        first = 0
        for text in texts:
            by_span.append(self._timings(text, aligned, first, seek, written))
            first += len(text)
        timings = [timing for own in by_span for timing in own]
        longest = _longest(timings)
        _shorten_at_sentence_ends(timings, longest)
        timed: list[Span] = []
        for span, own in zip(spans, by_span, strict=True):
            if not own:
                timed.append(replace(span, words=()))
                continue
            words = self._merged(own)
            if speech is not None:
                _leave_silence(words, speech)
            start, end = seek + span.start, seek + span.end
            _shorten_after_pause(words, self.last_speech, longest)
            start, end = _fit_segment(words, start, end, longest)
            self.last_speech = end
            timed.append(_with_words(span, words, (start, end), (seek, seek + n_frames)))
        return tuple(timed)

    def _timings(
        self, tokens: Sequence[int], aligned: Aligned, first: int, seek: int, language: str
    ) -> list[_Timing]:
        """Each word of a segment, signs apart, as the attention has it.

        Args:
            tokens: Its text.
            aligned: Where the tokens of the window are.
            first: Place of its first token among them.
            seek: First frame of the window.
            language: Code of the language that the text is in.
        """
        timings: list[_Timing] = []
        for word in split_words(self._tokenizer, tokens, language):
            stop = first + word.n_tokens
            probabilities = aligned.probabilities[first:stop]
            timings.append(
                _Timing(
                    text=word.text,
                    start=seek + FRAMES_PER_TIMESTAMP * aligned.starts[first],
                    end=seek + FRAMES_PER_TIMESTAMP * aligned.starts[stop],
                    probability=sum(probabilities) / len(probabilities),
                )
            )
            first = stop
        return timings

    def _merged(self, timings: Sequence[_Timing]) -> list[_Timing]:
        """The words with their punctuation, which has no times of its own."""
        texts = [timing.text for timing in timings]
        options = self._options
        groups = merge_punctuation(texts, options.prepend_punctuations, options.append_punctuations)
        return [
            replace(
                timings[group.core],
                text="".join(texts[group.start : group.stop]),
            )
            for group in groups
        ]


def _longest(timings: Sequence[_Timing]) -> float:
    """How long a word may be where it is likely to be too long: twice the median."""
    durations = [t.end - t.start for t in timings if t.end > t.start]
    return 2 * min(_LONGEST_MEDIAN_FRAMES, median(durations)) if durations else 0.0


def _shorten_at_sentence_ends(timings: Sequence[_Timing], longest: float) -> None:
    """The sign that ends a sentence holds the pause after it, as does the word that follows."""
    if longest == 0:
        return
    for index in range(1, len(timings)):
        before, timing = timings[index - 1], timings[index]
        if timing.end - timing.start > longest:
            if timing.text in _SENTENCE_ENDS:
                timing.end = timing.start + longest
            elif before.text in _SENTENCE_ENDS:
                timing.start = timing.end - longest


def _leave_silence(words: Sequence[_Timing], speech: Spans) -> None:
    """A word that begins or ends in a silence keeps what is outside of it."""
    for (_, silence), (sound, _) in pairwise(((0, 0), *speech)):
        begin, end = silence + _EDGE_FRAMES, sound - _EDGE_FRAMES
        if end - begin < _SHORTEST_FRAMES:
            continue
        for word in words:
            if begin <= word.start < end < word.end - _SHORTEST_FRAMES:
                word.start = end
            elif word.start + _SHORTEST_FRAMES < begin < word.end <= end:
                word.end = begin


def _shorten_after_pause(words: Sequence[_Timing], last_speech: int, longest: float) -> None:
    """The first word after a pause, and the second, hold none of it."""
    first, second = words[0], words[1] if len(words) > 1 else None
    is_long = first.end - first.start > longest
    are_long = second is not None and second.end - first.start > 2 * longest
    if first.end - last_speech <= 2 * longest or not (is_long or are_long):
        return
    if second is not None and second.end - second.start > longest:
        first.end = second.start = max(second.end / 2, second.end - longest)
    first.start = max(0.0, first.end - longest)


def _fit_segment(words: Sequence[_Timing], start: int, end: int, longest: float) -> tuple[int, int]:
    """Have a segment begin and end with its words, unless these have got lost: then they move."""
    first, last, usual = words[0], words[-1], longest / 2
    if first.start < start - _FAR_FRAMES and start < first.end:
        first.start = max(0.0, min(first.end - usual, start))
    if last.end > end + _FAR_FRAMES and last.start < end:
        last.end = max(last.start + usual, end)
    return round(first.start), round(last.end)


def _with_words(
    span: Span, timings: Sequence[_Timing], times: tuple[int, int], window: tuple[int, int]
) -> Span:
    """The segment with its words, in order and within it, from the window's first frame."""
    first, stop = window
    start, end = (min(max(time, first), stop) for time in times)
    words: list[SpokenWord] = []
    reached = start
    for timing in timings:
        begin = min(max(round(timing.start), reached), end)
        reached = min(max(round(timing.end), begin), end)
        words.append(
            SpokenWord(
                start=begin - first,
                end=reached - first,
                text=timing.text,
                probability=timing.probability,
            )
        )
    return replace(span, start=start - first, end=end - first, words=tuple(words))
