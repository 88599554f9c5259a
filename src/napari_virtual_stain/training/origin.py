"""Where a trained model comes from, and by what a training is told from others."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.model import ModelSpec, Provenance, StainModel
from napari_virtual_stain.training.options import TrainOptions
from napari_virtual_stain.training.preparation import Prepared
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    from napari_virtual_stain.training.fitting import Best


def provenance_of(spec: ModelSpec, recipe: Preset, options: TrainOptions, best: Best) -> Provenance:
    """Return where the best network of a training comes from."""
    return Provenance(
        data=options.data,
        licence=options.licence,
        attribution=options.attribution,
        preset=recipe.name,
        command=options.command,
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

    Pixels are told by the sizes of the images and the statistics of their targets.
    """
    normalization = recipe.normalization.model_dump(mode="json")
    made = asdict(recipe) | {"normalization": normalization, "description": ""}
    return {
        "pairs": [_told(example) for example in prepared.training],
        "validation pairs": [_told(example) for example in prepared.validation],
        "inputs": [channel.name for channel in prepared.spec.inputs],
        "targets": [output.name for output in prepared.spec.outputs],
        "voxel size": dict(prepared.spec.voxel_size),
        "preset": _plain(made),
        "seed": options.seed,
        "precision": options.precision,
        "patience": options.patience,
        "steps between scores": options.validate_every,
        "half precision": options.half,
        "frozen parts": list(options.freeze),
        "model to start from": "" if options.start is None else _fingerprint(options.start),
        "processes": options.devices * options.nodes,
    }


def _fingerprint(model: StainModel) -> str:
    """Return the name of a model, and what tells its weights from others."""
    digest = hashlib.sha256()
    for name, values in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return f"{model.spec.name} ({digest.hexdigest()[:12]})"


def _told(example: Any) -> list[Any]:
    measured = [None if one is None else [one.mean, one.std] for one in example.statistics]
    return [list(example.values.shape), list(example.target.shape), measured]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
