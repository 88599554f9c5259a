"""The lines of ``vstain predict --plan``."""

from __future__ import annotations

from napari_virtual_stain.cli.plan_table import plan_lines

TILED = {
    "frames": 3,
    "size": (2047, 2048),
    "padded": (2048, 2048),
    "stride": (16, 16),
    "halo": (96, 96),
    "tiles": 2,
    "core": (1024, 2048),
    "read": (1120, 2048),
    "overhead": 1.09375,
    "passes": 1,
    "memory_needed": 1288490189,
    "memory_allowed": 5 * 2**30,
    "device": "CPU (2 threads)",
    "precision": "fp32",
    "why": "2 tiles of about 2 s, for prompt progress",
}


def test_a_plan_is_said_line_by_line():
    assert plan_lines(TILED) == [
        "frames           3",
        "size             2047 × 2048 px",
        "padded to        2048 × 2048 px",
        "stride           16 × 16 px",
        "halo             96 × 96 px on each side",
        "tiles            2",
        "core of a tile   1024 × 2048 px",
        "read for a tile  1120 × 2048 px",
        "overhead         1.09 (voxels computed ÷ kept)",
        "passes           1",
        "memory needed    1.20 GiB",
        "memory allowed   5.00 GiB",
        "device           CPU (2 threads)",
        "precision        fp32",
        "why              2 tiles of about 2 s, for prompt progress",
    ]


def test_what_is_not_described_is_left_out():
    assert plan_lines({"why": "so", "tiles": 4, "core": None, "unknown": 1}) == [
        "tiles  4",
        "why    so",
    ]
    assert plan_lines({}) == []


def test_the_order_is_that_of_the_table_and_not_of_the_mapping():
    assert plan_lines(dict(reversed(TILED.items()))) == plan_lines(TILED)


def test_small_and_large_memory():
    lines = plan_lines({"memory_needed": 20 * 2**20, "memory_allowed": 139 * 2**30})
    assert lines == ["memory needed   0.02 GiB", "memory allowed  139.00 GiB"]


def test_windows():
    windows = {"windows": 81, "window": [256, 256], "step": (32, 32), "at_once": 8}
    assert plan_lines(windows) == [
        "windows               81",
        "window                256 × 256 px",
        "step between windows  32 × 32 px",
        "windows at a time     8",
    ]
