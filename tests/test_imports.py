"""What an import costs: the package starts light, and rooms load only what they need."""

from __future__ import annotations

import subprocess
import sys

import pytest

PACKAGE = "napari_virtual_stain"
LIMIT_S = 0.15


def import_times() -> dict[str, float]:
    """Import the package in a fresh interpreter; return the seconds that each module took."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {PACKAGE}"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.removeprefix("import time:").split("|") for line in run.stderr.splitlines()]
    return {
        name.strip(): int(cumulative) / 1e6
        for _, cumulative, name in (row for row in rows if len(row) == 3)
        if cumulative.strip().isdigit()
    }


def loaded_by(module: str) -> set[str]:
    """Import a module in a fresh interpreter; return the top-level packages that it loads."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_package_imports_in_no_time():
    runs = [import_times() for _ in range(5)]
    assert min(run[PACKAGE] for run in runs) < LIMIT_S
    packages = {name.partition(".")[0] for name in runs[0]}
    assert packages.isdisjoint({"torch", "napari", "numpy"})


@pytest.mark.parametrize("room", ["cli", "evaluation", "io", "simulate"])
def test_room_loads_no_torch(room):
    loaded = loaded_by(f"{PACKAGE}.{room}")
    assert loaded.isdisjoint({"torch", "lightning", "napari", "qtpy"})
