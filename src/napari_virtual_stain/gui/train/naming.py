"""What channels and models are called where nobody has named them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from napari_virtual_stain.gui.train.words import shared, without

MOST_BYTES = 200
"""Of the name of a file, which disks allow 255 of, with room for a number and an ending."""


def channel_names(typed: Sequence[str], layers: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each channel: what a person typed, else what its layers show.

    Parameters
    ----------
    typed : sequence of str
        One for each channel; empty where nothing was typed.
    layers : sequence of sequence of str
        For each channel, what the layer or the channel of a layer is called in each pair that
        has it, in the order of the pairs.

    Returns
    -------
    list of str
        Distinct; empty for a channel that has neither.
    """
    firsts = [names[0] for names in layers if names]
    # With one pair, what input and target share is the field of view.
    field = shared(firsts) if len(set(firsts)) > 1 else Counter[str]()
    names = [
        given.strip() or (_common(of, field) if of else "")
        for given, of in zip(typed, layers, strict=True)
    ]
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(f"{name} {seen[name]}" if name and seen[name] > 1 else name)
    return distinct


def model_name(inputs: Sequence[str], targets: Sequence[str]) -> str:
    """Return what a model is called by what it does: ``phase to DAPI``."""
    return f"{', '.join(inputs)} to {', '.join(targets)}"


def file_stem(name: str) -> str:
    """Return a name as one of a file, on every system: letters, digits, blanks, ``-_.``."""
    kept = "".join(letter if letter.isalnum() or letter in " -_." else " " for letter in name)
    short = " ".join(kept.split())[:80].encode()[:MOST_BYTES].decode(errors="ignore")
    return short.strip(" .") or "model"


def _common(names: Sequence[str], field: Counter[str]) -> str:
    """Return the words of the first name that all of them have, without those of the field."""
    first = names[0]
    other = shared([first]) - shared(names)
    return without(first, other | field)
