"""A prediction that is killed at any moment and begun again ends with the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_virtual_stain.io import read_image

JOB = Path(__file__).with_name("killed_job.py")
SEEDS = [str(seed) for seed in range(6)]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Run the jobs of both kinds; return their folder and when each was killed."""
    folder = tmp_path_factory.mktemp("jobs")
    done = subprocess.run(
        [sys.executable, str(JOB), str(folder), *SEEDS], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_zarr_is_the_same_file_for_file(jobs):
    folder, killed = jobs[0] / "zarr", jobs[1]["zarr"]
    whole = contents(folder / "unbroken")
    # Two images, two resolutions of 3 × 3 and 2 × 2 chunks, and their metadata.
    assert len(whole) >= 2 * (9 + 4 + 3)
    for seed in SEEDS:
        found = contents(folder / seed)
        assert found.keys() == whole.keys(), f"killed before {killed[seed]}"
        different = [path for path in whole if found[path] != whole[path]]
        assert not different, f"killed before {killed[seed]}"


def test_a_tiff_has_the_same_pixels(jobs):
    folder, killed = jobs[0] / "tiff", jobs[1]["tiff"]
    for seed in SEEDS:
        assert len(contents(folder / seed)) == 2, f"killed before {killed[seed]}"
    for which in ("predicted", "uncertainty"):
        whole = read_image(folder / "unbroken" / f"well.{which}.ome.tif")
        assert whole.numpy().std() > 0.4
        for seed in SEEDS:
            found = read_image(folder / seed / f"well.{which}.ome.tif")
            np.testing.assert_array_equal(found.numpy(), whole.numpy(), str(killed[seed]))
            assert found.provenance == whole.provenance
