"""How ``vstain compare`` compares: what all pairs of one command have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.cli.feature_options import FeatureOptions
from napari_virtual_stain.cli.output import drive
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.masks import MaskPer
from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    import numpy as np

    from napari_virtual_stain.evaluation import Comparison
    from napari_virtual_stain.image import Image


@dataclass(frozen=True)
class Comparing:
    """The options of a comparison.

    Parameters
    ----------
    match, mask_per : str
        As those of ``compare``.
    crop : mapping of str to slice
        The part of all images that is compared.
    axes : str or None
        Of TIFF files that do not say them.
    mask : Path or None
        A mask for all images, or a folder of masks named as the observed images.
    noise : Path or None
        An image of noise.
    features : FeatureOptions or None
        How features of cells are measured, if they are.
    """

    match: Match = "none"
    mask_per: MaskPer = "volume"
    crop: Mapping[str, slice] | None = None
    axes: str | None = None
    mask: Path | None = None
    noise: Path | None = None
    features: FeatureOptions | None = None

    def compare(self, observed: Path, predicted: Path) -> Comparison:
        """Read an observed and a predicted image, and compare them."""
        from napari_virtual_stain.evaluation import compare_events
        from napari_virtual_stain.io import read_image, uncertainty_beside

        beside = uncertainty_beside(predicted)
        images = self.read(observed, predicted)
        work = compare_events(
            *images[:2],
            match=self.match,
            mask_per=self.mask_per,
            mask=images[2],
            noise=None if self.noise is None else read_image(self.noise),
            uncertainty=None if beside is None else self._cut(beside),
        )
        return drive(work, "Comparing")

    def read(self, observed: Path, predicted: Path) -> tuple[Image, Image, Image | None]:
        """Return the part of observed, predicted and mask that is compared."""
        mask = self._mask_of(observed)
        of_mask = None if mask is None else self._cut_mask(mask)
        return self._cut(observed), self._cut(predicted), of_mask

    def labels(self, path: Path) -> np.ndarray:
        """Return the part of labels that is compared."""
        return self._cut_mask(path).numpy()

    def made_from(self, observed: Path, predicted: Path) -> dict[str, Any]:
        """Return what tells a comparison from one of other files or options."""
        from napari_virtual_stain.io import stamp, uncertainty_beside

        files = {
            "observed": observed,
            "predicted": predicted,
            "mask": self._mask_of(observed),
            "noise": self.noise,
            "uncertainty": uncertainty_beside(predicted),
        }
        options = {
            "match": self.match,
            "mask_per": self.mask_per,
            "crop": {axis: [one.start, one.stop] for axis, one in (self.crop or {}).items()},
            "axes": self.axes,
        }
        stamps = {what: stamp(file) for what, file in files.items() if file is not None}
        return {**stamps, "options": options, "version": __version__}

    def _cut(self, path: Path) -> Image:
        from napari_virtual_stain.io import read_image

        return read_image(path, axes=self.axes).crop(self.crop or {})

    def _cut_mask(self, path: Path) -> Image:
        from napari_virtual_stain.io import read_image

        mask = read_image(path)
        # A mask holds for all positions of an axis that it lacks.
        return mask.crop({a: part for a, part in (self.crop or {}).items() if a in mask.axes})

    def _mask_of(self, observed: Path) -> Path | None:
        from napari_virtual_stain.io._names import image_name
        from napari_virtual_stain.io.pairs.image_files import image_files, is_store

        if self.mask is None or not self.mask.is_dir() or is_store(self.mask):
            return self.mask
        name = image_name(observed)
        found = image_files(self.mask).get(name)
        if found is None:
            raise VirtualStainError(f"{self.mask} holds no mask named {name}, as the image is.")
        return found
