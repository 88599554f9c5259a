"""Names of layers as words: what they have in common is what they show, the rest is the field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise


def words(name: str) -> list[str]:
    """Return the words and numbers of a name: ``A01_phase`` is ``A``, ``01``, ``phase``."""
    return re.findall(r"[^\W\d_]+|\d+", name)


def counted(name: str) -> Counter[str]:
    """Return how often each word of a name occurs in it, in lower case."""
    return Counter(word.casefold() for word in words(name))


def shared(names: Sequence[str]) -> Counter[str]:
    """Return the words that all of these names have."""
    counts = [counted(name) for name in names]
    common = counts[0] if counts else Counter()
    for one in counts[1:]:
        common = common & one
    return common


def without(name: str, gone: Counter[str]) -> str:
    """Return a name without some of its words; all of it where nothing would be left.

    What stands between the words that stay is kept where it stood between them before.
    """
    left, found = Counter(gone), []
    for match in re.finditer(r"[^\W\d_]+|\d+", name):
        word = match.group().casefold()
        if left[word]:
            left[word] -= 1
        else:
            found.append(match)
    if not found:
        return name
    text = found[0].group()
    for before, here in pairwise(found):
        between = name[before.end() : here.start()]
        text += (between if not re.search(r"\w", between) else " ") + here.group()
    return text


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key by which names are sorted as people count: ``field 2`` before ``field 10``."""
    return tuple(
        (int(word), "") if word.isdecimal() else (-1, word.casefold()) for word in words(name)
    )
