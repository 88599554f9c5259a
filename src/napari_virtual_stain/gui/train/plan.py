"""A pair as it was chosen, and as training takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.regions import rasterized
from napari_virtual_stain.gui.train.picks import Unpainted
from napari_virtual_stain.gui.train.words import counted, shared, without
from napari_virtual_stain.image import Image

if TYPE_CHECKING:
    from napari_virtual_stain.training.pairs import TrainingPair

Polygons = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class PairPlan:
    """A pair whose pixels have not been looked at.

    Parameters
    ----------
    sources : tuple of Image
        One for each input channel, named, without C axis.
    targets : tuple of Image
        One for each target that the pair has, named, without C axis.
    painted : mapping of str to {"background", "not annotated"}
        What unpainted pixels are of the targets that are labels.
    place : Geometry
        Where the targets lie, without C axis.
    learn, score : tuple of ndarray, optional
        Polygons (vertices, 2) in px along Y and X in which is learned and scored.
    elsewhere : tuple of (str, str, str)
        Layers that do not lie on the first input in the viewer: their name, its, and how they lie.
    """

    sources: tuple[Image, ...]
    targets: tuple[Image, ...]
    painted: Mapping[str, Unpainted]
    place: Geometry
    learn: Polygons | None = None
    score: Polygons | None = None
    elsewhere: tuple[tuple[str, str, str], ...] = ()


def training_pair(plan: PairPlan) -> TrainingPair:
    """Return the pair as training takes it. Pixels of labels are read and copied here.

    A painted target becomes a mask. Where unpainted pixels are background, every label is an
    object; where they are not annotated, label 1 is background, other labels are objects, and
    unpainted pixels do not count.

    Raises
    ------
    VirtualStainError
        If labels have no objects, or no background.
    """
    from napari_virtual_stain.training.pairs import TrainingPair

    names = [target.channels[0] for target in plan.targets]
    targets, counts = [], []
    for name, target in zip(names, plan.targets, strict=True):
        mask, known = _mask(target, plan.painted[name]) if name in plan.painted else (target, None)
        targets.append(mask)
        counts.append(known)
    learn, score = _regions(plan)
    return TrainingPair(
        source=stacked(plan.sources),
        target=stacked(targets),
        masks=tuple(plan.painted),
        counts=_all_counts(targets, counts),
        learn=learn,
        score=score,
    )


def stacked(channels: Sequence[Image]) -> Image:
    """Return channels as one image; a single one stays as it is, and lazy ones stay lazy."""
    first = channels[0]
    if len(channels) == 1:
        return first
    at = first.axes.index("T") + 1 if "T" in first.axes else 0
    return first.replace(
        data=_stack([channel.data for channel in channels], at),
        axes=first.axes[:at] + "C" + first.axes[at:],
        channels=[channel.channels[0] for channel in channels],
        name=_common_name([channel.name for channel in channels]),
        provenance={},
    )


def _common_name(names: Sequence[str]) -> str:
    """Return what the names of layers have in common: ``well 3`` of its stains."""
    common = shared(names)
    return without(names[0], counted(names[0]) - common) if common else ", ".join(names)


def _stack(arrays: Sequence[Any], axis: int) -> Any:
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np.stack(arrays, axis)
    import dask.array as da

    return da.stack(
        [array if hasattr(array, "dask") else da.from_array(array, name=False) for array in arrays],
        axis,
    )


def _mask(labels: Image, unpainted: Unpainted) -> tuple[Image, Image | None]:
    """Return the mask of a labels layer, and where it is known; None for everywhere."""
    pixels = np.array(labels.data)  # a copy: painting goes on while the model learns
    annotated = pixels != 0
    objects = annotated if unpainted == "background" else pixels > 1
    if not objects.any():
        which = "" if unpainted == "background" else " with a label above 1"
        raise VirtualStainError(
            f"{labels.name} has no painted object{which}; paint some, or choose another target."
        )
    if unpainted == "background":
        if annotated.all():
            raise VirtualStainError(
                f"every pixel of {labels.name} is painted, so there is no background to tell "
                "objects from; leave it unpainted, or choose that unpainted pixels are not "
                "annotated and paint the background with label 1."
            )
        return labels.replace(data=objects.astype(np.uint8)), None
    if not (pixels == 1).any():
        raise VirtualStainError(
            f"{labels.name} has no pixel of label 1, which is the background where unpainted "
            "pixels are not annotated; paint some background with label 1, or choose that "
            "unpainted pixels are background."
        )
    known = labels.replace(data=annotated.astype(np.uint8))
    return labels.replace(data=objects.astype(np.uint8)), known


def _all_counts(targets: Sequence[Image], counts: Sequence[Image | None]) -> Image | None:
    if all(one is None for one in counts):
        return None
    everywhere = [
        target.replace(data=np.broadcast_to(np.uint8(1), target.shape)) if known is None else known
        for target, known in zip(targets, counts, strict=True)
    ]
    return stacked(everywhere)


def _regions(plan: PairPlan) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return where is learned and scored. What was not said of one follows from the other."""
    sizes = plan.targets[0].sizes
    learn, score = (
        None if polygons is None else rasterized(polygons, (sizes["Y"], sizes["X"]))
        for polygons in (plan.learn, plan.score)
    )
    if learn is None and score is not None:
        learn = ~score
    if score is None and learn is not None:
        score = ~learn
    return learn, score
