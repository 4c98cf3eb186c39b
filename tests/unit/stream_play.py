"""A stream without sound: words at given times, and a model that hears them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from letters import letter_tokenizer

from whisper_jax.audio.units import HOP
from whisper_jax.programs import Language, check_options
from whisper_jax.programs.fallback import Attempt
from whisper_jax.requests import Decoded
from whisper_jax.speech.spans import STEP_SAMPLES
from whisper_jax.stream.agreement import HeardWord
from whisper_jax.stream.events import Committed, LiveEvent, SegmentDone, Tentative
from whisper_jax.stream.live import live_options, model_options
from whisper_jax.stream.session import StreamSession
from whisper_jax.stream.updates import Heard, Update

TOKENIZER = letter_tokenizer()
GARBLED = 0
"""The token of a word of which only the beginning has been heard."""


@dataclass(frozen=True)
class World:
    """Words that are said: the first frame of each, and one past its last; in order."""

    spans: Sequence[tuple[int, int]]

    def text(self, index: int) -> str:
        return f" w{index}."

    @property
    def whole_text(self) -> str:
        return "".join(self.text(index) for index in range(len(self.spans)))

    @property
    def n_samples(self) -> int:
        return (self.spans[-1][1] + 100) * HOP

    def probabilities(self) -> Iterator[float]:
        """Of speech, for all 32 ms steps."""
        for step in count():
            start, stop = step * STEP_SAMPLES, (step + 1) * STEP_SAMPLES
            yield float(any(a * HOP < stop and start < b * HOP for a, b in self.spans))

    def hear(self, update: Update) -> Heard:
        """What a model that makes no mistakes finds; tokens are numbers of words from 1."""
        known = [token for token in (*update.told, *update.committed) if token % 2 == 1]
        n_known = (known[-1] + 1) // 2 if known else 0
        stop = update.first + update.n_frames
        words: list[HeardWord] = []
        last = (*update.told, *update.committed)[-1:]
        if n_known and last == (2 * n_known - 1,):  # its full stop was parted from it
            words.append(self._sign(n_known - 1))
        for index, (start, end) in list(enumerate(self.spans))[n_known:]:
            if start >= stop:
                break
            assert start >= update.first, f"word {index} at {start} is not in the window"
            words.append(self._word(index, (start, min(end, stop)), is_whole=end <= stop))
        decoded = Decoded(tokens=(), token_logprobs=(), sum_logprob=0.0, no_speech_prob=0.0)
        attempt = Attempt(decoded=decoded, temperature=0.0, compression_ratio=1.0, failure=None)
        language = Language(code=update.language or "en", probability=0.9)
        return Heard(words=tuple(words), language=language, attempt=attempt, peak=0.0)

    def _word(self, index: int, span: tuple[int, int], *, is_whole: bool) -> HeardWord:
        return HeardWord(
            text=self.text(index) if is_whole else f" garbled{span[1] - span[0]}.",
            start=span[0],
            end=span[1],
            tokens=(2 * index + 1, 2 * index + 2) if is_whole else (GARBLED, GARBLED),
            probability=1.0,
            n_sign_characters=1,
            n_sign_tokens=1,
        )

    def _sign(self, index: int) -> HeardWord:
        end = self.spans[index][1]
        return HeardWord(
            text=".",
            start=end,
            end=end,
            tokens=(2 * index + 2,),
            probability=1.0,
            n_sign_characters=1,
            n_sign_tokens=1,
        )


@dataclass
class Play:
    """A session in a world: time passes as it is told to.

    Attributes:
        events: What was told, in order.
        updates: What was asked for.
    """

    world: World
    session: StreamSession
    events: list[LiveEvent] = field(default_factory=list[LiveEvent])
    updates: list[Update] = field(default_factory=list[Update])
    under_way: Update | None = None
    n_sent: int = 0

    def __post_init__(self) -> None:
        self._probabilities = self.world.probabilities()
        self._n_steps = 0

    def send(self, n_samples: int) -> None:
        """Audio comes."""
        self.n_sent += n_samples
        n_steps, self._n_steps = self._n_steps, self.n_sent // STEP_SAMPLES
        probabilities = [next(self._probabilities) for _ in range(self._n_steps - n_steps)]
        self.events += self.session.hear(np.zeros(n_samples, np.float32), probabilities)

    def ask(self) -> None:
        """Begin an update, if one is due."""
        update = self.session.next_update()
        if update is not None:
            assert self.under_way is None
            self.under_way = update
            self.updates.append(update)

    def answer(self) -> None:
        """The update that is under way is done, if there is one."""
        if self.under_way is not None:
            update, self.under_way = self.under_way, None
            self.events += self.session.take(self.world.hear(update))

    def finish(self) -> None:
        """Nothing more comes, and all is carried out."""
        self.events += self.session.finish()
        for _ in range(100):
            self.answer()
            self.ask()
        assert self.session.is_idle

    @property
    def committed(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Committed))

    @property
    def done(self) -> str:
        done = (event.segment.text for event in self.events if isinstance(event, SegmentDone))
        return "".join(done)

    @property
    def tentative(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Tentative)]


def play(world: World, **options: object) -> Play:
    """A session at its beginning."""
    live = live_options(options)
    model = check_options(TOKENIZER, model_options(live))
    return Play(world, StreamSession(TOKENIZER, live, model))
