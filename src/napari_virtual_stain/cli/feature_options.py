"""What ``vstain compare --features`` measures, and where its labels are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation.features.limits import GreyLimits


@dataclass(frozen=True)
class FeatureOptions:
    """How features of cells are to be measured.

    Parameters
    ----------
    nuclear_channel : str or None
    nucleus_diameter : float or None
        In µm, or in pixels where the voxel size is unknown.
    nuclei, cells : Path or None
        Labels for all images; or a folder of them, named as the observed images, with or without
        ``.nuclei``, ``.cells`` or ``.labels`` behind.
    """

    nuclear_channel: str | None = None
    nucleus_diameter: float | None = None
    nuclei: Path | None = None
    cells: Path | None = None

    def labels_of(self, observed: Path) -> dict[str, Path]:
        """Return the files of labels of an image, by what they hold.

        Raises
        ------
        VirtualStainError
            If a folder of labels has none for the image.
        """
        given = {"nuclei": self.nuclei, "cells": self.cells}
        return {
            what: _of_image(path, observed, what)
            for what, path in given.items()
            if path is not None
        }

    def made_from(self, observed: Path, limits: GreyLimits | None) -> dict[str, Any]:
        """Return what tells features from those of other labels or options."""
        from napari_virtual_stain.io import stamp

        return {
            "nuclear_channel": self.nuclear_channel,
            "nucleus_diameter": self.nucleus_diameter,
            "labels": {what: stamp(path) for what, path in self.labels_of(observed).items()},
            "limits": None if limits is None else {name: list(one) for name, one in limits.items()},
        }


def feature_options(wanted: bool, given: Mapping[str, Any]) -> FeatureOptions | None:
    """Return the options; a bad argument if some were given although no features are wanted."""
    import typer

    if wanted:
        return FeatureOptions(**given)
    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("it goes with --features", param_hint=option)
    return None


def _of_image(path: Path, observed: Path, what: str) -> Path:
    from napari_virtual_stain.io._names import image_name
    from napari_virtual_stain.io.pairs.image_files import image_files, is_store

    if not path.is_dir() or is_store(path):
        return path
    name, files = image_name(observed), image_files(path)
    for found in (name, f"{name}.{what}", f"{name}.labels"):
        if found in files:
            return files[found]
    raise VirtualStainError(f"{path} holds no labels of the {what} named {name}, as the image is.")
