"""How a peer transcribes: by its own defaults, or as both sides of a comparison are told."""

from dataclasses import dataclass
from typing import Any

from whisper_jax.bench.peers.environment import Peer, find_peer
from whisper_jax.errors import OptionError

SYSTEMS = {
    "faster-whisper": "faster-whisper",
    "faster-whisper-batched": "faster-whisper",
    "openai-whisper": "openai-whisper",
}
"""What can be compared with, and the peer (an environment) that it is a part of."""

# Its command searches with these; its Python function would be greedy.
_OPENAI_COMMAND = {"beam_size": 5, "best_of": 5}


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """A system and how it decodes. What is None is left as the system has it.

    Those defaults are, in all three, beam 5; in ``faster-whisper`` and ``openai-whisper`` (as its
    command has them) also the temperatures 0, 0.2, …, 1 and text of earlier windows as context.
    ``faster-whisper-batched`` cuts a recording at silences, leaves those out, and decodes 8
    windows at a time without timestamps.

    Attributes:
        system: One of `SYSTEMS`.
        compute_type: CTranslate2's name of the arithmetic (``float32``, ``int8``);
            openai-whisper knows float32 alone on a CPU.
        beam_size: Hypotheses at temperature 0; 1 is greedy.
        temperature: The only temperature.
    """

    system: str
    compute_type: str = "float32"
    beam_size: int | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.system not in SYSTEMS:
            raise OptionError(f"no peer {self.system!r}; there are: {', '.join(SYSTEMS)}")
        if self.beam_size is not None and self.beam_size < 1:
            raise OptionError(f"beam_size is {self.beam_size}; give 1 or more")
        if self.system == "openai-whisper" and self.compute_type != "float32":
            raise OptionError("openai-whisper computes in float32 on a CPU; use 'float32'")

    @property
    def peer(self) -> Peer:
        """The peer that the system is a part of."""
        return find_peer(SYSTEMS[self.system])

    @property
    def is_batched(self) -> bool:
        """Whether several windows of a recording are decoded at once."""
        return self.system == "faster-whisper-batched"

    @property
    def is_multilingual(self) -> bool:
        """Whether it can be told to detect the language of each window."""
        return self.peer.name == "faster-whisper"

    @property
    def is_greedy(self) -> bool:
        """Whether it writes the likeliest token, always, and never tries again."""
        return self.beam_size == 1 and self.temperature == 0

    @property
    def label(self) -> str:
        """System, compute type unless it is float32, and what is not a default, for people."""
        words = [self.system]
        if self.compute_type != "float32":
            words.append(self.compute_type)
        if self.is_greedy:
            return " ".join([*words, "greedy"])
        if self.beam_size is not None:
            words.append(f"beam {self.beam_size}")
        if self.temperature is not None:
            words.append(f"temperature {self.temperature:g}")
        return " ".join(words)

    def options(self) -> dict[str, Any]:
        """Arguments of the peer's own ``transcribe``."""
        given = {"beam_size": self.beam_size, "temperature": self.temperature}
        options: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
        if self.system == "openai-whisper":
            options = {"fp16": False, **_OPENAI_COMMAND, **options}
            if options["beam_size"] == 1:  # one beam is a slow way to be greedy there
                del options["beam_size"]
            if self.temperature == 0:  # it samples nothing, and will not be told how often
                del options["best_of"]
        return options
