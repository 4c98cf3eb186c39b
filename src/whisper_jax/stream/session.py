"""A live stream without threads, sockets, devices or clocks: audio in, updates out, events out.

Whoever drives it gives it samples with their probabilities of speech (`hear`), carries out the
update that it asks for (`next_update`) and gives back what was found (`take`), one at a time. All
methods return the events that follow.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import FRAMES_PER_SECOND, HOP, N_FRAMES, SAMPLE_RATE
from whisper_jax.options import AUTO, TranscribeOptions
from whisper_jax.programs.guards import shortest_s
from whisper_jax.programs.language import Language
from whisper_jax.programs.prompts import Context
from whisper_jax.speech.spans import STEP_SAMPLES
from whisper_jax.stream.agreement import (
    HeardWord,
    is_nothing_but_marks,
    n_out_of_place,
    settled_by_agreement,
    settled_by_alignment,
)
from whisper_jax.stream.echo import without_echo
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    Tentative,
)
from whisper_jax.stream.samples import RecentSamples
from whisper_jax.stream.segment import OpenSegment, spoken
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.stream.style import LOOKED_AT_CHARACTERS, has_lost_signs
from whisper_jax.stream.turns import TurnDetector
from whisper_jax.stream.updates import Heard, Update
from whisper_jax.text import WhisperTokenizer

_LONGEST_WINDOW_FRAMES = 1250
"""A window is shortened between words once it is longer."""
_TOLD_TOKENS = 123
"""Of a window's own text and of what was said before: with what says what to write, one of the
lengths that programs are compiled for. The next one takes an update 30 ms longer on a CPU, and the
errors are no fewer (docs/performance.md)."""
_PAUSE_SAMPLES = round(0.24 * SAMPLE_RATE)
"""After so long a silence the last words have been heard whole."""
_SLACK_FRAMES = 50
"""Times of words are no better than that."""
_HELD_FRAMES = 300
"""While nobody speaks: more than a segment may begin before it is noticed."""
_LEAST_FRAMES = 10
"""Nothing is said in less."""
_END_PADDING_FRAMES = 30
"""Of the pause that ends a segment, what is heard."""
_SURE_OF_LANGUAGE = 0.8
_LANGUAGE_FRAMES = 300
"""After so much speech its language is settled, however sure the model is of it."""
_HOT = 0.5
"""What was drawn at a higher temperature is not told to the next windows: openai-whisper's."""


@dataclass(slots=True)
class _UnderWay:
    """An update that was asked for.

    Attributes:
        segment: Of which.
        update: What is heard.
        n_known: Samples of which it was known then whether they are speech.
        last_speech: One past the last of these with speech.
        next_speech: The first sample with speech after that, once there is some.
    """

    segment: OpenSegment
    update: Update
    n_known: int
    last_speech: int
    next_speech: int | None = None

    def is_in_pause(self, words: Sequence[HeardWord]) -> bool:
        """Whether it hears a pause at its end: what was said before has been heard whole.

        Since it was asked for more may have been said, even in the next segment. A word that begins
        where nobody has looked for speech yet may be the first of that.
        """
        if any(word.start * HOP >= self.n_known and not word.is_sign for word in words):
            return False
        stop = (self.update.first + self.update.n_frames) * HOP
        is_silent = self.next_speech is None or self.next_speech >= stop
        is_over = self.segment.end is None or self.segment.end * HOP <= stop
        return is_silent and is_over and stop - self.last_speech >= _PAUSE_SAMPLES


