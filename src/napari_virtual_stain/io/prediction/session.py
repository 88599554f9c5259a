"""A prediction that is written to disk, and goes on where an earlier run of it stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from napari_virtual_stain.image import Image
from napari_virtual_stain.io._atomic import disk_errors
from napari_virtual_stain.io.images import read_image
from napari_virtual_stain.io.ome_zarr import ZarrWriter
from napari_virtual_stain.io.prediction.work_folder import WorkFolder
from napari_virtual_stain.io.prediction.writers import OrderedWriters
from napari_virtual_stain.target import Key, Which


class Form(Protocol):
    """The form of a result: how the store that is filled becomes what is wanted."""

    suffix: ClassVar[str]
    """Of the result's name in the work folder."""

    def store(self, folder: Path, image: Image, core: Sequence[int]) -> ZarrWriter:
        """Create the store, or open the one that is there."""

    def complete(self, store: ZarrWriter, image: Image, made: Path) -> None:
        """Make the result from the store that is filled; may be done again after a kill."""

    def check_place(self, final: Path) -> None:
        """Raise a VirtualStainError if something is there that may not be replaced."""


class DiskSession:
    """One prediction on disk: a :class:`~napari_virtual_stain.target.Session`.

    What is recorded as done survives the death of the process at any moment. After a failure of
    the power the units of the last two minutes are done again (:class:`.Journal`).

    Parameters
    ----------
    folder : WorkFolder
        Where it is made.
    images : mapping
        What is predicted; the pixels are placeholders.
    finals : mapping
        Where each result is to be.
    form : Form
    notice : str, optional
        What a person should know; by default, whether this run goes on with an earlier one.
    """

    def __init__(
        self,
        folder: WorkFolder,
        images: Mapping[Which, Image],
        finals: Mapping[Which, Path],
        form: Form,
        notice: str | None = None,
    ) -> None:
        self._folder, self._images, self._finals, self._form = folder, images, finals, form
        self._result = finals["predicted"]
        self._stores: dict[Which, ZarrWriter] = {}
        self._core: tuple[int, ...] = ()
        self._journal = folder.journal()
        self._writers = OrderedWriters(self._write, lambda unit: self._journal.add(unit))
        self._open = True
        self.notice = notice or self._going_on()

    @property
    def earlier(self) -> Mapping[str, Any] | None:
        """What an unfinished run of the same prediction settled; None where there was none."""
        return None if self._folder.earlier is None else self._folder.earlier["settled"]

    def start(self, settled: Mapping[str, Any], core: Sequence[int]) -> None:
        """Make room for the result; parameters as for :class:`~.target.Session`.

        Units that an earlier run finished with other settled values, or another core, are not
        those of this one: they no longer count.
        """
        self._core = tuple(int(size) for size in core)
        begun = {"settled": dict(settled), "core": list(self._core)}
        with disk_errors(self._result):
            if self._folder.complete:
                return
            goes_on = self._folder.begun_with(begun)
            if goes_on:
                self._sweep()
            else:
                self._journal.close()
                self._folder.clear()
                self._journal = self._folder.journal()
            self._stores = {
                which: self._form.store(self._store_path(which), image, self._core)
                for which, image in self._images.items()
            }
            if not goes_on:
                self._folder.begin(begun)

    def is_done(self, unit: str) -> bool:
        """Whether a unit of work was finished by an earlier run."""
        return self._folder.complete or unit in self._journal.done

    def write(self, which: Which, key: Key, values: np.ndarray) -> None:
        """Write a part of the result, in a thread; waits while too much is under way.

        Raises
        ------
        VirtualStainError
            If this part, or one before it, could not be written.
        """
        with disk_errors(self._result):
            self._writers.block(which, key, values)

    def finished(self, unit: str) -> None:
        """Record a unit as done, once all that was written before is; does not wait for it."""
        with disk_errors(self._result):
            self._writers.unit(unit)

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays for a later run; replaces those of the same name."""
        with disk_errors(self._result):
            self._folder.keep(name, arrays)

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return the arrays that an earlier run, or this one, kept; None if they are damaged."""
        with disk_errors(self._result):
            return self._folder.kept(name)

    def scratch(self, shape: Sequence[int]) -> np.ndarray:
        """Return room on the disk for float32 values that cannot be written as they come."""
        with disk_errors(self._result):
            return self._folder.scratch(shape)

    def finish(self, provenance: Mapping[str, Any]) -> tuple[Image, Image | None]:
        """Bring the result to its place; return it as images that are read when asked for."""
        with disk_errors(self._result):
            if not self._folder.complete:
                self._complete(provenance)
            # The prediction last: where it is, everything is.
            for which in sorted(self._finals, reverse=True):
                made, final = self._made(which), self._finals[which]
                if made.exists():
                    self._form.check_place(final)
                    self._folder.place(made, final)
        self._end()
        self._folder.remove()
        results = {which: self._read_back(which) for which in self._images}
        return results["predicted"], results.get("uncertainty")

    def close(self) -> None:
        """Let go of everything after a failure or a cancel; what is done stays for a later run.

        If nothing is done, nothing stays.
        """
        if not self._open:
            return
        self._end()
        if self._folder.complete or self._journal.done or self._folder.keeps_arrays:
            self._folder.release()
        else:
            self._folder.remove()

    def _write(self, which: Which, key: Key, values: np.ndarray) -> None:
        self._stores[which].write(key, values)

    def _complete(self, provenance: Mapping[str, Any]) -> None:
        self._writers.wait()
        for which, image in self._images.items():
            final = image.replace(provenance={**image.provenance, **provenance})
            store = self._form.store(self._store_path(which), final, self._core)
            self._form.complete(store, final, self._made(which))
        self._folder.mark_complete()

    def _end(self) -> None:
        self._open = False
        self._writers.stop()
        self._journal.close()

    def _going_on(self) -> str | None:
        name = self._result.name
        if self._folder.complete:
            return f"An earlier run had completed {name}; it is only brought to its place."
        if self._folder.earlier is not None and self._journal.done:
            count = len(self._journal.done)
            return (
                f"Going on with the unfinished {name}: {count} parts of the work are done already."
            )
        return None

    def _sweep(self) -> None:
        """Remove what a killed process was about to write: it lies beside its place."""
        for which in self._images:
            for folder, _, names in os.walk(self._store_path(which)):
                for name in names:
                    if name.endswith(".partial"):
                        os.unlink(os.path.join(folder, name))

    def _store_path(self, which: Which) -> Path:
        return self._folder.path / f"{which}.ome.zarr"

    def _made(self, which: Which) -> Path:
        return self._folder.path / f"{which}{self._form.suffix}"

    def _read_back(self, which: Which) -> Image:
        like = self._images[which]
        read = read_image(self._finals[which], name=like.name, lazy_above=0)
        # Axes of length 1 are not told from absent ones in a TIFF.
        key = tuple(slice(None) if axis in read.axes else None for axis in like.axes)
        return like.replace(data=read.data[key], provenance=read.provenance)
