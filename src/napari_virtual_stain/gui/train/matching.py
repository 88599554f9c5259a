"""Which layers make further pairs: those named like the first pair, of another field of view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.gui.train.offers import is_labels
from napari_virtual_stain.gui.train.picks import PairPicks, called
from napari_virtual_stain.gui.train.words import counted, natural, shared


def further_pairs(
    first: PairPicks, taken: Collection[Layer], offers: Sequence[Offer]
) -> list[PairPicks]:
    """Return pairs of layers that are named like a pair, but of other fields of view.

    What the names of a pair's layers have in common (``03`` of ``phase 03`` and ``DAPI 03``) is
    its field of view, and the rest is what each of them shows. Layers match where they
    show the same, have the same axes, and are of one field and one size. Where a pair is made of
    the channels of one layer, other layers of the same axes and channels match.

    Parameters
    ----------
    first : PairPicks
        Complete.
    taken : collection of layers
        Those that are in pairs already.
    offers : sequence of Offer
        All layers that pairs can be made of.

    Returns
    -------
    list of PairPicks
        Sorted by name. A target that a field lacks is none there; an input is never.
    """
    by_layer = {offer.layer: offer for offer in offers}
    if any(layer not in by_layer for layer in first.layers):
        return []
    free = [
        offer
        for offer in offers
        if not offer.is_result and offer.source is not None and offer.layer not in taken
    ]
    free.sort(key=lambda offer: natural(offer.layer.name))
    if len(set(map(id, first.layers))) == 1:
        return _of_one_layer(first, by_layer[first.inputs[0].layer], free)
    return _by_name(first, by_layer, free)


def _of_one_layer(first: PairPicks, like: Offer, free: Sequence[Offer]) -> list[PairPicks]:
    return [
        PairPicks(
            tuple(Pick(offer.layer, pick.channel) for pick in first.inputs),
            tuple(
                Pick(offer.layer, pick.channel) if pick.layer is not None else pick
                for pick in first.targets
            ),
        )
        for offer in free
        if _kind(offer) == _kind(like) and offer.channels == like.channels
    ]


def _by_name(
    first: PairPicks, by_layer: dict[Layer, Offer], free: Sequence[Offer]
) -> list[PairPicks]:
    field = shared([str(layer.name) for layer in first.layers])
    anchor = first.inputs[0]
    shows = counted(called(anchor)) - field
    found = []
    for offer in free:
        name = counted(offer.layer.name)
        if shows - name or _kind(offer) != _kind(by_layer[anchor.layer]):
            continue
        there = name - shows

        def match(
            pick: Pick, there: Counter[str] = there, anchor_offer: Offer = offer
        ) -> Pick | None:
            if pick.layer is None:
                return None
            wanted = counted(called(pick)) - field + there
            like = by_layer[pick.layer]
            for one in free:
                fits = _kind(one) == _kind(like) and _plane(one) == _plane(anchor_offer)
                if fits and counted(one.layer.name) == wanted:
                    return Pick(one.layer, min(pick.channel, max(len(one.channels) - 1, 0)))
            return None

        inputs = [match(pick) for pick in first.inputs]
        targets = [match(pick) for pick in first.targets]
        if all(pick is not None for pick in inputs):
            pair = PairPicks(
                tuple(pick for pick in inputs if pick is not None),
                tuple(pick or Pick() for pick in targets),
            )
            if pair.is_complete:
                found.append(pair)
    return found


def _kind(offer: Offer) -> tuple[bool, str]:
    return is_labels(offer.layer), offer.axes


def _plane(offer: Offer) -> tuple[int, ...]:
    assert offer.source is not None
    return tuple(offer.source.image.sizes.get(axis, 1) for axis in "TYX")