@final
class StreamSession:
    """The state of one stream.

    Args:
        tokenizer: The model's.
        live: The stream's options.
        transcribe: What they are for the model (`model_options`).
    """

    def __init__(
        self, tokenizer: WhisperTokenizer, live: LiveOptions, transcribe: TranscribeOptions
    ) -> None:
        self._live = live
        self._samples = RecentSamples()
        self._turns = TurnDetector(live.vad_threshold, round(live.silence_s * SAMPLE_RATE))
        self._segments: deque[OpenSegment] = deque()
        self._n_segments = 0
        self._ended_at = 0
        self._context = Context(tokenizer, transcribe)
        self._last_text = ""
        given = transcribe.language
        self._language = given if given not in (None, AUTO) else None
        self._has_one_language = given != AUTO
        self._peak = float("-inf")
        self._under_way: _UnderWay | None = None

    @property
    def is_idle(self) -> bool:
        """Whether all of what was heard has been committed."""
        return not self._segments

    @property
    def n_looked_at(self) -> int:
        """Samples up to which nothing waits for an update."""
        if not self._segments:
            return self._samples.n
        segment = self._segments[0]
        return max(segment.heard, segment.start) * HOP

    def hear(self, samples: NDArray[np.float32], probabilities: Sequence[float]) -> list[LiveEvent]:
        """The stream goes on.

        Args:
            samples: float32 [n], mono, 16 kHz.
            probabilities: Of speech, for all 32 ms steps of the stream that are known now and were
                not before.
        """
        self._samples.add(samples)
        events: list[LiveEvent] = []
        for probability in probabilities:
            turn = self._turns.push(probability)
            self._note_speech()
            if turn is None:
                continue
            if turn.kind == "started":
                events += self._begin(turn.at - round(self._live.prefix_padding_s * SAMPLE_RATE))
            elif self._live.detects_pauses:
                events += self._stop(turn.at // HOP)
        if not self._segments:
            self._samples.drop_before(self._samples.n // HOP - _HELD_FRAMES)
        return events

    def _note_speech(self) -> None:
        """Somebody may have spoken for the first time since the update was asked for."""
        asked = self._under_way
        spoken_to = self._turns.last_speech
        if asked is not None and asked.next_speech is None and spoken_to > asked.last_speech:
            asked.next_speech = spoken_to - STEP_SAMPLES

    def commit(self) -> list[LiveEvent]:
        """End the segment under way here."""
        events = self._stop(self._samples.n // HOP)
        if events and self._turns.speaks:
            events += self._begin(self._samples.n)
        return events

    def finish(self) -> list[LiveEvent]:
        """Nothing more comes."""
        return self._stop(self._samples.n // HOP)

    def clear(self) -> list[LiveEvent]:
        """Forget what has not been committed."""
        events = self._stop(self._samples.n // HOP)
        while self._segments:
            segment = self._segments[0]
            segment.hypothesis = ()
            events += self._done(segment)
        self._under_way = None
        if self._turns.speaks:
            events += self._begin(self._samples.n)
        return events

    # --- updates ---------------------------------------------------------------------------------

    def next_update(self, least_s: float = 0.0) -> Update | None:
        """What is to be heard now, if anything is.

        Args:
            least_s: Seconds of new audio that there are to be, if more than the options say.
        """
        if self._under_way is not None or not self._segments:
            return None
        segment = self._segments[0]
        n_known = self._samples.n // HOP
        stop = n_known if segment.stop is None else min(segment.stop, n_known)
        if not self._is_due(segment, stop, least_s):
            return None
        samples, n_frames = self._samples.window(
            segment.window, min(stop - segment.window, N_FRAMES)
        )
        committed, language = segment.in_window, segment.language or self._language
        is_told = not has_lost_signs(self._last_text, language)
        most_text = max(0, _TOLD_TOKENS - len(committed)) if is_told else 0
        update = Update(
            samples=samples,
            first=segment.window,
            n_frames=n_frames,
            peak=self._peak,
            told=self._context.before(len(committed), most_text),
            committed=committed,
            since=segment.window + n_frames - segment.committed_end,
            language=language,
            is_last=segment.stop is not None and segment.window + n_frames >= segment.stop,
        )
        self._under_way = _UnderWay(segment, update, self._turns.n, self._turns.last_speech)
        return update

    def take(self, heard: Heard) -> list[LiveEvent]:
        """What the update found that was asked for last."""
        if self._under_way is None:
            return []  # it has been cleared meanwhile
        under_way, self._under_way = self._under_way, None
        segment, update = under_way.segment, under_way.update
        segment.heard = update.first + update.n_frames
        self._peak = heard.peak
        speech_end = -(-under_way.last_speech // HOP)
        heard = without_echo(heard, segment.committed, speech_end)
        n_settled, segment.is_whole = 0, False
        if self._is_believed(heard, update):
            before, segment.hypothesis = segment.hypothesis, heard.words
            segment.attempt = heard.attempt
            segment.is_whole = update.is_last or under_way.is_in_pause(heard.words)
            if segment.is_whole and segment.stop is not None:
                n_settled = len(heard.words)
            elif segment.is_whole:
                n_settled = segment.part_sign()
            else:
                n_settled = self._n_settled(segment, before)
            self._settle_language(segment, heard.language, must=n_settled > 0)
        elif update.is_last:  # what seemed to follow before stays
            n_settled, segment.is_whole = len(segment.hypothesis), True
        events = self._commit(segment, n_settled)
        if segment.is_whole and segment.stop is None:
            pause = speech_end + _PAUSE_SAMPLES // HOP // 2
            segment.pauses.append((min(pause, segment.heard), len(segment.committed)))
        events += self._leave(segment)
        if segment.is_whole and segment.stop is not None:
            return events + self._done(segment)
        return events + self._show(segment) + self._cut(segment)

    def _is_due(self, segment: OpenSegment, stop: int, least_s: float) -> bool:
        if segment.stop is not None:
            return True
        if stop <= max(segment.heard, segment.window):
            return False
        if self._is_in_pause(stop):
            return not self._is_in_pause(segment.heard)
        interval_s = max(self._live.interval_s, least_s)
        return stop - max(segment.heard, segment.start) >= interval_s * FRAMES_PER_SECOND

    @staticmethod
    def _is_believed(heard: Heard, update: Update) -> bool:
        """Whether this may have been said; what is last is believed unless it cannot have been."""
        if is_nothing_but_marks(heard.words):
            return False
        needed_s = shortest_s("".join(word.text for word in heard.words))
        has_time = needed_s <= (update.since + _SLACK_FRAMES) / FRAMES_PER_SECOND
        n_misplaced = n_out_of_place(heard.words)
        if update.is_last:
            return has_time and 2 * n_misplaced <= len(heard.words)
        return heard.is_plausible and has_time and n_misplaced <= 1

    def _is_in_pause(self, frame: int) -> bool:
        """Whether what was said before this frame has been heard whole."""
        return frame * HOP - self._turns.last_speech >= _PAUSE_SAMPLES

    def _n_settled(self, segment: OpenSegment, before: Sequence[HeardWord]) -> int:
        """How many words of the hypothesis will stay."""
        if self._live.policy == "agreement":
            return settled_by_agreement(before, segment.hypothesis)
        hold_back = round(self._live.hold_back_s * FRAMES_PER_SECOND)
        return settled_by_alignment(segment.hypothesis, segment.heard, hold_back)

    def _settle_language(self, segment: OpenSegment, found: Language, *, must: bool) -> None:
        sure = (found.probability or 1.0) >= _SURE_OF_LANGUAGE
        if must or sure or segment.heard - segment.start >= _LANGUAGE_FRAMES:
            segment.language = found.code
            if self._has_one_language:
                self._language = found.code

    # --- segments --------------------------------------------------------------------------------

    def _begin(self, at: int) -> list[LiveEvent]:
        """A segment begins with this sample, but not in the one before it."""
        if self._segments and self._segments[-1].stop is None:
            return []
        start = max(self._ended_at, at // HOP, 0)
        self._segments.append(OpenSegment(number=self._n_segments, start=start, window=start))
        self._n_segments += 1
        return [SpeechStarted(segment=self._n_segments - 1, start_s=start / FRAMES_PER_SECOND)]

    def _stop(self, end: int) -> list[LiveEvent]:
        """The segment under way ends with this frame."""
        if not self._segments or self._segments[-1].stop is not None:
            return []
        segment = self._segments[-1]
        end = max(end, segment.start)
        segment.end = end
        segment.stop = min(end + _END_PADDING_FRAMES, self._samples.n // HOP)
        self._ended_at = segment.stop
        stopped = SpeechStopped(segment=segment.number, end_s=end / FRAMES_PER_SECOND)
        # What is under way is waited for; it may have heard all.
        has_update = self._under_way is not None and self._under_way.segment is segment
        is_whole = segment.is_whole and segment.heard >= end
        is_empty = segment.stop - segment.window < _LEAST_FRAMES
        if len(self._segments) == 1 and not has_update and (is_whole or is_empty):
            return [stopped, *self._commit(segment, len(segment.hypothesis)), *self._done(segment)]
        return [stopped]

    def _commit(self, segment: OpenSegment, n_words: int) -> list[LiveEvent]:
        words = segment.commit(n_words)
        if not words:
            return []
        text = "".join(word.text for word in words)
        segment.shown = segment.shown.removeprefix(text)
        self._last_text = (self._last_text + text)[-LOOKED_AT_CHARACTERS:]
        return [
            Committed(
                segment=segment.number,
                text=text,
                words=spoken(words),
                language=segment.language or "",
                heard_s=segment.heard / FRAMES_PER_SECOND,
            )
        ]

    def _show(self, segment: OpenSegment) -> list[LiveEvent]:
        """Tell the tentative text, if it has changed."""
        text = "".join(word.text for word in segment.hypothesis)
        if text == segment.shown:
            return []
        segment.shown = text
        heard_s = segment.heard / FRAMES_PER_SECOND
        return [Tentative(segment=segment.number, text=text, heard_s=heard_s)]

    def _leave(self, segment: OpenSegment) -> list[LiveEvent]:
        """Shorten the window, and remember what it leaves behind."""
        events: list[LiveEvent] = []
        left = segment.leave(_LONGEST_WINDOW_FRAMES)
        if not left and segment.heard - segment.window >= N_FRAMES:
            # It cannot be longer: what is heard of it now is all that there will be.
            latest = segment.heard - _END_PADDING_FRAMES
            n_words = sum(word.end <= latest for word in segment.hypothesis)
            events = self._commit(segment, n_words)
            left = segment.leave_all()
        self._context.add(left)
        self._samples.drop_before(segment.window)
        return events

    def _cut(self, segment: OpenSegment) -> list[LiveEvent]:
        """End a segment that is too long behind its last committed word; another one begins."""
        longest = round(self._live.longest_s * FRAMES_PER_SECOND)
        if segment.stop is not None or segment.heard - segment.start < longest:
            return []
        end = segment.committed_end
        segment.end = segment.stop = self._ended_at = end
        segment.hypothesis = ()
        stopped = SpeechStopped(segment=segment.number, end_s=end / FRAMES_PER_SECOND)
        return [stopped, *self._done(segment), *self._begin(end * HOP)]

    def _done(self, segment: OpenSegment) -> list[LiveEvent]:
        """All of the segment has been committed."""
        events = self._show(segment)
        self._segments.popleft()
        self._context.add(segment.in_window)
        if segment.attempt is not None and segment.attempt.temperature > _HOT:
            self._context.forget()
        self._samples.drop_before(self._segments[0].window if self._segments else self._ended_at)
        return [*events, SegmentDone(segment=segment.result())]
