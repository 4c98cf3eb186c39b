"""Live streams with real weights, on good networks and bad ones: no word is lost or doubled."""

import base64
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import jiwer
import numpy as np
import pytest
from live_client import PlainClient, seqs, talking
from live_fake import events_of
from numpy.typing import NDArray
from openai import OpenAI
from served import Served, serving

from whisper_jax.audio.decode import open_audio
from whisper_jax.scoring import normalise
from whisper_jax.shelf import Models

DATA = Path(__file__).parents[1] / "golden" / "data"
RATE = 16_000
PACKET = RATE // 50
SPEED = 4.0
OPTIONS: dict[str, Any] = {"language": "en", "hold_back_s": 1.0}
"""With so much held back, what `base` mishears hardly depends on how much is heard when."""


@dataclass(frozen=True)
class Recording:
    """What is said, and its sound: int16 [n] at 16 kHz."""

    text: str
    samples: NDArray[np.int16]


def recording(name: str, text: str) -> Recording:
    with open_audio(str(DATA / name)) as stream:
        samples = np.concatenate([*stream.blocks()])
    return Recording(text=text, samples=(samples * 32767).astype("<i2"))


JFK = recording(
    "jfk.flac",
    "And so my fellow Americans, ask not what your country can do for you, ask what you can do for"
    " your country.",
)
LJ = recording(
    "lj.flac", "it is of the first importance that the letter used should be fine in form;"
)
RECORDINGS = {"jfk": JFK, "lj": LJ}


@pytest.fixture(scope="module")
def real(base_folder: Path) -> Iterator[Served]:
    models = Models((str(base_folder),))
    with serving(models, aliases={"base": str(base_folder)}) as served:
        yield served


def expect_words(text: str, said: str) -> None:
    """Every word that was said is there once.

    A few may be misheard: ``base`` takes "what your" for "why you are". But no words in a row are
    missing, or there without having been said.
    """
    found = jiwer.process_words(normalise(said, "en"), normalise(text, "en"))
    assert found.substitutions + found.insertions + found.deletions <= 3, text
    for chunk in found.alignments[0]:
        n_words = chunk.hyp_end_idx - chunk.hyp_start_idx
        n_said = chunk.ref_end_idx - chunk.ref_start_idx
        assert abs(n_words - n_said) <= 1, text
    words = normalise(text, "en").split()
    assert all(a != b for a, b in pairwise(words)), text


def expect_whole(messages: Sequence[dict[str, Any]], *, had_reconnects: bool = False) -> str:
    """What must hold of all events of a stream that has ended; its committed text.

    Of tentative text that was replaced while the client was away nobody tells: numbers are left
    out then.
    """
    numbers = seqs(list(messages))
    assert numbers == sorted(set(numbers))
    assert had_reconnects or numbers == list(range(1, len(numbers) + 1))
    text, open_text, n_done = "", "", 0
    for event in messages:
        if event["type"] == "committed":
            assert event["segment"] == n_done
            assert "".join(word["word"] for word in event["words"]) == event["text"]
            open_text += event["text"]
        elif event["type"] == "segment_done":
            assert event["segment"]["id"] == n_done
            assert event["segment"]["text"] == open_text
            text, open_text, n_done = text + open_text, "", n_done + 1
    assert open_text == ""
    assert messages[-1]["type"] == "stream_ended"
    assert messages[-1]["error"] is None
    return text


def send_paced(client: PlainClient, packets: Sequence[bytes], speed: float = SPEED) -> None:
    """Packets of 20 ms, in the time that they take at a multiple of real time."""
    start_s = time.monotonic()
    for number, packet in enumerate(packets):
        time.sleep(max(0.0, start_s + number * 0.02 / speed - time.monotonic()))
        client.send(packet)


def packets_of(samples: NDArray[np.int16]) -> list[bytes]:
    return [samples[at : at + PACKET].tobytes() for at in range(0, len(samples), PACKET)]


