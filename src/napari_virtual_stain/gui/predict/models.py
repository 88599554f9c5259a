"""The models that can be picked: built-in ones, those of the model folder, and opened files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import ModelEntry, list_models, read_spec

BUILT_IN, FOLDER, OPENED = "Built-in", "Model folder", "Opened"


@dataclass(frozen=True, eq=False)
class Group:
    """Models from one place."""

    title: str
    entries: tuple[ModelEntry, ...]


def model_groups(folder: Path, opened: Sequence[ModelEntry]) -> list[Group]:
    """Return the models that can be picked, in groups that are not empty.

    Parameters
    ----------
    folder : Path
        The model folder. It need not exist.
    opened : sequence of ModelEntry
        Files that were opened from elsewhere.
    """
    listed = list_models(folder)
    groups = [
        Group(BUILT_IN, tuple(entry for entry in listed if entry.built_in)),
        Group(FOLDER, tuple(entry for entry in listed if not entry.built_in)),
        Group(OPENED, tuple(opened)),
    ]
    return [group for group in groups if group.entries]


def open_entry(path: Path) -> ModelEntry:
    """Return a model file as an entry; where it cannot be used, the entry says why."""
    try:
        spec = read_spec(path)
    except VirtualStainError as error:
        return ModelEntry(path.name, path, None, False, str(error))
    return ModelEntry(spec.name, path, spec, False)


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths are one file, however they are written."""
    return one.resolve() == other.resolve()


def details(entry: ModelEntry) -> str:
    """Return what there is to know about a model, for its tooltip."""
    if entry.spec is None:
        return f"{entry.path}\n\n{entry.problem}"
    spec, origin = entry.spec, entry.spec.provenance
    scores = [
        f"{output} " + ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        for output, found in origin.scores.items()
    ]
    parts = [
        spec.name,
        spec.description,
        spec.expects,
        "\n".join(
            f"{title}: {text}"
            for title, text in (
                ("Data", origin.data),
                ("Licence", origin.licence),
                ("Attribution", origin.attribution),
                ("Scores", "; ".join(scores)),
                ("Notes", origin.notes),
            )
            if text
        ),
        str(entry.path),
    ]
    return "\n\n".join(part for part in parts if part)
