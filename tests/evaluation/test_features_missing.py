"""Without cp_measure, one sentence that says how to get it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.features import compare_features
from napari_virtual_stain.image import Image


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cp_measure", None)
    monkeypatch.setitem(sys.modules, "cp_measure.bulk", None)
    image = Image(np.zeros((8, 8)), "YX")
    with pytest.raises(VirtualStainError, match=r'pip install "napari-virtual-stain\[features\]"'):
        compare_features(image, image)
