"""The long-form algorithm: a recording clip by clip, a clip window by window, in every mode.

Radford et al. 2022, section 4.5, and ``transcribe.py`` of openai-whisper: 30 s windows, the next
one where the last closed segment ends, the text so far as prompt, windows without speech skipped,
implausible texts decoded again at higher temperatures.

It departs from the reference in these places:

- Levels are scaled by the loudest of what is known so far, not of the whole file: the driver looks
  ten minutes ahead where it can, so that shorter files are scaled as the reference does.
- The language is detected where the first clip begins; the reference does so at the file's start.
- Segments without text are left out of the result.
- Where it is known where speech is, nothing spoken after a text's last timestamp is left out, and
  nothing else is listened to (`whisper_jax.programs.stretches`).
- Segments end with their clip, or with the recording; in the reference, times may lie in a window's
  padding.
- Phrases that models are known to make up are left out where nobody spoke, and rounds of a loop
  where there is no time for them (`whisper_jax.programs.guards`).
- A prefix is part of the text; both peers tell it to the model and leave it out.
"""

from collections.abc import Sequence

from whisper_jax.audio.units import FRAMES_PER_SECOND, HOP, SAMPLE_RATE
from whisper_jax.options import AUTO, TranscribeOptions
from whisper_jax.programs.anomalies import WindowPlace, skip_silence
from whisper_jax.programs.checks import check_options
from whisper_jax.programs.fallback import Outcome, decode_with_fallback, is_silent
from whisper_jax.programs.guards import shorten_loop
from whisper_jax.programs.language import Language, detect_language, detect_on_windows
from whisper_jax.programs.prompts import Context, prefix_tokens
from whisper_jax.programs.rules import decode_request, decode_rules
from whisper_jax.programs.segments import Segments, most_spoken
from whisper_jax.programs.slot import WindowSlot
from whisper_jax.programs.steps import Program, Steps
from whisper_jax.programs.stretches import Spans, Stretch, next_start
from whisper_jax.programs.switching import (
    likeliest_path,
    piece_windows,
    pieces_of,
    stretches_of,
)
from whisper_jax.programs.windows import (
    Span,
    WindowText,
    done_with_words,
    fit_into,
    split_window,
)
from whisper_jax.programs.words import WordTimer
from whisper_jax.requests import Clip, NextClip, Progress
from whisper_jax.text import WhisperTokenizer
from whisper_jax.types import Segment, Transcript


def transcribe_clips(
    tokenizer: WhisperTokenizer,
    options: TranscribeOptions,
    *,
    peak: float = float("-inf"),
    language: Language | None = None,
) -> Program:
    """Transcribe the clips of a recording that the driver gives, one after the other.

    Args:
        tokenizer: The model's.
        options: What to do.
        peak: The highest log-mel level (log10) of the recording, as far as it is known.
        language: The recording's language, if it is known from another of its programs. Else it
            is taken from the options, or detected on the first clip: a `Progress` without
            segments then tells it before anything is decoded.

    Returns:
        A program, to be driven until it returns the transcript.

    Raises:
        OptionError: At the first step, if the model cannot honour the options.
    """
    # A generator's body runs at its first step.
    program = _Recording(tokenizer, check_options(tokenizer, options), peak, language)
    return (yield from program.run())


