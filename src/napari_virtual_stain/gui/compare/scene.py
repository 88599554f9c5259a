"""The layers that a comparison shows. They are its own: no layer of the user's is touched."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import napari.layers

from napari_virtual_stain.gui.jobs import has_unfinished
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import COMPARISON, Layer, is_of_comparison

Kind = Literal["image", "labels"]


@dataclass(frozen=True, eq=False)
class Look:
    """How a layer of a comparison is to be.

    Parameters
    ----------
    key : hashable
        What it shows. A layer of the same key is used again.
    version : hashable
        Of its pixels; where it differs from before, they are made anew.
    pixels : callable
        Makes them.
    kind : {"image", "labels"}
    fixed : mapping
        Attributes that the layer is made with, and that a person may change.
    shown : mapping
        Attributes that it has whenever it is shown so.
    linked : hashable, optional
        Layers of the same link share contrast limits and gamma.
    visible : bool
    """

    key: Hashable
    version: Hashable
    pixels: Callable[[], Any]
    kind: Kind = "image"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    linked: Hashable = None
    visible: bool = True


class Scene:
    """Layers on top of a viewer's own.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[Hashable, Layer] = {}
        self._versions: dict[Hashable, Hashable] = {}
        self._links: dict[Hashable, list[Layer]] = {}
        self._remembered: dict[Hashable, dict[str, Any]] = {}
        self._changing = False

    @property
    def is_changing(self) -> bool:
        """Whether it adds, moves or removes layers right now."""
        return self._changing

    def layer(self, key: Hashable) -> Layer | None:
        """Return the layer of a key, if it is there."""
        layer = self._layers.get(key)
        return layer if layer is not None and layer in self._viewer.layers else None

    def layers(self) -> list[Layer]:
        """Return every layer that is there."""
        return [layer for key in self._layers if (layer := self.layer(key)) is not None]

    def show(self, looks: Sequence[Look], keep: Collection[Hashable] = ()) -> None:
        """Show these, the first on top; what else there is goes, or is hidden.

        A layer that a person has removed is made again.

        Parameters
        ----------
        looks : sequence of Look
        keep : collection of hashable
            Keys of layers that are hidden and not taken away, as they will be wanted again.
        """
        selected = self._selected()
        self._changing = True
        try:
            wanted = {look.key for look in looks}
            gone = [key for key in self._layers if key not in wanted]
            for key in gone:
                layer = self.layer(key)
                if key not in keep:
                    self._remove(key)
                elif layer is not None and layer.visible:
                    layer.visible = False
            for look in reversed(looks):
                self._show_one(look)
            self._order([self._layers[look.key] for look in looks])
        finally:
            self._changing = False
            self._select(*selected)

    def place_in(self, grid: Any, keys: Sequence[Hashable]) -> None:
        """Let the topmost layers stand in the first cells of a grid, the first in the first.

        Which cell a layer gets follows from all visible layers below it, the user's too.
        """
        layers = [layer for key in keys if (layer := self.layer(key)) is not None]
        every = self._viewer.layers
        places = sorted(every.index(layer) for layer in layers)
        # napari 0.8 asks for the number of layers.
        known = list(every) if hasattr(self._viewer, "canvas") else len(every)
        columns = {grid.position(place, known)[1]: place for place in places}
        if len(columns) != len(layers):
            return  # a grid that somebody has changed
        order = [columns[column] for column in sorted(columns)]
        self._changing = True
        try:
            wanted = {place: layer for place, layer in zip(order, layers, strict=True)}
            for place in sorted(wanted):
                index = every.index(wanted[place])
                if index != place:
                    every.move(index, place if index > place else place + 1)
        finally:
            self._changing = False

    def refresh(self, key: Hashable) -> None:
        """Let the viewer look at the pixels of a layer again."""
        layer = self.layer(key)
        if layer is not None:
            layer.refresh()

    def close(self) -> None:
        """Take every layer away."""
        selected = self._selected()
        self._changing = True
        try:
            for key in list(self._layers):
                self._remove(key)
        finally:
            self._changing = False
        self._layers.clear()
        self._versions.clear()
        self._links.clear()
        self._remembered.clear()
        self._select(*selected)

    def _remove(self, key: Hashable) -> None:
        layer = self.layer(key)
        self._layers.pop(key)
        self._versions.pop(key, None)
        if layer is None:
            return
        if isinstance(layer, napari.layers.Image):
            self._remembered[key] = {
                name: getattr(layer, name)
                for name in ("contrast_limits_range", "contrast_limits", "gamma")
            }
        with _no_collection():
            self._viewer.layers.remove(layer)

    def _show_one(self, look: Look) -> None:
        layer = self.layer(look.key)
        if layer is None:
            layer = self._add(look)
        elif self._versions[look.key] != look.version:
            layer.data = look.pixels()
        self._versions[look.key] = look.version
        for name, value in look.shown.items():
            if not _same(getattr(layer, name), value):
                setattr(layer, name, value)
        if layer.visible != look.visible:
            layer.visible = look.visible

    def _add(self, look: Look) -> Layer:
        make = napari.layers.Image if look.kind == "image" else napari.layers.Labels
        # A contour is given later: no layer is made with one.
        shown = {name: value for name, value in look.shown.items() if name != "contour"}
        attributes = {**look.fixed, **shown}
        if look.kind == "image":
            attributes["rgb"] = False
        layer = make(
            look.pixels(),
            **attributes,
            visible=look.visible,
            metadata={METADATA: {"provenance": {"prediction": {}}}},
        )
        name = getattr(layer, "name_overlay", None)
        if name is not None:  # so that the canvas says which one it shows
            name.visible = True
        # On top of ours, and below what the user has added above them.
        ours = [self._viewer.layers.index(one) for one in self.layers()]
        place = max(ours) + 1 if ours else len(self._viewer.layers)
        self._viewer.layers.insert(place, layer)
        layer = self._viewer.layers[place]
        if look.kind == "labels":
            layer.editable = False
        # A copy that somebody makes of it is not one of ours.
        layer.metadata = {METADATA: {**layer.metadata[METADATA], COMPARISON: str(layer.unique_id)}}
        self._layers[look.key] = layer
        for name, value in self._remembered.pop(look.key, {}).items():
            setattr(layer, name, value)
        if look.linked is not None:
            self._link(look.linked, layer)
        return layer

    def _link(self, link: Hashable, layer: Layer) -> None:
        others = [one for one in self._links.get(link, []) if one in self._viewer.layers]
        if others:
            layer.contrast_limits_range = others[0].contrast_limits_range
            layer.contrast_limits = others[0].contrast_limits
            layer.gamma = others[0].gamma
        self._links[link] = [*others, layer]
        if others:
            self._viewer.layers.link_layers([*others, layer], ("contrast_limits", "gamma"))

    def _order(self, layers: Iterable[Layer]) -> None:
        """Bring layers to the top of ours, the first above all; those of the user stay in order."""
        ours = self.layers()
        wanted = list(layers)
        below = [one for one in ours if one not in wanted]
        order = [*sorted(below, key=self._viewer.layers.index), *reversed(wanted)]
        places = sorted(self._viewer.layers.index(one) for one in ours)
        for place, layer in zip(places, order, strict=True):
            index = self._viewer.layers.index(layer)
            if index != place:
                self._viewer.layers.move(index, place)

    def _selected(self) -> tuple[set[Layer], Layer | None]:
        """Return which layers of the user are selected, and which of them is active."""
        selection = self._viewer.layers.selection
        chosen = {layer for layer in selection if not is_of_comparison(layer)}
        return chosen, selection.active

    def _select(self, chosen: set[Layer], active: Layer | None) -> None:
        selection, layers = self._viewer.layers.selection, self._viewer.layers
        if active is not None and active in layers and is_of_comparison(active):
            return  # the user looks at one of ours
        wanted = {layer for layer in chosen if layer in layers}
        if set(selection) != wanted:
            selection.clear()
            for layer in wanted:
                selection.add(layer)
        if len(wanted) == 1 and selection.active != active:
            selection.active = next(iter(wanted))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let napari collect no garbage, as it does with each layer that is removed.

    That takes half a second where large libraries are loaded.
    """
    gc.freeze()
    try:
        yield
    finally:
        if not has_unfinished():
            gc.unfreeze()


def _same(one: Any, other: Any) -> bool:
    name = getattr(one, "name", one)
    return bool(name == getattr(other, "name", other))
