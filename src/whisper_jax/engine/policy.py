"""How a kind of device is driven: what depends on the hardware and on nothing else."""

from dataclasses import dataclass, replace

from whisper_jax.model.layers import AttentionKind
from whisper_jax.options import MAX_HYPOTHESES


@dataclass(frozen=True, kw_only=True)
class DevicePolicy:
    """The settings of one kind of device.

    Attributes:
        max_steps: Most decode steps in one call.
        stop_after: A call ends early once so many slots have finished.
        reads_late: Read the result of a call only after the next has been started, so that the
            device never waits for the host. A finished slot then idles for one call.
        slot_buckets: Numbers of slots a pool may have, rising.
        row_buckets: Numbers of rows a slot may have, rising.
        min_rows: The fewest rows of a product with a weight; padding fills them up.
        min_rows_wide: The same while slots have several rows.
        min_numbers: The fewest numbers of an array on the way of a row.
        attention: How the encoder attends, if nothing faster is found (`fastest_attention`).
        rounds_as_written: Where numbers are rounded is not left to the compiler.
        encode_limit: Most windows encoded in one call.
        prefill_limit: Most prompts read in one call.
        align_limit: Most texts aligned in one call.
        audio_buckets: Log-mel frames of a window that programs are compiled for, even numbers.
        attended_buckets: Log-mel frames of a window that prompts and texts to be aligned look at,
            even numbers: not at the rest of a slot, where it is not needed.
        prompt_buckets: Prompt lengths that programs are compiled for.
        position_buckets: Lengths of the self-attention cache that programs are compiled for.
        cache_dtype: Type of keys and values at rest; None for the type computed in.
        reads_int8: Cross-attention keys and values in int8 are read faster than floats.
        turns_weights: Int8 weights are the left factors of products with few rows.
        most_slots: Slots that are enough: more would not be faster.
        n_lanes: Pools that share the device, each with its thread.
        n_guest_slots: Slots of a small pool beside each of them, in which first windows are soon
            decoded while somebody else's fill the large ones; 0 where a step of many slots takes
            about as long as one of few.
        joins_shards: One program runs on all copies of the model at once; else each copy has its
            own pool, and none waits for another.
    """

    max_steps: int
    stop_after: int
    reads_late: bool
    slot_buckets: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    row_buckets: tuple[int, ...] = (1, 2, 5, 8, 16, MAX_HYPOTHESES)
    min_rows: int = 1
    min_rows_wide: int = 1
    min_numbers: int = 1
    attention: AttentionKind = "plain"
    rounds_as_written: bool = False
    encode_limit: int
    prefill_limit: int
    align_limit: int
    audio_buckets: tuple[int, ...] = (1000, 1500, 2000, 2500, 3000)
    attended_buckets: tuple[int, ...] = (3000,)
    prompt_buckets: tuple[int, ...] = (8, 64, 128, 232, 448)
    position_buckets: tuple[int, ...] = (128, 256, 448)
    cache_dtype: str | None = None
    reads_int8: bool = False
    turns_weights: bool = False
    most_slots: int
    n_lanes: int = 1
    n_guest_slots: int = 0
    joins_shards: bool = True

    @property
    def unread_steps(self) -> int:
        """How much longer than was read last a text may be after the next call."""
        return self.max_steps * (2 if self.reads_late else 1)

    def min_slots(self, width: int) -> int:
        """The fewest slots that products are computed for, in a model of this width."""
        needed = max(self.min_rows, -(-self.min_numbers // width))
        return 1 << (needed - 1).bit_length()

    def fewest_positions(self, n_slots: int, n_heads: int) -> int:
        """The shortest self-attention cache for so many slots."""
        return -(-self.min_numbers // (n_slots * n_heads))

    def slot_buckets_up_to(self, n_slots: int) -> tuple[int, ...]:
        """The buckets below ``n_slots``, and the one that holds it."""
        below = tuple(size for size in self.slot_buckets if size < n_slots)
        return (*below, max(n_slots, self.slot_buckets[0]))


# A step takes about 20 ms on a CPU and is read at once. float32 keys and values are read at 40
# GB/s and more, bfloat16 ones at a tenth of that: XLA has no fast path for one-row products.
# What XLA gives for a row depends in its last bits on how many rows a product has (equal for 8 to
# 32, and for 40 and more); on whether slots are a power of two, where slots have several rows; on
# whether an array has fewer than 4096 numbers; and on how many windows or prompts share a call. So
# rows are padded, caches are long enough, and a call has one window or prompt (which is also the
# fastest): text does not depend on what else is being transcribed. Where the compiler may leave
# out the rounding to bfloat16, it does so by what it has fused, and that depends on the slots too.
CPU = DevicePolicy(
    max_steps=16,
    stop_after=1,
    reads_late=False,
    min_rows=8,
    min_rows_wide=40,
    min_numbers=4096,
    rounds_as_written=True,
    # Encoding takes as long as what is heard; live streams hear windows of all lengths, one by one.
    # Of less than 10 s the model says things twice (docs/performance.md).
    audio_buckets=(1000, 1250, 1500, 1750, 2000, 2500, 3000),
    attended_buckets=(1500, 3000),
    encode_limit=1,
    prefill_limit=1,
    align_limit=1,
    cache_dtype="float32",
    reads_int8=True,
    turns_weights=True,
    most_slots=32,
    n_lanes=2,
    n_guest_slots=2,
    joins_shards=False,
)
ACCELERATOR = DevicePolicy(
    max_steps=8,
    stop_after=4,
    reads_late=True,
    attention="xla",
    encode_limit=4,
    prefill_limit=8,
    align_limit=4,
    most_slots=64,
)
# JAX's own attention leaves its scores behind in float32 there, ours in bfloat16.
TPU = replace(ACCELERATOR, attention="plain")


def policy_for(platform: str) -> DevicePolicy:
    """The policy of a JAX platform name."""
    return {"cpu": CPU, "tpu": TPU}.get(platform, ACCELERATOR)


def bucket_of(buckets: tuple[int, ...], size: int) -> int:
    """The smallest bucket that holds ``size``."""
    for bucket in buckets:
        if size <= bucket:
            return bucket
    raise ValueError(f"{size} is beyond the largest bucket, {buckets[-1]}")
