"""A comparison that is on: what it shows in a viewer, and what it brings back at its end."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_virtual_stain.evaluation.display import Limits, sampled_limits
from napari_virtual_stain.evaluation.survey import Survey
from napari_virtual_stain.gui.compare import modes
from napari_virtual_stain.gui.compare.derived import Curtain
from napari_virtual_stain.gui.compare.keeping import Grid
from napari_virtual_stain.gui.compare.modes import Mode, Shown, View
from napari_virtual_stain.gui.compare.profile import drawn_line
from napari_virtual_stain.gui.compare.scene import Look, Scene
from napari_virtual_stain.gui.compare.subject import Subject
from napari_virtual_stain.gui.compare.viewpoint import shown_index, step_along
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.regions import polygons_on

LINE = 2.0
"""Thickness of the curtain's line on the screen (px)."""


class Session:
    """Shows pairs of channels in a viewer, one or all of them at a time.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    subjects : sequence of Subject
        One for each pair of channels.
    """

    def __init__(self, viewer: Any, subjects: Sequence[Subject]) -> None:
        self._viewer = viewer
        self._scene, self._grid = Scene(viewer), Grid(viewer)
        self.subjects = tuple(subjects)
        self._flat: dict[int, Subject] = {}
        self._surveys: dict[Hashable, Survey] = {}
        self._limits: dict[Hashable, Limits] = {}
        self._under: tuple[Any, Subject] | None = None
        self._looks: list[Look] = []
        self.view = View()
        self.channel = 0
        self.is_flat = False

    @property
    def scene(self) -> Scene:
        """Its layers."""
        return self._scene

    @property
    def shown(self) -> Shown:
        """The pair that is looked at."""
        return self._shown(self.channel)

    def limits_of(self, shown: Shown) -> Limits:
        """Return the contrast limits under which a pair is shown, as a person may have set them."""
        for which in ("observed", "predicted", "curtain"):
            layer = self._scene.layer((which, shown.key))
            if layer is not None:
                low, high = layer.contrast_limits
                return float(low), float(high)
        return shown.limits

    def every(self) -> list[Shown]:
        """Return all pairs, as they are shown or would be."""
        return [self._shown(channel) for channel in range(len(self.subjects))]

    @property
    def survey(self) -> Survey | None:
        """The survey of what is looked at, once it has been made."""
        return self.shown.survey

    @property
    def needs_projection(self) -> bool:
        """Whether a projection is wanted that has not been made."""
        return self.is_flat and self.channel not in self._flat

    def index(self) -> dict[str, int]:
        """Return where the sliders stand, by axis of what is looked at."""
        return shown_index(self._viewer, self.shown.subject.place)

    def show(self, **changes: Any) -> None:
        """Show another view: changes of the fields of :class:`View`."""
        before, self.view = self.view, replace(self.view, **changes)
        if "map_name" in changes or "mode" in changes:
            # What was just chosen is to be seen.
            turn = 2 if self.view.turns == 3 and "map_name" in changes else self.view.turn
            self.view = replace(self.view, turn=min(turn, self.view.turns - 1))
        only_split = replace(before, split=self.view.split) == self.view
        if self.view.mode is Mode.CURTAIN and before.mode is Mode.CURTAIN:
            self._move_curtain()
            if only_split and before.split != self.view.split:
                return
        self._show()

    def flip(self) -> None:
        """Show the other one of the two, and the map as a third where it covers both."""
        self.show(turn=(self.view.turn + 1) % self.view.turns)

    def choose(self, channel: int) -> None:
        """Look at another pair."""
        if channel != self.channel and 0 <= channel < len(self.subjects):
            self.channel = channel
            self._show()

    def put_under(self, attributes: Any = None, subject: Subject | None = None) -> None:
        """Show transmitted light below the merged channels, or none."""
        self._under = None if subject is None else (attributes, subject)
        self._show()

    def add_survey(self, channel: int, survey: Survey, *, flat: bool = False) -> None:
        """Take what is known of a pair; limits that nobody has changed follow."""
        key = self._key(channel, flat)
        self._surveys[key] = survey
        before, self._limits[key] = self._limits.get(key), survey.display_limits
        for which in ("observed", "predicted", "curtain"):
            layer = self._scene.layer((which, key))
            if layer is not None and before is not None:
                _follow(layer, before, survey.display_limits)
        self._show()

    def forget_surveys(self) -> None:
        """Know nothing any more, as after another match has been chosen."""
        self._surveys.clear()

    def survey_of(self, channel: int, *, flat: bool = False) -> Survey | None:
        """Return what is known of a pair."""
        return self._surveys.get(self._key(channel, flat))

    def add_projection(self, channel: int, subject: Subject) -> None:
        """Take the maximum projection of a pair."""
        self._flat[channel] = subject

    def project(self, flat: bool) -> None:
        """Show maximum projections, if they have been made, or the planes."""
        self.is_flat = flat
        self._show()

    def outlines(self, shapes: Layer) -> list[np.ndarray] | None:
        """Return shapes as polygons in pixels along Y and X; None where there is no such plane.

        Raises
        ------
        VirtualStainError
            If nothing in the layer encloses any pixels.
        """
        layer = self._any_layer()
        if layer is None:
            return None
        return [self._rows_first(polygon) for polygon in polygons_on(shapes, layer)]

    def line(self, shapes: Layer) -> np.ndarray | None:
        """Return the last line of shapes in pixels along Y and X, shape (vertices, 2), if any."""
        layer = self._any_layer()
        line = None if layer is None else drawn_line(shapes, layer)
        return None if line is None else self._rows_first(line)

    def split_at(self, position: Sequence[float]) -> float | None:
        """Return which split goes through a point of the world; None without a curtain."""
        layer = self._scene.layer(("curtain", self.shown.key))
        if layer is None:
            return None
        axis = self.view.split_axis
        place = np.asarray(layer.world_to_data(np.asarray(position, float)))[axis]
        return float(np.clip((place + 0.5) / self.shown.subject.place.shape[axis], 0, 1))

    def close(self) -> None:
        """Take everything away, and bring back what the viewer had."""
        self._grid.restore()
        self._scene.close()
        # Whoever still holds the session, the images need not wait for that.
        self.subjects, self._looks, self._under = (), [], None
        self._flat.clear()
        self._surveys.clear()

    def _any_layer(self) -> Layer | None:
        """Return a layer that lies where the pair lies, if its planes have rows and columns."""
        key, axes = self.shown.key, self.shown.subject.place.axes
        if set(axes[-2:]) != {"Y", "X"}:
            return None
        layers = (self._scene.layer((which, key)) for which in ("observed", "curtain"))
        return next((layer for layer in layers if layer is not None), None)

    def _rows_first(self, vertices: np.ndarray) -> np.ndarray:
        return vertices if self.shown.subject.place.axes.endswith("YX") else vertices[:, ::-1]

    def _shown(self, channel: int) -> Shown:
        flat = self.is_flat and channel in self._flat
        subject = self._flat[channel] if flat else self.subjects[channel]
        key = self._key(channel, flat)
        survey = self._surveys.get(key)
        if survey is not None:
            self._limits[key] = survey.display_limits
        elif key not in self._limits:
            self._limits[key] = subject.limits or sampled_limits(subject.observed)
        return Shown(key, subject, self._limits[key], survey)

    def _key(self, channel: int, flat: bool) -> Hashable:
        return (channel, "projected") if flat else (channel,)

    def arrange(self) -> None:
        """Bring the cells of the grid in order, where layers have come or gone."""
        if self._grid.is_on:
            keys = [look.key for look in self._looks if look.visible]
            self._scene.place_in(self._grid.model, keys)

    def _show(self) -> None:
        self.view = replace(self.view, split_axis=self._split_axis(), line=self._line())
        shown = self.shown
        self._looks = modes.looks(self.view, shown, self.every(), self._under)
        pair = {(which, shown.key) for which in ("observed", "predicted")}
        self._scene.show(self._looks, keep=pair)
        self._grid.show(len(self._looks) if self.view.mode is Mode.SIDE else 1)
        self.arrange()

    def _move_curtain(self) -> None:
        key = ("curtain", self.shown.key)
        layer = self._scene.layer(key)
        if layer is not None and isinstance(layer.data, Curtain):
            layer.data.at = modes.split_position(self.view, self.shown.subject)
            layer.data.line = self._line()
            self._scene.refresh(key)

    def _split_axis(self) -> int:
        """Return the axis that goes from left to right, counted from the last."""
        dims = self._viewer.dims
        axis = int(dims.displayed[-1]) - int(dims.ndim) if dims.ndim else -1
        # Of layers with fewer axes than the viewer, others may be displayed.
        return axis if -axis <= len(self.shown.subject.place.shape) else -1

    def _line(self) -> int:
        """Return the thickness of the curtain's line in pixels of the image."""
        step = step_along(self.shown.subject.place, self._split_axis()) or 1.0
        camera = getattr(getattr(self._viewer, "scene", self._viewer), "camera", None)
        zoom = float(getattr(camera, "zoom", 1.0)) or 1.0
        return max(1, round(LINE / (zoom * step)))


def _follow(layer: Layer, before: Limits, limits: Limits) -> None:
    """Give a layer other limits, unless a person has changed those that it had."""
    if np.allclose(layer.contrast_limits, before):
        low, high = layer.contrast_limits_range
        layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))
        layer.contrast_limits = limits
