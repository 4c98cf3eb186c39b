"""The device side of a pool: the state on the device, the calls that change it, what is read of it.

Nothing else in the package keeps arrays on the device between calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import jax
import numpy as np

from whisper_jax.decoding.loop import Prompts
from whisper_jax.decoding.state import PoolState, Report
from whisper_jax.engine.batches import (
    BatchLayout,
    aligned,
    decoded,
    language_probabilities,
    prompts_batch,
    texts_batch,
    wanted_batch,
    windows_batch,
)
from whisper_jax.engine.heap import FREE_MEMORY
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.policy import DevicePolicy, bucket_of
from whisper_jax.engine.scheduler import Slot
from whisper_jax.requests import (
    Align,
    Aligned,
    Decode,
    Decoded,
    DecodeRules,
    DetectLanguage,
    Encode,
    Encoded,
    LanguageScores,
)

_NO_SLOT = np.iinfo(np.int32).max
_FIRST = Slot(0, 0)


@dataclass
class DeviceCounts:
    """What a pool has done so far.

    Attributes:
        windows: Windows encoded.
        frames: Log-mel frames (10 ms) of what was in them.
        prompts: Prompts read.
        tokens: Tokens found.
        row_steps: Rows of slots times steps executed.
        active_row_steps: Of these, rows that were not done.
        seconds: Time in calls, by program.
    """

    windows: int = 0
    frames: int = 0
    prompts: int = 0
    tokens: int = 0
    row_steps: int = 0
    active_row_steps: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def occupancy(self) -> float:
        """Active row-steps over executed row-steps, drain included; 1 before any."""
        return self.active_row_steps / self.row_steps if self.row_steps else 1.0

    def __add__(self, other: "DeviceCounts") -> "DeviceCounts":
        """Both together; seconds of pools that ran side by side are more than those that passed."""
        programs = {**self.seconds, **other.seconds}
        return DeviceCounts(
            windows=self.windows + other.windows,
            frames=self.frames + other.frames,
            prompts=self.prompts + other.prompts,
            tokens=self.tokens + other.tokens,
            row_steps=self.row_steps + other.row_steps,
            active_row_steps=self.active_row_steps + other.active_row_steps,
            seconds={p: self.seconds.get(p, 0.0) + other.seconds.get(p, 0.0) for p in programs},
        )

    def add_seconds(self, program: str, start_s: float) -> None:
        """Add the time since ``start_s`` to a program's."""
        self.seconds[program] = self.seconds.get(program, 0.0) + perf_counter() - start_s


@dataclass(frozen=True, slots=True)
class _Size:
    """What a decode takes of a pool: the rows of its slot, and the tokens of its longest row."""

    n_rows: int
    n_positions: int


