"""Free memory goes back to the operating system, now and then."""

import ctypes
from pathlib import Path

import pytest

from whisper_jax.cli import arenas
from whisper_jax.cli.arenas import share_arenas
from whisper_jax.clibrary import glibc
from whisper_jax.engine import heap
from whisper_jax.engine.heap import FreeMemory

_MEGABYTE = 2**20


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(heap, "monotonic", lambda: now[0])
    return now


def test_what_was_freed_between_used_pieces_is_given_back_once_in_a_while(
    clock: list[float],
) -> None:
    libc = glibc()
    if libc is None:
        pytest.skip("another C library")
    free_memory = FreeMemory()
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    # Pieces of the heap that cannot shrink from its end: the last one stays in use.
    pieces = [libc.malloc(100_000) for _ in range(1000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 100_000)
    for piece in pieces[:-1]:
        libc.free(piece)
    held = resident_bytes()
    clock[0] = 5.0
    free_memory.give_back()
    assert resident_bytes() > held - 10 * _MEGABYTE
    clock[0] = 11.0
    free_memory.give_back()
    assert resident_bytes() < held - 80 * _MEGABYTE
    libc.free(pieces[-1])


def test_arenas_that_the_user_has_counted_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    class Libc:
        def mallopt(self, parameter: int, value: int) -> int:
            told.append((parameter, value))
            return 1

    monkeypatch.setattr(arenas, "glibc", Libc)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    share_arenas()
    assert not told
    monkeypatch.delenv("MALLOC_ARENA_MAX")
    share_arenas()
    assert told == [(-8, 3)]