class _Recording:
    """One program and its state between windows. The options have been checked."""

    def __init__(
        self,
        tokenizer: WhisperTokenizer,
        options: TranscribeOptions,
        peak: float,
        language: Language | None,
    ) -> None:
        given = options.language
        self.tokenizer = tokenizer
        self.options = options
        # The recording's, once it is known; None where each stretch has its own.
        self.language = language if given is None else None
        if given not in (None, AUTO):
            self.language = Language(code=given)
        n_padding = round(options.padding_s * FRAMES_PER_SECOND)
        # The zeros that openai-whisper puts there are louder than the silence of a recording.
        silence_after = options.long_form == "parallel"
        self.slot = WindowSlot(peak, n_padding, silence_after=silence_after)
        self.context = Context(tokenizer, options)
        self.segments = Segments(tokenizer, options)
        self.timer = WordTimer(tokenizer, options) if options.word_timestamps else None
        self.rules = decode_rules(tokenizer, options)
        self.last_code = ""

    def run(self) -> Program:
        while True:
            clip = yield NextClip()
            if clip is None:
                break
            assert isinstance(clip, Clip)
            if (yield from self._clip(clip)):
                break
        known = self.language
        return Transcript(
            text="".join(segment.text for segment in self.segments.found),
            segments=tuple(self.segments.found),
            language=known.code if known else most_spoken(self.segments.found),
            language_probability=known.probability if known else None,
            duration=self.slot.n_samples / SAMPLE_RATE,
            language_probabilities=known.probabilities if known else (),
            task=self.options.task,
        )

    def _clip(self, clip: Clip) -> Steps[bool]:
        """Transcribe a clip; True if the recording ended within it."""
        if clip.stop is not None and clip.stop <= clip.start:
            return False
        prefix = prefix_tokens(self.tokenizer, self.options) if clip.is_first else ()
        if self.options.language == AUTO:
            stretches = yield from self._stretches(clip)
        else:
            if self.language is None:
                yield from self._detect(clip)
            if self.language is None:
                return True
            code = self.language.code
            stretches = [
                Stretch(start=clip.start, stop=clip.stop, speech=clip.speech, language=code)
            ]
        for stretch in stretches:
            if (yield from self._stretch(stretch, prefix)):
                return True
            prefix = ()
        return False

    def _detect(self, clip: Clip) -> Steps[None]:
        """Find the recording's language; it stays unknown if there is no audio."""
        start = clip.start
        windows = clip.detection or ((start, start + self._longest(start, clip.stop)),)
        threshold = self.options.language_detection_threshold
        self.language = yield from detect_on_windows(self.slot, self.tokenizer, windows, threshold)
        if self.language is not None:
            yield self._progress(start, (), self.language.code)

    def _stretches(self, clip: Clip) -> Steps[list[Stretch]]:
        """The stretches of a clip in which languages may change."""
        whole = Stretch(start=clip.start, stop=clip.stop, speech=clip.speech, language=None)
        pieces = pieces_of(clip.speech or ())
        if not pieces:
            return [whole]
        if len(pieces) == 1:
            # What is heard of it is the very window that is decoded first.
            windows = [(clip.start, clip.start + self._longest(clip.start, clip.stop))]
        else:
            windows = piece_windows(clip, pieces)
        found: list[Language] = []
        for start, stop in windows:
            n_frames = yield from self.slot.hear(start, stop - start, peek=start > clip.start)
            if n_frames == 0:
                break
            found.append((yield from detect_language(self.tokenizer)))
        if not found:
            return [whole]
        return stretches_of(clip, pieces[: len(found)], likeliest_path(found))

    def _stretch(self, stretch: Stretch, prefix: tuple[int, ...]) -> Steps[bool]:
        """Transcribe a stretch window by window; True if the recording ended within it."""
        seek: int | None = stretch.start
        n_windows = 0
        while seek is not None:
            n_wanted = self._longest(seek, stretch.stop)
            n_frames = yield from self.slot.hear(seek, n_wanted)
            if n_frames == 0:
                return True
            code = stretch.language or (yield from detect_language(self.tokenizer)).code
            outcome = yield from self._decode(seek, code, prefix)
            prefix, n_windows = (), n_windows + 1
            text, segments = None, ()
            if not is_silent(outcome.attempt.decoded, self.options):
                is_at_end = stretch.stop is None and n_frames < n_wanted
                stop = seek + n_frames if is_at_end else stretch.stop
                place = WindowPlace(
                    seek=seek,
                    n_frames=n_frames,
                    stop=stop,
                    last_speech=self.timer.last_speech if self.timer else 0,
                    has_speech=stretch.speech is not None,
                )
                text, segments = yield from self._write(outcome, place, stretch.speech, code)
            window = (seek, seek + n_frames)
            seek = next_start(stretch, window, text, n_windows)
            done = seek if seek is not None else stretch.stop or window[1]
            yield self._progress(done, segments, code)
        return False

    def _write(
        self, outcome: Outcome, place: WindowPlace, speech: Spans | None, code: str
    ) -> Steps[tuple[WindowText, tuple[Segment, ...]]]:
        """Make segments of the text of the window in the slot, and say how far it is done."""
        seek, n_frames = place.seek, place.n_frames
        timestamp_begin = self.tokenizer.special.timestamp_begin
        text = split_window(outcome.attempt.decoded.tokens, timestamp_begin, n_frames)
        spans: Sequence[Span] = fit_into(text.spans, n_frames)
        if self.options.compression_ratio_threshold is not None:
            spans = [shorten_loop(span, seek, speech, self.tokenizer) for span in spans]
        if self.timer is not None:
            spans = yield from self.timer.time(spans, seek, n_frames, code, speech)
            if speech is None:
                text = done_with_words(text, spans)
            if self.options.hallucination_silence_threshold is not None:
                text, kept = skip_silence(text, spans, place, self.options)
                if len(kept) < len(spans):
                    ends = [span.words[-1].end for span in kept if span.words]
                    self.timer.last_speech = seek + ends[-1] if ends else place.last_speech
                spans = kept
        segments = self.segments.add(spans, seek, outcome, code, speech)
        self._remember(segments, outcome)
        return text, segments

    def _decode(self, seek: int, code: str, prefix: tuple[int, ...]) -> Steps[Outcome]:
        """Decode the window in the slot."""
        if self.last_code not in ("", code):
            self.context.forget()
        self.last_code = code
        told = self.context.before(len(prefix))
        before = (self.tokenizer.special.sot_prev, *told) if told else ()
        timestamps = not self.options.without_timestamps
        sot_sequence = self.tokenizer.sot_sequence(code, self.options.task, timestamps)
        request = decode_request(before, sot_sequence, prefix, self.rules, self.options)
        return (yield from decode_with_fallback(request, seek, self.tokenizer, self.options))

    def _remember(self, segments: tuple[Segment, ...], outcome: Outcome) -> None:
        """Tell the next window what was said in this one, if that may be trusted."""
        for segment in segments:
            self.context.add(segment.tokens)
        is_hot = outcome.last_temperature > self.options.prompt_reset_on_temperature
        if is_hot or not self.options.condition_on_previous_text:
            self.context.forget()

    def _longest(self, start: int, stop: int | None) -> int:
        """Most frames of a window."""
        longest = round(self.options.chunk_length * FRAMES_PER_SECOND)
        return longest if stop is None else min(longest, stop - start)

    def _progress(self, done: int, segments: tuple[Segment, ...], code: str) -> Progress:
        known = self.language
        return Progress(
            position=min(done * HOP, self.slot.n_samples),
            segments=segments,
            language=code,
            language_probability=known.probability if known else None,
            language_probabilities=known.probabilities if known else (),
        )
