"""A prediction before it begins: the models, how the image fits them, and what will come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import ResultTooLargeError, VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.devices import choose_device
from napari_virtual_stain.inference.ensemble import (
    check_members,
    own_kinds,
    spread_notices,
    uncertainty_kinds,
    with_own_sigma,
)
from napari_virtual_stain.inference.fitting import fit
from napari_virtual_stain.inference.frame_loop import Member
from napari_virtual_stain.inference.frames import planes_apart, time_points
from napari_virtual_stain.inference.on_grid import result_axes
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.inference.units import output_units, units_notices
from napari_virtual_stain.model import StainModel
from napari_virtual_stain.target import placeholder
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    import torch

Models = StainModel | Sequence[StainModel]

SMALL_RESULT = 2**20

SHARE_FOR_RESULT = 0.5
"""A result in memory may take no more than this part of the memory that may be used."""


class Job:
    """A prediction before it begins.

    Parameters
    ----------
    model : StainModel or sequence of StainModel
    image : Image or sequence of Image
    options : PredictOptions

    Raises
    ------
    VirtualStainError
        If the image does not fit the model, the models cannot be averaged, the device is not
        there, or uncertainty is asked for and there is none.
    """

    def __init__(
        self, model: Models, image: Image | Sequence[Image], options: PredictOptions
    ) -> None:
        self.options = options
        self.models = check_members(model, options.units)
        self.kinds = uncertainty_kinds(self.models, options.tta) if options.uncertainty else ()
        if options.uncertainty and not self.kinds:
            raise VirtualStainError(
                f"the model {self.models[0].spec.name!r} yields no uncertainty; predict without "
                "it, ask for test-time augmentation, or choose a model that does."
            )
        self.specs = [member.spec for member in self.models]
        self.fits = [fit(spec, image, options.channels) for spec in self.specs]
        self.parts = [fitted.crop(options.crop) for fitted in self.fits]
        self.units = output_units(self.specs, options.units)
        self.with_sigma = with_own_sigma(self.models, self.units, options.tta)
        self._members: list[Member] = []

    @cached_property
    def device(self) -> torch.device:
        """Where it is computed."""
        return choose_device(self.options.device)

    def notices(self) -> list[Notice]:
        """Return what a person should know before it begins."""
        notices = [notice for fitted in self.fits for notice in fitted.notices]
        if self.options.units == "intensity":
            notices += units_notices(self.specs)
        if self.options.context is not None:
            notices += [notice for member in self.models for notice in _context_notices(member)]
        if self.kinds and len(self.models) > 1:
            notices += spread_notices(self.models, self.with_sigma)
        return list(dict.fromkeys(notices))

    def ready(self) -> list[Member]:
        """Return the models, each made ready for the device."""
        from napari_virtual_stain.inference.engine import Engine

        if not self._members:
            for member, fitted in zip(self.models, self.fits, strict=True):
                engine = Engine(
                    member.network,
                    sum(channel.planes for channel in member.spec.inputs),
                    self.device,
                    self.options.precision,
                    self.options.memory,
                    statistic=self.options.statistic,
                    context=self.options.context,
                    tta=self.options.tta,
                )
                kinds = own_kinds(member, self.options.tta) if self.kinds else ()
                self._members.append(Member(member.spec, fitted, self.options, engine, kinds))
        return self._members

    def release(self) -> None:
        """Let go of the networks that were made ready."""
        self._members.clear()

    def placeholder(self, channels: int) -> np.ndarray:
        """Return zeros of the shape (T, planes, channels, *spatial); they take no memory."""
        part, spec = self.parts[0], self.specs[0]
        axes = 2 if spec.projects else len(spec.spatial_axes)
        frames = time_points(part), planes_apart(part, spec)
        return placeholder((*frames, channels, *part.inputs[0].shape[-axes:]))

    @property
    def axes(self) -> str:
        """Of the result."""
        return result_axes(self.specs[0], self.parts[0].inputs[0].axes)

    @property
    def result_bytes(self) -> int:
        """What the result takes."""
        outputs = len(self.units) * (1 + len(self.kinds))
        return 4 * int(np.prod(self.placeholder(outputs).shape, dtype=np.int64))

    def reserve(self) -> None:
        """Set memory aside for a result that is kept there.

        Raises
        ------
        VirtualStainError
            If the result leaves too little of it.
        """
        if self.device.type != "cpu":
            return
        for member in self.ready():
            member.engine.budget.reserved = 0
            limit = member.engine.budget.memory
            # What is so small that even the network does not fit is said of the network.
            if self.result_bytes > max(limit * SHARE_FOR_RESULT, SMALL_RESULT):
                raise ResultTooLargeError(
                    f"the memory is too small: the result alone takes "
                    f"{self.result_bytes / 2**30:.2g} GiB, and {limit / 2**30:.2g} GiB may be "
                    "used; "
                    "write it to disk as it comes (on the command line --format ome-zarr, in "
                    "Python target=ZarrTarget(…)), or crop the image."
                )
            member.engine.budget.reserved = self.result_bytes

    def settle_precision(self, earlier: Mapping[str, Any] | None) -> Generator[Notice, None, None]:
        """Choose the precision of each member, where that is left to it; yields what is said."""
        from napari_virtual_stain.inference.budget import PROBE_VOXELS
        from napari_virtual_stain.inference.engine import WORTH_CHOOSING

        settled = (earlier or {}).get("precision")
        for position, member in enumerate(self.ready()):
            if settled is not None:
                member.engine.precision = settled[position]
                continue
            work = len(member.frames) * int(np.prod(member.sizes, dtype=np.int64))
            if member.engine.precision != "auto" or work < WORTH_CHOOSING * PROBE_VOXELS[1]:
                continue
            read = member.frame(*member.frames[0]).read
            choice = member.engine.choose_precision(read, member.sizes)
            if choice is not None and choice.precision != "fp32":
                yield Notice(f"Precision {choice.reason}.")

    def key(self) -> dict[str, Any]:
        """Return all that determines the pixels, as plain JSON values.

        The image is told by its sizes, its first pixels' scaling and a sample of them.
        """
        options = self.options
        return {
            "version": __version__,
            "models": [_fingerprint(member) for member in self.models],
            "device": self.device.type,
            "precision": options.precision,
            "units": options.units,
            "statistic": options.statistic,
            "context": options.context,
            "tta": options.tta,
            "kinds": list(self.kinds),
            "crop": {axis: [part.start, part.stop] for axis, part in options.crop.items()},
            "inputs": [
                {
                    "name": image.name,
                    "shape": list(image.shape),
                    "dtype": str(image.dtype),
                    "channels": list(image.channels),
                    "scaling": [by.offset, by.unit],
                }
                for image, by in zip(self.parts[0].inputs, self.ready()[0].scalings(0), strict=True)
            ],
        }


def _fingerprint(model: StainModel) -> str:
    if model.digest:
        return model.digest
    digest = hashlib.sha256(model.spec.model_dump_json().encode())
    for name, tensor in model.network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _context_notices(member: StainModel) -> list[Notice]:
    geometry: Any = member.network.geometry
    name = member.spec.network.name
    if geometry.window is not None:
        window = " × ".join(str(size) for size in geometry.window.input)
        return [
            Notice(f"the network {name!r} looks at windows of {window} px: the context is theirs.")
        ]
    if not geometry.has_global_operators:
        return [
            Notice(f"the network {name!r} has no global operators: the context changes nothing.")
        ]
    return []
