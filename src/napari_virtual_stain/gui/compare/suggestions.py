"""Which layers are compared before anybody has chosen: predictions, and what is named like them."""

from __future__ import annotations

from collections.abc import Sequence

from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.compare.form import PairPick
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.gui.train.words import counted

PREDICTED = ("predicted", "prediction", "pred", "virtual", "reconstructed", "restored", "denoised")
OBSERVED = ("observed", "target", "truth", "ground", "gt", "true", "real", "stained", "signal")
IDLE = frozenset({"channel", "image", "layer", "simulated", "ome", "tif", "tiff"})


def suggest_pairs(offers: Sequence[Offer]) -> list[PairPick]:
    """Return pairs of channels that seem to belong together.

    A prediction (by its metadata, or by a word such as *predicted* in its name) belongs to the
    layer of its size whose name has most of its other words in common with it. Where
    there are two layers and no name tells, the lower one is the observed.

    Parameters
    ----------
    offers : sequence of Offer
        The topmost first.
    """
    known = [offer for offer in offers if offer.source is not None]
    predictions = [offer for offer in known if _is_prediction(offer)]
    others = [offer for offer in known if offer not in predictions and not offer.is_result]
    pairs: list[PairPick] = []
    taken: set[tuple[int, int]] = set()
    for prediction in predictions:
        for channel, words in enumerate(_channels(prediction)):
            best = _likest(words, prediction, others, taken)
            if best is not None:
                offer, position = best
                taken.add((id(offer), position))
                observed = Pick(offer.layer, position)
                pairs.append(PairPick(observed, Pick(prediction.layer, channel)))
    if not pairs and not predictions and len(others) == 2:
        upper, lower = others
        if _plane(upper) == _plane(lower):
            return [PairPick(Pick(lower.layer), Pick(upper.layer))]
    return pairs


def _is_prediction(offer: Offer) -> bool:
    key = result_identity.key_of(offer.layer)
    if key is not None:
        return key[0] == "prediction"
    words = counted(offer.layer.name)
    if any(word in words for word in PREDICTED):
        return True
    ours = offer.layer.metadata.get(METADATA)
    origin = ours.get("provenance", {}) if isinstance(ours, dict) else {}
    return offer.is_result and "prediction" not in origin


def _channels(offer: Offer) -> list[frozenset[str]]:
    """Return the words by which each channel of a layer is known."""
    assert offer.source is not None
    own = _words(str(offer.layer.name))
    image = offer.source.image
    if image.n_channels > 1:
        return [_words(name) for name in image.channels]
    return [_words(image.channels[0]) | own] if image.channels and image.channels[0] else [own]


def _words(name: str) -> frozenset[str]:
    return frozenset(counted(name)) - {*PREDICTED, *OBSERVED} - IDLE


def _likest(
    words: frozenset[str],
    prediction: Offer,
    others: Sequence[Offer],
    taken: set[tuple[int, int]],
) -> tuple[Offer, int] | None:
    best, most = None, 0.0
    for offer in others:
        if not _could_match(offer, prediction):
            continue
        for position, theirs in enumerate(_channels(offer)):
            if (id(offer), position) in taken:
                continue
            common = len(words & theirs)
            likeness = common / max(1, len(words | theirs))
            if common and likeness > most:
                best, most = (offer, position), likeness
    return best


def _could_match(one: Offer, other: Offer) -> bool:
    sources = [offer.source for offer in (one, other) if offer.source is not None]
    return len({source.image.sizes.get("T", 1) for source in sources}) == 1


def _plane(offer: Offer) -> tuple[int, ...]:
    assert offer.source is not None
    return tuple(offer.source.image.sizes.get(axis, 1) for axis in "TZYX")
