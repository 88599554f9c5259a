"""What a pickle of PyTorch would do, found out without doing it.

The instructions are walked through with placeholders for everything that they would make. That
tells which Python names the pickle calls for and how large the tensors are that it claims,
before anything is imported or allocated.

Source: the instruction set in the standard library's ``pickletools``; what PyTorch writes with
it is described in https://pytorch.org/docs/stable/notes/serialization.html.
"""

from __future__ import annotations

import pickletools
from typing import IO, Any

from napari_virtual_stain.io.importing.protobuf import Malformed

ITEM_BYTES = {
    "torch.DoubleStorage": 8,
    "torch.FloatStorage": 4,
    "torch.HalfStorage": 2,
    "torch.BFloat16Storage": 2,
    "torch.LongStorage": 8,
    "torch.IntStorage": 4,
    "torch.ShortStorage": 2,
    "torch.CharStorage": 1,
    "torch.ByteStorage": 1,
    "torch.BoolStorage": 1,
}
HARMLESS = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch.device",
    *(f"torch.{kind}" for kind in ("float16", "bfloat16", "float32", "float64", "int64")),
    *ITEM_BYTES,
}
"""Names of which a checkpoint of weights is made; they run nothing and allocate nothing."""

LITERALS = {
    "BINFLOAT", "BININT", "BININT1", "BININT2", "BINSTRING", "BINUNICODE", "EMPTY_DICT",
    "EMPTY_LIST", "LONG1", "NEWFALSE", "NEWTRUE", "NONE", "SHORT_BINSTRING",
}  # fmt: skip
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PROTOCOL = 2  # of torch.save, in all its versions
MARK, MADE = object(), object()
MAX_DEPTH = 100


class Forbidden(ValueError):
    """A pickle that calls for a name that weights do not need; the message is the name."""


class Name(str):
    """A Python name that a pickle calls for."""


class Items(tuple[Any, ...]):
    """A tuple that knows how deep it is nested: the hash of one without end breaks Python."""

    depth = 1


def survey(stream: IO[bytes]) -> dict[str, int]:
    """Walk through one pickle and return the bytes of each storage that it claims.

    Parameters
    ----------
    stream : binary file
        At the start of the pickle; afterwards behind its end.

    Returns
    -------
    dict of str to int
        Bytes by the key of the storage.

    Raises
    ------
    Forbidden
        If it calls for anything but what weights are made of.
    Malformed
        If it is cut off or contradicts itself.
    """
    storages: dict[str, int] = {}
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            if name in LITERALS:
                stack.append(argument)
            elif name in ("BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif name == "MARK":
                stack.append(MARK)
            elif name == "GLOBAL":
                stack.append(_harmless(str(argument).replace(" ", ".")))
            elif name in TUPLES:
                first = len(stack) - TUPLES[name]
                stack[first:] = [_items(stack[first:])]
            elif name == "TUPLE":
                stack.append(_items(_above_mark(stack)))
            elif name == "BINPERSID":
                key, size = _storage(stack.pop())
                if storages.setdefault(key, size) != size:
                    raise Malformed("it claims two sizes for the same tensor")
                stack.append(MADE)
            elif name == "REDUCE":
                if not isinstance(stack[-2], Name):
                    raise Forbidden("a call of something that is no name")
                stack[-2:] = [MADE]
            elif name in ("APPEND", "BUILD"):
                stack.pop()
            elif name in ("APPENDS", "SETITEMS"):
                _above_mark(stack)
            elif name == "SETITEM":
                del stack[-2:]
            elif name == "PROTO" and argument != PROTOCOL:
                raise Forbidden(f"the pickle protocol {argument}")
            elif name not in ("PROTO", "STOP"):
                raise Forbidden(f"the instruction {name}")
    except (IndexError, KeyError, AttributeError) as error:
        raise Malformed("its instructions contradict each other") from error
    except (Forbidden, Malformed):
        raise
    except (ValueError, OverflowError) as error:
        raise Malformed("its instructions are cut off or garbled") from error
    return storages


def _harmless(name: str) -> Name:
    if name not in HARMLESS:
        raise Forbidden(ascii(name[:80]))
    return Name(name)


def _items(values: list[Any]) -> Items:
    made = Items(values)
    made.depth = 1 + max((value.depth for value in made if isinstance(value, Items)), default=0)
    if made.depth > MAX_DEPTH:
        raise Malformed("its content is nested too deeply")
    return made


def _above_mark(stack: list[Any]) -> list[Any]:
    """Take and return what lies above the last mark; the mark goes too."""
    for position in range(len(stack) - 1, -1, -1):
        if stack[position] is MARK:
            taken = stack[position + 1 :]
            del stack[position:]
            return taken
    raise Malformed("its instructions contradict each other")


def _storage(identity: Any) -> tuple[str, int]:
    """Return key and bytes of a storage: ("storage", type, key, device, items, …)."""
    if not isinstance(identity, Items) or len(identity) not in (5, 6):
        raise Malformed("it refers to a tensor in an unknown way")
    tag, kind, key, _, items = identity[:5]
    if tag != "storage" or not isinstance(kind, Name) or not isinstance(key, str):
        raise Malformed("it refers to a tensor in an unknown way")
    if kind not in ITEM_BYTES or type(items) is not int or items < 0:
        raise Malformed("it refers to a tensor in an unknown way")
    return key, items * ITEM_BYTES[kind]
