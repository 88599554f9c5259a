"""How messages of the library look where a person reads them in the window."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

ARTICLES = frozenset({"a", "an", "either", "no", "several", "the", "there", "this", "which"})


class Tone(Enum):
    """How a line is meant."""

    HINT = auto()
    INFO = auto()
    GOOD = auto()
    WARNING = auto()
    ERROR = auto()


@dataclass(frozen=True)
class Line:
    """A sentence and how it is meant."""

    tone: Tone
    text: str


def sentence(text: str) -> str:
    """Return a message with a capital letter, unless it starts with the name of something."""
    first, _, _ = text.partition(" ")
    return text[0].upper() + text[1:] if first in ARTICLES else text


def joined(items: list[str]) -> str:
    """Return items as in a sentence: ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def shortened(name: str, most: int = 38) -> str:
    """Return a name without its middle where it is too long for a line: ``a very … name.tif``."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"