class DevicePool:
    """The slots of one model on the devices of a mesh."""

    def __init__(self, programs: DevicePrograms, policy: DevicePolicy) -> None:
        self.programs = programs
        self.policy = policy
        self.counts = DeviceCounts()
        self._state: PoolState | None = None
        self._decoding: dict[Slot, _Size] = {}
        self._n_heard: dict[Slot, int] = {}
        self._unread: tuple[Report, tuple[Slot, ...], int] | None = None

    def resize(
        self, n_slots: int, moves: Sequence[tuple[Slot, Slot]]
    ) -> list[tuple[Slot, Decoded]]:
        """Make the pool ``n_slots`` a shard and move windows, old to new.

        Returns what finished in a call whose result was still to be read, under the new slots.
        """
        start_s = perf_counter()
        finished = self._read_pending()
        renamed = dict(moves)
        self._n_heard = {renamed[s]: n for s, n in self._n_heard.items() if s in renamed}
        self._decoding = {renamed[s]: size for s, size in self._decoding.items() if s in renamed}
        n_positions = self._positions_needed(0, n_slots)
        if self._state is None:
            self._state = self.programs.empty(n_slots, 1, n_positions)
        else:
            sources = np.full(n_slots * self.programs.n_shards, _NO_SLOT, np.int32)
            for old, new in moves:
                sources[new.shard * n_slots + new.index] = old.index
            self._state = self.programs.resize(self._state, sources, n_positions)
        self.counts.add_seconds("resize", start_s)
        return [(renamed[slot], text) for slot, text in finished if slot in renamed]

    def encode(self, items: Sequence[tuple[Slot, Encode]]) -> list[Encoded]:
        """Put windows into their slots."""
        start_s = perf_counter()
        layout = BatchLayout([slot for slot, _ in items], self.programs.n_shards)
        n_heard = self.audio_bucket(max(request.n_heard for _, request in items))
        windows = windows_batch(layout, [request for _, request in items], n_heard)
        encoded, peaks = self.programs.encode(windows)
        cross = self.programs.put(self._pool.cross, encoded, layout.slots)
        self._state = replace(self._pool, cross=cross)
        self._n_heard |= dict.fromkeys([slot for slot, _ in items], n_heard)
        values = np.asarray(peaks)
        self.counts.windows += len(items)
        self.counts.frames += sum(request.n_frames for _, request in items)
        self.counts.add_seconds("encode", start_s)
        return [Encoded(peak=float(values[place])) for place in layout.places]

    def detect_language(self, items: Sequence[tuple[Slot, DetectLanguage]]) -> list[LanguageScores]:
        """The probability of each candidate language for windows in their slots."""
        start_s = perf_counter()
        layout = BatchLayout([slot for slot, _ in items], self.programs.n_shards, smallest=2)
        logits = np.asarray(self._start_language(layout))
        self.counts.add_seconds("language", start_s)
        return [
            LanguageScores(
                probabilities=language_probabilities(logits[place], request.language_tokens)
            )
            for place, (_, request) in zip(layout.places, items, strict=True)
        ]

    def align(self, items: Sequence[tuple[Slot, Align]]) -> list[Aligned]:
        """Where the texts of windows in their slots are spoken."""
        start_s = perf_counter()
        layout = BatchLayout([slot for slot, _ in items], self.programs.n_shards)
        requests = [request for _, request in items]
        distances, probabilities = jax.tree.map(np.asarray, self._start_alignment(layout, requests))
        found = [
            aligned(distances, probabilities, place, request)
            for place, request in zip(layout.places, requests, strict=True)
        ]
        self.counts.add_seconds("align", start_s)
        return found

    def prefill(self, items: Sequence[tuple[Slot, Decode]]) -> None:
        """Begin to decode windows in their slots; `run` goes on with them."""
        start_s = perf_counter()
        for slot, request in items:
            self.forget(slot)
            n_tokens = len(request.prompt) + len(request.prefix)
            self._decoding[slot] = _Size(request.n_rows, n_tokens)
        layout, prompts = self._prompts(items)
        self._make_room(prompts.tokens.shape[1])
        heard = self.programs.prefill(self._windows(layout), prompts)
        requests, dims = [request for _, request in items], self.programs.config.dims
        wanted = wanted_batch(layout, requests, dims)
        begun = self.programs.begin(wanted, heard, self._pool.rows.cache.n_rows)
        rows = self.programs.insert(self._pool.rows, layout.slots, begun, heard.cache)
        self._state = replace(self._pool, rows=rows)
        self.counts.prompts += len(items)
        self.counts.add_seconds("prefill", start_s)

    def run(self, slots: Sequence[Slot]) -> list[tuple[Slot, Decoded]]:
        """Find more tokens in these slots; returns those that finished.

        Where the policy reads late, what comes back is of the call before this one.
        """
        start_s = perf_counter()
        report = self._start_steps(slots)
        finished = self._read_pending()
        done_before = {slot for slot, _ in finished}
        unread = tuple(slot for slot in slots if slot not in done_before)
        self._unread = (report, unread, self._pool.rows.done.shape[1])
        if not self.policy.reads_late:
            finished = self._read_pending()
        FREE_MEMORY.give_back()
        self.counts.add_seconds("run", start_s)
        return finished

    # --- of a pool of `DevicePrograms.fetching`: what a window needs, without a window -----------

    def fetch(self, n_slots: int, n_heard: int | None = None) -> None:
        """What any window needs once it is encoded, in a pool of so many slots.

        Args:
            n_slots: The slots.
            n_heard: Log-mel frames that are heard of the windows; 30 s of them if unset.

        Raises:
            NotKeptError: A program has to be compiled.
        """
        self.resize(n_slots, [])
        if n_heard is not None:
            self._n_heard = dict.fromkeys(_first_slots(n_slots), n_heard)
        self.fetch_windows(1)

    def fetch_windows(self, n_windows: int, n_prompt: int = 1) -> None:
        """What so many windows need that share calls, once they are encoded; after `fetch`."""
        slots = _first_slots(n_windows)
        layout, prompts = self._prompts([(slot, _prompt(1, n_prompt)) for slot in slots])
        self.programs.put(self._pool.cross, self._whole_windows(layout), layout.slots)
        self.programs.prefill(self._windows(layout), prompts)

    def fetch_encoding(self, n_frames: int, n_windows: int = 1) -> None:
        """What encodes windows of which so many frames are heard, so many in a call."""
        window = Encode(samples=np.zeros(0, np.float32), n_frames=n_frames, peak=0.0)
        layout = BatchLayout(_first_slots(n_windows), self.programs.n_shards)
        self.programs.encode(windows_batch(layout, [window] * n_windows, n_frames))

    def fetch_language(self, n_windows: int = 1) -> None:
        """What windows need besides if their language is asked for; after `fetch`."""
        slots = _first_slots(n_windows)
        self._start_language(BatchLayout(slots, self.programs.n_shards, smallest=2))

    def fetch_steps(self, n_rows: int, n_prompt: int = 1, n_windows: int = 1) -> None:
        """What they need besides for so many texts after so long a prompt; after `fetch`."""
        slots = _first_slots(n_windows)
        self.prefill([(slot, _prompt(n_rows, n_prompt)) for slot in slots])
        self._start_steps(slots)

    def fetch_longer(self, n_positions: int) -> None:
        """What they need besides once texts have so many tokens; after `fetch_steps`."""
        self._decoding[_FIRST] = replace(self._decoding[_FIRST], n_positions=n_positions)
        self._start_steps([_FIRST])

    def fetch_alignment(self, n_tokens: int, n_windows: int = 1) -> None:
        """What they need besides to align texts of so many tokens; after `fetch`."""
        text = Align(prompt=(0,), tokens=(0,) * (n_tokens - 2), n_frames=2)
        layout = BatchLayout(_first_slots(n_windows), self.programs.n_shards)
        self._start_alignment(layout, [text] * n_windows)

    def forget(self, slot: Slot) -> None:
        """The slot has been freed or has a new window: an unread result of it is void."""
        self._decoding.pop(slot, None)
        if self._unread is not None:
            report, slots, n_rows = self._unread
            self._unread = (report, tuple(other for other in slots if other != slot), n_rows)

    def drop(self) -> None:
        """Forget every window, and give back the memory of the slots."""
        self._state, self._unread = None, None
        self._decoding.clear()
        self._n_heard.clear()
        FREE_MEMORY.give_back()

    def prompt_bucket(self, n_tokens: int) -> int:
        """The length that a prompt is padded to."""
        return bucket_of(self.policy.prompt_buckets, n_tokens)

    def audio_bucket(self, n_frames: int) -> int:
        """How many log-mel frames are heard of a window of which so many are to be."""
        longest = 2 * self.programs.config.dims.n_audio_ctx
        return bucket_of(self.policy.audio_buckets, min(n_frames, longest))

    def _prompts(self, items: Sequence[tuple[Slot, Decode]]) -> tuple[BatchLayout, Prompts]:
        longest = max(len(request.prompt) + len(request.prefix) for _, request in items)
        layout = BatchLayout([slot for slot, _ in items], self.programs.n_shards)
        requests = [request for _, request in items]
        return layout, prompts_batch(layout, requests, self.prompt_bucket(longest))

    def _start_language(self, layout: BatchLayout) -> Any:
        return self.programs.language(self._whole_windows(layout))

    def _start_alignment(self, layout: BatchLayout, requests: Sequence[Align]) -> tuple[Any, Any]:
        longest = max(request.n_positions for request in requests)
        eot = self.programs.config.ids.eot
        texts = texts_batch(layout, requests, self.prompt_bucket(longest), eot)
        attended = self.programs.align(self._windows(layout), texts)
        if not any(request.wants_probabilities for request in requests):
            return attended.distances, None
        return attended.distances, self.programs.probabilities(attended.hidden, texts)

    def _windows(self, layout: BatchLayout) -> Any:
        """The windows of a batch, as much of them as may be looked at."""
        longest = 2 * self.programs.config.dims.n_audio_ctx
        n_heard = max(self._n_heard.get(slot, longest) for slot in layout.windows)
        n_attended = min(bucket_of(self.policy.attended_buckets, n_heard), longest)
        return self.programs.take(self._pool.cross, layout.slots, n_attended // 2)

    def _whole_windows(self, layout: BatchLayout) -> Any:
        n_audio_ctx = self.programs.config.dims.n_audio_ctx
        return self.programs.take(self._pool.cross, layout.slots, n_audio_ctx)

    def _start_steps(self, slots: Sequence[Slot]) -> Report:
        self._make_room(0)
        running = np.zeros(self._pool.rows.done.shape[0], bool)
        running[[slot.shard * self._n_slots + slot.index for slot in slots]] = True
        limits = (np.int32(self.policy.max_steps), np.int32(self.policy.stop_after))
        rows, report = self.programs.run(self._pool.cross, self._pool.rows, running, limits)
        self._state = replace(self._pool, rows=rows)
        return report

    def _read_pending(self) -> list[tuple[Slot, Decoded]]:
        """Wait for the last call and read it, if it is still to be read."""
        if self._unread is None:
            return []
        (report, slots, n_rows), self._unread = self._unread, None
        read = jax.tree.map(np.asarray, report)
        n_slots = read.done.shape[0] // self.programs.n_shards
        self.counts.active_row_steps += int(read.n_active_row_steps.sum())
        self.counts.row_steps += int(read.n_steps.sum()) * n_slots * n_rows
        finished: list[tuple[Slot, Decoded]] = []
        for slot in slots:
            at = slot.shard * n_slots + slot.index
            size = self._decoding[slot]
            self._decoding[slot] = replace(size, n_positions=int(read.n_positions[at]))
            if read.done[at]:
                text = decoded(read, at)
                finished.append((slot, text))
                self.counts.tokens += len(text.tokens) - text.n_prefix
                del self._decoding[slot]
        return finished

    def _make_room(self, n_prompt: int) -> None:
        """Make the rows of the slots as many, and as long, as is needed now."""
        n_rows = self._rows_needed()
        cache = self._pool.rows.cache
        n_positions = max(self._positions_needed(n_prompt, self._n_slots), cache.n_positions)
        if (n_rows, n_positions) != (cache.n_rows, cache.n_positions):
            rows = self.programs.fit(self._pool.rows, n_rows, n_positions)
            self._state = replace(self._pool, rows=rows)

    def _rows_needed(self) -> int:
        """The rows of the decode that has most, as a bucket."""
        most = max((size.n_rows for size in self._decoding.values()), default=1)
        return bucket_of(self.policy.row_buckets, most)

    def _positions_needed(self, n_prompt: int, n_slots: int) -> int:
        """Room for the longest row after the next call, as a bucket."""
        dims = self.programs.config.dims
        fewest = self.policy.fewest_positions(n_slots, dims.n_text_head)
        longest = max((size.n_positions for size in self._decoding.values()), default=0)
        needed = max(n_prompt, fewest, longest + self.policy.unread_steps)
        return bucket_of(self.policy.position_buckets, min(needed, dims.n_text_ctx))

    @property
    def _pool(self) -> PoolState:
        if self._state is None:
            raise RuntimeError("the pool has no slots yet")
        return self._state

    @property
    def _n_slots(self) -> int:
        return self._pool.rows.done.shape[0] // self.programs.n_shards


def _first_slots(n: int) -> list[Slot]:
    return [Slot(0, index) for index in range(n)]


def _prompt(n_rows: int, n_tokens: int = 1) -> Decode:
    return Decode(prompt=(0,) * n_tokens, sot_index=0, rules=DecodeRules(), beam_size=n_rows)
