"""Results on disk: where they go, and what is there already."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.conversion import file_stem
from napari_virtual_stain.gui.sentences import shortened
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import ModelSpec

if TYPE_CHECKING:
    from napari_virtual_stain.io import ZarrTarget

ENDINGS = {"predicted": ".predicted.ome.zarr", "uncertainty": ".uncertainty.ome.zarr"}
"""What is put behind the name of an image, as the command line does."""


@dataclass(frozen=True)
class Files:
    """Where the results of a prediction go.

    Parameters
    ----------
    predicted : Path
        An OME-Zarr.
    uncertainty : Path, optional
        Another beside it, where there is any uncertainty.
    replace : bool
        Whether what is there may be replaced.
    """

    predicted: Path
    uncertainty: Path | None = None
    replace: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.predicted, *([self.uncertainty] if self.uncertainty else []))

    @property
    def name(self) -> str:
        """What the prediction is called, short enough for a line of the dock."""
        return shortened(self.predicted.name)

    @property
    def is_unfinished(self) -> bool:
        """Whether an earlier run has left a part of the prediction."""
        from napari_virtual_stain.io.prediction.work_folder import work_folder_of

        return work_folder_of(self.predicted).exists()

    def existing(self) -> tuple[Path, ...]:
        """Return the results that are there already.

        Raises
        ------
        VirtualStainError
            If something else is there, or the folder is gone.
        """
        from napari_virtual_stain.io._atomic_folder import refuse_existing_folder

        folder = self.predicted.parent
        if not folder.is_dir():
            raise VirtualStainError(
                f"there is no folder {folder}; choose another one under Advanced options."
            )
        for path in self.paths:
            refuse_existing_folder(path, overwrite=True)
        return tuple(path for path in self.paths if path.exists() and any(path.iterdir()))

    def target(self, spec: ModelSpec) -> ZarrTarget:
        """Return the target of the prediction, in the colours of the model."""
        from napari_virtual_stain.io import ZarrTarget
        from napari_virtual_stain.io.ome_zarr.metadata import COLORMAPS

        colors = {
            output.name: output.colormap for output in spec.outputs if output.colormap in COLORMAPS
        }
        return ZarrTarget(self.predicted, self.uncertainty, overwrite=self.replace, colors=colors)


def files_in(
    folder: Path, image_name: str, *, uncertainty: bool, replaceable: Collection[Path]
) -> tuple[Files, tuple[Path, ...]]:
    """Return where the results of an image go in a folder, and which of them are there already.

    Parameters
    ----------
    folder : Path
    image_name : str
        What the results are called by.
    uncertainty : bool
        Whether there is any.
    replaceable : collection of Path
        The results that may be replaced.

    Raises
    ------
    VirtualStainError
        As :meth:`Files.existing`.
    """
    paths = {kind: folder / f"{file_stem(image_name)}{end}" for kind, end in ENDINGS.items()}
    second = paths["uncertainty"] if uncertainty else None
    found = Files(paths["predicted"], second).existing()
    replace = bool(found) and set(found) <= set(replaceable)
    return Files(paths["predicted"], second, replace), found


def suggested_folder(layer: Layer | None) -> Path | None:
    """Return the folder that a layer was opened from, if it is known and can be written to."""
    source = getattr(getattr(layer, "source", None), "path", None)
    if not source:
        return None
    path = Path(source)
    # A field of a plate, say, lies within an OME-Zarr, which holds nothing else.
    outermost = next((one for one in reversed(path.parents) if one.suffix == ".zarr"), path)
    folder = outermost.parent
    return folder if folder.is_dir() and os.access(folder, os.W_OK) else None


def lower_levels(image: Image, path: Path) -> tuple[Image, ...]:
    """Return a result on disk at falling resolutions, without the full one, which is `image`.

    Parameters
    ----------
    image : Image
        As ``predict`` gives it.
    path : Path
        Where it is. Nothing but its metadata is read.
    """
    from napari_virtual_stain.io.ome_zarr.reader import read_multiscale

    stored = read_multiscale(path)
    # Axes of length 1 are dropped there, and are part of a prediction.
    key = tuple(slice(None) if axis in stored.image.axes else None for axis in image.axes)
    return tuple(image.replace(data=level[key]) for level in stored.levels[1:])
