"""One image of ``vstain predict``: from the pixels to the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_virtual_stain.cli.output import drive

if TYPE_CHECKING:
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.inference import PredictOptions
    from napari_virtual_stain.model import StainModel

Format = Literal["ome-tiff", "ome-zarr"]

IN_MEMORY = 2**30
"""Bytes of a result up to which it is kept in memory before it is written as a TIFF."""


@dataclass(frozen=True)
class OneImage:
    """An image and what is written for it.

    Parameters
    ----------
    path : Path
    files : mapping of str to Path
        For each of ``predicted``, ``uncertainty`` and ``masks`` that is wanted. What their names
        end in says the format.
    overwrite : bool
    """

    path: Path
    files: Mapping[str, Path]
    overwrite: bool

    @property
    def is_finished(self) -> bool:
        """Whether an earlier run wrote all of it, and none of it is to be replaced."""
        return not self.overwrite and all(file.exists() for file in self.files.values())

    @property
    def lacks_masks_alone(self) -> bool:
        """Whether an earlier run was killed before it wrote the masks, which come last."""
        files = dict(self.files)
        masks = files.pop("masks", None)
        return (
            masks is not None
            and not (self.overwrite or masks.exists())
            and all(file.exists() for file in files.values())
        )

    def check(self) -> None:
        """Raise a VirtualStainError if a result exists already or cannot be written."""
        from napari_virtual_stain.io import check_writable

        if not self.lacks_masks_alone:
            self._on_disk().check()
        if "masks" in self.files:
            check_writable(self.files["masks"], self.overwrite)

    def predict(
        self, members: Sequence[StainModel], image: Image, options: PredictOptions
    ) -> Image:
        """Predict an image and write all of it; return the predictions."""
        from napari_virtual_stain.evaluation.mask_image import mask_image
        from napari_virtual_stain.inference import predict_events, result_bytes
        from napari_virtual_stain.io import read_image, write_image

        if self.lacks_masks_alone:
            predicted = read_image(self.files["predicted"])
            write_image(mask_image(predicted), self.files["masks"])
            return predicted
        limit = IN_MEMORY
        if options.memory is not None:
            limit = min(limit, int(options.memory * 2**30 / 8))
        is_zarr = self.files["predicted"].suffix == ".zarr"
        streamed = is_zarr or result_bytes(members, image, options) > limit
        target = self._on_disk() if streamed else None
        result = drive(predict_events(members, image, options, target), self.path.name)
        results = {"predicted": result.predicted, "uncertainty": result.uncertainty}
        if not streamed:
            for kind, one in results.items():
                if one is not None:
                    write_image(one, self.files[kind], overwrite=self.overwrite)
        if "masks" in self.files:
            masks = mask_image(result.predicted)
            write_image(masks, self.files["masks"], overwrite=self.overwrite)
        return result.predicted

    def _on_disk(self) -> Any:
        from napari_virtual_stain.io import TiffTarget, ZarrTarget

        form: Any = ZarrTarget if self.files["predicted"].suffix == ".zarr" else TiffTarget
        return form(
            self.files["predicted"], self.files.get("uncertainty"), overwrite=self.overwrite
        )
