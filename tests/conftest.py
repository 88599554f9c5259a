"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def measurements_of_tests(tmp_path_factory) -> None:
    """Keep what tests measure out of the user's cache folder, in child processes too."""
    os.environ["VSTAIN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real images, or skip where it is absent."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("VSTAIN_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"the real images are absent (no folder {folder.name}; set VSTAIN_TEST_DATA)")
    return folder
