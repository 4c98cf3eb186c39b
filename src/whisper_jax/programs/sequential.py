"""openai-whisper's long-form algorithm: one window after the other, each from the last timestamp.

Radford et al. 2022, section 4.5, and ``transcribe.py`` of openai-whisper: 30 s windows, the next
one where the last closed segment ends, the text so far as prompt, windows without speech skipped.
Greedy decoding at temperature 0.

It departs from the reference in three places, for recordings that are read as a stream: levels
are scaled by the loudest of what is known so far, not of the whole file (the driver looks ten
minutes ahead where it can, so that shorter files are scaled as the reference does); the language is
detected on the first window as it is decoded (the reference detects on 30 s from the file's start
even if a clip begins elsewhere); and segments without text are left out of the result.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

from whisper_jax.audio.units import FRAMES_PER_SECOND, HOP, SAMPLE_RATE
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.windows import (
    Span,
    clip_ranges,
    split_window,
    window_read,
    window_samples,
)
from whisper_jax.requests import (
    Decode,
    Decoded,
    DecodeRules,
    DetectLanguage,
    Encode,
    Encoded,
    LanguageScores,
    ProgramAnswer,
    ProgramRequest,
    Progress,
    Samples,
)
from whisper_jax.text import TIMESTAMP_STEP_S, WhisperTokenizer, compression_ratio
from whisper_jax.types import Segment, Transcript

type Program = Generator[ProgramRequest, ProgramAnswer, Transcript]
"""Yields requests, is sent their answers, and returns the transcript."""

N_TEXT_CTX = 448
MAX_PROMPT_TOKENS = N_TEXT_CTX // 2 - 1
"""Most tokens of previous text that a window is told: half the decoder's context."""


def transcribe_sequentially(
    tokenizer: WhisperTokenizer, options: TranscribeOptions, peak: float = float("-inf")
) -> Program:
    """Transcribe one recording.

    Args:
        tokenizer: The model's.
        options: What to do; the language, if given, is one that the model knows.
        peak: The highest log-mel level (log10) of the recording, as far as it is known.

    Returns:
        A program, to be driven until it returns the transcript.

    Raises:
        OptionError: At the first step, if the model does not know the language or the task.
    """
    return _Sequential(tokenizer, options, peak).run()


