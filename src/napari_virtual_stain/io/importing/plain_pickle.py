"""Pickles of PyTorch, read without Python's or PyTorch's own reader.

The instructions that files of weights consist of are followed here, and make nothing but texts,
numbers, lists, dictionaries and claims of tensors. No name of a file is looked up or called, and
nothing is allocated on its word: a tensor is only a place, which is checked before it is read.
As nothing else reads the file, there is no second reader that could see something else in it.

Source: the instruction set in the standard library's ``pickletools``; what PyTorch writes with
it is described in https://pytorch.org/docs/stable/notes/serialization.html.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any

from napari_virtual_stain.io.importing.errors import Forbidden, Malformed
from napari_virtual_stain.io.importing.pickled_calls import (
    HARMLESS,
    MARK,
    Claim,
    Items,
    Name,
    Storage,
    call,
    checked_keys,
    items,
    storage,
)
from napari_virtual_stain.io.importing.sentences import quoted
from napari_virtual_stain.io.importing.tensors import Stored

LITERALS = {
    "BINFLOAT", "BININT", "BININT1", "BININT2", "BINUNICODE", "LONG1",
}  # fmt: skip
CONSTANTS = {"NONE": None, "NEWFALSE": False, "NEWTRUE": True}
BYTE_STRINGS = {"BINSTRING", "SHORT_BINSTRING"}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PROTOCOL = 2  # of torch.save, in all its versions
MAX_INSTRUCTIONS = 200_000
"""The largest network here with the states of its optimizer needs a fifth of it."""


Tensor = Callable[[Claim], Stored]


def read_pickle(stream: IO[bytes], tensor: Tensor | None = None) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle.

    Parameters
    ----------
    stream : binary file
        At the start of the pickle; afterwards behind its end.
    tensor : callable, optional
        Returns what stands for a tensor; without, there may be none.

    Returns
    -------
    content : str, int, float, bool, None, list, dict, tuple or Stored
        Dictionaries have keys of str or int. Parts may be shared, so that `content` written out
        can be far longer than the pickle: it is not to be hashed, compared or printed.
    storages : dict of str to Storage
        What the tensors of it claim to lie in.

    Raises
    ------
    Forbidden
        If it calls for anything but what weights are made of.
    Malformed
        If it is cut off, too long, or contradicts itself.
    """
    machine = _Machine(tensor)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_INSTRUCTIONS:
                raise Malformed("its description is longer than any network's")
            machine.follow(opcode.name, argument)
        return machine.result(), machine.storages
    except (Forbidden, Malformed):
        raise
    except (LookupError, TypeError, AttributeError):
        raise Malformed("its instructions contradict each other") from None
    except (ValueError, OverflowError):
        raise Malformed("its instructions are cut off or garbled") from None


class _Machine:
    """The stack and the memory that instructions work on."""

    def __init__(self, tensor: Tensor | None) -> None:
        self.tensor = tensor
        self.stack: list[Any] = []
        self.memo: dict[Any, Any] = {}
        self.storages: dict[str, Storage] = {}

    def result(self) -> Any:
        if len(self.stack) != 1 or self.stack[0] is MARK:
            raise Malformed("its instructions contradict each other")
        return self.stack[0]

    def follow(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        stack = self.stack
        if name in LITERALS:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in BYTE_STRINGS:
            if not argument.isascii():
                raise Malformed("a text in it is none")
            stack.append(argument)
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            stack.append(MARK)
        elif name == "GLOBAL":
            stack.append(_harmless(str(argument).replace(" ", ".")))
        elif name in TUPLES:
            stack.append(items(self._taken(TUPLES[name])))
        elif name == "TUPLE":
            stack.append(items(self._above_mark()))
        elif name == "BINPERSID":
            stack.append(self._storage(self._taken(1)[0]))
        elif name == "REDUCE":
            function, arguments = self._taken(2)
            if not isinstance(function, Name):
                raise Forbidden("a call of something that is no name")
            stack.append(self._called(function, arguments))
        elif name == "BUILD":
            self._taken(1)  # attributes of an object, which weights do not need
        elif name in ("APPEND", "APPENDS"):
            taken = self._taken(1) if name == "APPEND" else self._above_mark()
            self._top(list).extend(taken)
        elif name in ("SETITEM", "SETITEMS"):
            taken = self._taken(2) if name == "SETITEM" else self._above_mark()
            self._top(dict).update(checked_keys(taken[::2], taken[1::2]))
        elif name == "PROTO" and argument != PROTOCOL:
            raise Forbidden(f"the pickle protocol {argument}")
        elif name not in ("PROTO", "STOP"):
            raise Forbidden(f"the instruction {name}")

    def _called(self, function: Name, arguments: Any) -> Any:
        made = call(function, arguments)
        if not isinstance(made, Claim):
            return made
        if self.tensor is None:
            raise Malformed("it has a tensor where there is none")
        return self.tensor(made)

    def _top(self, kind: type[Any]) -> Any:
        if type(self.stack[-1]) is not kind:
            raise Malformed("its instructions contradict each other")
        return self.stack[-1]

    def _taken(self, count: int) -> list[Any]:
        """Take that many values from the stack and return them."""
        first = len(self.stack) - count
        taken = self.stack[first:] if first >= 0 else [MARK]
        if any(value is MARK for value in taken):
            raise Malformed("its instructions contradict each other")
        del self.stack[first:]
        return taken

    def _above_mark(self) -> list[Any]:
        """Take and return what lies above the last mark; the mark goes too."""
        for position in range(len(self.stack) - 1, -1, -1):
            if self.stack[position] is MARK:
                taken = self.stack[position + 1 :]
                del self.stack[position:]
                return taken
        raise Malformed("its instructions contradict each other")

    def _storage(self, identity: Any) -> Storage:
        found = storage(identity if isinstance(identity, Items) else Items())
        known = self.storages.setdefault(found.key, found)
        if (known.kind, known.items) != (found.kind, found.items):
            raise Malformed("it claims two sizes for the same tensor")
        return found


def _harmless(name: str) -> Name:
    if name not in HARMLESS:
        raise Forbidden(quoted(name))
    return Name(name)
