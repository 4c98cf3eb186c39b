"""What is counted of live streams, for Prometheus."""

from collections.abc import Callable
from typing import Final, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.stream.events import Committed, LiveEvent

_DELAYS: Final = (0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 10, 30)


@final
class LiveMetrics:
    """Counters of live streams. Nothing here says what was spoken, or who spoke."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.delay = Histogram(
            "whisper_jax_live_commit_delay_seconds",
            "Seconds of audio received after a word's end when it was committed.",
            buckets=_DELAYS,
            registry=registry,
        )
        self.audio = Counter(
            "whisper_jax_live_audio_seconds",
            "Seconds of audio received in live streams.",
            ["model"],
            registry=registry,
        )
        self.resumed = Counter(
            "whisper_jax_live_resumed", "Streams whose client came back.", registry=registry
        )
        self.cut_off = Counter(
            "whisper_jax_live_cut_off",
            "Clients of live streams that read too slowly.",
            registry=registry,
        )

    def watch(
        self,
        *,
        streams: Callable[[], float],
        viewers: Callable[[], float],
        backlog_s: Callable[[], float],
    ) -> None:
        """Ask for these whenever the metrics are collected."""
        for name, text, value in (
            ("streams", "Live streams under way.", streams),
            ("viewers", "Clients that listen in rooms.", viewers),
            ("backlog_seconds", "Audio not looked at yet, of the stream with most.", backlog_s),
        ):
            Gauge(f"whisper_jax_live_{name}", text, registry=self._registry).set_function(value)

    def note(self, event: LiveEvent, received_s: float) -> None:
        """Count what a stream tells that has received so much audio."""
        if isinstance(event, Committed):
            for word in event.words:
                self.delay.observe(max(0.0, received_s - word.end))

    def note_audio(self, model: str, n_samples: int) -> None:
        """Count audio that was received."""
        self.audio.labels(model).inc(n_samples / SAMPLE_RATE)
