"""A reader of pickles that can build tensors and nothing else.

A pickle is a program for a small stack machine, and Python's own machine calls whatever function
the program names. This one knows only the instructions that PyTorch writes for a dict of tensors.
It imports nothing and calls nothing: a name is compared with the few that are expected, and what
stands for a tensor becomes a record of where its numbers lie. Every other name or instruction ends
the reading with an error. Nothing is done in proportion to a number that the file states, only to
the bytes that it has; and no value is compared, hashed or shown but numbers and short texts, so
that values which hold each other many times over cost nothing.

The instructions are those of Python's ``pickletools``, which takes them apart without running any.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import ml_dtypes
import numpy as np

_MOST_BYTES: Final = 8 << 20
"""The pickle of the largest published model, without its numbers, has a quarter of a megabyte."""
_MOST_DIMENSIONS: Final = 8
_LARGEST: Final = 1 << 48
"""No number of a file that fits on a disk is larger."""

_ORDERED_DICT: Final = "collections OrderedDict"
_TENSOR: Final = "torch._utils _rebuild_tensor_v2"
_PARAMETER: Final = "torch._utils _rebuild_parameter"
_STORAGES: Final[Mapping[str, "np.dtype[Any]"]] = MappingProxyType(
    {
        "torch FloatStorage": np.dtype(np.float32),
        "torch HalfStorage": np.dtype(np.float16),
        "torch BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    }
)
_NAMES: Final = frozenset((_ORDERED_DICT, _TENSOR, _PARAMETER, *_STORAGES))
_OTHER_STORAGES: Final = tuple(
    f"torch {kind}Storage"
    for kind in ("Double", "Long", "Int", "Short", "Char", "Byte", "Bool", "QInt8", "QUInt8")
)

_CONSTANTS: Final = MappingProxyType({"NONE": None, "NEWTRUE": True, "NEWFALSE": False})
_VALUES: Final = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    )
)
_TUPLES: Final = MappingProxyType({"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3})


class PickleError(ValueError):
    """A pickle that is damaged, or that asks for more than tensors; the message ends a sentence."""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """Where the numbers of a tensor lie.

    Attributes:
        key: Name of its storage: a run of numbers, which tensors may share.
        dtype: Type of the numbers.
        n_stored: Numbers in the whole storage.
        offset: Place of its first number.
        shape: Its shape; no axis is empty, and all its numbers together are no more than are
            stored.
        stride: Numbers from one index of an axis to the next, all above zero; the last number
            lies within the storage.
    """

    key: str
    dtype: "np.dtype[Any]"
    n_stored: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that the pickle gives; nothing is looked up."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: "np.dtype[Any]"
    n_stored: int


def read_pickle(data: bytes) -> tuple[Any, int]:
    """What a pickle holds, and how many bytes it takes.

    Args:
        data: It begins with a pickle; other things may follow.

    Returns:
        Numbers, texts, tuples, lists, dicts and `StoredTensor`.

    Raises:
        PickleError: It is damaged, too long, or holds anything else.
    """
    stream = io.BytesIO(data[:_MOST_BYTES])
    machine = _Machine()
    try:
        for instruction, argument, _ in pickletools.genops(stream):
            machine.run(instruction.name, argument)
    except PickleError:
        raise
    except (ValueError, OverflowError) as error:
        # pickletools says what it stumbled over, which may be megabytes of the file.
        raise PickleError("its pickle is damaged, or longer than any checkpoint's") from error
    return machine.result(), stream.tell()


@final
class _Machine:
    """The stack, where its marks lie, and what is remembered by number."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            "PROTO": self._ignore,
            "FRAME": self._ignore,
            "STOP": self._ignore,
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "EMPTY_DICT": lambda _: self._stack.append({}),
            "EMPTY_LIST": lambda _: self._stack.append([]),
            "TUPLE": lambda _: self._stack.append(tuple(self._to_mark())),
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "MEMOIZE": lambda _: self._remember(len(self._memo)),
            "BINGET": self._recall,
            "LONG_BINGET": self._recall,
            "APPEND": lambda _: self._append([self._pop()]),
            "APPENDS": lambda _: self._append(self._to_mark()),
            "SETITEM": lambda _: self._set_items(self._pop_many(2)),
            "SETITEMS": lambda _: self._set_items(self._to_mark()),
            "GLOBAL": self._name,
            "STACK_GLOBAL": lambda _: self._name(self._stack_name()),
            "BINPERSID": self._storage,
            "REDUCE": self._call,
            "BUILD": self._build,
        }

    def run(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self._stack.append(tuple(self._pop_many(_TUPLES[name])))
        elif name in self._steps:
            self._steps[name](argument)
        else:
            raise PickleError(
                f"its pickle has the instruction {name}, which no file of tensors needs; "
                "it may be malicious, and nothing of it was run"
            )

    def result(self) -> Any:
        if len(self._stack) != 1 or self._marks:
            raise PickleError("its pickle is damaged: it does not end with one value")
        return self._stack[0]

    def _ignore(self, _: Any) -> None:
        pass

    def _pop(self) -> Any:
        return self._pop_many(1)[0]

    def _pop_many(self, n: int) -> list[Any]:
        bottom = self._marks[-1] if self._marks else 0
        if len(self._stack) - bottom < n:
            raise PickleError("its pickle is damaged: it takes more values than it has")
        at = len(self._stack) - n
        values = self._stack[at:]
        del self._stack[at:]
        return values

    def _to_mark(self) -> list[Any]:
        if not self._marks:
            raise PickleError("its pickle is damaged: it goes back to a mark that is not there")
        at = self._marks.pop()
        values = self._stack[at:]
        del self._stack[at:]
        return values

    def _remember(self, number: int) -> None:
        value = self._pop()
        self._stack.append(value)
        self._memo[number] = value

    def _recall(self, number: int) -> None:
        if number not in self._memo:
            raise PickleError("its pickle is damaged: it recalls what it never remembered")
        self._stack.append(self._memo[number])

    def _append(self, values: list[Any]) -> None:
        target = self._pop()
        if type(target) is not list:
            raise PickleError("its pickle appends to what is no list")
        target.extend(values)
        self._stack.append(target)

    def _set_items(self, values: list[Any]) -> None:
        target = self._pop()
        keys = values[::2]
        if type(target) is not dict or len(values) % 2:
            raise PickleError("its pickle puts items into what is no dict")
        if not all(type(key) in (str, int) for key in keys):
            raise PickleError("its pickle has a dict whose keys are neither texts nor numbers")
        target.update(zip(keys, values[1::2], strict=True))
        self._stack.append(target)

    def _stack_name(self) -> str:
        module, name = self._pop_many(2)
        if type(module) is not str or type(name) is not str:
            raise PickleError("its pickle asks for a name that is no text")
        return f"{module} {name}"

    def _name(self, name: str) -> None:
        if name in _OTHER_STORAGES:
            raise PickleError(
                f"it holds a {name.removeprefix('torch ')}; weights are read in float32, float16 "
                "and bfloat16"
            )
        if name not in _NAMES:
            shown = name.replace(" ", ".", 1)[:80]
            raise PickleError(
                f"its pickle asks for {shown!r}, which no file of tensors needs; it may be "
                "malicious, and nothing of it was run"
            )
        self._stack.append(_Name(name))

    def _storage(self, _: Any) -> None:
        match self._pop():
            case ("storage", _Name(name), str(key), str(), int(n_stored), *rest) if (
                name in _STORAGES and rest in ([], [None]) and _is_whole(n_stored)
            ):
                self._stack.append(_Storage(key, _STORAGES[name], n_stored))
            case _:
                raise PickleError("its pickle describes a storage in a way that is not known")

    def _call(self, _: Any) -> None:
        function, arguments = self._pop_many(2)
        match function, arguments:
            case _Name(name), () if name == _ORDERED_DICT:
                self._stack.append({})
            case _Name(name), (StoredTensor() as tensor, *_) if name == _PARAMETER:
                self._stack.append(tensor)
            case (
                _Name(name),
                (_Storage() as storage, offset, tuple(shape), tuple(stride), *_),
            ) if name == _TENSOR:
                self._stack.append(_tensor(storage, offset, shape, stride))
            case _:
                raise PickleError(
                    "its pickle calls something that makes no tensor; it may be malicious, and "
                    "nothing of it was run"
                )

    def _build(self, _: Any) -> None:
        """Attributes of a dict (PyTorch keeps versions of modules there) are dropped."""
        target, _attributes = self._pop_many(2)
        if type(target) is not dict:
            raise PickleError(
                "its pickle sets attributes of what is no dict; it may be malicious, and nothing "
                "of it was run"
            )
        self._stack.append(target)


def _tensor(
    storage: _Storage, offset: Any, shape: tuple[Any, ...], stride: tuple[Any, ...]
) -> StoredTensor:
    rank = len(shape)
    is_plain = rank == len(stride) <= _MOST_DIMENSIONS and all(map(_is_whole, (*shape, *stride)))
    if not is_plain or not (type(offset) is int and 0 <= offset < _LARGEST):
        raise PickleError("it holds a tensor with an impossible shape, stride or offset")
    n_numbers = 1
    last = offset
    for length, step in zip(shape, stride, strict=True):
        n_numbers *= length
        last += (length - 1) * step
    if last >= storage.n_stored or n_numbers > storage.n_stored:
        raise PickleError(
            f"it holds a tensor {list(shape)} that reaches beyond the {storage.n_stored} numbers "
            "stored for it"
        )
    return StoredTensor(
        key=storage.key,
        dtype=storage.dtype,
        n_stored=storage.n_stored,
        offset=offset,
        shape=shape,
        stride=stride,
    )


def _is_whole(number: Any) -> bool:
    return type(number) is int and 0 < number < _LARGEST
