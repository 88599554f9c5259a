"""The models a user can pick by name: those that ship with the package, and the model folder."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io.model_file import load_model_file, model_bytes, read_spec
from napari_virtual_stain.model import ModelSpec, StainModel

BUILT_IN = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be picked: its name, file and specification.

    The name is the model's own, or that of its file where several models of a list have one name.
    Where the file cannot be used, `spec` is None and `problem` is the sentence saying why.
    """

    name: str
    path: Path
    spec: ModelSpec | None
    built_in: bool
    problem: str = ""


def model_folder() -> Path:
    """Return the user's model folder: ``$VSTAIN_MODELS``, or one in the user's data folder."""
    from platformdirs import user_data_path

    chosen = os.environ.get("VSTAIN_MODELS")
    return Path(chosen) if chosen else user_data_path("napari-virtual-stain") / "models"


def list_models(folder: Path | None = None) -> list[ModelEntry]:
    """Return the built-in models, then those of the model folder, each sorted by their files.

    Parameters
    ----------
    folder : Path, optional
        Another model folder than :func:`model_folder`. It need not exist.
    """
    folder = model_folder() if folder is None else folder
    entries = [_entry(path, True) for path in _files(BUILT_IN)]
    if folder.is_dir():
        entries += [_entry(path, False) for path in _files(folder)]
    names = Counter(entry.name for entry in entries)
    return [
        replace(entry, name=entry.path.stem) if names[entry.name] > 1 else entry
        for entry in entries
    ]


def find_model(name: str | Path, folder: Path | None = None) -> Path:
    """Return the file of a model given by its path or name; a file goes before a name.

    Raises
    ------
    VirtualStainError
        If there is neither such a file nor a model of that name.
    """
    path = Path(name)
    if path.is_file():
        return path
    entries = list_models(folder)
    for entry in entries:
        if str(name) in (entry.name, entry.path.stem):
            return entry.path
    for entry in entries:
        if entry.spec is not None and str(name) == entry.spec.name:
            return entry.path
    if path.suffix or len(path.parts) > 1:
        raise VirtualStainError(f"there is no model file {path}.")
    known = ", ".join(entry.name for entry in entries) or "none"
    raise VirtualStainError(
        f"there is no model named {str(name)!r}. Models that can be named: {known}; any other is "
        "given by the path of its file."
    )


def load_model(name: str | Path) -> StainModel:
    """Load a model by its path, or by the name of a built-in or one in the model folder.

    Raises
    ------
    VirtualStainError
        If there is no such model, or its file cannot be used.
    """
    return load_model_file(find_model(name))


def store_model(model: StainModel, stem: str, folder: Path | None = None) -> Path:
    """Put a model into the model folder, under a name that no other model has.

    Parameters
    ----------
    model : StainModel
    stem : str
        Name of the file, without ending; a number is added where another model has that name.
        The very same model is not stored twice.
    folder : Path, optional
        Another model folder than :func:`model_folder`; made where it does not exist.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VirtualStainError
        If the folder cannot be written to.
    """
    folder = model_folder() if folder is None else folder
    content = model_bytes(model)
    for number in itertools.count(1):
        path = folder / f"{stem}{f' {number}' if number > 1 else ''}.safetensors"
        if not path.exists():
            with atomic_path(path, False) as beside:
                beside.write_bytes(content)
            return path
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return path
    raise AssertionError("unreachable: there is always a next number")


def _files(folder: Path) -> list[Path]:
    """Return the model files of a folder, sorted as people count: ``a``, ``a 2``, ``a 10``."""
    return sorted(
        folder.glob("*.safetensors"),
        key=lambda path: [
            (int(part), "") if part.isdecimal() else (-1, part)
            for part in re.split(r"(\d+)", path.stem)
        ],
    )


def _entry(path: Path, built_in: bool) -> ModelEntry:
    try:
        spec = read_spec(path)
    except VirtualStainError as error:
        return ModelEntry(path.stem, path, None, built_in, str(error))
    return ModelEntry(spec.name, path, spec, built_in)
