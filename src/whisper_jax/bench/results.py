"""What a benchmark measures, as records that go to JSON and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from whisper_jax.scoring import ErrorRate

OURS = "whisper-jax"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A system and what it computes in.

    Attributes:
        system: ``whisper-jax``, or the name of a peer.
        compute_type: In the system's own words (``float32``, ``int8``).
        batch_size: Most windows decoded at once, for one of several that are compared; None for
            that of the plan.
    """

    system: str
    compute_type: str
    batch_size: int | None = None

    @property
    def label(self) -> str:
        """All of it, for people."""
        batch = "" if self.batch_size is None else f" batch {self.batch_size}"
        return f"{self.system} {self.compute_type}{batch}"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One process of one configuration over the whole workload. None is not known.

    Attributes:
        configuration: What was run.
        import_s: Seconds to import the system.
        load_s: Seconds to load the model, weights found beforehand.
        first_s: Seconds from then to the first text of the first recording, compilation
            included; None if it failed or has no speech.
        steady_s: Seconds for all recordings, everything compiled and warm.
        cpu_s: Processor seconds of all its threads in that time.
        audio_s: Seconds of audio of all recordings.
        peak_memory_bytes: Most resident memory the process ever had.
        rates: Errors against the references there are, one record a unit.
        versions: Versions by package.
        failed: Recordings that failed, each with its reason.
        compile_s: Seconds in which JAX traced, lowered, compiled, or fetched from its cache, in
            the whole process (its own monitoring events; overlaps counted once a thread).
        n_compiled: Programs compiled or fetched.
        n_from_cache: Of these, programs fetched from the persistent cache.
        n_compiled_late: Of these, programs compiled or fetched in the steady time: 0 if all is
            well.
        n_tokens: Tokens found in the steady time.
        occupancy: Active row-steps over executed row-steps in the steady time.
        device_s: Seconds in calls of each device program in the steady time. A program whose
            result is not read (``prefill``) may run on into the next call's seconds.
        others_cores: Cores that other programs kept busy while the process ran.
    """

    configuration: Configuration
    import_s: float
    load_s: float
    first_s: float | None
    steady_s: float
    cpu_s: float
    audio_s: float
    peak_memory_bytes: int
    rates: tuple[ErrorRate, ...]
    versions: Mapping[str, str]
    failed: tuple[str, ...] = ()
    compile_s: float | None = None
    n_compiled: int | None = None
    n_from_cache: int | None = None
    n_compiled_late: int | None = None
    n_tokens: int | None = None
    occupancy: float | None = None
    device_s: Mapping[str, float] = field(default_factory=dict[str, float])
    others_cores: float | None = None

    @property
    def times_real_time(self) -> float:
        """Seconds of audio for each second of the clock."""
        return self.audio_s / self.steady_s


@dataclass(frozen=True, kw_only=True)
class PartSpeed:
    """How fast a part of the model runs by itself.

    Attributes:
        part: ``encoder`` (a window: log-mel, encoder, cross-attention keys and values) or
            ``decoder`` (a step over all slots).
        compute_type: What it computes in.
        product: Type of the numbers that its linear layers multiply.
        seconds: Seconds for one window or one step.
        work: Floating-point operations of a window (two for each multiply-add), or bytes that a
            step reads.
        n_slots: Windows encoded in a call, or windows decoded in a step.
    """

    part: Literal["encoder", "decoder"]
    compute_type: str
    product: str
    seconds: float
    work: float
    n_slots: int


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The two rates that bound the model on this machine, and how near its parts come.

    Attributes:
        matrix_flops: Floating-point operations a second of a matrix product, by number type.
        read_bytes_per_s: Bytes a second when a large array is read.
        parts: The parts of the model.
        others_cores: Cores that other programs kept busy meanwhile.
    """

    matrix_flops: Mapping[str, float]
    read_bytes_per_s: float
    parts: tuple[PartSpeed, ...]
    others_cores: float | None = None

    def limit_of(self, part: PartSpeed) -> float:
        """The rate that bounds a part: products for the encoder, bytes for the decoder."""
        if part.part == "encoder":
            return self.matrix_flops[part.product]
        return self.read_bytes_per_s

    def share(self, part: PartSpeed) -> float:
        """The share of its limit that a part reaches; above 1 where a cache helps."""
        return part.work / part.seconds / self.limit_of(part)


def measurement_json(measurement: Measurement) -> dict[str, Any]:
    """A measurement as a JSON object, with the figures that follow from it."""
    document = asdict(measurement)
    document["times_real_time"] = measurement.times_real_time
    for rate, fields in zip(measurement.rates, document["rates"], strict=True):
        fields["rate"] = rate.rate
    return document


def limits_json(limits: Limits) -> dict[str, Any]:
    """The limits as a JSON object, with the shares that follow from them."""
    document = asdict(limits)
    for part, fields in zip(limits.parts, document["parts"], strict=True):
        fields["share"] = limits.share(part)
    return document


def limits_from_json(document: Mapping[str, Any]) -> Limits:
    """`Limits` as a worker sent them."""
    parts = tuple(PartSpeed(**part) for part in document["parts"])
    return Limits(
        matrix_flops=document["matrix_flops"],
        read_bytes_per_s=document["read_bytes_per_s"],
        parts=parts,
    )
