"""What the user has chosen in napari's preferences, page **Virtual Stain**.

Napari 0.8 has no such page; there everything is as by default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_virtual_stain.inference.options import Device

PLUGIN = "napari-virtual-stain"


def device() -> Device:
    """Return the device to predict on; ``auto`` by default."""
    chosen: Device = _chosen("device", "auto")
    return chosen


def memory() -> float | None:
    """Return the GiB that a prediction may use, or None for a share of what is free."""
    return float(_chosen("memory", 0.0)) or None


def model_folder() -> Path:
    """Return the folder whose models are offered by name; by default the library's."""
    from napari_virtual_stain.io import model_folder as default

    chosen = str(_chosen("model_folder", "")).strip()
    return Path(chosen).expanduser() if chosen else default()


def _chosen(name: str, default: Any) -> Any:
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return default
    try:
        settings = get_plugin_settings(PLUGIN)
    except KeyError:  # the plugin is used without being installed as one
        return default
    return getattr(settings.prediction, name)
