"""What is to be measured of live streams: systems, policies, and how many streams at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Literal, get_args

from whisper_jax.bench.results import OURS
from whisper_jax.errors import OptionError
from whisper_jax.evaluate.manifest import Clip
from whisper_jax.options import ComputeType
from whisper_jax.stream.settings import LiveOptions

type Scenario = Literal["delays", "long", "silence"]

PEERS = ("whisper-streaming", "whisper-streaming-vad")
"""What can be compared with: LocalAgreement-2 on faster-whisper, the second with a VAD filter."""

DEFAULT_MINUTES = 60.0

_LEAST_BLOCK_MS, _MOST_BLOCK_MS = 1, 1000
_GRID = ("policy", "interval_s", "hold_back_s", "language")


@dataclass(frozen=True, kw_only=True)
class LiveConfiguration:
    """What is measured in a run.

    Attributes:
        system: ``whisper-jax``, or one of `PEERS`.
        n_streams: Streams at once.
        options: Ours alone: fields of `LiveOptions`, but for the language.
    """

    system: str
    n_streams: int
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def policy(self) -> str:
        """What is compared over intervals and numbers of streams, for people."""
        if self.system != OURS:
            return self.system
        live = LiveOptions(**self.options)
        if live.policy != "alignment":
            return live.policy
        return f"{live.policy}, {live.hold_back_s:g} s held back"

    @property
    def interval_s(self) -> float | None:
        """Seconds between updates that are asked for; None of a peer."""
        return LiveOptions(**self.options).interval_s if self.system == OURS else None

    @property
    def label(self) -> str:
        """Policy and interval, for people."""
        interval_s = self.interval_s
        return self.policy if interval_s is None else f"{self.policy}, every {interval_s:g} s"


@dataclass(frozen=True, kw_only=True)
class LivePlan:
    """What is to be measured.

    Attributes:
        scenario: ``delays``: from the end of each word to its text. ``long``: recordings one
            after the other in a stream of hours. ``silence``: streams in which nobody speaks.
        clips: Recordings with references; none for ``silence``.
        n_streams: Numbers of streams at once, each measured by itself.
        grid: Options of ours, each measured by itself; none to run only peers.
        peers: Some of `PEERS`.
        model: What to load.
        compute_type: Number type.
        batch_size: Most windows at once; None for as many as there is memory for.
        device: JAX platform; None for its own choice.
        block_ms: Milliseconds of audio that are sent at once.
        speed: Seconds of audio in a second.
        skips_rest: Time in which a stream by itself has nothing to do is skipped, of ours.
        most_s: Most seconds of each stream; None for whole recordings.
        minutes: How long a stream of ``long`` or ``silence`` is; None for an hour.
        with_offline: Transcribe the recordings offline too, to compare error rates.
    """

    scenario: Scenario = "delays"
    clips: tuple[Clip, ...] = ()
    n_streams: tuple[int, ...] = (1,)
    grid: tuple[Mapping[str, Any], ...] = ({},)
    peers: tuple[str, ...] = ()
    model: str = "base"
    compute_type: ComputeType = "auto"
    batch_size: int | None = None
    device: str | None = None
    block_ms: int = 40
    speed: float = 1.0
    skips_rest: bool = False
    most_s: float | None = None
    minutes: float | None = None
    with_offline: bool = True

    def __post_init__(self) -> None:
        scenarios = get_args(Scenario.__value__)
        if self.scenario not in scenarios:
            raise OptionError(f"no scenario {self.scenario!r}; there are: {', '.join(scenarios)}")
        unknown = [name for name in self.peers if name not in PEERS]
        if unknown:
            raise OptionError(f"no peer {', '.join(unknown)}; there are: {', '.join(PEERS)}")
        if not self.n_streams or min(self.n_streams) < 1:
            raise OptionError("streams are numbers of at least 1, such as 1,2,4")
        if not _LEAST_BLOCK_MS <= self.block_ms <= _MOST_BLOCK_MS:
            raise OptionError(f"block_ms is {self.block_ms}; give 1 to 1000")
        if not self.speed > 0:
            raise OptionError(f"speed is {self.speed}; give more than 0, 1 for real time")
        if not self.grid and not self.peers:
            raise OptionError("there is nothing to measure: give a policy, or a peer")
        if self.scenario == "delays":
            self._require(self.minutes is None, "has no minutes; seconds bound its streams")
            self._require(bool(self.clips), "needs recordings: give a manifest")
            is_alone = self.n_streams == (1,) and self.speed == 1 and not self.peers
            self._require(
                is_alone or not self.skips_rest,
                "skips rest only of one stream of ours at a time, in real time",
            )
        else:
            self._require(not self.skips_rest, "skips no rest")
            one = len(self.ours) == 1 and self.ours[0].n_streams == 1 and not self.peers
            self._require(one, "is one stream at a time, of ours, with one value of each option")
            self._require(self.most_s is None, "has no seconds; minutes bound its stream")
            self._require(not self.with_offline, "compares nothing with the offline text")
            wanted = "needs recordings: give a manifest"
            if self.scenario == "silence":
                wanted = "has no recordings; leave the manifest out"
            self._require(bool(self.clips) == (self.scenario == "long"), wanted)

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise OptionError(f"{self.scenario} {otherwise}")

    @property
    def total_s(self) -> float:
        """Seconds of a stream of ``long`` or ``silence``."""
        return 60 * (DEFAULT_MINUTES if self.minutes is None else self.minutes)

    @property
    def ours(self) -> list[LiveConfiguration]:
        """Our configurations, in order."""
        return [
            LiveConfiguration(system=OURS, n_streams=n, options=options)
            for options in self.grid
            for n in self.n_streams
        ]

    @property
    def theirs(self) -> list[LiveConfiguration]:
        """The peers' configurations, in order."""
        return [
            LiveConfiguration(system=peer, n_streams=n)
            for peer in self.peers
            for n in self.n_streams
        ]


