"""What the server counts, for Prometheus."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from whisper_jax.server.line import Line
from whisper_jax.server.live.metrics import LiveMetrics
from whisper_jax.server.work import ModelsLike

if TYPE_CHECKING:
    from whisper_jax.shelf import ModelStatus

_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_SPEEDS: Final = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@final
class _ModelCollector(Collector):
    """What goes on in the models, asked for when it is collected."""

    def __init__(self, models: ModelsLike) -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        """The gauges of all models."""
        status = self._models.status()
        for name, text, value in _MODEL_GAUGES:
            gauge = GaugeMetricFamily(f"whisper_jax_model_{name}", text, labels=["model"])
            for model in status:
                gauge.add_metric([model.name], value(model))
            yield gauge


_MODEL_GAUGES: "Final[Sequence[tuple[str, str, Callable[[ModelStatus], float]]]]" = (
    ("loaded", "1 if it is in memory.", lambda model: model.state == "loaded"),
    ("users", "Requests that use it or wait for it.", lambda model: model.n_users),
    ("memory_bytes", "Set aside for it on each device.", lambda model: model.memory_bytes),
    ("room_windows", "Windows it has room for at once.", lambda model: model.most_windows),
    ("slots", "Slots there is memory taken for now.", lambda model: model.n_slots),
    ("windows", "Windows in slots: its occupancy.", lambda model: model.n_windows),
    ("waiting_windows", "Windows that wait for a slot.", lambda model: model.n_waiting),
)


@final
class Metrics:
    """Counters of one server. Nothing here says what was spoken, or who spoke."""

    def __init__(self, line: Line, models: ModelsLike) -> None:
        self._registry = registry = CollectorRegistry()
        registry.register(_ModelCollector(models))
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.requests = Counter(
            "whisper_jax_requests",
            "Requests answered.",
            ["method", "path", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "whisper_jax_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "whisper_jax_errors", "Errors that clients were told of.", ["code"], registry=registry
        )
        self.waited = Histogram(
            "whisper_jax_queue_seconds",
            "Seconds between the end of an upload and the begin of its transcription.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_text = Histogram(
            "whisper_jax_first_text_seconds",
            "Seconds between the end of an upload and the first final segment.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.audio = Counter(
            "whisper_jax_audio_seconds",
            "Seconds of audio transcribed.",
            ["model", "task"],
            registry=registry,
        )
        self.speed = Histogram(
            "whisper_jax_times_real_time",
            "Seconds of audio transcribed in a second, by request.",
            ["model"],
            buckets=_SPEEDS,
            registry=registry,
        )
        self.cancelled = Counter(
            "whisper_jax_cancelled", "Requests whose client left.", registry=registry
        )
        self.live = LiveMetrics(registry)
        self._gauge("uploading", "Requests being uploaded.", lambda: line.n_arriving)
        self._gauge("waiting", "Requests waiting for a place.", lambda: line.n_waiting)
        self._gauge("running", "Requests being transcribed.", lambda: line.n_running)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        gauge = Gauge(f"whisper_jax_{name}_requests", text, registry=self._registry)
        gauge.set_function(value)
