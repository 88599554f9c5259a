"""Which layer and channel are chosen before anybody has: those whose names say so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.model import InputSpec, ModelSpec

MEANINGLESS = frozenset({"channel", "image", "stack", "1", "2", "3"})
"""Words in names that say nothing about what is seen."""


def suggest_input(
    spec: ModelSpec,
    position: int,
    offers: Sequence[Offer],
    preferred: Sequence[Layer | None] = (),
    taken: Sequence[Pick] = (),
) -> Pick:
    """Return a layer and channel for an input of a model.

    A layer or channel that is named like the input or its modality goes before one that is
    not, and one that is named like an output comes last. Among equals the first of
    `preferred` goes first, else the one at the bottom. Results are not suggested.

    Parameters
    ----------
    spec : ModelSpec
    position : int
        Of the input.
    offers : sequence of Offer
        Image layers, the topmost first.
    preferred : sequence of layers
        Those to keep to, such as the one that is chosen already and the one that is selected.
    taken : sequence of Pick
        What other inputs take; the same is not suggested twice.
    """
    candidates = [
        offer
        for offer in reversed(offers)
        if not offer.is_result
        and Pick(offer.layer, suggest_channel(spec, position, offer.channels)) not in taken
    ]
    if not candidates:
        return Pick()
    best = max(
        candidates,
        key=lambda offer: (
            offer.source is not None,
            bool(offer.choices),
            _likeness(spec, position, offer),
            *(offer.layer == layer for layer in preferred),
        ),
    )
    return Pick(best.layer, suggest_channel(spec, position, best.channels))


def suggest_channel(spec: ModelSpec, position: int, channels: Sequence[str]) -> int:
    """Return the position of the channel for an input: by name, else by position."""
    names = [_words(name) for name in channels]
    for same in (str.__eq__, _share_a_word):
        for wanted in _wanted(spec.inputs[position]):
            found = [i for i, name in enumerate(names) if same(wanted, name)]
            if len(found) == 1:
                return found[0]
    return position if len(names) == len(spec.inputs) else 0


def suggest_observed(output: str, inputs: Sequence[Layer | None], offers: Sequence[Offer]) -> Pick:
    """Return the observed layer and channel of an output: of its very name, and of one size.

    Parameters
    ----------
    output : str
        Name of the output.
    inputs : sequence of layers
        What it is to be predicted from.
    offers : sequence of Offer
        Image layers, the topmost first.
    """
    sizes = [_plane(offer) for offer in offers if offer.layer in inputs]
    wanted = _words(output)
    for offer in offers:
        if offer.is_result or offer.source is None or _plane(offer) not in sizes:
            continue
        names = [_words(name) for name in offer.source.image.channels]
        if names.count(wanted) == 1:
            return Pick(offer.layer, names.index(wanted))
        if len(names) < 2 and _words(offer.layer.name) == wanted:
            return Pick(offer.layer)
    return Pick()


def _likeness(spec: ModelSpec, position: int, offer: Offer) -> int:
    """Return how much the name of a layer, or those of its channels, say that it is the input."""
    channels = offer.source.image.channels if offer.source is not None else ()
    names = [_words(name) for name in (offer.layer.name, *channels)]
    wanted = _wanted(spec.inputs[position])
    if any(one in names for one in wanted):
        return 3
    if any(_share_a_word(one, name) for one in wanted for name in names):
        return 2
    outputs = [_words(output.name) for output in spec.outputs]
    return 0 if any(_share_a_word(one, name) for one in outputs for name in names) else 1


def _wanted(channel: InputSpec) -> list[str]:
    return [_words(name) for name in (channel.name, channel.modality) if name]


def _plane(offer: Offer) -> dict[str, int]:
    sizes = offer.source.image.sizes if offer.source is not None else {}
    return {axis: sizes.get(axis, 1) for axis in "TYX"}


def _share_a_word(one: str, other: str) -> bool:
    return bool(set(one.split()) & set(other.split()) - MEANINGLESS)


def _words(name: str) -> str:
    """Return a name as words in lower case, parted by single blanks."""
    return " ".join(re.split(r"[\W_]+", name.casefold())).strip()
