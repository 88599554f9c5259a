"""Splits whose score would flatter: neighbouring planes or frames on both sides.

Two neighbouring frames of a movie, or planes of a stack, are near-copies of each other. A network
that has learned one has all but seen the other, and its score says nothing about new images.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.image import Image
from napari_virtual_stain.training.options import Pair
from napari_virtual_stain.training.pairs import TrainingPair, as_pairs
from napari_virtual_stain.training.same_pixels import Sameness
from napari_virtual_stain.training.splitting import parts

Crop = Mapping[str, slice]

FLATTERS = "They are near-copies of each other, so the score would flatter."

PLANES_BETWEEN = 2
"""So many planes left out between the two sides make them other planes."""

_NUMBERED = re.compile(
    r"(?:^|(?<=[ _.\-]))(?P<what>t|time|frame|z|plane|slice)[ _\-]?\d+(?=$|[ _.\-])", re.IGNORECASE
)
"""The part of a name that tells frames of a movie or planes of a stack apart: ``_t003``, ``-z12``.

Numbers alone, and those of positions and fields, tell images of different places apart.
"""


def split_warnings(
    pairs: Sequence[Pair],
    train_crop: Crop,
    validation_crop: Crop,
    validation: Sequence[Pair] = (),
) -> list[Notice]:
    """Return a warning for each stack or movie that a split would put on both sides.

    Parameters
    ----------
    pairs : sequence of (Image, Image) or TrainingPair
    train_crop, validation_crop : mapping of str to slice
        Parts of the images to learn from and to score on; empty for nothing.
    validation : sequence of (Image, Image) or TrainingPair
        Pairs to score on, in place of parts of the training pairs.

    Returns
    -------
    list of Notice
        All of them warnings, none twice, and one for all planes of a stack. Empty where the two
        sides are apart in X or Y, as they are where a split is left to the program.
    """
    learned, scored = as_pairs(pairs), as_pairs(validation)
    texts: dict[str, None] = {}
    if scored:
        texts = dict.fromkeys(_across(learned, scored, train_crop, validation_crop))
    elif validation_crop:
        for pair in learned:
            if pair.score is None:
                crops = _parts(pair.source, train_crop, validation_crop)
                texts.update(dict.fromkeys(_within(pair.source, *crops)))
    return [Notice(text, warning=True) for text in texts]


def _across(
    learned: Sequence[TrainingPair],
    scored: Sequence[TrainingPair],
    train_crop: Crop,
    validation_crop: Crop,
) -> Iterable[str]:
    """Yield what there is to say about pairs to train on and others to score on."""
    same = Sameness()
    recordings = {pair.source.name: _recording(pair.source.name) for pair in (*learned, *scored)}
    both: dict[str, str] = {}
    alike: dict[tuple[str, str], list[str]] = {}
    for one, other in itertools.product(learned, scored):
        if _regions_apart(one, other):
            continue
        name = one.source.name
        recording = recordings[name]
        if same(one.source, other.source):
            if _apart(one.source, train_crop, validation_crop, "TZYX"):
                yield from _within(one.source, train_crop, validation_crop)
            else:
                both[name] = recording
        elif (
            recording == recordings[other.source.name]
            and (what := _numbered_alike(name, other.source.name))
            and not _apart(one.source, train_crop, validation_crop, "YX")
        ):
            alike.setdefault((recording, what), []).append(f"{name} and {other.source.name}")
    if both:
        others = f" and {len(both) - 1} more are" if len(both) > 1 else " is"
        yield (
            f"{next(iter(both))}{others} among the pairs to train on and to score on, so the score "
            "would be of what was trained on; score on another pair, or on a part that is not "
            "trained on."
        )
    for (recording, what), found in alike.items():
        if recording in both.values():
            continue  # That is worse, and said.
        more = f" (and {len(found) - 1} more pairs of them)" if len(found) > 1 else ""
        yield (
            f"{found[0]} look like {what}, of which one is trained on and the other scored{more}. "
            f"{FLATTERS} Score on another field, or split each image in X or Y."
        )


def _within(image: Image, train_crop: Crop, validation_crop: Crop) -> Iterable[str]:
    """Yield what there is to say about two parts of one image."""
    if _apart(image, train_crop, validation_crop, "YX"):
        return
    for axis, what in (("T", "frames of the same movie"), ("Z", "planes of the same stack")):
        gap = _gap(image, train_crop, validation_crop, axis)
        if gap is not None and (axis == "T" or gap < PLANES_BETWEEN):
            yield (
                f"{image.name} is trained on and scored on neighbouring {what}, at the same "
                f"places in X and Y. {FLATTERS} Split it in X or Y."
            )


def _regions_apart(one: TrainingPair, other: TrainingPair) -> bool:
    learn, score = one.learn, other.score
    if learn is None or score is None or learn.shape != score.shape:
        return False
    return not bool((learn & score).any())


def _parts(image: Image, train_crop: Crop, validation_crop: Crop) -> tuple[Crop, Crop]:
    try:
        return parts(image, train_crop, validation_crop)
    except VirtualStainError:
        return train_crop, validation_crop  # The training refuses it, in a sentence of its own.


def _apart(image: Image, train_crop: Crop, validation_crop: Crop, axes: str) -> bool:
    return any(_gap(image, train_crop, validation_crop, axis) is not None for axis in axes)


def _gap(image: Image, train_crop: Crop, validation_crop: Crop, axis: str) -> int | None:
    """Return how many positions lie between two parts along an axis; None if they share some."""
    size = image.sizes.get(axis, 1)
    one, other = (
        crop.get(axis, slice(None)).indices(size)[:2] for crop in (train_crop, validation_crop)
    )
    gap = max(one[0], other[0]) - min(one[1], other[1])
    return gap if gap >= 0 else None


def _recording(name: str) -> str:
    """Return what frames of one movie, or planes of one stack, have in common in their names."""
    return _NUMBERED.sub("#", name).casefold()


def _numbered_alike(one: str, other: str) -> str:
    """Return what tells names of one recording apart: frames or planes; nothing if they agree."""
    found = zip(_NUMBERED.finditer(one), _NUMBERED.finditer(other), strict=True)
    differing = [a["what"].casefold() for a, b in found if a[0] != b[0]]
    if not differing:
        return ""
    of_time = any(what.startswith(("t", "f")) for what in differing)
    return "frames of one movie" if of_time else "planes of one stack"
