"""A made-up pool for engines, and how tests ask engines for work."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np

from whisper_jax.engine.scheduler import Slot
from whisper_jax.engine.served import Reply
from whisper_jax.requests import (
    Decode,
    Decoded,
    DecodeRules,
    DetectLanguage,
    Encode,
    Encoded,
    EngineRequest,
    EngineResult,
    LanguageScores,
    Origin,
)


class Asked(Protocol):
    def submit(self, origin: Origin, request: EngineRequest, reply: Reply) -> None: ...


class MadeUpPool:
    """Decodes a window of n frames to the token n, in n runs."""

    def __init__(self) -> None:
        self.windows: dict[Slot, int] = {}
        self.left: dict[Slot, int] = {}
        self.calls: list[str] = []
        self.fails = False
        self.most_slots = 1000
        self.n_slots = 0
        self.may_run = threading.Event()
        self.may_run.set()

    def resize(
        self, n_slots: int, moves: Sequence[tuple[Slot, Slot]]
    ) -> list[tuple[Slot, Decoded]]:
        self.n_slots = n_slots
        moved = dict(moves)
        self.windows = {moved[s]: n for s, n in self.windows.items() if s in moved}
        self.left = {moved[s]: n for s, n in self.left.items() if s in moved}
        return []

    def encode(self, items: Sequence[tuple[Slot, Encode]]) -> list[Encoded]:
        self.calls.append("encode")
        self.windows |= {slot: request.n_frames for slot, request in items}
        return [Encoded(peak=1.0) for _ in items]

    def detect_language(self, items: Sequence[tuple[Slot, DetectLanguage]]) -> list[LanguageScores]:
        return [LanguageScores(probabilities=(1.0,)) for _ in items]

    def prefill(self, items: Sequence[tuple[Slot, Decode]]) -> None:
        self.calls.append("prefill")
        self.left |= {slot: self.windows[slot] for slot, _ in items}

    def run(self, slots: Sequence[Slot]) -> list[tuple[Slot, Decoded]]:
        self.calls.append("run")
        self.may_run.wait(10)
        if self.fails:
            raise RuntimeError("out of memory")
        if self.n_slots > self.most_slots:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 12 bytes")
        for slot in slots:
            self.left[slot] -= 1
        return [(slot, said(self.windows[slot])) for slot in slots if self.left[slot] == 0]

    def forget(self, slot: Slot) -> None:
        self.left.pop(slot, None)

    def drop(self) -> None:
        self.windows.clear()
        self.left.clear()

    def audio_bucket(self, n_frames: int) -> int:
        return n_frames

    def prompt_bucket(self, n_tokens: int) -> int:
        if n_tokens > 448:
            raise ValueError(f"{n_tokens} is too many")
        return 4


def said(token: int) -> Decoded:
    return Decoded(tokens=(token,), token_logprobs=(0.0,), sum_logprob=0.0, no_speech_prob=0.0)


DECODE = Decode(prompt=(1, 2, 3), sot_index=0, rules=DecodeRules())


def window(n_frames: int) -> Encode:
    samples = np.zeros(n_frames * 160 + 240, np.float32)
    return Encode(samples=samples, n_frames=n_frames, peak=0.0)


def origin(program: int, model: str = "m") -> Origin:
    return Origin(program=program, model=model)


def ask(engine: Asked, who: Origin, request: EngineRequest) -> "Future[EngineResult]":
    future: Future[EngineResult] = Future()

    def reply(answer: EngineResult | Exception) -> None:
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    engine.submit(who, request, reply)
    return future
