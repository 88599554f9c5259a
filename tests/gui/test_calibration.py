"""What scale and units say, and what they leave unknown."""

from __future__ import annotations

import pytest

from napari_virtual_stain.gui.calibration import calibration


@pytest.mark.parametrize(
    ("axes", "scale", "units", "voxel_size", "time_step", "assumed"),
    [
        ("YX", (0.5, 0.25), ("um", "um"), {"Y": 0.5, "X": 0.25}, None, {}),
        ("YX", (500, 0.002), ("nm", "mm"), {"Y": 0.5, "X": 2.0}, None, {}),
        ("ZYX", (1, 1, 1), ("pixel",) * 3, {}, None, {}),
        ("ZYX", (3, 1, 1), ("pixel",) * 3, {"Z": 3.0}, None, {"Z": 3.0}),
        ("YX", (-0.5, 0.5), ("um", "um"), {"Y": 0.5, "X": 0.5}, None, {}),
        ("YX", (1, 1), ("um", "pixel"), {"Y": 1.0}, None, {}),
        ("TYX", (2, 1, 1), ("minute", "pixel", "pixel"), {}, 120.0, {}),
        ("TCYX", (2, 5, 1, 1), ("pixel",) * 4, {}, None, {}),
        ("XYZ", (1, 2, 3), ("um",) * 3, {"Z": 3.0, "Y": 2.0, "X": 1.0}, None, {}),
    ],
)
def test_calibration(axes, scale, units, voxel_size, time_step, assumed):
    found = calibration(axes, scale, units)
    assert found.voxel_size == pytest.approx(voxel_size)
    assert list(found.voxel_size) == [axis for axis in "ZYX" if axis in voxel_size]
    assert found.time_step == time_step
    assert found.assumed == assumed


def test_what_was_assumed_is_said():
    assert calibration("YX", (1, 1), ("pixel",) * 2).assumption("phase") is None
    sentence = calibration("YX", (0.5, 2), ("pixel",) * 2).assumption("phase")
    assert sentence == ("the scale of phase along Y, X (0.5 × 2) has no unit and is taken as µm.")
