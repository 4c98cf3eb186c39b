"""What the person who runs the server decides."""

from dataclasses import dataclass, field
from ipaddress import ip_address

from whisper_jax.errors import OptionError
from whisper_jax.server.keys import ApiKeys


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Limits and access. Where OpenAI has a limit of its own, it is named.

    Attributes:
        models: The models that are served, by the names that clients ask for; the first is
            loaded at the start.
        aliases: Further names and the model that each stands for. ``whisper-1`` stands for the
            first model unless it is given here.
        warms_up: Whether what usual work needs is compiled before requests are taken.
        keys: Who may come in.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.
        max_upload_bytes: Most bytes of a request. OpenAI has 25 MiB.
        max_duration_s: Most seconds of a recording.
        max_running: Most requests that are transcribed at once; others wait.
        max_waiting: Most requests that are sent or wait at once, of all clients.
        max_waiting_per_key: Most of them of one key (without keys, of one address).
        requests_per_minute: Most requests of one key in a minute; None sets no limit.
        max_streams: Most live streams at once.
        max_streams_per_key: Most of them of one key (without keys, of one address).
        max_viewers: Most clients that listen in rooms.
        stream_idle_timeout_s: A client of a live stream that sends nothing for so long is cut off.
        resume_timeout_s: Seconds that a client of a live stream has to come back.
        upload_timeout_s: Seconds that a client may take for nothing, and in all for its upload
            beyond those that it needs at `MIN_UPLOAD_RATE`.
        stop_timeout_s: Seconds that requests have to finish after the server was told to stop.
        cors_origins: Origins of web pages elsewhere that may use the server.
    """

    models: tuple[str, ...] = ("base",)
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    warms_up: bool = False
    keys: ApiKeys = field(default_factory=ApiKeys)
    host: str = "127.0.0.1"
    port: int = 8000
    max_upload_bytes: int = 1 << 30
    max_duration_s: float = 4 * 3600.0
    max_running: int = 96
    max_waiting: int = 512
    max_waiting_per_key: int = 128
    requests_per_minute: int | None = None
    max_streams: int = 64
    max_streams_per_key: int = 16
    max_viewers: int = 512
    stream_idle_timeout_s: float = 300.0
    resume_timeout_s: float = 60.0
    upload_timeout_s: float = 30.0
    stop_timeout_s: float = 30.0
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(len(self.models) > 0, "no model is to be served; name one")
        for name, model in self.aliases.items():
            _require(
                model in self.models,
                f"the alias {name!r} is for {model!r}, which is not served: {_listed(self.models)}",
            )
            _require(name not in self.models, f"the alias {name!r} is the name of a model")
        for name in _COUNTS:
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; give 1 or more")
        for name in (*_SECONDS, *_SECONDS_OR_NONE):
            value = getattr(self, name)
            is_right = 0 <= value <= _MOST_S and (value > 0 or name in _SECONDS_OR_NONE)
            _require(is_right, f"{name} is {value}; give a number above 0, up to {_MOST_S:.0f}")
        rate = self.requests_per_minute
        _require(rate is None or rate >= 1, f"requests_per_minute is {rate}; give 1 or more")
        for origin in self.cors_origins:
            _require(
                origin == "*" or origin.startswith(("http://", "https://")),
                f"{origin!r} is no origin; give one such as https://example.org, or *",
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    def model_of(self, name: str) -> str | None:
        """The model that a client means, or None."""
        if name in self.models:
            return name
        return self.all_aliases.get(name)

    @property
    def all_aliases(self) -> dict[str, str]:
        """The aliases given, and OpenAI's name."""
        usual = {} if WHISPER_1 in self.models else {WHISPER_1: self.models[0]}
        return usual | self.aliases


_COUNTS = (
    *("max_upload_bytes", "max_running", "max_waiting", "max_waiting_per_key"),
    *("max_streams", "max_streams_per_key", "max_viewers"),
)
_SECONDS = ("max_duration_s", "upload_timeout_s", "stream_idle_timeout_s")
_SECONDS_OR_NONE = ("stop_timeout_s", "resume_timeout_s")

WHISPER_1 = "whisper-1"
"""What OpenAI calls Whisper: the name that most clients ask for."""

MIN_UPLOAD_RATE = 2000
"""Bytes a second that an upload must reach in the long run: less than speech takes in any format
that is in use."""


_MOST_S = 1e7
"""Four months: nobody means to wait for longer."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    name = host.strip("[]")
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise OptionError(message)
