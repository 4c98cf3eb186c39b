"""What a benchmark is to measure, checked before anything is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, get_args

from whisper_jax.bench.peers.settings import SYSTEMS, PeerSettings, find_system
from whisper_jax.bench.results import OURS, Configuration
from whisper_jax.bench.workload import Recording
from whisper_jax.errors import OptionError
from whisper_jax.options import ComputeType, LongForm, transcribe_options


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured.

    All decode at temperature 0 and never try again, so that every system does the same work; or,
    with ``own_defaults``, each as it does by itself.

    Attributes:
        recordings: The workload; may be empty if only limits are measured.
        model: Name or path of the model, as `whisper_jax.load_model` takes it.
        compute_types: What ours computes in, a configuration each.
        batch_size: Most windows decoded at once by ours; None for what `load_model` chooses.
        batch_sizes: Further configurations of ours, each with this many windows at once.
        beam_size: Hypotheses kept, by ours and by the peers; 1 is greedy.
        own_defaults: Every system decodes by its own defaults (ours: beam 5 and fallback, the
            peers: see `PeerSettings`); ``beam_size`` is then 1, which says nothing.
        long_form: How ours goes through a recording: see `TranscribeOptions`.
        threads: Cores that every process is pinned to, and threads of the peers.
        device: JAX platform of ours, or None for JAX's choice; the peers run on the CPU.
        n_devices: Devices of it that share the windows out.
        runs: Rounds; each has one process of every configuration.
        peers: Names of systems of `whisper_jax.bench.peers.settings.SYSTEMS`.
        peer_compute_types: Each peer runs in those of them that it knows, and one that knows a
            single type in that; None for all that each knows.
        cold: Give each of our configurations' processes an empty compilation cache.
        neighbour: A process that never rests shares the first core meanwhile.
        with_limits: Measure the limits of the machine as well.
    """

    recordings: tuple[Recording, ...]
    model: str
    compute_types: tuple[ComputeType, ...] = ("auto",)
    batch_size: int | None = None
    batch_sizes: tuple[int, ...] = ()
    beam_size: int = 1
    own_defaults: bool = False
    long_form: LongForm = "parallel"
    threads: int
    device: str | None = None
    n_devices: int = 1
    runs: int = 1
    peers: tuple[str, ...] = ()
    peer_compute_types: tuple[str, ...] | None = None
    cold: bool = False
    neighbour: bool = False
    with_limits: bool = True

    def __post_init__(self) -> None:
        known = get_args(ComputeType.__value__)
        unknown = [name for name in self.compute_types if name not in known]
        if unknown or not self.compute_types:
            raise OptionError(
                f"no compute type {', '.join(unknown) or 'given'}; there are: {', '.join(known)}"
            )
        for name, size in (
            ("batch_size", 1 if self.batch_size is None else self.batch_size),
            ("batch_sizes", min(self.batch_sizes, default=1)),
            ("threads", self.threads),
            ("n_devices", self.n_devices),
            ("runs", self.runs),
        ):
            if size < 1:
                raise OptionError(f"{name} is {size}; give 1 or more")
        if self.own_defaults and self.beam_size != 1:
            raise OptionError(
                f"beam_size is {self.beam_size}, but every system is to decode by its own defaults;"
                " give one of the two"
            )
        transcribe_options(self.options)
        _check_types(self.peer_compute_types)
        for peer in self.peers:
            for compute_type in self.peer_types(peer):
                self.peer_settings(peer, compute_type)

    @property
    def options(self) -> dict[str, Any]:
        """Options of our transcriptions."""
        decoding = {"beam_size": self.beam_size, "temperature": 0.0}
        return {**({} if self.own_defaults else decoding), "long_form": self.long_form}

    @property
    def decoding(self) -> str:
        """How all decode, for people."""
        return "each system's own defaults" if self.own_defaults else f"beam {self.beam_size}"

    def peer_settings(self, system: str, compute_type: str | None = None) -> PeerSettings:
        """The same for a peer."""
        if self.own_defaults:
            return PeerSettings(system=system, compute_type=compute_type)
        return PeerSettings(
            system=system, compute_type=compute_type, beam_size=self.beam_size, temperature=0.0
        )

    def peer_types(self, system: str) -> tuple[str, ...]:
        """What a peer is run in.

        Raises:
            OptionError: There is no such peer, or it knows several types but none of those wanted.
        """
        known = find_system(system).compute_types
        if self.peer_compute_types is None or len(known) == 1:
            return known
        chosen = tuple(name for name in self.peer_compute_types if name in known)
        if not chosen:
            raise OptionError(
                f"{system} computes in {' or '.join(known)}, which is not among the compute types"
                f" of the peers: {', '.join(self.peer_compute_types)}"
            )
        return chosen

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """What a round runs, in order: ours and the peers in turn."""
        ours = [
            Configuration(system=OURS, compute_type=name, batch_size=size)
            for size in (None, *self.batch_sizes)
            for name in self.compute_types
        ]
        peers = [
            Configuration(system=peer, compute_type=name)
            for peer in self.peers
            for name in self.peer_types(peer)
        ]
        pairs = zip_longest(ours, peers)
        return tuple(one for pair in pairs for one in pair if one is not None)


def _check_types(names: Sequence[str] | None) -> None:
    if names is None:
        return
    known = dict.fromkeys(name for system in SYSTEMS.values() for name in system.compute_types)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise OptionError(
            f"no compute type for the peers {', '.join(unknown) or 'given'};"
            f" they know: {', '.join(known)}"
        )
