"""Virtual staining: predict fluorescence from transmitted light, and see where it is wrong.

The public names are imported when they are first used, so that importing the
package loads neither torch nor napari.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.version import __version__

_HOME = {
    "Comparison": "evaluation",
    "Image": "image",
    "ModelSpec": "model",
    "StainModel": "model",
    "TiffTarget": "io",
    "VirtualStainError": "errors",
    "VirtualStainWarning": "errors",
    "ZarrTarget": "io",
    "compare": "evaluation",
    "import_model": "io",
    "load_model": "io",
    "networks": "",
    "predict": "inference",
    "read_image": "io",
    "save_model": "io",
    "simulate": "",
    "train": "training",
    "write_image": "io",
    "write_report": "io",
}
__all__ = [
    "Comparison",
    "Image",
    "ModelSpec",
    "StainModel",
    "TiffTarget",
    "VirtualStainError",
    "VirtualStainWarning",
    "ZarrTarget",
    "__version__",
    "compare",
    "import_model",
    "load_model",
    "networks",
    "predict",
    "read_image",
    "save_model",
    "simulate",
    "train",
    "write_image",
    "write_report",
]

if TYPE_CHECKING:
    from napari_virtual_stain import networks, simulate
    from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
    from napari_virtual_stain.evaluation import Comparison, compare
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.inference import predict
    from napari_virtual_stain.io import (
        TiffTarget,
        ZarrTarget,
        import_model,
        load_model,
        read_image,
        save_model,
        write_image,
        write_report,
    )
    from napari_virtual_stain.model import ModelSpec, StainModel
    from napari_virtual_stain.training import train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME[name]
    if not home:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
