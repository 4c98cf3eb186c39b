"""What the engine asks of the device."""

from collections.abc import Sequence
from typing import Protocol

from whisper_jax.engine.scheduler import Slot
from whisper_jax.requests import (
    Align,
    Aligned,
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Encoded,
    LanguageScores,
)


class Pool(Protocol):
    """What the engine asks of the device; `DevicePool` is the real one, tests bring others."""

    def resize(
        self, n_slots: int, moves: Sequence[tuple[Slot, Slot]]
    ) -> list[tuple[Slot, Decoded]]:
        """Change the number of slots a shard, moving windows."""
        ...

    def encode(self, items: Sequence[tuple[Slot, Encode]]) -> list[Encoded]:
        """Put windows into slots."""
        ...

    def detect_language(self, items: Sequence[tuple[Slot, DetectLanguage]]) -> list[LanguageScores]:
        """Language probabilities of windows in slots."""
        ...

    def align(self, items: Sequence[tuple[Slot, Align]]) -> list[Aligned]:
        """Where the texts of windows in slots are spoken."""
        ...

    def prefill(self, items: Sequence[tuple[Slot, Decode]]) -> None:
        """Begin to decode windows in slots."""
        ...

    def run(self, slots: Sequence[Slot]) -> list[tuple[Slot, Decoded]]:
        """Decode on; what finished."""
        ...

    def forget(self, slot: Slot) -> None:
        """A slot is nobody's now."""
        ...

    def drop(self) -> None:
        """Forget every window."""
        ...

    def audio_bucket(self, n_frames: int) -> int:
        """How many frames are heard of a window of which so many are to be."""
        ...

    def prompt_bucket(self, n_tokens: int) -> int:
        """The length that a prompt is padded to."""
        ...
