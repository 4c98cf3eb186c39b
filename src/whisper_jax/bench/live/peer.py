"""A peer's live streams, in a process and an environment of its own: the same audio and figures.

The process plays the audio itself, by the same rules as `whisper_jax.bench.live.play`, and tells
what it shows and when. It knows nothing of this package.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from whisper_jax.bench.live.clock import PlayClock
from whisper_jax.bench.live.plan import LiveConfiguration, LivePlan
from whisper_jax.bench.live.results import LiveRun, stream_result
from whisper_jax.bench.live.shown import Shown
from whisper_jax.bench.live.tracks import Track, tracks_of_rounds
from whisper_jax.bench.live.usage import Usage
from whisper_jax.bench.peers.environment import find_peer
from whisper_jax.bench.peers.run import worker_answers
from whisper_jax.bench.peers.weights import peer_model
from whisper_jax.engine.threads import usable_cores

_WORKER = Path(__file__).with_name("peer_worker.py")
_PEER = "faster-whisper"
_APART_S = 1.0

_SETTINGS = {"compute_type": "int8", "beam_size": 5, "interval_s": 1.0, "longest_s": 15.0}
"""whisper_streaming's own, with the number type that faster-whisper is fastest in on a CPU."""


def measure_peer_streams(
    plan: LivePlan, configuration: LiveConfiguration, tracks: Sequence[Track], folder: Path
) -> LiveRun:
    """Measure one configuration of a peer.

    Args:
        plan: What else is measured.
        configuration: Of a system of `whisper_jax.bench.live.plan.PEERS`.
        tracks: The recordings.
        folder: A CTranslate2 model folder.

    Raises:
        CheckpointError: The folder holds no such model.
        PeerError: The peer could not be installed, or failed.
    """
    rounds = tracks_of_rounds(tracks, configuration.n_streams, plan.most_s)
    played = [track for together in rounds for track in together]
    shown: list[list[Shown]] = [[] for _ in played]
    last: dict[str, Any] = {}
    with TemporaryDirectory(prefix="whisper-jax-bench-") as audio:
        question = {
            **_SETTINGS,
            "model": str(peer_model(_PEER, folder)),
            "vad": configuration.system.endswith("-vad"),
            "threads": usable_cores(),
            "block_ms": plan.block_ms,
            "speed": plan.speed,
            "rounds": _files(rounds, Path(audio)),
            "distributions": find_peer(_PEER).distributions,
        }
        for answer in worker_answers(_PEER, _WORKER, question, threads=usable_cores()):
            if "stream" in answer:
                shown[answer.pop("stream")].append(Shown(segment=0, **answer))
            else:
                last = answer
    clock = PlayClock(speed=plan.speed)
    versions = last.pop("versions")
    return LiveRun(
        configuration=configuration,
        streams=tuple(
            stream_result(track, own, clock) for track, own in zip(played, shown, strict=True)
        ),
        usage=Usage(**last),
        most_late_s=0.0,
        versions=versions,
    )


def _files(rounds: Sequence[Sequence[Track]], folder: Path) -> list[list[dict[str, Any]]]:
    """The tracks as files of samples, as the worker is told of them."""
    number = 0
    told: list[list[dict[str, Any]]] = []
    for together in rounds:
        files: list[dict[str, Any]] = []
        for place, track in enumerate(together):
            path = folder / f"{number}.f32"
            track.samples.astype("float32").tofile(path)
            files.append(
                {
                    "stream": number,
                    "path": str(path),
                    "language": track.language,
                    "starts_after_s": _APART_S * place / len(together),
                }
            )
            number += 1
        told.append(files)
    return told
