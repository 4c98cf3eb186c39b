"""Programs read from disk before they are asked for, while a recording is read and encoded.

What the first window of a pool needs after it was encoded is known before there is a window.
Reading these programs takes about as long as the encoding, on a core that has little else to do.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from whisper_jax.engine.batches import padded_entries
from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.lift import DevicePrograms, NotKeptError
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.engine.scheduler import Slot
from whisper_jax.engine.threads import usable_cores

_SPECIAL_TOKENS = 8
"""Of a prompt of 224 tokens and what comes before and after it, at most."""

_USUAL_TEXTS = (64, 128)
"""Tokens of a sentence, and of a window that is full of speech."""

_log = logging.getLogger(__name__)


class AheadReader:
    """Reads what a first window needs, once for each kind of window. Safe on many threads.

    It begins at once with what all kinds need.

    Args:
        programs: Whose programs.
        policy: How their pools are driven.
        n_slots: Slots of the smallest pool.
    """

    def __init__(self, programs: DevicePrograms, policy: DevicePolicy, n_slots: int) -> None:
        self._programs = programs
        self._policy = policy
        self._lock = threading.Lock()
        self._begun: set[tuple[int, bool, bool]] = set()
        self._pool = DevicePool(programs.fetching(), policy)
        self._last: threading.Thread | None = None
        self._is_over = False
        self._start(partial(self._pool.fetch, n_slots))

    def expect(self, n_rows: int, *, detects_language: bool, aligns: bool = False) -> None:
        """Read what a kind of window needs besides, as far as it is on disk; returns at once.

        Args:
            n_rows: Texts that are written about a window.
            detects_language: Whether its language is asked for.
            aligns: Whether the times of its words are asked for.
        """
        kind = (n_rows, detects_language, aligns)
        with self._lock:
            if kind in self._begun:
                return
            self._begun.add(kind)
            if detects_language:
                self._start(self._pool.fetch_language)
            self._start(partial(self._pool.fetch_steps, n_rows))
            if aligns:
                for n_tokens in _USUAL_TEXTS:
                    self._start(partial(self._pool.fetch_alignment, n_tokens))

    def compile_usual(self, n_slots: int, rows: Sequence[int]) -> tuple[int, int]:
        """Compile what usual work needs, as far as it is not on disk.

        That is: windows of all lengths, one at a time and in batches, their language, prompts of
        all lengths, texts of up to 128 or 256 tokens, and the times of their words; and pools that
        change their size or their rows.

        Args:
            n_slots: The most slots of a pool.
            rows: Numbers of texts that are written about a window.

        Returns:
            How many programs are ready, and how many of them were compiled.
        """
        policy = self._policy
        programs = self._compiling()
        pools = policy.slot_buckets_up_to(n_slots)
        tasks = [
            partial(_compile_encoders, programs, policy, pools[-1]),
            partial(_compile_texts, programs, policy, pools[-1]),
        ]
        tasks += [partial(_compile_pool, programs, policy, size, rows) for size in pools]
        tasks += [partial(_compile_moves, programs, policy, pools, n_rows) for n_rows in rows]
        return _run_all(programs, tasks)

    def compile_for_stream(self, n_rows: int) -> tuple[int, int]:
        """Compile what windows of one live stream need, as far as it is not on disk.

        Args:
            n_rows: Texts that are written about a window.

        Returns:
            As `compile_usual`.
        """
        policy, smallest = self._policy, self._policy.slot_buckets[0]
        programs = self._compiling()
        tasks = [
            partial(_compile_encoders, programs, policy, 1),
            partial(_compile_texts, programs, policy, smallest),
            partial(_compile_pool, programs, policy, smallest, [n_rows]),
        ]
        return _run_all(programs, tasks)

    def wait(self) -> None:
        """Wait until what is being read has been read."""
        with self._lock:
            last = self._last
        if last is not None:
            last.join()

    def _compiling(self) -> DevicePrograms:
        self.wait()
        return self._programs.fetching(compiles=True)

    def _start(self, task: Callable[[], None]) -> None:
        # One after the other: they share the pool. No daemons: the interpreter must not end while
        # one of them is in the device's library.
        self._last = threading.Thread(
            target=self._run_after, args=(self._last, task), name="whisper-jax-ahead"
        )
        self._last.start()

    def _run_after(self, before: threading.Thread | None, task: Callable[[], None]) -> None:
        if before is not None:
            before.join()
        if self._is_over:
            return
        try:
            task()
        except NotKeptError:
            self._is_over = True  # what is missing is compiled when it is needed
        except Exception:
            self._is_over = True
            _log.exception("programs cannot be read ahead")


def _run_all(programs: DevicePrograms, tasks: Sequence[Callable[[], None]]) -> tuple[int, int]:
    """Do what compiles programs; how many are ready, and how many were compiled for that."""
    n_kept = programs.n_kept
    # XLA compiles a program on one core for the most part.
    with ThreadPoolExecutor(usable_cores()) as threads:
        for done in [threads.submit(task) for task in tasks]:
            done.result()
    return programs.n_compiled, programs.n_kept - n_kept


def _compile_encoders(programs: DevicePrograms, policy: DevicePolicy, n_slots: int) -> None:
    longest = 2 * programs.config.dims.n_audio_ctx
    for n_frames in policy.audio_buckets:
        for n_windows in _batches(policy.encode_limit, n_slots):
            DevicePool(programs, policy).fetch_encoding(min(n_frames, longest), n_windows)


def _compile_pool(
    programs: DevicePrograms, policy: DevicePolicy, n_slots: int, rows: Sequence[int]
) -> None:
    """A pool of one size: prompts of all lengths; texts while they are short, and once longer.

    And rows that become more and fewer again.
    """
    for n_heard in policy.attended_buckets[:-1]:
        DevicePool(programs, policy).fetch(n_slots, n_heard)
    for n_positions in policy.position_buckets[:2]:
        pool = DevicePool(programs, policy)
        pool.fetch(n_slots)
        for n_windows in _batches(policy.prefill_limit, n_slots):
            pool.fetch_windows(n_windows)
            pool.fetch_language(n_windows)
        for n_rows in (*rows, *reversed(rows[:-1])):
            for n_windows in _batches(policy.prefill_limit, n_slots):
                pool.fetch_steps(n_rows, n_windows=n_windows)
            pool.fetch_longer(n_positions - policy.unread_steps)
            for n_tokens in _text_buckets(programs, policy):
                if n_tokens <= n_positions:
                    pool.fetch_steps(n_rows, max(1, n_tokens - policy.unread_steps))


def _compile_texts(programs: DevicePrograms, policy: DevicePolicy, n_slots: int) -> None:
    """Texts of all lengths, to be read and to be aligned in windows of all lengths."""
    for n_heard in policy.attended_buckets:
        pool = DevicePool(programs, policy)
        pool.fetch(n_slots, n_heard)
        for n_tokens in _text_buckets(programs, policy):
            for n_windows in _batches(policy.prefill_limit, n_slots):
                pool.fetch_windows(n_windows, n_tokens)
            for n_windows in _batches(policy.align_limit, n_slots):
                pool.fetch_alignment(n_tokens, n_windows)


def _text_buckets(programs: DevicePrograms, policy: DevicePolicy) -> list[int]:
    """Lengths of a prompt, or of a window's text, with what is around it."""
    longest = programs.config.dims.n_text_ctx // 2 + _SPECIAL_TOKENS
    return [n_tokens for n_tokens in policy.prompt_buckets if n_tokens <= longest]


def _batches(limit: int, n_slots: int) -> list[int]:
    """Numbers of windows in a call that programs are compiled for, in a pool of so many slots."""
    return sorted({padded_entries(n) for n in range(1, min(limit, n_slots) + 1)})


def _compile_moves(
    programs: DevicePrograms, policy: DevicePolicy, pools: Sequence[int], n_rows: int
) -> None:
    """A pool that grows, by one size at a time or at once, and shrinks again."""
    at_once = [size for largest in pools[2:] for size in (largest, pools[0])]
    for n_positions in policy.position_buckets[:2]:
        pool = DevicePool(programs, policy)
        pool.fetch(pools[0])
        for n_slots in (*pools, *reversed(pools[:-1]), *at_once):
            pool.fetch_steps(n_rows)
            pool.fetch_longer(n_positions - policy.unread_steps)
            pool.resize(n_slots, [(Slot(0, 0), Slot(0, 0))])