def options_grid(
    policies: Sequence[str],
    intervals_s: Sequence[float],
    hold_backs_s: Sequence[float],
    others: Sequence[str],
) -> tuple[dict[str, Any], ...]:
    """Options of every combination, each once.

    Args:
        policies: Values of ``policy``.
        intervals_s: Values of ``interval_s``.
        hold_backs_s: Values of ``hold_back_s``, which only ``alignment`` has.
        others: ``NAME=VALUE`` of other fields of `LiveOptions`, the same in all.

    Raises:
        OptionError: There is no such option, or it cannot have this value.
    """
    same = dict(_option(text) for text in others)
    found: list[dict[str, Any]] = []
    for policy, interval_s in product(policies, intervals_s):
        chosen = {"policy": policy, "interval_s": interval_s}
        # The other policies take no notice of it.
        held = hold_backs_s if policy == "alignment" else hold_backs_s[:1]
        for hold_back_s in held:
            options = {**chosen, "hold_back_s": hold_back_s, **same}
            LiveOptions(**options)
            found.append(options)
    return tuple(found)


def _option(text: str) -> tuple[str, Any]:
    """``NAME=VALUE`` as a name and a value of the field's type."""
    name, equals, value = text.partition("=")
    defaults = {one.name: one.default for one in fields(LiveOptions) if one.name not in _GRID}
    if not equals or name not in defaults:
        raise OptionError(f"{text!r} is no NAME=VALUE with one of {', '.join(defaults)}")
    match defaults[name]:
        case bool():
            if value not in ("true", "false"):
                raise OptionError(f"{name} is {value!r}; give true or false")
            return name, value == "true"
        case int() | float() as default:
            try:
                return name, type(default)(value)
            except ValueError as error:
                raise OptionError(f"{name} is {value!r}; give a number") from error
        case _:
            return name, value
