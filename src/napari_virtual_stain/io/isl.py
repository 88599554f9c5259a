"""A sample to download: one well of human motor neurons, of the in-silico-labeling data."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._png import read_png

ISL_URL = (
    "https://raw.githubusercontent.com/google/in-silico-labeling/"
    "5db882bfab3a1409caca1c4a913c3aa7471c9a3a/isl/testdata/condition_blue_sample/"
)
STAINS = ("DAPI", "MAP2", "NFH")
PROVENANCE = {
    "title": "In silico labeling, condition B: human motor neurons",
    "attribution": "Christiansen et al. (2018), Cell 173, 792–803; google/in-silico-labeling",
    "doi": "10.1016/j.cell.2018.03.040",
    "url": ISL_URL,
    "licence": "CC-BY-4.0",
}


def fetch_isl_well(
    folder: str | os.PathLike[str] | None = None,
    base_url: str = ISL_URL,
    registry: Mapping[str, str] | None = None,
) -> tuple[Image, Image]:
    """Return a phase-contrast stack and its fluorescence, downloaded when first asked for.

    Parameters
    ----------
    folder : path-like, optional
        Where the files are kept. By default ``isl`` in the user's cache folder, or in the folder
        that ``$VSTAIN_CACHE`` names.
    base_url : str
        Address of the files, with a slash at its end; ``file://`` addresses work too.
    registry : mapping, optional
        Hash (``sha256:…``) of each file, keyed by name; by default that of the published files.

    Returns
    -------
    phase, fluorescence : Image
        13 planes of phase contrast (``ZYX``), and the confocal maximum projections DAPI, MAP2
        and NFH (``CYX``), uint16 as published. The voxel size is not recorded.

    Raises
    ------
    VirtualStainError
        If a file cannot be downloaded, or is not the published one.

    References
    ----------
    Christiansen et al. (2018), "In silico labeling: predicting fluorescent labels in unlabeled
    images", Cell 173, 792-803. Images: CC-BY-4.0.
    """
    folder = Path(folder).expanduser() if folder is not None else cache_folder() / "isl"
    known = dict(_published() if registry is None else registry)
    paths = _download(folder, base_url, known)
    planes = {
        int(match[1]): path
        for name, path in paths.items()
        if (match := re.search(r"z_depth-(\d+),channel-PHASE", name))
    }
    stains = [
        next(path for name, path in paths.items() if f"channel-{stain}_CONFOCAL" in name)
        for stain in STAINS
    ]
    phase = np.stack([read_png(planes[depth]) for depth in sorted(planes)])
    fluorescence = np.stack([read_png(path) for path in stains])
    return (
        Image(phase, "ZYX", channels=["phase"], name="ISL phase", provenance=PROVENANCE),
        Image(fluorescence, "CYX", channels=STAINS, name="ISL fluorescence", provenance=PROVENANCE),
    )


def cache_folder() -> Path:
    """Return where downloads are kept: ``$VSTAIN_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("VSTAIN_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("napari-virtual-stain", appauthor=False)


def _published() -> dict[str, str]:
    text = files("napari_virtual_stain.io").joinpath("isl_registry.txt").read_text("utf-8")
    return dict(line.rsplit(" ", 1) for line in text.splitlines())


def _download(folder: Path, base_url: str, registry: dict[str, str]) -> dict[str, Path]:
    import pooch

    # One line of log per file, each with a name of 200 characters, would bury what matters.
    pooch.get_logger().setLevel("WARNING")
    downloader = _copy_file_url if base_url.startswith("file:") else pooch.HTTPDownloader()
    store = pooch.create(path=folder, base_url=base_url, registry=registry)
    paths = {}
    for name in registry:
        try:
            paths[name] = Path(store.fetch(name, downloader=downloader))
        except Exception as error:  # pooch, requests and urllib each raise kinds of their own
            raise VirtualStainError(
                f"the sample image {name} could not be had from {base_url}: {_reason(error)}; try "
                f"again later, or place its {len(registry)} files in {folder} yourself."
            ) from error
    return paths


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "there is no permission to write in the folder that it would be kept in"
    if isinstance(error, ValueError) and "hash" in str(error):
        return "what is there now is not the published file (its hash differs)"
    return f"it could not be downloaded ({type(error).__name__}), so the network may be down"


def _copy_file_url(url: str, output_file: Any, _pooch: object) -> None:
    with urllib.request.urlopen(url) as source, open(output_file, "wb") as target:  # noqa: S310
        shutil.copyfileobj(source, target)
