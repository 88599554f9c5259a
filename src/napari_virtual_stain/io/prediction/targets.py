"""Targets of predictions on disk: OME-Zarr and OME-TIFF."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._atomic import disk_errors, refuse_existing
from napari_virtual_stain.io._atomic_folder import refuse_existing_folder
from napari_virtual_stain.io._writable import check_writable
from napari_virtual_stain.io.ome_tiff import write_ome_tiff
from napari_virtual_stain.io.ome_zarr import ZarrWriter
from napari_virtual_stain.io.ome_zarr.writer import Version
from napari_virtual_stain.io.prediction.session import DiskSession
from napari_virtual_stain.io.prediction.work_folder import WorkFolder, work_folder_of
from napari_virtual_stain.target import Which

FORMAT = 1
"""Of the work folder; what was left in another format is dropped."""

DROPPED = (
    "What an unfinished prediction left of {} belongs to another model, image or options, or is "
    "damaged; it is dropped, and this prediction begins anew."
)


class _DiskTarget(ABC):
    """What the targets on disk share: a prediction is made in a folder beside its place."""

    endings: ClassVar[tuple[str, ...]]
    suffix: ClassVar[str]
    version: Version

    def __init__(
        self,
        predicted: str | os.PathLike[str],
        uncertainty: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        self._overwrite = overwrite
        self._finals: dict[Which, Path] = {"predicted": self._final(predicted)}
        if uncertainty is None:
            return
        self._finals["uncertainty"] = self._final(uncertainty)
        places = list(self._finals.values())
        if places[0] == places[1] or places[0].parent != places[1].parent:
            raise VirtualStainError(
                f"the uncertainty is written beside the prediction, under another name; choose one "
                f"for it in {places[0].parent}."
            )

    def check(self) -> None:
        """Find out before long work whether the results can be written where they are to be.

        Raises
        ------
        VirtualStainError
            If one exists and may not be replaced, if nothing can be written there, or if another
            process is writing it.
        """
        result = self._finals["predicted"]
        placed: set[Which] = set()
        with disk_errors(result):
            if work_folder_of(result).exists():
                folder = WorkFolder(result, {})
                try:
                    placed = self._tidied(folder)
                finally:
                    folder.release()
        for which in self._finals.keys() - placed:
            check_writable(self._finals[which], self._overwrite)

    def open(
        self, predicted: Image, uncertainty: Image | None, key: Mapping[str, Any]
    ) -> DiskSession:
        """Begin a prediction, or go on with an unfinished one of the same key.

        Parameters
        ----------
        predicted, uncertainty : Image
            What will be written; their pixels are placeholders.
        key : mapping
            Plain JSON values: all that determines the pixels. What an unfinished prediction of
            another key has left is dropped, and the ``notice`` of the session says so.

        Raises
        ------
        VirtualStainError
            If a result exists and may not be replaced, if it cannot be written there, if another
            process is writing it, or if the uncertainty has no place.
        """
        images: dict[Which, Image] = {"predicted": predicted}
        if uncertainty is not None:
            images["uncertainty"] = uncertainty
        if not images.keys() <= self._finals.keys():
            raise VirtualStainError(
                "the uncertainty is asked for and has no place; name one "
                f'(uncertainty="NAME.uncertainty{self.suffix}").'
            )
        finals = {which: self._finals[which] for which in images}
        job = {
            "format": FORMAT,
            "form": [self.suffix, self.version],
            "key": dict(key),
            "images": {
                which: [image.axes, list(image.shape), image.dtype.str]
                for which, image in images.items()
            },
        }
        result = finals["predicted"]
        with disk_errors(result):
            if not work_folder_of(result).exists():
                # Where a result is refused, no folder is left.
                self._check_places(finals)
            folder = WorkFolder(result, job)
            try:
                notice = self._prepare(folder, finals)
                return DiskSession(folder, images, finals, self, notice)
            except BaseException:
                folder.release()
                raise

    def store(self, folder: Path, image: Image, core: Sequence[int]) -> ZarrWriter:
        """Create the store that is filled, or open the one that is there."""
        return ZarrWriter(folder, image, core, self.version)

    @abstractmethod
    def complete(self, store: ZarrWriter, image: Image, made: Path) -> None:
        """Make the result from the store that is filled; may be done again after a kill."""

    @abstractmethod
    def check_place(self, final: Path) -> None:
        """Raise a VirtualStainError if something is there that may not be replaced."""

    def _final(self, path: str | os.PathLike[str]) -> Path:
        final = Path(os.path.realpath(Path(path).expanduser()))
        if not final.name.lower().endswith(self.endings):
            raise VirtualStainError(
                f"{final.name}: choose a name that ends in {' or '.join(self.endings)}."
            )
        return final

    def _tidied(self, folder: WorkFolder) -> set[Which]:
        """Clear what a run that was killed at its very end has left.

        Returns the results that a run that was killed a little earlier has brought to their
        places.
        """
        placed: set[Which] = set()
        if folder.complete:
            made = {which: folder.path / f"{which}{self.suffix}" for which in self._finals}
            placed = {which for which, path in made.items() if not path.exists()}
        if folder.is_nobodys or placed == self._finals.keys():
            folder.clear()
            return set()
        return placed

    def _check_places(self, finals: Mapping[Which, Path], placed: Collection[Which] = ()) -> None:
        for which, final in finals.items():
            if which not in placed:
                self.check_place(final)

    def _prepare(self, folder: WorkFolder, finals: Mapping[Which, Path]) -> str | None:
        placed = self._tidied(folder)
        self._check_places(finals, () if folder.left_over else placed)
        if not folder.left_over:
            return None
        notice = DROPPED.format(finals["predicted"].name) if folder.has_work else None
        folder.clear()
        # That may have brought back what was about to be replaced.
        self._check_places(finals)
        return notice


class ZarrTarget(_DiskTarget):
    """Predictions to OME-Zarr, written as they come: memory does not grow with the image.

    The result is made in a folder beside it, ``NAME.ome.zarr.partial``, and gets its name when it
    is complete. A prediction that was killed goes on from there and comes to the same pixels,
    chunk for chunk; a finished one is not made again.

    Parameters
    ----------
    predicted : path-like
        Where the prediction is to be: a name that ends in ``.ome.zarr`` or ``.zarr``.
    uncertainty : path-like, optional
        Where its uncertainty is to be, in the same folder.
    overwrite : bool
        Whether results that exist may be replaced; they stay until the new ones are complete.
    version : {"0.5", "0.4"}
        Of OME-Zarr.
    colors : mapping of str to str, optional
        Colours such as ``"00FF00"`` in which viewers show channels, by name.

    Raises
    ------
    VirtualStainError
        If a name has another ending, or the two lie in different folders.
    """

    endings = (".ome.zarr", ".zarr")
    suffix = ".ome.zarr"

    def __init__(
        self,
        predicted: str | os.PathLike[str],
        uncertainty: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
        version: Version = "0.5",
        colors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(predicted, uncertainty, overwrite=overwrite)
        self.version, self._colors = version, colors

    def store(self, folder: Path, image: Image, core: Sequence[int]) -> ZarrWriter:
        """Create the store that is filled, or open the one that is there."""
        return ZarrWriter(folder, image, core, self.version, self._colors)

    def complete(self, store: ZarrWriter, image: Image, made: Path) -> None:
        """Write the lower resolutions and the metadata."""
        store.finish()

    def check_place(self, final: Path) -> None:
        """Raise a VirtualStainError unless an OME-Zarr may be put there."""
        refuse_existing_folder(final, self._overwrite)


class TiffTarget(_DiskTarget):
    """Predictions to OME-TIFF that are larger than the memory: by way of a Zarr store beside it.

    A TIFF cannot be written in any order, nor gone on with; the store can. The disk therefore
    needs room for both. What is said of :class:`ZarrTarget` holds here too.

    Parameters
    ----------
    predicted : path-like
        Where the prediction is to be: a name that ends in ``.tif`` or ``.tiff``.
    uncertainty : path-like, optional
        Where its uncertainty is to be, in the same folder.
    overwrite : bool
        Whether results that exist may be replaced.

    Raises
    ------
    VirtualStainError
        If a name has another ending, or the two lie in different folders.
    """

    endings = (".tif", ".tiff")
    suffix = ".ome.tif"
    version = "0.5"

    def complete(self, store: ZarrWriter, image: Image, made: Path) -> None:
        """Write the TIFF from the store."""
        write_ome_tiff(image.replace(data=store.data), made, overwrite=True)

    def check_place(self, final: Path) -> None:
        """Raise a VirtualStainError unless a file may be put there."""
        refuse_existing(final, self._overwrite)
