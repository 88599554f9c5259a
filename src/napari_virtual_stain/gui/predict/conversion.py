"""Checkpoints of other programs: converted on the way into the model folder, then chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_virtual_stain.events import Progress, Work

MODEL_FILES = (
    "Models (*.safetensors *.p *.pt *.pth *.index *.meta *.data-*);;"
    "Models of this plugin (*.safetensors);;All files (*)"
)
"""What the file dialog offers."""


@dataclass(frozen=True)
class Converted:
    """A checkpoint of another program that was converted.

    Parameters
    ----------
    source : Path
        The checkpoint, which is left as it is.
    path : Path
        The model file that was made of it.
    kind : str
        What the checkpoint was recognized as.
    """

    source: Path
    path: Path
    kind: str


def needs_conversion(path: Path) -> bool:
    """Whether a file is no model file of ours, but perhaps one of another program."""
    from napari_virtual_stain.io import lacks_specification

    if path.suffix == ".safetensors":
        return lacks_specification(path)
    return path.exists()


def convert_request(path: Path, folder: Path) -> Work[Converted]:
    """Convert a checkpoint and put it into the model folder; a generator of events.

    Raises
    ------
    VirtualStainError
        If it is not recognized or damaged, or the folder cannot be written to.
    """
    yield Progress(f"Converting {path.name}", 0, 0)
    from napari_virtual_stain.io import import_model, store_model

    model = import_model(path)
    stored = store_model(model, file_stem(model.spec.name), folder)
    return Converted(path, stored, model.spec.network.name)


def file_stem(name: str) -> str:
    """Return a model's name as that of a file, with only what every file system takes."""
    kept = "".join(c if c.isalnum() or c in " -_." else "_" for c in name).strip(" .")
    return kept[:80] or "imported"
