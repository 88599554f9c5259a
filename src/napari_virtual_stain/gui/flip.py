"""Flipping between what was observed and what was predicted, one channel at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QTimer

from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.result_identity import key_of


class Flip:
    """Shows either the observed or the predicted layer of a channel, both equally bright.

    It waits for the predictions: once each observed channel has one, the first is shown.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    observed : sequence of layers
        One for each channel, read through us, so that they know its name.
    hide : layer
        What is hidden when the first prediction is shown.
    tell : callable
        Called with what is shown: ``predicted nuclei``.
    """

    def __init__(
        self,
        viewer: Any,
        observed: Sequence[Layer],
        *,
        hide: Layer,
        tell: Callable[[str], None],
    ) -> None:
        self._viewer, self._hide, self._tell = viewer, hide, tell
        self._observed = {_channel(layer): layer for layer in observed}
        self._predicted: dict[str, Layer] = {}
        self._shown = next(iter(self._observed))
        self._shows_predicted = False
        viewer.layers.events.inserted.connect(self._on_inserted)

    def flip(self, viewer: Any = None) -> None:
        """Show the other one of the channel whose layer is selected."""
        active = self._viewer.layers.selection.active
        channel = _channel(active) if active is not None else ""
        self._show(channel if channel in self._predicted else self._shown, switch=True)

    def next_channel(self, viewer: Any = None) -> None:
        """Show the same one of the next channel."""
        channels = list(self._observed)
        self._show(channels[(channels.index(self._shown) + 1) % len(channels)], switch=False)

    def _on_inserted(self, event: Any) -> None:
        layer, key = event.value, key_of(event.value)
        if key is None or key[0] != "prediction" or _channel(layer) not in self._observed:
            return
        observed = self._observed[_channel(layer)]
        self._predicted[_channel(layer)] = layer
        # Equal grey values look equal, and stay so when either is adjusted.
        observed.contrast_limits = layer.contrast_limits
        self._viewer.layers.link_layers([observed, layer], ("contrast_limits", "gamma"))
        if self._predicted.keys() == self._observed.keys():
            # Error maps and masks are yet to come, and napari selects what comes.
            QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        self._hide.visible = False
        self._show(next(iter(self._observed)), switch=True)

    def _show(self, channel: str, *, switch: bool) -> None:
        pair = (self._observed[channel], self._predicted.get(channel))
        if any(layer not in self._viewer.layers for layer in pair):
            return
        self._shows_predicted ^= switch
        self._shown = channel
        shown = pair[self._shows_predicted]
        for layer in (*self._observed.values(), *self._predicted.values()):
            layer.visible = layer is shown
        self._viewer.layers.selection.active = shown
        self._tell(f"{('observed', 'predicted')[self._shows_predicted]} {channel}")


def _channel(layer: Layer) -> str:
    """Return the name of the channel that a layer of ours shows, or nothing."""
    channels = layer.metadata.get(METADATA, {}).get("channels", ())
    return str(channels[0]) if len(channels) == 1 else ""
