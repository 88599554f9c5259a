"""Which file of a folder of predictions belongs to which observed image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io.pairs.image_files import image_files

PREDICTED = ".predicted"
"""What ``vstain predict`` adds to an image's name."""

UNCERTAINTY = ".uncertainty"
"""What it adds for the uncertainty."""


@dataclass(frozen=True)
class PredictedPair:
    """An observed image and its prediction.

    Parameters
    ----------
    name : str
        Of the observed image.
    observed, predicted : Path
    """

    name: str
    observed: Path
    predicted: Path


def predicted_pairs(observed: Path, predicted: Path) -> tuple[list[PredictedPair], list[str]]:
    """Pair the images of two folders by name.

    Parameters
    ----------
    observed, predicted : Path
        Folders of TIFF files and OME-Zarrs. A prediction has the name of its observed image, with
        or without ``.predicted`` behind it.

    Returns
    -------
    pairs : list of PredictedPair
        Sorted by name.
    alone : list of str
        Names of observed images that have no prediction.

    Raises
    ------
    VirtualStainError
        If a path is no folder, no name is shared, or a prediction cannot be told from another.
    """
    for folder in (observed, predicted):
        if not folder.is_dir():
            raise VirtualStainError(
                f"{folder} is no folder; compare a file with a file, or a folder with a folder."
            )
    of_observed, of_predicted = image_files(observed), image_files(predicted)
    pairs, alone = [], []
    for name, path in of_observed.items():
        found = [of_predicted[key] for key in (name + PREDICTED, name) if key in of_predicted]
        if len(found) > 1:
            raise VirtualStainError(
                f"{predicted} holds {found[0].name} and {found[1].name}, and it cannot be told "
                f"which is the prediction of {path.name}; take one away."
            )
        if found:
            pairs.append(PredictedPair(name, path, found[0]))
        else:
            alone.append(name)
    if not pairs:
        raise VirtualStainError(
            f"no image of {predicted} has the name of one of {observed}, with or without "
            f"{PREDICTED!r} behind it."
        )
    return pairs, alone


def uncertainty_beside(predicted: Path) -> Path | None:
    """Return the uncertainty that lies beside a prediction: ``a.uncertainty.ome.tif``, if any."""
    stem = image_name(predicted).removesuffix(PREDICTED)
    beside = (
        predicted.with_name(f"{stem}{UNCERTAINTY}.ome{ending}")
        for ending in (".tif", ".tiff", ".zarr")
    )
    return next((path for path in beside if path.exists() and path != predicted), None)
