"""What the calls in a pickle of weights stand for: a handful of names, none of them called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.tensors import Stored

DTYPES = {
    "torch.DoubleStorage": ("float64", 8),
    "torch.FloatStorage": ("float32", 4),
    "torch.HalfStorage": ("float16", 2),
    "torch.BFloat16Storage": ("bfloat16", 2),
    "torch.LongStorage": ("int64", 8),
    "torch.IntStorage": ("int32", 4),
    "torch.ShortStorage": ("int16", 2),
    "torch.CharStorage": ("int8", 1),
    "torch.ByteStorage": ("uint8", 1),
    "torch.BoolStorage": ("bool", 1),
}
"""The type of the values of a storage, and their bytes."""

MAX_WRITTEN_OUT = 100_000
MAX_AXES = 8
MAX_SIZE = 2**62
MAX_KEY = 2**60
"""Numbers beyond Python's modulus for them can be chosen so that all have the same hash."""

MARK = object()


class Name(str):
    """A Python name that a pickle calls for."""


class Items(tuple[Any, ...]):
    """A tuple that knows how long it is written out: shared parts multiply at each level."""

    written_out = 1


NOTHING = Items()


@dataclass(frozen=True, eq=False)
class Storage:
    """Values of tensors, as a pickle refers to them.

    Parameters
    ----------
    kind : str
        One of :data:`DTYPES`.
    key : str
        By which the file finds them.
    items : int
        Number of values.
    start, stop : int
        The part of them that is meant.
    """

    kind: str
    key: str
    items: int
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Bytes of all its values."""
        return self.items * DTYPES[self.kind][1]


@dataclass(frozen=True, eq=False)
class Claim:
    """A tensor that lies within its storage, as it was checked.

    Parameters
    ----------
    storage : Storage
    start, count : int
        First value and number of values of the storage that it spans.
    shape, strides : tuple of int
    """

    storage: Storage
    start: int
    count: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def items(values: Sequence[Any]) -> Items:
    """Return a tuple, unless written out it is too long."""
    if not values:
        return NOTHING
    made = Items(values)
    made.written_out = 1 + sum(value.written_out for value in made if isinstance(value, Items))
    if made.written_out > MAX_WRITTEN_OUT:
        raise Malformed("its content is nested too deeply")
    return made


def checked_keys(keys: Sequence[Any], values: Sequence[Any]) -> dict[str | int, Any]:
    """Return a dictionary whose keys are quickly hashed: texts and numbers."""
    if len(keys) != len(values):
        raise Malformed("its instructions contradict each other")
    if not all(type(key) is str or (type(key) is int and abs(key) < MAX_KEY) for key in keys):
        raise Malformed("a key in it is neither a text nor a whole number")
    return dict(zip(keys, values, strict=True))


def storage(identity: Items) -> Storage:
    """Return a storage: ("storage", type, key, device, items[, view]).

    A view, of old versions of PyTorch, is (key, first item, items) or None.
    """
    if not 5 <= len(identity) <= 6 or not isinstance(identity[1], Name):
        raise Malformed("it refers to a tensor in an unknown way")
    tag, kind, key, _, count = identity[:5]
    view = identity[5] if len(identity) == 6 else None
    if type(tag) is not str or tag != "storage" or kind not in DTYPES or type(key) is not str:
        raise Malformed("it refers to a tensor in an unknown way")
    if view is not None and not (isinstance(view, Items) and len(view) == 3):
        raise Malformed("it refers to a tensor in an unknown way")
    start, length = (0, count) if view is None else view[1:]
    _sizes((count, start, length))
    if start + length > count:
        raise Malformed("it refers to a tensor in an unknown way")
    return Storage(str(kind), key, count, start, start + length)


def call(function: Name, arguments: Any) -> Any:
    """Return what a call gives; its object is only made where it is plain."""
    if not isinstance(arguments, Items):
        raise Malformed("its instructions contradict each other")
    return CALLS[function](arguments) if function in CALLS else function


def _tensor(arguments: Items) -> Claim:
    """Return a tensor: (storage, offset, shape, strides, …)."""
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise Malformed("it describes a tensor in an unknown way")
    within, offset, shape, strides = arguments[:4]
    if not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise Malformed("it describes a tensor in an unknown way")
    _sizes((offset, *shape, *strides))
    if len(shape) != len(strides) or len(shape) > MAX_AXES:
        raise Malformed("it describes a tensor in an unknown way")
    count = 0
    if math.prod(shape):
        count = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if within.start + offset + count > within.stop:
        raise Malformed("a tensor of it reaches beyond its data")
    return Claim(within, within.start + offset, count, tuple(shape), tuple(strides))


def _parameter(arguments: Items) -> Stored:
    if not arguments or not isinstance(arguments[0], Stored):
        raise Malformed("it describes a tensor in an unknown way")
    return arguments[0]


def _dictionary(arguments: Items) -> dict[str | int, Any]:
    """Return an empty OrderedDict; Python 2 gave it its content as a list, again at each call."""
    if arguments:
        raise Malformed("a dictionary in it has the form of Python 2")
    return {}


def _shape(arguments: Items) -> Items:
    if len(arguments) != 1 or not isinstance(arguments[0], Items):
        raise Malformed("its instructions contradict each other")
    return arguments[0]


def _sizes(values: Sequence[Any]) -> None:
    if not all(type(value) is int and 0 <= value < MAX_SIZE for value in values):
        raise Malformed("a size in it is none")


CALLS: Mapping[str, Callable[[Items], Any]] = {
    "collections.OrderedDict": _dictionary,
    "torch.Size": _shape,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
}
HARMLESS = {
    *CALLS,
    "torch.device",
    *(f"torch.{kind}" for kind in ("float16", "bfloat16", "float32", "float64", "int64")),
    *DTYPES,
}
"""Names of which a checkpoint of weights is made."""
