"""Small pairs and options by which the tests of a training train something real in a second."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_virtual_stain.image import Image
from napari_virtual_stain.keeping import Snapshot

UM = {"Y": 0.5, "X": 0.5}

QUICK = {
    "preset": "gvtnet-2d-small",
    "network_options": {"filters": 8, "depth": 2},
    "steps": 6,
    "batch": 2,
    "validate_every": 3,
    "device": "cpu",
}
"""A network of two levels on patches of the size of the image."""


def blobs(seed: int = 0, size=(48, 96), targets=("DNA", "actin"), name="field"):
    """Return blobs as the input, and what a small network can make of them as the targets."""
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=size), 1.5)
    values /= values.std()
    makes = {
        "DNA": np.abs(values),
        "actin": ndimage.gaussian_filter(values, 2) * 3,
        "cells": values > 0.5,
    }
    source = Image(np.uint16(2000 + 500 * values), "YX", UM, channels=("phase",), name=name)
    stained = np.stack([np.uint16(1000 + 200 * makes[target]) for target in targets])
    return source, Image(stained, "CYX", UM, channels=targets, name=f"{name} stained")


class InMemory:
    """Keeps snapshots, as a file would."""

    def __init__(self, earlier: Snapshot | None = None) -> None:
        self.snapshots = [] if earlier is None else [earlier]
        self.is_done = False

    def earlier(self, key):
        self.key = key
        return self.snapshots[-1] if self.snapshots else None

    def keep(self, snapshot):
        self.snapshots.append(snapshot)

    def done(self):
        self.is_done = True