def placed_packets(samples: NDArray[np.int16]) -> list[bytes]:
    """Packets that begin with their positions."""
    packets = packets_of(samples)
    return [struct.pack("<Q", PACKET * k) + packet for k, packet in enumerate(packets)]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_stream_that_nothing_disturbs(real: Served, name: str):
    said = RECORDINGS[name]
    with talking(real, **OPTIONS) as client:
        send_paced(client, packets_of(said.samples))
        client.command("finish")
        messages = client.rest()
    expect_words(expect_whole(messages), said.text)
    words = [word for event in events_of(messages, "committed") for word in event["words"]]
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    assert words[-1]["end"] <= len(said.samples) / RATE + 0.1


GARBAGE: tuple[bytes | str, ...] = (
    b"",
    b"1234567",
    b"\xff" * 8 + b"ab",
    random.Random(1).randbytes(901),
    "{",
    "[1]",
    '{"type": "hello"}',
    '{"type": "audio", "audio": "!"}',
    '{"type": "audio", "audio": "AAA=", "position": -1}',
)


def test_late_doubled_and_malformed_messages(real: Served):
    chance = random.Random(1)
    packets = placed_packets(JFK.samples)
    # Each is late by up to 0.8 s; less than a second is waited for.
    late = sorted(range(len(packets)), key=lambda k: 0.02 * k + chance.uniform(0, 0.8))
    sent = [packets[k] for k in late]
    doubled = chance.sample(range(len(packets)), 60)
    for k in doubled:
        sent.insert(chance.randrange(len(sent) + 1), packets[k])
    with talking(real, **OPTIONS, framing="positions") as client:
        for start in range(0, len(sent), 50):
            send_paced(client, sent[start : start + 50])
            client.connection.send(chance.choice(GARBAGE))
        client.command("status")
        client.command("finish")
        messages = client.rest()
    assert len(events_of(messages, "error")) == -(-len(sent) // 50)
    assert not events_of(messages, "audio_lost")
    (status,) = events_of(messages, "status")
    assert status["received_samples"] == len(JFK.samples)
    assert status["doubled_samples"] == sum(len(packets[k]) // 2 - 4 for k in doubled)
    expect_words(expect_whole(messages), JFK.text)


def test_packets_that_are_lost_in_a_pause(real: Served):
    n_lost = 15
    energy = np.convolve(np.square(JFK.samples.astype(float)), np.ones(n_lost * PACKET), "valid")
    first = int(np.argmin(energy[3 * RATE : 8 * RATE : PACKET])) + 3 * RATE // PACKET
    packets = placed_packets(JFK.samples)
    with talking(real, **OPTIONS, framing="positions") as client:
        send_paced(client, packets[:first] + packets[first + n_lost :])
        client.command("finish")
        messages = client.rest()
    (lost,) = events_of(messages, "audio_lost")
    assert (lost["position"], lost["samples"]) == (first * PACKET, n_lost * PACKET)
    expect_words(expect_whole(messages), JFK.text)


def test_a_client_ten_times_faster_than_real_time(real: Served):
    with talking(real, **OPTIONS) as client:
        send_paced(client, packets_of(JFK.samples), speed=10.0)
        client.command("finish")
        expect_words(expect_whole(client.rest()), JFK.text)


def test_a_recording_in_one_message(real: Served):
    with talking(real, **OPTIONS) as client:
        client.send(JFK.samples.tobytes())
        client.command("finish")
        expect_words(expect_whole(client.rest()), JFK.text)


def test_a_network_that_stalls(real: Served):
    """Nothing for 1.5 s, then a quarter of a second at once, in the middle of words."""
    packets = packets_of(LJ.samples[: round(2.2 * RATE)])
    with talking(real, **OPTIONS) as client:
        for start in range(0, len(packets), 13):
            for packet in packets[start : start + 13]:
                client.send(packet)
            time.sleep(1.5)
        send_paced(client, packets_of(LJ.samples[len(packets) * PACKET :]))
        client.command("finish")
        expect_words(expect_whole(client.rest()), LJ.text)


@pytest.fixture(scope="module")
def jfk_words(real: Served) -> list[dict[str, Any]]:
    """The words of JFK with their times."""
    with talking(real, **OPTIONS) as client:
        send_paced(client, packets_of(JFK.samples))
        client.command("finish")
        done = events_of(client.rest(), "segment_done")
    return [word for event in done for word in event["segment"]["words"]]


def cut_off(client: PlainClient) -> None:
    """The network is gone: nobody says goodbye."""
    client.connection.socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("seed", [1, 2])
def test_connections_that_are_cut_in_the_middle_of_words(
    real: Served, jfk_words: list[dict[str, Any]], seed: int
):
    chance = random.Random(seed)
    words = sorted(chance.sample(jfk_words, 3), key=lambda word: word["start"])
    cuts = [round(RATE * chance.uniform(word["start"], word["end"])) for word in words]
    told: list[dict[str, Any]] = []
    query = OPTIONS
    for cut in [*cuts, None]:
        with talking(real, **query) as client:
            position = client.first["received_samples"]
            send_paced(client, packets_of(JFK.samples[position:cut]))
            if cut is None:
                client.command("finish")
                told += client.rest()
                break
            # Not all that has been told arrives, and a sample is cut in two.
            client.send(JFK.samples[cut : cut + 1].tobytes()[:1])
            told += some_messages(client, chance.randrange(12))
            cut_off(client)
        query = {"session": client.first["session"], "after": max(seqs(told), default=0)}
    expect_words(expect_whole(told, had_reconnects=True), JFK.text)


def some_messages(client: PlainClient, n_most: int) -> list[dict[str, Any]]:
    """The next few messages, as far as they have come."""
    found: list[dict[str, Any]] = []
    while len(found) < n_most:
        try:
            message = client.next(timeout=0.2)
        except TimeoutError:
            break
        assert message is not None
        found.append(message)
    return found


# --- OpenAI's client ------------------------------------------------------------------------------

PREFIX = "conversation.item.input_audio_transcription."


def resampled(samples: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    """The same at another rate, by its spectrum."""
    n_out = len(samples) * rate // RATE
    spectrum = np.fft.rfft(samples)[: n_out // 2 + 1]
    sound = np.fft.irfft(spectrum, n_out) * (n_out / len(samples))
    return np.clip(np.round(sound), -32768, 32767).astype("<i2")


def mulaw(samples: NDArray[np.int16], rate: int) -> bytes:
    codec = av.CodecContext.create("pcm_mulaw", "w")
    codec.sample_rate, codec.format, codec.layout = rate, "s16", "mono"
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.int16), "s16", "mono")
    frame.sample_rate = rate
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")
@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu"])
def test_realtime_transcription_by_openais_client(real: Served, kind: str):
    pause = np.zeros(2 * RATE, np.int16)
    sound = np.concatenate([LJ.samples, pause, JFK.samples, pause])
    if kind == "audio/pcm":
        rate, data = 24_000, resampled(sound, 24_000).tobytes()
        audio_format = {"type": kind, "rate": rate}
    else:
        rate, data = 8_000, mulaw(resampled(sound, 8_000), 8_000)
        audio_format = {"type": kind}
    step = len(data) * RATE // len(sound) // 10
    with (
        OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        # A turn that does not come ends the test.
        watchdog = threading.Timer(60, connection.close)
        watchdog.start()
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": audio_format,
                        "transcription": {"model": "base", "language": "en"},
                        # The speaker's own pauses are shorter.
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 1500},
                    }
                },
            }
        )
        for start in range(0, len(data), step):
            audio = base64.b64encode(data[start : start + step]).decode()
            connection.input_audio_buffer.append(audio=audio)
            time.sleep(0.1 / SPEED)
        events: list[dict[str, Any]] = []
        while len(events_of(events, PREFIX + "completed")) < 2:
            events.append(connection.recv().to_dict(warnings=False))
        watchdog.cancel()
    assert not events_of(events, "error")
    completed = events_of(events, PREFIX + "completed")
    for event, said in zip(completed, (LJ, JFK), strict=True):
        deltas = events_of(events, PREFIX + "delta")
        own = "".join(one["delta"] for one in deltas if one["item_id"] == event["item_id"])
        assert own == event["transcript"]
        expect_words(event["transcript"], said.text)
