"""Layers that a training shows and takes away again: what it predicts, and what is held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import napari.layers
import numpy as np

from napari_virtual_stain.evaluation.display import display_limits
from napari_virtual_stain.events import Preview
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layer_data import METADATA, colormaps
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.train.plan import PairPlan
from napari_virtual_stain.image import Image

TRAINING = "training"
"""Key of our metadata that marks such a layer, under which stands its ``unique_id``."""

HELD_OUT_COLOR = "#ff9d2e"
HELD_OUT_TITLE = "held out for scoring"


def is_own(layer: Layer) -> bool:
    """Whether a layer is one of these, which are nothing to learn from.

    A copy of one that a person makes, to keep it or to draw on, is the person's.
    """
    ours = layer.metadata.get(METADATA)
    return isinstance(ours, dict) and ours.get(TRAINING) == str(layer.unique_id)


class Previews:
    """A layer for each output, of what the network predicts of a validation part so far.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    plans : sequence of PairPlan
        Those that previews are of.
    offsets : mapping of int to mapping of str to int
        Where a pair begins in its layers (px by axis), if not at their first pixels.
    """

    def __init__(
        self, viewer: Any, plans: Sequence[PairPlan], offsets: Mapping[int, Mapping[str, int]]
    ) -> None:
        self._viewer, self._plans, self._offsets = viewer, plans, offsets
        self._layers: dict[tuple[int, str], napari.layers.Image] = {}
        self._limits: dict[tuple[int, str], list[float]] = {}

    def show(self, preview: Preview) -> None:
        """Show a preview in the place of the one before. One that was removed stays away."""
        place = self._plans[preview.pair].place
        looks = dict(zip(preview.names, colormaps(preview.names), strict=True))
        for position in reversed(range(len(preview.names))):
            name, values = preview.names[position], preview.values[position]
            key = (preview.pair, name)
            pixels = _in_layer_order(place, values)
            layer = self._layers.get(key)
            if layer is None:
                layer = self._add(pixels, preview, place, name, looks[name], position)
                self._layers[key] = layer
            elif layer in self._viewer.layers:
                layer.data = pixels
            else:
                continue
            self._adjust(key, layer, values)
            layer.metadata = _mark(layer, step=preview.step)

    def close(self) -> None:
        """Take the layers away."""
        for layer in self._layers.values():
            _remove(self._viewer, layer)
        self._layers.clear()

    def _add(
        self, pixels: np.ndarray, preview: Preview, place: Geometry, name: str, look: str, at: int
    ) -> napari.layers.Image:
        attributes = place.attributes()
        begin = self._offsets.get(preview.pair, {})
        origin = np.array(
            [preview.origin.get(axis, 0) + begin.get(axis, 0) for axis in place.axes], float
        )
        attributes["translate"] = place.translate + place.linear @ origin
        lowest = at == len(preview.names) - 1
        layer = napari.layers.Image(
            pixels,
            name=f"{name} preview",
            colormap=look,
            blending="translucent_no_depth" if lowest else "additive",
            rgb=False,
            **attributes,
        )
        layer.metadata = _mark(layer, step=preview.step)
        _add_quietly(self._viewer, layer)
        return layer

    def _adjust(self, key: tuple[int, str], layer: napari.layers.Image, values: np.ndarray) -> None:
        """Follow the values with the contrast, until a person has set it."""
        before = self._limits.get(key)
        if before is None or list(layer.contrast_limits) == before:
            low, high = display_limits(values)
            layer.contrast_limits_range = (
                min(low, layer.contrast_limits_range[0]),
                max(high, layer.contrast_limits_range[1]),
            )
            layer.contrast_limits = (low, high)
            self._limits[key] = list(layer.contrast_limits)


class HeldOut:
    """A layer that marks the parts that are held out for scoring.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: napari.layers.Shapes | None = None
        self._marked = ""

    @property
    def is_shown(self) -> bool:
        """Whether something is marked."""
        return self._layer is not None

    def show(self, plans: Sequence[PairPlan]) -> None:
        """Mark the held-out parts of these pairs in place of what was marked; of none, nothing."""
        wanted = repr([(plan.sources[0].shape, plan.place.attributes()) for plan in plans])
        if wanted == self._marked:  # a person may have taken it away, or changed its looks
            return
        self.close()
        self._marked = wanted
        corners = _distinct([corners for plan in plans if (corners := _held_out(plan)) is not None])
        if not corners:
            return
        place = plans[0].place.keep("YX")
        span = max(float(np.ptp(np.concatenate(corners), axis=0).max()), 1e-9)
        self._layer = napari.layers.Shapes(
            corners,
            shape_type="polygon",
            name=HELD_OUT_TITLE,
            edge_color=HELD_OUT_COLOR,
            face_color=f"{HELD_OUT_COLOR}30",
            edge_width=span / 150,
            units=place.units,
            axis_labels=place.axis_labels,
        )
        self._layer.metadata = _mark(self._layer)
        _add_quietly(self._viewer, self._layer)
        self._layer.editable = False

    def close(self) -> None:
        """Take the layer away."""
        if self._layer is not None:
            _remove(self._viewer, self._layer)
        self._layer, self._marked = None, ""


