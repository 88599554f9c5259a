"""Where a trained model comes from, and by what a training is told from others."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.model import ModelSpec, Provenance, StainModel, clean_text
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.lazy import Channels
from napari_virtual_stain.training.options import TrainOptions
from napari_virtual_stain.training.preparation import Prepared
from napari_virtual_stain.training.presets import preset
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.version import __version__

LOOKED_AT = 32
"""Examples of which pixels are looked at."""

SIDE = 64
"""Pixels along each axis of what is looked at."""

if TYPE_CHECKING:
    from napari_virtual_stain.training.best import Best


def provenance_of(spec: ModelSpec, recipe: Preset, options: TrainOptions, best: Best) -> Provenance:
    """Return where the best network of a training comes from."""
    return Provenance(
        data=clean_text(options.data),
        licence=clean_text(options.licence),
        attribution=clean_text(options.attribution),
        preset=recipe.name,
        command=clean_text(options.command),
        options=json.dumps(_changed(recipe, options), ensure_ascii=False),
        started_from="" if options.start is None else clean_text(_start(options.start)),
        steps=best.step,
        seed=options.seed,
        versions={"napari-virtual-stain": __version__}
        | {package: importlib.metadata.version(package) for package in ("torch", "lightning")},
        scores={
            output.name: {"validation_pearson_r": round(score, 4)}
            for output, score in zip(spec.outputs, best.scores, strict=True)
            if not math.isnan(score)
        },
    )


def run_key(prepared: Prepared, recipe: Preset, options: TrainOptions) -> dict[str, Any]:
    """Return all that determines a training, as plain JSON values under names for a person.

    Pixels are told by the statistics of the images, and by some of them.
    """
    return {
        "images and parts to learn from": _told(prepared.training),
        "images and parts to score on": _told(prepared.validation),
        "inputs": [channel.name for channel in prepared.spec.inputs],
        "targets": [output.name for output in prepared.spec.outputs],
        "voxel size": dict(prepared.spec.voxel_size),
        "preset": _content(recipe),
        "seed": options.seed,
        "precision": options.precision,
        "patience": options.patience,
        "steps between scores": options.validate_every,
        "half precision": options.half,
        "frozen parts": list(options.freeze),
        "model to start from": "" if options.start is None else _fingerprint(options.start),
        "processes": options.devices * options.nodes,
    }


def _changed(recipe: Preset, options: TrainOptions) -> dict[str, Any]:
    """Return what differs from the preset of that name, as plain JSON values."""
    made, published = _content(recipe), _content(preset(options.preset))
    found = {name: value for name, value in made.items() if value != published[name]}
    if options.start is not None:
        found.pop("network", None)  # which is that of the model
    for crop in ("train_crop", "validation_crop"):
        parts = getattr(options, crop)
        if parts:
            found[crop] = {axis: [part.start, part.stop] for axis, part in parts.items()}
    others = {
        "voxel_size": dict(options.voxel_size),
        "freeze": list(options.freeze),
        "precision": options.precision if options.precision != "auto" else "",
        "patience": options.patience,
        "processes": options.devices * options.nodes if options.devices * options.nodes > 1 else 0,
    }
    return found | {name: value for name, value in others.items() if value}


def _content(recipe: Preset) -> dict[str, Any]:
    """Return all of a recipe but what is for people, as plain JSON values."""
    normalization = recipe.normalization.model_dump(mode="json")
    made = asdict(recipe) | {"normalization": normalization, "description": ""}
    plain: dict[str, Any] = _plain(made)
    return plain


def _start(model: StainModel) -> str:
    origin = model.spec.provenance
    known = [text for text in (origin.licence, origin.attribution) if text]
    return "; ".join([_fingerprint(model), *known])


def _fingerprint(model: StainModel) -> str:
    """Return the name of a model, and what tells its weights from others."""
    digest = hashlib.sha256()
    for name, values in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return f"{model.spec.name} ({digest.hexdigest()[:12]})"


def _told(examples: Sequence[Example]) -> str:
    """Return the number of examples, and what tells them from others.

    That is where each comes from, how its images are scaled, and pixels of the middle of some.
    """
    digest = hashlib.sha256()
    for example in examples:
        measured = [None if one is None else (one.mean, one.std) for one in example.statistics]
        place = example.place
        inputs = place and [(by.offset, by.unit) for by in place.scalings]
        where = place and (place.pair, sorted(place.origin.items()), place.sizes, place.zooms)
        shapes = tuple(example.values.shape), tuple(example.target.shape)
        digest.update(repr((shapes, measured, inputs, where)).encode())
    for example in examples[:: -(-len(examples) // LOOKED_AT) or 1]:
        for channels in (example.values, example.target, example.weight):
            if channels is not None:
                digest.update(_middle(channels))
    return f"{len(examples)} ({digest.hexdigest()[:12]})"


def _middle(channels: Channels) -> bytes:
    """Return what stands in the middle of channels, to two decimals."""
    part = tuple(slice(max(n // 2 - SIDE // 2, 0), n // 2 + SIDE // 2) for n in channels.shape[1:])
    # Whichever processor has computed it.
    values: np.ndarray = np.round(np.asarray(channels[(slice(None), *part)], np.float32), 2)
    return (values + 0.0).tobytes()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
