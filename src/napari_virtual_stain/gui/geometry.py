"""Where a layer lies in the world, and where a result lies that keeps some of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.utils.transforms import Affine

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.image import AXES, Image


@dataclass(frozen=True, eq=False)
class Geometry:
    """Grid and transform of a layer.

    Parameters
    ----------
    axes : str
        In the layer's own order.
    shape : tuple of int
    linear : ndarray, shape (n, n)
        Scale, shear and rotation as one matrix, from pixels to the layer's units.
    translate : ndarray, shape (n,)
    affine : ndarray, shape (n + 1, n + 1)
        The layer's further transform.
    units : tuple of pint.Unit
    axis_labels : tuple of str
    """

    axes: str
    shape: tuple[int, ...]
    linear: np.ndarray
    translate: np.ndarray
    affine: np.ndarray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    @classmethod
    def of(cls, layer: Layer, axes: str) -> Geometry:
        """Return that of a layer whose axes are known."""
        data = layer.data[0] if layer.multiscale else layer.data
        return cls(
            axes=axes,
            shape=tuple(data.shape),
            linear=_linear(layer),
            translate=np.array(layer.translate, float),
            affine=np.array(layer.affine.affine_matrix, float),
            units=tuple(layer.units),
            axis_labels=tuple(layer.axis_labels),
        )

    def keep(self, axes: str) -> Geometry:
        """Return the geometry of a result that has only some of the axes.

        napari lines layers up by their last axes. So an axis that goes is left out where no
        axis that stays is before it, and else stays with one position, which is as thick
        as all that it stands for and therefore seen at each of them.

        Parameters
        ----------
        axes : str
            Those that stay, in any order.
        """
        first = min(self.axes.index(axis) for axis in axes)
        kept = list(range(first, len(self.axes)))
        linear, translate = self.linear.copy(), self.translate.copy()
        shape = list(self.shape)
        for i in kept:
            if self.axes[i] not in axes:
                translate += linear[:, i] * (shape[i] - 1) / 2
                linear[:, i] *= shape[i]
                shape[i] = 1
        corner = [*kept, len(self.axes)]
        return Geometry(
            axes=self.axes[first:],
            shape=tuple(shape[first:]),
            linear=linear[np.ix_(kept, kept)],
            translate=translate[kept],
            affine=self.affine[np.ix_(corner, corner)],
            units=self.units[first:],
            axis_labels=self.axis_labels[first:],
        )

    def arrange(self, image: Image) -> Any:
        """Return the pixels of an image without C axis in the order of these axes.

        Axes that only one of the two has must have one position. Those of a Dask array stay as
        lazy as they are; others become a NumPy array.
        """
        data = image.data if hasattr(image.data, "dask") else np.asarray(image.data)
        shared = [axis for axis in image.axes if axis in self.axes]
        data = data.squeeze(tuple(i for i, a in enumerate(image.axes) if a not in shared))
        data = data.transpose([shared.index(axis) for axis in self.axes if axis in shared])
        return data[tuple(slice(None) if axis in shared else None for axis in self.axes)]

    def attributes(self) -> dict[str, Any]:
        """Return what a new layer of this geometry is given."""
        if np.array_equal(self.linear, np.diag(np.diag(self.linear))):
            # Negative steps are part of the scale here, and of the rotation in a decomposition.
            transform = {"scale": np.diag(self.linear).copy()}
        else:
            whole = Affine(linear_matrix=self.linear)
            transform = {"scale": whole.scale, "rotate": whole.rotate, "shear": whole.shear}
        return {
            **transform,
            "translate": self.translate,
            "affine": self.affine,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }

    def apply(self, layer: Layer) -> None:
        """Give a layer with as many axes this geometry, changing nothing that is right already."""
        n = len(self.axes)
        if not np.array_equal(_linear(layer), self.linear):
            layer.rotate, layer.shear = np.eye(n), np.eye(n)
            attributes = self.attributes()
            layer.scale = attributes["scale"]
            if "rotate" in attributes:
                layer.shear = attributes["shear"]
                layer.rotate = attributes["rotate"]
        if not np.array_equal(layer.translate, self.translate):
            layer.translate = self.translate
        if not np.array_equal(layer.affine.affine_matrix, self.affine):
            layer.affine = self.affine
        if tuple(layer.units) != self.units:
            layer.units = self.units
        if tuple(layer.axis_labels) != self.axis_labels:
            layer.axis_labels = self.axis_labels


def result_axes(source: Image, consumes_planes: bool) -> str:
    """Return the axes of each predicted channel of an image, in the order of ``TCZYX``."""
    gone = "CZ" if consumes_planes else "C"
    return "".join(axis for axis in AXES if axis in source.axes and axis not in gone)


def _linear(layer: Layer) -> np.ndarray:
    rotate, scale = np.asarray(layer.rotate, float), np.asarray(layer.scale, float)
    if np.array_equal(rotate, np.diag(np.diag(rotate))) and not _has_shear(layer):
        # Of such a layer the scale alone is the transform, and has its sign.
        return np.diag(scale)
    matrix: np.ndarray = Affine(rotate=rotate, scale=scale, shear=layer.shear).linear_matrix
    return np.array(matrix, float)


def _has_shear(layer: Layer) -> bool:
    shear = np.asarray(layer.shear, float)
    neutral = np.eye(len(shear)) if shear.ndim == 2 else np.zeros(len(shear))
    return not np.allclose(shear, neutral, rtol=0, atol=1e-12)
