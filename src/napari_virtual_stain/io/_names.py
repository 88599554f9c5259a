"""What images are called."""

from __future__ import annotations

import os
import re
from pathlib import Path


def image_name(path: str | os.PathLike[str]) -> str:
    """Return what the image of a file is called.

    That is the file's name without ``.ome.tif``, ``.ome.zarr`` or the like. Of an image inside an
    OME-Zarr, such as a field of a plate, it is the way to it: ``plate_A_1_0``.
    """
    path = Path(path)
    outer = next((one for one in path.parents if one.suffix.lower() == ".zarr"), None)
    if outer is not None and path.suffix.lower() != ".zarr":
        return "_".join((image_name(outer), *path.relative_to(outer).parts))
    name = path.name
    return re.sub(r"(?i)(\.ome)?\.(tiff?|btf|tf[28]|zarr)$", "", name) or name
