"""A network that weights were recognized as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_virtual_stain.io.importing.tensors import State

Chosen = Mapping[str, Any]
"""Options that the user has given."""

MAX_MEMBERS = 64


@dataclass(frozen=True)
class Recognized:
    """A network: its name, its options with axes and channels, and a sentence on what is assumed.

    Parameters
    ----------
    network : str
        Name in the registry.
    options : dict
        Options of the network, among them ``ndim``, ``in_channels`` and ``out_channels``.
    assumptions : dict of str to str
        What the weights do not tell, and nobody has chosen: options, and what is taken for them.
    """

    network: str
    options: dict[str, Any]
    assumptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def assumed(self) -> str:
        """A sentence on what the weights do not tell; empty if they tell all."""
        if not self.assumptions:
            return ""
        taken = "; ".join(f"{words} ({option})" for option, words in self.assumptions.items())
        return (
            f"Weights do not tell some options, which are taken from the published "
            f"configurations: {taken}. Others can be chosen while importing (--option NAME=VALUE)."
        )


def channels(first: tuple[int, ...], out_channels: int) -> dict[str, int]:
    """Return the axes and channels that a first convolution tells."""
    return {"ndim": len(first) - 2, "in_channels": first[1], "out_channels": out_channels}


def count(state: State, part: str) -> int:
    """Return how many members a list of modules has.

    Raises
    ------
    LookupError
        If there are more than in any network here; each of them is looked at again later.
    """
    matches = (re.match(rf"{re.escape(part)}\.(\d+)\.", name) for name in state)
    members = len({match[1] for match in matches if match})
    if members > MAX_MEMBERS:
        raise LookupError
    return members