def _held_out(plan: PairPlan) -> np.ndarray | None:
    """Return the corners of the held-out part in the world; None where it cannot be split."""
    from napari_virtual_stain.errors import VirtualStainError
    from napari_virtual_stain.training.splitting import split_in_space

    image = plan.sources[0]
    try:
        _, part = split_in_space(image, {})
    except VirtualStainError:
        return None
    bounds = [
        (here.start or 0, size if here.stop is None else here.stop)
        for axis, size in image.sizes.items()
        if axis in "YX"
        for here in [part.get(axis, slice(None))]
    ]
    (top, bottom), (left, right) = [(start - 0.5, stop - 0.5) for start, stop in bounds]
    corners = np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
    place = plan.place.keep("YX")
    if place.axes != "YX":
        return None
    world = corners @ place.linear.T + place.translate
    moved: np.ndarray = world @ place.affine[:-1, :-1].T + place.affine[:-1, -1]
    return moved


def _distinct(all_corners: Sequence[np.ndarray]) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for corners in all_corners:
        if not any(np.allclose(corners, other) for other in found):
            found.append(corners)
    return found


def _in_layer_order(place: Geometry, values: np.ndarray) -> np.ndarray:
    """Return values of the model's spatial axes with the axes of the targets' layer."""
    axes = "ZYX"[-values.ndim :]
    pixels: np.ndarray = place.arrange(Image(values, axes))
    return pixels


def _mark(layer: Layer, **provenance: Any) -> dict[str, Any]:
    # As the result of a prediction, it is suggested as an input nowhere, and no copy of it is.
    return {
        METADATA: {
            TRAINING: str(layer.unique_id),
            "provenance": {"prediction": {TRAINING: True, **provenance}},
        }
    }


def _add_quietly(viewer: Any, layer: Layer) -> None:
    with _selection_kept(viewer):
        viewer.add_layer(layer)


def _remove(viewer: Any, layer: Layer) -> None:
    if layer in viewer.layers:
        with _selection_kept(viewer):
            viewer.layers.remove(layer)


@contextmanager
def _selection_kept(viewer: Any) -> Iterator[None]:
    """Leave those layers selected that a person has selected, whatever comes and goes.

    napari selects a layer that is added, and a single selected layer is the active one.
    """
    selection = viewer.layers.selection
    before = list(selection)
    yield
    # One by one: viewers as plugins are given them unwrap layers, but not sets of layers.
    for layer in [layer for layer in selection if layer not in before]:
        selection.discard(layer)
    for layer in before:
        if layer in viewer.layers:
            selection.add(layer)
