"""Which layers the first pair is made of before anybody has chosen: those whose names say so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_virtual_stain.gui.layer_data import TRANSMITTED
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.gui.train.offers import is_labels
from napari_virtual_stain.gui.train.picks import called
from napari_virtual_stain.gui.train.words import shared


def suggest_input(offers: Sequence[Offer], taken: Sequence[Pick]) -> Pick:
    """Return a layer and channel to learn from: transmitted light, else what is at the bottom.

    Parameters
    ----------
    offers : sequence of Offer
        Image layers, the topmost first.
    taken : sequence of Pick
        What is chosen already.
    """
    picks = [pick for pick in _picks(offers) if pick not in taken]
    names = {offer.layer: offer for offer in offers}
    return max(
        picks,
        key=lambda pick: (
            _is_transmitted(names[pick.layer], pick.channel),
            bool(taken) and pick.layer == taken[-1].layer,
        ),
        default=Pick(),
    )


def suggest_target(offers: Sequence[Offer], inputs: Sequence[Pick], taken: Sequence[Pick]) -> Pick:
    """Return a layer and channel to learn: of the size of the input, and no transmitted light.

    Among those, an image goes before labels, one that shares the input's field of view in its
    name before one that does not, and what is at the bottom before what is above.

    Parameters
    ----------
    offers : sequence of Offer
        Image and labels layers, the topmost first.
    inputs : sequence of Pick
        The inputs of the pair.
    taken : sequence of Pick
        Its targets that are chosen already.
    """
    by_layer = {offer.layer: offer for offer in offers}
    first = by_layer.get(inputs[0].layer) if inputs else None
    if first is None or first.source is None:
        return Pick()
    sizes = _plane(first)
    picks = [
        pick
        for pick in _picks(offers)
        if pick not in inputs
        and pick not in taken
        and _plane(by_layer[pick.layer]) == sizes
        and not _is_transmitted(by_layer[pick.layer], pick.channel)
    ]
    return max(
        picks,
        key=lambda pick: (
            bool(taken) and pick.layer == taken[-1].layer,
            not is_labels(pick.layer),
            shared([str(first.layer.name), called(pick)]).total(),
        ),
        default=Pick(),
    )


def _picks(offers: Sequence[Offer]) -> list[Pick]:
    """Return every layer and channel, from the bottom to the top, without results."""
    return [
        Pick(offer.layer, channel)
        for offer in reversed(offers)
        if not offer.is_result and offer.source is not None
        for channel in range(max(len(offer.channels), 1))
    ]


def _is_transmitted(offer: Offer, channel: int) -> bool:
    name = offer.channels[channel] if offer.channels else offer.layer.name
    return bool(TRANSMITTED.search(re.sub(r"[\W_]+", " ", name.casefold())))


def _plane(offer: Offer) -> tuple[int, ...]:
    sizes = offer.source.image.sizes if offer.source is not None else {}
    return tuple(sizes.get(axis, 1) for axis in "TYX")
