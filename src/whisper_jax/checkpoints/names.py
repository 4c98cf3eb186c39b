"""From arrays under another project's names to `WhisperParams`, with every name accounted for.

A format is a table of `Rule`: a stored name, how it is stored, and the leaves it fills. Nothing is
guessed: an array that no rule knows, a rule without its array, an array given twice and an array
of another shape are errors, and one message lists them all.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from whisper_jax.errors import CheckpointError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import Leaf, WhisperParams, is_leaf, spec

type Kind = Literal["plain", "linear", "conv", "tied", "sinusoids"]
type AnyArray = NDArray[Any]

ZEROS = "zeros"
"""In a rule's leaves: this part must be zeros and is dropped (the bias a key does not have)."""

_N_TAPS = 3
_MOST_LISTED = 10
_LEAST_WIDTH = 4  # two sines and two cosines
_SINUSOID_TOLERANCE = 2e-3
"""Rounding to bfloat16 moves a sine by up to 2**-9."""


@dataclass(frozen=True)
class Rule:
    """What one stored array is.

    Attributes:
        name: Its stored name; ``{i}`` stands for the number of a layer.
        kind: How it is stored. ``plain``: as the leaf. ``linear``: ``[d_out, d_in]``. ``conv``:
            ``[d_out, d_in, 3]``. Two are checked and dropped: ``tied``, the output projection,
            which must equal the embedding, and ``sinusoids``, the encoder's positions.
        leaves: Paths in `WhisperParams` of the equal parts its first axis is cut into.
    """

    name: str
    kind: Kind
    leaves: tuple[str, ...]

    @property
    def optional(self) -> bool:
        """True if a file need not have it."""
        return self.kind in ("tied", "sinusoids")

    def of_layer(self, i: int) -> "Rule":
        """The rule for layer ``i``."""
        number = str(i)
        leaves = tuple(leaf.replace("{i}", number) for leaf in self.leaves)
        return replace(self, name=self.name.replace("{i}", number), leaves=leaves)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The arrays of a checkpoint, as they stand in its files.

    Attributes:
        file: The file that the user knows it by.
        arrays: By stored name.
        duplicates: Names that were given more than once.
    """

    file: Path
    arrays: Mapping[str, AnyArray]
    duplicates: tuple[str, ...] = ()


def infer_dims(
    stored: Stored, table: Iterable[Rule], n_audio_head: int | None, n_text_head: int | None
) -> ModelDims:
    """The model's sizes, from the shapes of its arrays.

    Args:
        stored: The arrays.
        table: The format's rules.
        n_audio_head: Heads of an encoder layer; None if no file says: then they are 64 wide, as in
            every published model.
        n_text_head: The same for the decoder.

    Raises:
        CheckpointError: An array that decides is missing or has another rank, or the sizes make
            no Whisper.
    """
    rules = {leaf: rule for rule in table if not rule.optional for leaf in rule.leaves}
    positions = next(rule.name for rule in table if rule.kind == "sinusoids")
    deciding = {
        "conv": (rules["encoder.conv1.weight"].name, 3),
        "embedding": (rules["decoder.embedding"].name, 2),
        "positions": (rules["decoder.positions"].name, 2),
    }
    absent = [name for name, _ in deciding.values() if name not in stored.arrays]
    _raise_if({"missing": absent}, stored)
    shapes = {key: stored.arrays[name].shape for key, (name, _) in deciding.items()}
    odd = [
        f"{name} {list(shapes[key])}"
        for key, (name, rank) in deciding.items()
        if len(shapes[key]) != rank
    ]
    _raise_if({"wrong shape": odd}, stored)
    width, n_mels, _ = shapes["conv"]
    n_vocab, text_width = shapes["embedding"]
    if width != text_width:
        raise CheckpointError(
            f"{stored.file} is not Whisper: encoder {width} wide, decoder {text_width}"
        )
    encoder_positions = stored.arrays.get(positions)
    return ModelDims(
        n_mels=n_mels,
        n_audio_ctx=1500 if encoder_positions is None else encoder_positions.shape[0],
        n_audio_state=width,
        n_audio_head=_heads(width, n_audio_head, stored),
        n_audio_layer=_n_layers(rules["encoder.layers.{i}.mlp.up.weight"].name, stored),
        n_vocab=n_vocab,
        n_text_ctx=shapes["positions"][0],
        n_text_state=width,
        n_text_head=_heads(width, n_text_head, stored),
        n_text_layer=_n_layers(rules["decoder.layers.{i}.mlp.up.weight"].name, stored),
    )


def assemble(stored: Stored, table: Iterable[Rule], dims: ModelDims) -> WhisperParams:
    """Put the arrays where they belong.

    Returns:
        Numpy arrays in the stored type, mostly transposed views of it.

    Raises:
        CheckpointError: A name, shape, type or value is not what a Whisper of these sizes has;
            the message lists all of them.
    """
    rules = {rule.name: rule for rule in _expand(table, dims)}
    with_paths, structure = jax.tree.flatten_with_path(spec(dims), is_leaf=is_leaf)
    leaves: dict[str, Leaf] = {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in with_paths
    }
    given = {name: (rules[name], array) for name, array in stored.arrays.items() if name in rules}
    required = {name for name, rule in rules.items() if not rule.optional}
    _raise_if(
        {
            "unknown": sorted(set(stored.arrays) - set(rules)),
            "missing": sorted(required - set(stored.arrays)),
            "given twice": sorted(stored.duplicates),
            "wrong shape": [
                f"{name} {list(array.shape)} instead of {list(shape)}"
                for name, (rule, array) in given.items()
                if array.shape != (shape := _stored_shape(rule, leaves, dims))
            ],
            "wrong type": [
                f"{name} {array.dtype}"
                for name, (_, array) in given.items()
                if not jnp.issubdtype(array.dtype, jnp.floating)
            ],
        },
        stored,
    )
    filled: dict[str, AnyArray] = {}
    for rule, array in given.values():
        filled.update(_fill(rule, array, stored))
    for rule, array in given.values():
        if rule.kind == "tied" and not np.array_equal(array, filled[rule.leaves[0]]):
            raise CheckpointError(
                f"{stored.file} is not Whisper: {rule.name} differs from the embedding"
            )
    return jax.tree.unflatten(structure, [filled[path] for path in leaves])


def disassemble(
    params: WhisperParams, table: Iterable[Rule], dims: ModelDims
) -> dict[str, AnyArray]:
    """The arrays of a model under the names of a format: what `assemble` would read again.

    Args:
        params: Its weights, as numpy arrays.
        table: The rules of a format without filled-in `ZEROS`, such as Hugging Face's.
        dims: Its sizes.

    Returns:
        Every array that the format has, the encoder's positions (float32) and the tied output
        projection included.
    """
    with_paths, _ = jax.tree.flatten_with_path(params)
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)
        for path, leaf in with_paths
    }
    return {rule.name: _stored_array(rule, leaves, dims) for rule in _expand(table, dims)}


def listed(names: Iterable[str]) -> str:
    """Names in a row, ten at most."""
    names = list(names)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def sinusoids(n_positions: int, width: int) -> NDArray[np.float64]:
    """Positions of Whisper's encoder [n_positions, width]: sines, then cosines (Vaswani 2017)."""
    step = np.log(10000.0) / (width // 2 - 1)
    angles = np.arange(n_positions)[:, None] * np.exp(-step * np.arange(width // 2))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _expand(table: Iterable[Rule], dims: ModelDims) -> Iterable[Rule]:
    for rule in table:
        if "{i}" not in rule.name:
            yield rule
        else:
            encoder = rule.leaves[0].startswith("encoder.")
            n_layers = dims.n_audio_layer if encoder else dims.n_text_layer
            yield from (rule.of_layer(i) for i in range(n_layers))


def _stored_shape(rule: Rule, leaves: dict[str, Leaf], dims: ModelDims) -> tuple[int, ...]:
    """The shape that the array of a rule must have."""
    if rule.kind == "sinusoids":
        return (dims.n_audio_ctx, dims.n_audio_state)
    shape = next(leaves[leaf].shape for leaf in rule.leaves if leaf != ZEROS)
    if rule.kind == "conv":
        return (shape[1], shape[0] // _N_TAPS, _N_TAPS)
    if rule.kind == "linear":
        shape = shape[::-1]
    return (len(rule.leaves) * shape[0], *shape[1:])


def _fill(rule: Rule, array: AnyArray, stored: Stored) -> dict[str, AnyArray]:
    """The leaves that an array becomes; none for one that is only checked."""
    match rule.kind:
        case "tied":
            return {}
        case "sinusoids":
            off = np.abs(array.astype(np.float32) - sinusoids(*array.shape)).max()
            if not off <= _SINUSOID_TOLERANCE:  # also true of NaN
                raise CheckpointError(
                    f"{stored.file} is not Whisper: {rule.name} is not the sinusoids, "
                    f"but off by {off:.3g}"
                )
            return {}
        case "conv":
            # [d_out, d_in, tap] to rows of (tap, d_in)
            return {rule.leaves[0]: array.transpose(2, 1, 0).reshape(-1, array.shape[0])}
        case "plain" | "linear":
            parts = dict(zip(rule.leaves, np.split(array, len(rule.leaves)), strict=True))
            if np.any(parts.pop(ZEROS, 0)):
                raise CheckpointError(
                    f"{stored.file} is not Whisper: {rule.name} gives the key a bias"
                )
            return {k: part.T for k, part in parts.items()} if rule.kind == "linear" else parts


def _stored_array(rule: Rule, leaves: Mapping[str, AnyArray], dims: ModelDims) -> AnyArray:
    """The array of a rule; the inverse of `_fill`."""
    match rule.kind:
        case "sinusoids":
            return sinusoids(dims.n_audio_ctx, dims.n_audio_state).astype(np.float32)
        case "conv":
            rows = leaves[rule.leaves[0]]
            return rows.reshape(_N_TAPS, -1, rows.shape[1]).transpose(2, 1, 0)
        case "linear":
            return np.concatenate([leaves[leaf].T for leaf in rule.leaves])
        case "plain" | "tied":
            return np.concatenate([leaves[leaf] for leaf in rule.leaves])


def _n_layers(template: str, stored: Stored) -> int:
    before, _, after = template.partition("{i}")
    pattern = re.compile(rf"{re.escape(before)}(\d{{1,9}}){re.escape(after)}", re.ASCII)
    numbers = [int(found[1]) for name in stored.arrays if (found := pattern.fullmatch(name))]
    n_layers = max(numbers, default=-1) + 1
    if n_layers > len(stored.arrays):
        raise CheckpointError(f"{stored.file} numbers a layer {n_layers - 1} but has few arrays")
    return n_layers


def _heads(width: int, given: int | None, stored: Stored) -> int:
    n_heads = width // 64 if given is None else given
    if n_heads < 1 or width % n_heads or width % 2 or width < _LEAST_WIDTH:
        raise CheckpointError(
            f"{stored.file} is not Whisper: {width} wide with {n_heads} attention heads"
        )
    return n_heads


def _raise_if(offenders: dict[str, list[str]], stored: Stored) -> None:
    found = [f"{what}: {listed(names)}" for what, names in offenders.items() if names]
    if found:
        raise CheckpointError(
            f"{stored.file} does not hold the arrays of a Whisper model; {'; '.join(found)}"
        )
