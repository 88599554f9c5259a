"""What is predicted: a network with random weights and an image with random grey values.

Both follow from their names, so that every process has the same ones and nothing is handed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image

if TYPE_CHECKING:
    from napari_virtual_stain.model import StainModel

Sizes = tuple[int, ...]
Kind = Literal["cpu", "cuda", "mps"]

NETWORKS: dict[str, tuple[str, int]] = {
    "fnet-2d": ("fnet", 2),
    "gvtnet-2d": ("gvtnet", 2),
    "fnet-3d": ("fnet", 3),
    "gvtnet-3d": ("gvtnet", 3),
}
"""Name in the registry and number of spatial axes; all with their default widths."""

_TITLES = {"fnet": "fnet", "gvtnet": "GVTNet"}

SIZES: dict[str, dict[int, tuple[Sizes, ...]]] = {
    "cpu": {2: ((2048, 2048), (4096, 4096)), 3: ((32, 256, 256),)},
    "gpu": {3: ((64, 624, 924),)},
}
"""Measured where no size is asked for. A GPU is measured on stacks: planes take it no time."""

_SMALL: dict[int, Sizes] = {2: (256, 256), 3: (32, 96, 96)}
_BLOCK = 32  # px along each axis that share a grey level, so that there is more than noise


@dataclass(frozen=True)
class Case:
    """A network and the size of the image that it predicts from.

    Parameters
    ----------
    network : str
        One of :data:`NETWORKS`.
    sizes : tuple of int
        Of the image, ([Z,] Y, X), in px.
    options : mapping
        Options of the network that differ from its defaults.
    """

    network: str
    sizes: Sizes
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return NETWORKS[self.network][1]

    @property
    def key(self) -> str:
        """Name in files."""
        return f"{self.network}-{'x'.join(map(str, self.sizes))}"

    @property
    def title(self) -> str:
        """Name for a person."""
        name, ndim = NETWORKS[self.network]
        return f"{_TITLES[name]} {ndim}D, {' × '.join(map(str, self.sizes))}"

    def small(self) -> Case:
        """Return the case with an image just large enough to call everything once."""
        sizes = tuple(map(min, self.sizes, _SMALL[self.ndim]))
        return replace(self, sizes=sizes)

    def model(self) -> StainModel:
        """Build the model, in evaluation mode.

        Weights as for ReLU networks (He et al. 2015), so that the output is neither constant nor
        overflows; running statistics of BatchNorm away from 0 and 1, so that folding it matters.
        """
        import torch

        from napari_virtual_stain.model import (
            InputSpec,
            ModelSpec,
            NetworkSpec,
            OutputSpec,
            StainModel,
        )

        spec = ModelSpec(
            name=f"random {self.network}",
            network=NetworkSpec(name=NETWORKS[self.network][0], options=dict(self.options)),
            inputs=[InputSpec(name="brightfield")],
            outputs=[OutputSpec(name="fluorescence")],
            spatial_axes=self._axes,
            voxel_size=self._voxel_size,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = spec.build_network()
            for module in network.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    assert module.running_mean is not None
                    assert module.running_var is not None
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.5, 2)
                elif isinstance(module, torch.nn.modules.conv._ConvNd):
                    torch.nn.init.kaiming_normal_(module.weight)
        return StainModel(network.eval(), spec)

    def image(self) -> Image:
        """Return the image, uint16, as from a camera: noise over patches of different grey."""
        random = np.random.default_rng(0)
        grey = random.normal(0, 300, [math.ceil(n / _BLOCK) for n in self.sizes])
        pixels = np.empty(self.sizes, np.uint16)
        # By slabs, so that making the image takes no more memory than the image.
        for start in range(0, self.sizes[0], _BLOCK):
            slab = pixels[start : start + _BLOCK]
            level = grey[start // _BLOCK]
            for axis, size in enumerate(slab.shape[1:]):
                level = level.repeat(_BLOCK, axis).take(range(size), axis)
            for row in slab:
                row[...] = np.clip(random.normal(2000, 200, row.shape) + level, 0, 65535)
        return Image(pixels, self._axes, self._voxel_size, name=self.key)

    @property
    def _axes(self) -> Literal["YX", "ZYX"]:
        return "YX" if self.ndim == 2 else "ZYX"

    @property
    def _voxel_size(self) -> dict[Any, float]:
        return dict.fromkeys(self._axes, 0.3)


def cases(networks: Sequence[str], sizes: Sequence[Sizes], device: Kind) -> list[Case]:
    """Return what is measured.

    Parameters
    ----------
    networks : sequence of str
        Of :data:`NETWORKS`; all where it is empty.
    sizes : sequence of tuple of int
        Of the image; each goes with the networks that have as many axes. Where it is empty,
        those of :data:`SIZES` for the device.
    device : {"cpu", "cuda", "mps"}

    Raises
    ------
    VirtualStainError
        If a network is unknown, or nothing is left to measure.
    """
    for name in networks:
        if name not in NETWORKS:
            raise VirtualStainError(
                f"there is no network {name!r} to measure; choose from {', '.join(NETWORKS)}."
            )
    usual = SIZES["cpu" if device == "cpu" else "gpu"]
    found = [
        Case(name, size)
        for name, (_, ndim) in NETWORKS.items()
        if not networks or name in networks
        for size in (sizes or usual.get(ndim, ()))
        if len(size) == ndim
    ]
    if not found:
        raise VirtualStainError(
            "nothing is left to measure: a 2D network takes sizes such as 2048x2048 and a 3D "
            "network sizes such as 32x256x256; give a size that fits the network."
        )
    return found
