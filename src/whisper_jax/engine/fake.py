"""An engine without a model: it answers from a script. For tests of whatever stands above one."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from whisper_jax.audio.units import FRAMES_PER_TIMESTAMP
from whisper_jax.errors import CancelledError, EngineClosedError, EngineError
from whisper_jax.requests import (
    Align,
    Aligned,
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Encoded,
    EngineRequest,
    EngineResult,
    LanguageScores,
    Origin,
    Release,
)

type Hear = Callable[[Encode, Decode], Decoded]
"""What is said in a window after the prefix, when it is asked for in this way: at which
temperature, with which prompt."""
type Speak = Callable[[Encode], Mapping[int, float]]
"""Probabilities of the languages of a window, by their place among those asked for. The others
share what is left."""


class FakeEngine:
    """Takes the place of `whisper_jax.engine.engine.Engine`; replies on the submitting thread.

    Args:
        hear: Gives the text of a window, or raises what `Decode` is to fail with.
        languages: Which of the languages asked for is the certain one in all windows, or a
            function that tells for each.

    Attributes:
        log: Every request, in order, with its origin.
        held: The windows in slots, by program.
    """

    def __init__(self, hear: Hear, languages: int | Speak = 0) -> None:
        self.log: list[tuple[Origin, EngineRequest]] = []
        self.held: dict[int, Encode] = {}
        self._hear = hear
        self._languages = languages
        self._queue: deque[
            tuple[Origin, EngineRequest, Callable[[EngineResult | Exception], None]]
        ] = deque()
        self._lock = threading.RLock()
        self._is_serving = False
        self._is_closed = False

    def submit(
        self,
        origin: Origin,
        request: EngineRequest,
        reply: Callable[[EngineResult | Exception], None],
    ) -> None:
        """Answer at once, or after what is being answered."""
        if self._is_closed:
            raise EngineClosedError("the engine has been closed; load the model again")
        with self._lock:
            self._queue.append((origin, request, reply))
            if self._is_serving:
                return
            self._is_serving = True
        while True:
            with self._lock:
                if not self._queue:
                    self._is_serving = False
                    return
                self._serve(*self._queue.popleft())

    def cancel(self, origin: Origin) -> None:
        """Forget a program; its requests that wait are answered with CancelledError."""
        with self._lock:
            self.held.pop(origin.program, None)
            dropped = [item for item in self._queue if item[0].program == origin.program]
            for item in dropped:
                self._queue.remove(item)
        for item in dropped:
            item[2](CancelledError("cancelled by the caller"))

    def close(self) -> None:
        """Refuse further requests."""
        self._is_closed = True

    def _serve(
        self,
        origin: Origin,
        request: EngineRequest,
        reply: Callable[[EngineResult | Exception], None],
    ) -> None:
        self.log.append((origin, request))
        try:
            answer = self._answer(origin.program, request)
        except Exception as error:
            reply(error)
        else:
            reply(answer)

    def _answer(self, program: int, request: EngineRequest) -> EngineResult:
        match request:
            case Encode():
                self.held[program] = request
                return Encoded(peak=max(request.peak, 0.0))
            case Release():
                self.held.pop(program, None)
                return None
            case _ if program not in self.held:
                raise EngineError("the window is no longer in a slot; encode it again")
            case DetectLanguage():
                return self._scores(self.held[program], len(request.language_tokens))
            case Align():
                return spread(request)
            case Decode():
                heard = self._hear(self.held[program], request)
                return with_prefix(heard, request.prefix)

    def _scores(self, window: Encode, n: int) -> LanguageScores:
        certain = self._languages
        known = {certain: 1.0} if isinstance(certain, int) else certain(window)
        rest = (1.0 - sum(known.values())) / max(1, n - len(known))
        return LanguageScores(probabilities=tuple(known.get(index, rest) for index in range(n)))


def spread(request: Align) -> Aligned:
    """The answer to a request to align: all tokens take as long, and are certain."""
    n, n_audio_frames = len(request.tokens), request.n_frames // FRAMES_PER_TIMESTAMP
    return Aligned(
        starts=tuple(index * n_audio_frames // n for index in range(n + 1)) if n else (0,),
        probabilities=(1.0,) * n if request.wants_probabilities else (),
    )


def with_prefix(heard: Decoded, prefix: tuple[int, ...]) -> Decoded:
    """The answer to a request with this prefix, of which the rest is given."""
    return replace(
        heard,
        tokens=prefix + heard.tokens,
        token_logprobs=(0.0,) * len(prefix) + heard.token_logprobs,
        n_prefix=len(prefix),
    )
