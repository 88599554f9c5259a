"""``train_options.json`` of pytorch_fnet: how its training scaled the images.

Transforms are written there as Python expressions, which pytorch_fnet evaluates. Here they are
parsed: a dotted name, or a call of one with literal arguments. Anything else is only quoted.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 4 * 2**20
MAX_EXPRESSION = 1000
CENTRAL_PLANES = 32
"""Z planes that ``norm_around_center`` measures."""

ALLEN_VOXEL_SIZE = 0.29
ALLEN_FACTORS = (0.37241, 0.59310, 0.29655)
"""Y and X factors that bring 0.108, 0.172 and 0.086 µm to 0.29 µm, the z step of the data.

Source: Ounkomol et al., Nature Methods 15 (2018), Methods.
"""

SAME = ("do_nothing", "ToFloat")
"""Transforms that change no value."""

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
    signal, target : tuple of str
        Names of channels, where they are given.
    notes : list of str
        Sentences on what was read, assumed and left out.
    """

    normalization: dict[str, Any] = field(default_factory=dict)
    voxel_size: dict[str, float] = field(default_factory=dict)
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
        if path.is_file():
            options = _read(path)
            if options is None:
                return Preparation(notes=[f"{path.name} could not be read; {ASSUMED}"])
            return _preparation(options)
    return Preparation(notes=[f"There was no train_options.json; {ASSUMED}"])


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
        if path.stat().st_size > MAX_FILE_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _preparation(options: Mapping[str, Any]) -> Preparation:
    nested = options.get("dataset_train_kwargs")
    source = nested if isinstance(nested, dict) else options
    found = Preparation(
        signal=_names(source.get("col_signal")), target=_names(source.get("col_target"))
    )
    expressions = source.get("transform_signal")
    if expressions is None and "transform_signal" not in source:
        found.notes.append(f"train_options.json names no transforms; {ASSUMED}")
        return found
    normalized, unknown = False, False
    for expression in _listed(expressions):
        parsed = parse_transform(expression)
        name, arguments = parsed or ("", [])
        if name == "normalize" and not arguments:
            normalized = True
        elif name == "norm_around_center" and not arguments:
            normalized = True
            found.normalization["central_planes"] = CENTRAL_PLANES
        elif name == "Resizer" and arguments:
            _resize(found, arguments[0])
        elif name not in SAME:
            unknown = True
            found.notes.append(f"The training also applied {_quoted(expression)} to its signal.")
    if not normalized and unknown:
        found.notes.append(f"Which of it is a normalization is not known; {ASSUMED}")
    elif not normalized:
        found.normalization["method"] = "none"
        found.notes.append("train_options.json names no normalization, so there is none.")
    return found


def _resize(found: Preparation, factors: Any) -> None:
    numbers = isinstance(factors, (tuple, list)) and all(
        isinstance(factor, (int, float)) for factor in factors
    )
    known = numbers and any(
        len(factors) == 3
        and all(abs(f - k) < 5e-5 for f, k in zip(factors, (1, lateral, lateral), strict=True))
        for lateral in ALLEN_FACTORS
    )
    text = _quoted(factors)
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


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _names(value: Any) -> tuple[str, ...]:
    """Return names of channels; of a column that is only called path or signal, nothing."""
    words = [word.removeprefix("path_") for word in _listed(value) if isinstance(word, str)]
    generic = {"signal", "target", "channel_signal", "channel_target", ""}
    return () if generic & set(words) else tuple(words)


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return "".join(c if c.isprintable() else " " for c in text[:100])
