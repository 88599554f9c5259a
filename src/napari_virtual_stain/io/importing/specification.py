"""What a model expects and yields, as far as imported weights and what lies beside them tell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_virtual_stain.io.importing.recognized import Recognized
from napari_virtual_stain.io.importing.sentences import clean, not_imported

MAX_NAME = 200
MAX_CHANNELS = 64

LABEL_FREE = ("transmitted light", "fluorescence")
RESTORATION = ("noisy image", "restored image")

_CARE = ({"method": "percentile", "percentiles": (2.0, 99.8)}, "input")
CONVENTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "gvtnet-denoise": _CARE,
    "gvtnet-projection": _CARE,
    "gt-unet": ({"method": "percentile", "percentiles": (0.1, 99.9)}, "unit"),
    "virfluonet": ({"method": "range", "percentiles": (0.1, 99.9)}, "range"),
}
"""How a network's images are scaled, where not to z-scores: those that go in, that come out."""


def specification(
    path: Path,
    found: Recognized,
    *,
    name: str,
    roles: tuple[str, str] = ("input", "output"),
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    normalization: Mapping[str, Any] | None = None,
    voxel_size: Mapping[str, float] | None = None,
    units: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the fields of a :class:`ModelSpec`, without provenance.

    Parameters
    ----------
    path : Path
        The file, for the errors.
    found : Recognized
        The network.
    name : str
        The model's name; what a name cannot hold is left out.
    roles : tuple of str
        What goes in and what comes out, where the network does not restore images.
    inputs, outputs : sequence of str
        Names of channels; the roles are taken where there are not as many as channels.
    normalization : mapping, optional
        Fields of the :class:`NormalizationSpec`; by default those that are usual for the network.
    voxel_size : mapping, optional
        µm, keyed by axis, as far as they are known.
    units : mapping, optional
        Fields of the :class:`OutputSpec` that say what a value stands for; by default those
        that are usual for the network.

    Raises
    ------
    VirtualStainError
        If there are more channels than a model can have.
    """
    given = dict(found.options)
    ndim = given.pop("ndim")
    counts = {"inputs": given.pop("in_channels"), "outputs": given.pop("out_channels")}
    if not (2 <= ndim <= 3 and all(1 <= n <= MAX_CHANNELS for n in counts.values())):
        raise not_imported(
            path,
            f"its network has {ndim} spatial axes and {counts['inputs']} channels in, "
            f"{counts['outputs']} out; there may be 2 or 3 axes and 1 to {MAX_CHANNELS} channels.",
        )
    usual, scaling = CONVENTIONS.get(found.network, ({}, "z-score"))
    axes = "ZYX"[3 - ndim :]
    if scaling == "input":
        roles = RESTORATION
    modality = roles[0] if roles == LABEL_FREE else ""
    return {
        "name": clean(name, MAX_NAME).strip() or "imported model",
        "network": {"name": found.network, "options": given},
        "inputs": [
            {"name": channel, "modality": modality}
            for channel in _named(inputs, roles[0], counts["inputs"])
        ],
        "outputs": [
            {"name": channel, **({"scaling": scaling} if units is None else units)}
            for channel in _named(outputs, roles[1], counts["outputs"])
        ],
        "spatial_axes": axes,
        "projects": found.network == "gvtnet-projection",
        "normalization": dict(usual if normalization is None else normalization),
        "voxel_size": {a: size for a, size in (voxel_size or {}).items() if a in axes},
    }


def folder_name(path: Path) -> str:
    """Return the name of the folder that a file lies in."""
    return os.path.basename(os.path.dirname(os.path.realpath(path)))


def _named(known: Sequence[str], otherwise: str, count: int) -> list[str]:
    names = [clean(name, MAX_NAME).strip() for name in known]
    if all(names) and len(names) == len(set(names)) == count:
        return names
    return [otherwise] if count == 1 else [f"{otherwise} {i + 1}" for i in range(count)]