@dataclass
class _Sequential:
    """The state between windows."""

    tokenizer: WhisperTokenizer
    options: TranscribeOptions
    peak: float
    language: str = ""
    language_probability: float | None = None
    segments: list[Segment] = field(default_factory=list[Segment])
    context: list[int] = field(default_factory=list[int])
    n_initial: int = 0
    context_start: int = 0
    n_samples: int = 0

    def run(self) -> Program:
        if self.options.language is not None or not self.tokenizer.is_multilingual:
            self.language = self.tokenizer.language_code(self.options.language or "en")
            self._sot_sequence()
        if self.options.initial_prompt is not None:
            self.context += self.tokenizer.encode(" " + self.options.initial_prompt.strip())
            self.n_initial = len(self.context)
        for start, stop in clip_ranges(self.options.clip_timestamps):
            ended = yield from self._clip(start, stop)
            if ended:
                break
        return Transcript(
            text=self.tokenizer.decode(self.context[self.n_initial :]),
            segments=tuple(self.segments),
            language=self.language,
            language_probability=self.language_probability,
            duration=self.n_samples / SAMPLE_RATE,
        )

    def _clip(self, seek: int, stop: int | None) -> Generator[ProgramRequest, ProgramAnswer, bool]:
        """Transcribe a range of frames; True if the recording ended within it."""
        longest = round(self.options.chunk_length * FRAMES_PER_SECOND)
        while stop is None or seek < stop:
            want = longest if stop is None else min(longest, stop - seek)
            answer = yield window_read(seek, want)
            assert isinstance(answer, Samples)
            samples, n_frames = window_samples(answer, seek, want)
            # What was read beyond the window, as its margin, counts only if it ends the recording.
            n_read = answer.start + len(answer.samples)
            self.n_samples = n_read if answer.ended else min(n_read, (seek + want) * HOP)
            if n_frames == 0:
                return True
            encoded = yield Encode(samples=samples, n_frames=n_frames, peak=self.peak)
            assert isinstance(encoded, Encoded)
            self.peak = encoded.peak
            if not self.language:
                yield from self._detect_language()
            moved, segments = yield from self._decode(seek, n_frames)
            seek += moved
            yield Progress(
                position=min(seek * HOP, self.n_samples),
                segments=segments,
                language=self.language,
                language_probability=self.language_probability,
            )
        return False

    def _detect_language(self) -> Generator[ProgramRequest, ProgramAnswer, None]:
        languages = self.tokenizer.special.languages
        scores = yield DetectLanguage(language_tokens=tuple(languages.values()))
        assert isinstance(scores, LanguageScores)
        best = max(range(len(languages)), key=lambda index: scores.probabilities[index])
        self.language = list(languages)[best]
        self.language_probability = scores.probabilities[best]

    def _decode(
        self, seek: int, n_frames: int
    ) -> Generator[ProgramRequest, ProgramAnswer, tuple[int, tuple[Segment, ...]]]:
        """Decode the window in the slot; frames to move on, and its segments."""
        result = yield self._request()
        assert isinstance(result, Decoded)
        if self._is_silent(result):
            return n_frames, ()
        spans, moved = split_window(result.tokens, self.tokenizer.special.timestamp_begin, n_frames)
        # A segment without length or text is none, and must not prompt what follows.
        spans = [span for span in spans if span.start < span.end and self._text(span).strip()]
        segments = tuple(
            self._segment(len(self.segments) + index, seek, span, result)
            for index, span in enumerate(spans)
        )
        self.segments += segments
        for span in spans:
            self.context += span.tokens
        if not self.options.condition_on_previous_text:
            self.context_start = len(self.context)
        return moved, segments

    def _request(self) -> Decode:
        special = self.tokenizer.special
        previous = self.context[self.context_start :][-MAX_PROMPT_TOKENS:]
        before = (special.sot_prev, *previous) if previous else ()
        return Decode(
            prompt=before + self._sot_sequence(),
            sot_index=len(before),
            rules=decode_rules(self.tokenizer, self.options),
            max_tokens=N_TEXT_CTX // 2,
        )

    def _sot_sequence(self) -> tuple[int, ...]:
        timestamps = not self.options.without_timestamps
        return self.tokenizer.sot_sequence(self.language, self.options.task, timestamps)

    def _is_silent(self, result: Decoded) -> bool:
        threshold, likely = self.options.no_speech_threshold, self.options.logprob_threshold
        if threshold is None or result.no_speech_prob <= threshold:
            return False
        return likely is None or result.avg_logprob <= likely

    def _text(self, span: Span) -> str:
        return self.tokenizer.decode(span.tokens)

    def _segment(self, number: int, seek: int, span: Span, result: Decoded) -> Segment:
        return Segment(
            id=number,
            seek=seek,
            start=(seek + span.start) / FRAMES_PER_SECOND,
            end=(seek + span.end) / FRAMES_PER_SECOND,
            text=self._text(span),
            tokens=span.tokens,
            temperature=0.0,
            avg_logprob=result.avg_logprob,
            compression_ratio=compression_ratio(self.tokenizer.decode(result.tokens).strip()),
            no_speech_prob=result.no_speech_prob,
        )


def decode_rules(tokenizer: WhisperTokenizer, options: TranscribeOptions) -> DecodeRules:
    """What the options forbid a window to say.

    The control tokens are always forbidden, as in openai-whisper.
    """
    special = tokenizer.special
    suppress = set(options.suppress_tokens)
    if -1 in suppress:
        suppress.remove(-1)
        suppress.update(tokenizer.non_speech_tokens)
    suppress.update((special.sot, special.sot_prev, special.sot_lm, special.no_speech))
    suppress.update((special.transcribe, special.translate))
    latest = options.max_initial_timestamp
    return DecodeRules(
        suppress=tuple(sorted(suppress)),
        suppress_first=tokenizer.blank_tokens if options.suppress_blank else (),
        timestamps=not options.without_timestamps,
        max_initial_timestamp_index=None if latest is None else round(latest / TIMESTAMP_STEP_S),
    )
