"""``train_options.json`` of pytorch_fnet: how its training scaled the images.

Transforms are written there as Python expressions, which pytorch_fnet evaluates. Here they are
parsed: a dotted name, or a call of one with literal arguments. Anything else is only quoted.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.sentences import clean, listed
from napari_virtual_stain.io.importing.sources import opened

MAX_FILE_BYTES = 4 * 2**20
MAX_EXPRESSION = 1000
MAX_TRANSFORMS = 64
CENTRAL_PLANES = 32
"""Z planes that ``norm_around_center`` measures."""

ALLEN_VOXEL_SIZE = 0.29
ALLEN_FACTORS = (0.37241, 0.59310, 0.29655)
"""Y and X factors that bring 0.108, 0.172 and 0.086 µm to 0.29 µm, the z step of the data.

Source: Ounkomol et al., Nature Methods 15 (2018), Methods.
"""

NORMALIZATIONS = ("normalize", "norm_around_center")
SAME = ("do_nothing", "ToFloat")
"""Transforms that change no value."""

AS_THEY_ARE = {"scaling": "z-score", "mean": 0.0, "std": 1.0}
"""Values that are grey values themselves."""

UNSAID_TARGETS = "How targets were scaled is not said; outputs are taken to be z-scores."
ASSUMED = "inputs are taken to be z-scores of the whole stack."


@dataclass
class Preparation:
    """How signal images were prepared, as far as it is known.

    Parameters
    ----------
    normalization : dict
        Fields of the :class:`NormalizationSpec`.
    voxel_size : dict of str to float
        µm, where it follows from known factors.
    units : dict, optional
        Fields of the :class:`OutputSpec`, where outputs are not z-scores.
    signal, target : tuple of str
        Names of channels, where they are given.
    notes : list of str
        Sentences on what was read, assumed and left out.
    """

    normalization: dict[str, Any] = field(default_factory=dict)
    voxel_size: dict[str, float] = field(default_factory=dict)
    units: dict[str, Any] | None = None
    signal: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def read_preparation(model: Path) -> Preparation:
    """Return what the ``train_options.json`` beside a model file says.

    It is looked for in the folder of the file, and above a folder ``checkpoints``. Where it is
    missing or cannot be understood, z-scores are assumed and the notes say so.
    """
    folders = [model.parent]
    if model.parent.name == "checkpoints":
        folders.append(model.parent.parent)
    for folder in folders:
        path = folder / "train_options.json"
        if os.path.lexists(path):
            options = _read(path)
            if options is None:
                return Preparation(
                    notes=[f"{path.name} could not be read; {ASSUMED}", UNSAID_TARGETS]
                )
            return _preparation(options)
    return Preparation(notes=[f"There was no train_options.json; {ASSUMED}", UNSAID_TARGETS])


def parse_transform(expression: object) -> tuple[str, list[Any]] | None:
    """Return the last part of a dotted name and its arguments, or None for anything else.

    ``fnet.transforms.Resizer((1, 0.5, 0.5))`` is ``("Resizer", [(1, 0.5, 0.5)])``.
    """
    if not isinstance(expression, str) or len(expression) > MAX_EXPRESSION:
        return None
    try:
        node = ast.parse(expression.strip(), mode="eval").body
        arguments: list[Any] = []
        if isinstance(node, ast.Call):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            arguments = [ast.literal_eval(argument) for argument in given]
            node = node.func
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    name = node.attr if isinstance(node, ast.Attribute) else ""
    while isinstance(node, ast.Attribute):
        node = node.value
    return (name or node.id, arguments) if isinstance(node, ast.Name) else None


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        with opened(path) as source:
            content = json.loads(source.whole(MAX_FILE_BYTES).decode("utf-8-sig"))
    except (VirtualStainError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _preparation(options: Mapping[str, Any]) -> Preparation:
    nested = options.get("dataset_train_kwargs")
    source = nested if isinstance(nested, dict) else options
    found = Preparation(
        signal=_names(source.get("col_signal")), target=_names(source.get("col_target"))
    )
    if "transform_signal" in source:
        _read_signal(found, _listed(source["transform_signal"]))
    else:
        found.notes.append(f"train_options.json names no transforms; {ASSUMED}")
    if "transform_target" in source:
        _read_target(found, _listed(source["transform_target"]))
    else:
        found.notes.append(UNSAID_TARGETS)
    return found


def _read_signal(found: Preparation, expressions: list[Any]) -> None:
    normalized, resized, unknown = False, False, False
    for expression in expressions:
        parsed = parse_transform(expression)
        name, arguments = parsed or ("", [])
        if name in NORMALIZATIONS and not arguments:
            normalized = True
            if name == "norm_around_center":
                found.normalization["central_planes"] = CENTRAL_PLANES
            if resized:
                found.notes.append(
                    "The training resized its images before it normalized them; here they are "
                    "normalized as they come."
                )
        elif name == "Resizer" and arguments:
            resized = True
            _resize(found, arguments[0])
        elif name not in SAME:
            unknown = True
            found.notes.append(f"The training also applied {_shown(expression)} to its signal.")
    if not normalized and unknown:
        found.notes.append(f"Which of it is a normalization is not known; {ASSUMED}")
    elif not normalized:
        found.normalization["method"] = "none"
        found.notes.append("train_options.json names no normalization, so there is none.")


def _read_target(found: Preparation, expressions: list[Any]) -> None:
    parsed = [parse_transform(expression) or ("", []) for expression in expressions]
    if any(name in NORMALIZATIONS and not arguments for name, arguments in parsed):
        return
    unknown = [
        _shown(expression)
        for expression, (name, _) in zip(expressions, parsed, strict=True)
        if name not in (*SAME, "Resizer")
    ]
    if unknown:
        found.notes.append(
            f"The training applied {listed(unknown)} to its targets; what this makes of their "
            "units is not known."
        )
    else:
        found.units = AS_THEY_ARE
        found.notes.append("The targets were not normalized, so outputs are their grey values.")


def _resize(found: Preparation, factors: Any) -> None:
    known = isinstance(factors, (tuple, list)) and any(
        len(factors) == 3 and all(map(_close, factors, (1, lateral, lateral)))
        for lateral in ALLEN_FACTORS
    )
    text = clean(repr(factors))  # a literal of at most MAX_EXPRESSION characters
    if known:
        found.voxel_size = dict.fromkeys("ZYX", ALLEN_VOXEL_SIZE)
        found.notes.append(
            f"The training resized its images by {text}, which brings the Allen Institute's to "
            f"{ALLEN_VOXEL_SIZE} µm along Z, Y and X; that is the voxel size."
        )
    else:
        found.notes.append(
            f"The training resized its images by {text}; the voxel size that this led to is not "
            "known."
        )


def _close(factor: Any, known: float) -> bool:
    return isinstance(factor, (int, float)) and known - 5e-5 < factor < known + 5e-5


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value[:MAX_TRANSFORMS] if isinstance(value, list) else [value]


def _names(value: Any) -> tuple[str, ...]:
    """Return names of channels; of a column that is only called path or signal, nothing."""
    words = [word.removeprefix("path_") for word in _listed(value) if isinstance(word, str)]
    generic = {"signal", "target", "channel_signal", "channel_target", ""}
    return () if generic & set(words) else tuple(words)


def _shown(expression: Any) -> str:
    return clean(expression) if isinstance(expression, str) else f"a {type(expression).__name__}"
