"""The peer's policy by itself, and what is made of its answers."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_bench_fake import words_every

from whisper_jax.bench.live import peer, peer_worker
from whisper_jax.bench.live.peer_worker import Agreement, Stream, _Microphone
from whisper_jax.bench.live.plan import LiveConfiguration, LivePlan
from whisper_jax.bench.live.tracks import Track
from whisper_jax.bench.peers.environment import PeerError
from whisper_jax.evaluate.manifest import Clip

RATE = 16_000


def words(text: str, start_s: float = 0.0) -> list[tuple[float, float, str]]:
    """Words that take a second each."""
    return [(start_s + k, start_s + k + 1, f" {word}") for k, word in enumerate(text.split())]


def texts(found: list[tuple[float, float, str]]) -> str:
    return "".join(text for _, _, text in found)


def test_what_two_hypotheses_begin_with_is_committed() -> None:
    agreement = Agreement()
    assert agreement.agree(words("and so my"), 0.0) == []
    assert texts(agreement.tentative) == " and so my"
    assert texts(agreement.agree(words("and so may fellow"), 0.0)) == " and so"
    assert texts(agreement.tentative) == " may fellow"
    # What was committed is heard again, and not committed again.
    assert texts(agreement.agree(words("and so may fellow Americans"), 0.0)) == " may fellow"
    assert texts(agreement.finish()) == " Americans"
    assert texts(agreement.committed) == " and so may fellow Americans"
    assert agreement.finish() == []


def test_words_that_moved_are_not_committed_twice() -> None:
    agreement = Agreement()
    agreement.agree(words("and so"), 0.0)
    agreement.agree(words("and so"), 0.0)
    # Now both are heard a little later: by their times they could be new.
    later = words("and so my", 1.95)
    assert agreement.agree(later, 0.0) == []
    assert texts(agreement.tentative) == " my"
    # Far from what was committed the same words may have been said again.
    other = Agreement()
    other.agree(words("and so"), 0.0)
    other.agree(words("and so"), 0.0)
    other.agree(words("and so", 5.0), 0.0)
    assert texts(other.tentative) == " and so"


def test_a_long_buffer_is_cut_after_what_was_committed() -> None:
    asked: list[tuple[int, str]] = []

    def transcribe(samples: Any, prompt: str) -> Any:
        asked.append((len(samples) // RATE, prompt))
        return words(" ".join(f"w{k}" for k in range(len(samples) // RATE))), [2.0, 9.0]

    stream = Stream(transcribe, np, longest_s=4.0)
    second = np.zeros(RATE, np.float32)
    for _ in range(4):
        stream.update(second)
    # Four words agree by now; the segment that ends after 2 s lies within them.
    stream.update(second)
    stream.update(second)
    assert [n for n, _ in asked] == [1, 2, 3, 4, 5, 4]
    assert [prompt for _, prompt in asked] == [""] * 5 + [" w0 w1"]


def test_the_prompt_is_the_end_of_what_stands_before_the_buffer() -> None:
    agreement = Agreement()
    agreement.agree(words("x" * 300), 0.0)
    stream = Stream(lambda *_: ([], []), np, longest_s=4.0)
    stream._agreement = agreement
    agreement.finish()
    assert stream._prompt() == ""
    stream._start_s = 1.0
    assert stream._prompt() == "x" * 200


def test_a_microphone_gives_what_was_spoken_in_whole_blocks() -> None:
    samples = np.arange(RATE, dtype=np.float32)
    start_s = time.perf_counter()
    microphone = _Microphone(samples, start_s, speed=4.0, n_block=640)
    first = microphone.take(0.25)
    waited_s = time.perf_counter() - start_s
    # 0.25 s are spoken within the block that ends after 0.28 s.
    assert len(first) >= 0.28 * RATE
    assert len(first) % 640 == 0
    assert waited_s >= 0.07
    taken = [first]
    while not microphone.is_over:
        taken.append(microphone.take(0.25))
    assert time.perf_counter() - start_s >= 0.25
    assert np.array_equal(np.concatenate(taken), samples)
    assert microphone.taken_s == 1.0


class Model:
    """Says that every second is a word; takes no time."""

    busy_s = 0.5

    def __init__(self, job: dict[str, Any]) -> None:
        self.is_warm = False

    def warm_up(self) -> None:
        self.is_warm = True

    def transcribe(self, samples: Any, prompt: str, language: str | None) -> Any:
        assert (self.is_warm, language) == (True, "en")
        return words(" ".join("abcdefgh"[: len(samples) // RATE])), []


def tracks() -> list[Track]:
    return [
        Track(
            name=name,
            set_name=name,
            language="en",
            tag="en",
            samples=np.zeros(3 * RATE, np.float32),
            words=words_every("a b c", every_s=0.9),
            reference="a b c",
        )
        for name in ("one", "two")
    ]


def plan() -> LivePlan:
    clip = Clip(path=Path("a"), name="a", set_name="a", language="en", text="a b c", duration_s=3.0)
    return LivePlan(clips=(clip,), speed=6.0, peers=("whisper-streaming-vad",))


def test_a_peers_streams_have_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def answers(name: str, script: Path, question: dict[str, Any], *, threads: int) -> Any:
        assert (name, script.name, script.is_file()) == ("faster-whisper", "peer_worker.py", True)
        asked.append(question)
        told: list[dict[str, Any]] = []
        peer_worker.run(question, told.append)
        return iter(told)

    monkeypatch.setattr(peer_worker, "_FasterWhisper", Model)
    monkeypatch.setattr(peer_worker, "version", lambda name: f"{name} 1")
    monkeypatch.setattr(peer, "worker_answers", answers)
    configuration = LiveConfiguration(system="whisper-streaming-vad", n_streams=2)
    run = peer.measure_peer_streams(plan(), configuration, tracks(), Path("model"))
    (question,) = asked
    assert (question["vad"], question["beam_size"], question["compute_type"]) == (True, 5, "int8")
    assert [file["starts_after_s"] for (files,) in [question["rounds"]] for file in files] == [
        0.0,
        0.5,
    ]
    assert [one.name for one in run.streams] == ["one", "two"]
    for one in run.streams:
        assert one.text == " a b c"
        # Each needs the next second to be heard once more; they are played in a sixth of that.
        assert len(one.figures.commit_delays_s) == 3
        assert min(one.figures.commit_delays_s) > 0
    assert (run.usage.busy_s, run.versions["faster-whisper"]) == (0.5, "faster-whisper 1")
    assert run.configuration.label == "whisper-streaming-vad"
    assert run.configuration.interval_s is None


def test_what_a_stream_of_the_peer_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Model):
        def transcribe(self, samples: Any, prompt: str, language: str | None) -> Any:
            raise PeerError("no more")

    def answers(name: str, script: Path, question: dict[str, Any], *, threads: int) -> Any:
        return peer_worker.run(question, lambda _: None)

    monkeypatch.setattr(peer_worker, "_FasterWhisper", Broken)
    monkeypatch.setattr(peer, "worker_answers", answers)
    configuration = LiveConfiguration(system="whisper-streaming", n_streams=1)
    with pytest.raises(PeerError, match="no more"):
        peer.measure_peer_streams(plan(), configuration, tracks(), Path("model"))
