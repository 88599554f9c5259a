"""Whether a result fits where it is to go, and what is said of that before it is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.predict.on_disk import Files, files_in
from napari_virtual_stain.gui.sentences import joined, shortened
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.options import Device
from napari_virtual_stain.model import ModelSpec

MOST_COMPARED = 2**30
"""Bytes of predictions on disk above which scores, error maps and masks, which need all of the
pixels in memory, are not made of them."""

NOT_COMPARED = "Not made of results on disk above 1 GiB."

REMEDY = "Choose “on disk” as Result under Advanced options."


@dataclass(frozen=True)
class Place:
    """Where a result goes.

    Parameters
    ----------
    files : Files, optional
        On disk; None where it is kept in memory.
    existing : tuple of Path
        Results that are there already.
    compares : bool
        Whether scores, error maps and masks can be made of the result.
    notices : tuple of Notice
    """

    files: Files | None = None
    existing: tuple[Path, ...] = ()
    compares: bool = True
    notices: tuple[Notice, ...] = ()

    @property
    def question(self) -> str:
        """What has to be agreed to before; empty where nothing has."""
        if self.files is None or not self.existing or self.files.replace:
            return ""
        return (
            f"{_listed(self.existing)} already in {shortened(self.files.predicted.parent.name)}. "
            "Tick Replace, or choose another folder under Advanced options."
        )


def in_memory(size: int, device: Device, memory: float | None) -> Place:
    """Return the place of a result that is kept in memory.

    Parameters
    ----------
    size : int
        Bytes of all of it.
    device, memory
        As in :class:`PredictOptions`.

    Raises
    ------
    VirtualStainError
        If it does not fit, as far as that is known without torch.
    """
    fits = _fits(size, device, memory)
    if fits is False:
        raise VirtualStainError(too_large(size))
    return Place(notices=() if fits else (Notice(too_large(size, sure=False), True),))


def on_disk(
    folder: Path, name: str, size: int, *, uncertainty: bool, replaceable: Collection[Path]
) -> Place:
    """Return the place of a result on disk.

    Parameters
    ----------
    folder : Path
    name : str
        Of the image.
    size : int
        Bytes of the predictions, without their uncertainty.
    uncertainty : bool
        Whether there is any.
    replaceable : collection of Path
        Results that may be replaced.

    Raises
    ------
    VirtualStainError
        If the folder is gone, or something is in the way that is no result.
    """
    files, existing = files_in(folder, name, uncertainty=uncertainty, replaceable=replaceable)
    said = []
    if files.replace:
        said.append(Notice(f"{_listed(existing)}, and will be replaced.", True))
    elif not existing:
        said.append(Notice(f"The result goes to {files.name} in {shortened(folder.name)}."))
    if files.is_unfinished:
        said.append(
            Notice(
                "An unfinished one is there. Predict goes on with it if model, image and options "
                "are the same, and else begins anew."
            )
        )
    return Place(files, existing, size <= MOST_COMPARED, tuple(said))


def too_large(size: int = 0, *, sure: bool = True) -> str:
    """Return that a result does not fit into memory, or may not, and what to do."""
    what = f"The result ({size / 2**30:.2g} GiB)" if size else "The result"
    return f"{what} {'does' if sure else 'may'} not fit into memory. {REMEDY}"


def result_bytes(channel: Image, spec: ModelSpec, kinds: Collection[str] = ()) -> int:
    """Return what predictions take.

    Parameters
    ----------
    channel : Image
        Of the size of one predicted channel.
    spec : ModelSpec
    kinds : collection of str
        Of the uncertainty maps of each output; by default there are none.
    """
    return 4 * prod(channel.shape) * len(spec.outputs) * (1 + len(kinds))


def _fits(size: int, device: Device, memory: float | None) -> bool | None:
    """Return whether there is room, or None where that depends on whether there is a GPU.

    On the CPU, the computation shares the memory with the result.
    """
    import psutil

    from napari_virtual_stain.inference.devices import SHARE_OF_FREE_MEMORY
    from napari_virtual_stain.inference.job import SHARE_FOR_RESULT, SMALL_RESULT

    free = psutil.virtual_memory().available * SHARE_OF_FREE_MEMORY["cpu"]
    allowed = free if memory is None else memory * 2**30
    beside = max(allowed * SHARE_FOR_RESULT, SMALL_RESULT)
    if device == "cpu":
        return size <= beside
    if size > free:
        return False
    return True if device != "auto" or size <= beside else None


def _listed(paths: Collection[Path]) -> str:
    names = joined([shortened(path.name) for path in paths])
    return f"{names} {'exist' if len(paths) > 1 else 'exists'}"
