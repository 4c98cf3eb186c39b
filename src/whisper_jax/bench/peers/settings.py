"""How a peer transcribes: by its own defaults, or as both sides of a comparison are told."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from whisper_jax.bench.peers.environment import Peer, find_peer
from whisper_jax.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class System:
    """What can be compared with.

    Attributes:
        peer: The peer (an environment) that it is a part of.
        compute_types: What it computes in, in its own words; the first if nothing else is asked.
        has_temperatures: Whether it can draw tokens at a temperature above 0.
    """

    peer: str
    compute_types: tuple[str, ...]
    has_temperatures: bool = True


SYSTEMS: Final = MappingProxyType(
    {
        "faster-whisper": System(peer="faster-whisper", compute_types=("float32", "int8")),
        "faster-whisper-batched": System(peer="faster-whisper", compute_types=("float32", "int8")),
        "openai-whisper": System(peer="openai-whisper", compute_types=("float32",)),
        # "default" is bfloat16 where the processor has it, else float32.
        "openvino-genai": System(
            peer="openvino-genai", compute_types=("default", "f32"), has_temperatures=False
        ),
        "transformers": System(
            peer="transformers", compute_types=("float32", "bfloat16"), has_temperatures=False
        ),
        "whisper.cpp": System(peer="whisper.cpp", compute_types=("f16",)),
    }
)
"""What can be compared with, by name."""

# Its command searches with these; its Python function would be greedy.
_OPENAI_COMMAND = {"beam_size": 5, "best_of": 5}


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """A system and how it decodes. What is None is left as the system has it.

    Those defaults are:

    - ``faster-whisper``, ``openai-whisper`` (as its command has them) and ``whisper.cpp`` (so too):
      beam 5 and the temperatures 0, 0.2, …, 1; the first two with text of earlier windows as
      context.
    - ``faster-whisper-batched``: beam 5; it cuts a recording at silences, leaves those out, and
      decodes 8 windows at a time without timestamps.
    - ``transformers``: greedy, 8 windows of 30 s at a time that overlap by a sixth on either side.
    - ``openvino-genai``: greedy, one window after the other.

    Attributes:
        system: One of `SYSTEMS`.
        compute_type: One of the system's own; None for its first.
        beam_size: Hypotheses at temperature 0; 1 is greedy.
        temperature: The only temperature.

    Raises:
        OptionError: There is no such system, or it cannot do what it is told.
    """

    system: str
    compute_type: str | None = None
    beam_size: int | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        system = find_system(self.system)
        if self.compute_type is None:
            object.__setattr__(self, "compute_type", system.compute_types[0])
        if self.compute_type not in system.compute_types:
            known = " or ".join(map(repr, system.compute_types))
            raise OptionError(f"{self.system} computes in {known} here, not {self.compute_type!r}")
        if self.beam_size is not None and self.beam_size < 1:
            raise OptionError(f"beam_size is {self.beam_size}; give 1 or more")
        if self.temperature and not system.has_temperatures:
            raise OptionError(f"{self.system} decodes at temperature 0 here; give 0 or nothing")

    @property
    def peer(self) -> Peer:
        """The peer that the system is a part of."""
        return find_peer(SYSTEMS[self.system].peer)

    @property
    def is_batched(self) -> bool:
        """Whether faster-whisper decodes several windows of a recording at once."""
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
        """System, compute type unless it is the first, and what is not a default, for people."""
        words = [self.system]
        if self.compute_type != SYSTEMS[self.system].compute_types[0]:
            words.append(str(self.compute_type))
        if self.is_greedy:
            return " ".join([*words, "greedy"])
        if self.beam_size is not None:
            words.append(f"beam {self.beam_size}")
        if self.temperature is not None:
            words.append(f"temperature {self.temperature:g}")
        return " ".join(words)

    def options(self) -> dict[str, Any]:
        """Arguments of the peer's own call."""
        match self.peer.name:
            case "openai-whisper":
                return self._openai_options()
            case "whisper.cpp":
                return self._whisper_cpp_options()
            case "openvino-genai":
                return {"return_timestamps": True, **self._beams("num_beams")}
            case "transformers":
                return {"task": "transcribe", **self._beams("num_beams")}
            case _:
                return {**self._beams("beam_size"), **self._temperature()}

    def _beams(self, name: str) -> dict[str, int]:
        return {} if self.beam_size is None else {name: self.beam_size}

    def _temperature(self) -> dict[str, float]:
        return {} if self.temperature is None else {"temperature": self.temperature}

    def _openai_options(self) -> dict[str, Any]:
        options = {"fp16": False, **_OPENAI_COMMAND}
        options |= {**self._beams("beam_size"), **self._temperature()}
        if options["beam_size"] == 1:  # one beam is a slow way to be greedy there
            del options["beam_size"]
        if self.temperature == 0:  # it samples nothing, and will not be told how often
            del options["best_of"]
        return options

    def _whisper_cpp_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"greedy": {"best_of": 5}}
        if self.beam_size != 1:
            options["beam_search"] = {"beam_size": self.beam_size or 5, "patience": -1.0}
        if self.temperature is not None:  # without an increment there is no second attempt
            options |= {"temperature": self.temperature, "temperature_inc": 0.0}
        return options


def find_system(name: str) -> System:
    """The system called ``name``; OptionError names those there are."""
    if name not in SYSTEMS:
        raise OptionError(f"no peer {name!r}; there are: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]
