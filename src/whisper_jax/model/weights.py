"""The weight algebra: a weight is one of three kinds, and one `matmul` serves them all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

_pytree = jax.tree_util.register_dataclass


@_pytree
@dataclass(frozen=True)
class Int8Weight:
    """Symmetric int8 with a scale for each output channel: ``w ~= quantised * scale``.

    Turned, it lies [d_out, d_in] and is the left factor of its products: a CPU reads that in its
    order, while a right factor is rearranged in every call, which for few rows takes longer than
    the product.
    """

    quantised: Array  # int8 [d_in, d_out], or turned [d_out, d_in]
    scale: Array  # float32 [d_out]
    is_turned: bool = jax.tree.static(default=False)


@_pytree
@dataclass(frozen=True)
class LoraWeight:
    """A frozen base and a low-rank update (Hu et al. 2021): ``w = base + alpha / rank * a @ b``."""

    base: "Array | Int8Weight"  # [d_in, d_out]
    a: Array  # [d_in, rank]
    b: Array  # [rank, d_out]
    alpha: float = jax.tree.static(default=16.0)


type Weight = Array | Int8Weight | LoraWeight


def weight_axes(w: Any, axes: tuple[str | None, ...], place: Callable[..., Any]) -> Any:
    """The weight with what ``place`` says of each array's logical axes in place of the array.

    Args:
        w: The weight, or shapes in its place.
        axes: Logical axes of the plain weight that it stands for.
        place: What is wanted of logical axes.
    """
    match w:
        case Int8Weight():
            lie = axes[::-1] if w.is_turned else axes
            return Int8Weight(place(*lie), place(axes[1]), w.is_turned)
        case LoraWeight():
            base = weight_axes(w.base, axes, place)
            return LoraWeight(base, place(axes[0], None), place(None, axes[1]), w.alpha)
        case _:
            return place(*axes)


def matmul(x: Float[Array, "*batch d_in"], w: Weight) -> Float[Array, "*batch d_out"]:
    """``x @ w`` in float32, whatever kind of weight ``w`` is.

    With int8 weights ``x`` is rounded to int8 as well, so that the product is one of whole
    numbers: exact, and on processors with instructions for it several times as fast.
    """
    match w:
        case Int8Weight():
            whole, step = round_to_int8(x, axis=-1)
            if w.is_turned:
                contract = (((1,), (1,)), ((), ()))
                rows = whole.reshape(-1, whole.shape[-1])
                y = lax.dot_general(w.quantised, rows, contract, preferred_element_type=jnp.int32)
                y = y.T.reshape(*x.shape[:-1], -1)
            else:
                contract = (((x.ndim - 1,), (0,)), ((), ()))
                y = lax.dot_general(whole, w.quantised, contract, preferred_element_type=jnp.int32)
            return y.astype(jnp.float32) * (step * w.scale)
        case LoraWeight():
            update = (x @ w.a.astype(x.dtype)) @ w.b.astype(x.dtype)
            return matmul(x, w.base) + update * (w.alpha / w.a.shape[-1])
        case _:
            return jnp.matmul(x, w.astype(x.dtype), preferred_element_type=jnp.float32)


def quantise(w: Float[Array, "d_in d_out"], *, turn: bool = False) -> Int8Weight:
    """Round to int8, each output channel with its own scale."""
    whole, step = round_to_int8(w, axis=0)
    return Int8Weight(whole.T if turn else whole, step[0], is_turned=turn)


def round_to_int8(
    x: Float[Array, "..."], axis: int
) -> tuple[Int[Array, "..."], Float[Array, "..."]]:
    """Whole numbers from -127 to 127, and the step between them.

    The numbers along ``axis`` share a step, which puts their largest magnitude at 127; it is
    float32, of length 1 along the axis.
    """
    # In the type of x, and multiplied in place of divided: a third of the time on a CPU.
    largest = jnp.max(jnp.abs(x), axis=axis, keepdims=True).astype(jnp.float32)
    step = jnp.where(largest > 0, largest, 1.0) / 127.0
    return jnp.round(x.astype(jnp.float32) * (1.0 / step)).astype(jnp.int8), step


def dequantise(w: Int8Weight) -> Float[Array, "d_in d_out"]:
    """The plain weight that an `Int8Weight` stands for, in float32."""
    whole = w.quantised.T if w.is_turned else w.quantised
    return whole.astype(jnp.float32) * w.scale


def logits(
    x: Float[Array, "*batch d"], embedding: Float[Array, "vocab d"]
) -> Float[Array, "*batch vocab"]:
    """``x @ embedding.T`` accumulated and returned in float32 (tied output weights)."""
    contract = (((1,), (1,)), ((), ()))
    rows = x.reshape(-1, x.shape[-1])
    by_token = lax.dot_general(
        embedding.astype(x.dtype), rows, contract, preferred_element_type=jnp.float32
    )
    return lax.optimization_barrier(by_token).T.reshape(*x.shape[:-1], -1)
