"""Audio with positions: whatever a network does to it, each sample is passed on once, in order."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.server.errors import ApiError
from whisper_jax.server.live.intake import MAX_GAP_S, Intake

RATE = 100
SILENCE = b"\0\0"
N = 600
STREAM = (np.arange(N, dtype="<u2") + 1).tobytes()


def part(start: int, end: int) -> bytes:
    return STREAM[2 * start : 2 * end]


def numbers(data: bytes) -> list[int]:
    return np.frombuffer(data, "<u2").tolist()


@st.composite
def troubled(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Packets of a stream, some lost, doubled, overlapping or late."""
    cuts = sorted({0, N, *draw(st.lists(st.integers(0, N), max_size=20))})
    packets = list(pairwise(cuts))
    kept = [packet for packet in packets if draw(st.integers(0, 4))]
    for start, end in draw(st.lists(st.sampled_from(packets), max_size=5)):
        kept.insert(draw(st.integers(0, len(kept))), (max(0, start - 3), end))
    for _ in range(draw(st.integers(0, 4))):
        if len(kept) > 1:
            i = draw(st.integers(0, len(kept) - 2))
            kept[i], kept[i + 1] = kept[i + 1], kept[i]
    return kept


@settings(max_examples=300, deadline=None)
@given(packets=troubled())
def test_nothing_is_doubled_or_moved(packets):
    intake = Intake(SILENCE, RATE)
    out, gaps = b"", []
    for start, end in packets:
        taken = intake.place(start, part(start, end))
        out, gaps = out + taken.data, [*gaps, *taken.gaps]
    taken = intake.close_gaps()
    out, gaps = out + taken.data, [*gaps, *taken.gaps]
    found = numbers(out)
    assert intake.n_received == len(found)
    lost = {p for gap in gaps for p in range(gap.position, gap.position + gap.n_samples)}
    # Each place holds its own sample, or silence if that was reported as lost.
    assert [n or p + 1 for p, n in enumerate(found)] == list(range(1, len(found) + 1))
    assert {p for p, n in enumerate(found) if n == 0} == lost
    sent = {p for start, end in packets for p in range(start, end)}
    assert lost.isdisjoint(sent) or intake.n_doubled > 0
    assert len(found) == max(sent, default=-1) + 1


@settings(max_examples=100, deadline=None)
@given(packets=troubled())
def test_what_comes_in_time_is_not_lost(packets):
    """All packets come, out of order by less than what is waited for."""
    intake = Intake(SILENCE, RATE * 100)
    everything = [*packets, *((p, p + 1) for p in range(N))]
    out = b"".join(intake.place(start, part(start, end)).data for start, end in everything)
    assert numbers(out) == list(range(1, N + 1))


def test_a_late_packet_is_waited_for_and_no_longer():
    intake = Intake(SILENCE, RATE)
    assert intake.place(0, part(0, 50)).data == part(0, 50)
    assert intake.place(60, part(60, 120)).data == b""
    assert intake.place(50, part(50, 60)).data == part(50, 120)
    assert intake.place(130, part(130, 200)).data == b""
    # With 1 s that waits, what is missing is given up.
    taken = intake.place(200, part(200, 250))
    assert taken.data == SILENCE * 10 + part(130, 250)
    assert [(gap.position, gap.n_samples) for gap in taken.gaps] == [(120, 10)]
    assert intake.place(120, part(120, 130)).data == b""
    assert intake.n_doubled == 10


def test_bytes_without_positions_follow():
    intake = Intake(SILENCE, RATE)
    assert intake.follow(part(0, 5) + b"\x06").data == part(0, 5) + b"\x06"
    assert intake.n_received == 5
    intake.follow(b"\x00" + part(6, 8))
    assert intake.n_received == 8
    intake.follow(b"\x09")
    intake.break_off()
    intake.follow(part(8, 10))
    assert intake.n_received == 10


@pytest.mark.parametrize(
    ("position", "data"),
    [(-1, part(0, 1)), (MAX_GAP_S * RATE + 1, part(0, 1)), (1 << 60, part(0, 1)), (0, b"odd")],
)
def test_what_makes_no_sense_changes_nothing(position, data):
    intake = Intake(SILENCE, RATE)
    with pytest.raises(ApiError):
        intake.place(position, data)
    assert intake.n_received == 0
    assert intake.place(0, part(0, 3)).data == part(0, 3)
