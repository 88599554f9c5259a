"""Small versions of the networks learn a patch of a real image by heart, and predict it.

``scripts/overfit.py`` does the same with the networks at their full width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from napari_virtual_stain.events import run
from napari_virtual_stain.inference import predict
from napari_virtual_stain.io import read_image
from napari_virtual_stain.training import TrainOptions, train_events


@dataclass(frozen=True)
class Patch:
    """A crop of two channels of an image."""

    file: str
    source: str
    target: str
    crop: dict[str, slice]


@dataclass(frozen=True)
class Case:
    """A preset, made small and quick."""

    preset: str
    patch: Patch
    network: dict[str, Any]
    steps: int
    options: dict[str, Any] = field(default_factory=dict)


CELLS = Patch(
    "deepcell_phase_nuclei/train/HeLa_train1.ome.tif",
    "phase",
    "nuclei",
    {"Y": slice(96, 160), "X": slice(432, 496)},
)
BACTERIA = Patch(
    "colicoords_ecoli/ds1_00003.ome.tif",
    "brightfield",
    "fluorescence",
    {"Y": slice(160, 224), "X": slice(400, 464)},
)
NUCLEUS = Patch(
    "neubias_widefield_confocal_3d/nucleus.ome.tif",
    "widefield",
    "confocal",
    {"Z": slice(24, 32), "Y": slice(40, 72), "X": slice(32, 64)},
)

CASES = {
    "fnet": Case("fnet-2d", CELLS, {"filters": 8, "depth": 3}, 80),
    "fnet with a likelihood": Case(
        "fnet-2d", CELLS, {"filters": 8, "depth": 3, "likelihood": "gaussian"}, 120
    ),
    "gvtnet": Case("gvtnet-2d", CELLS, {"filters": 16, "depth": 3}, 80),
    "gvtnet with softmax attention": Case(
        "gvtnet-2d", CELLS, {"filters": 16, "depth": 3, "attention": "softmax"}, 80
    ),
    "unet": Case("unet-2d", CELLS, {"filters": 16, "depth": 3}, 80),
    "gvtnet-denoise": Case("gvtnet-denoise", NUCLEUS, {"filters": 8}, 150, {"learning_rate": 2e-3}),
    "gt-unet": Case(
        "gt-unet",
        BACTERIA,
        {"window": 32, "filters": 16, "growth": 8, "classes": 32, "dropout": 0.0},
        250,
        {"learning_rate": 1e-3, "batch": 4},
    ),
    "virfluonet": Case(
        "virfluonet",
        CELLS,
        {"filters": 16, "depth": 6, "dropout": 0.0},
        150,
        {"adversarial": False, "learning_rate": 2e-3},
    ),
}


@pytest.mark.data
@pytest.mark.parametrize("name", CASES)
def test_a_network_learns_a_real_patch(name, data_folder):
    case = CASES[name]
    patch = case.patch
    image = read_image(data_folder / patch.file)
    # A known voxel size, for an unknown one is warned of.
    image = image.replace(voxel_size=dict.fromkeys(image.axes.replace("C", ""), 1.0))
    source, target = image.channel(patch.source), image.channel(patch.target)
    options = TrainOptions(
        case.preset,
        network_options=case.network,
        steps=case.steps,
        validate_every=50,
        train_crop=patch.crop,
        validation=[(source, target)],
        validation_crop=patch.crop,
        turns=False,
        device="cpu",
        **{"batch": 1, **case.options},
    )
    # That it is scored on what it learns is warned of, and is what is wanted here.
    model = run(train_events([(source, target)], options), lambda event: None)
    predicted = predict(model, source, crop=patch.crop).numpy().ravel()
    observed = target.crop(patch.crop).numpy().ravel()
    assert np.corrcoef(observed, predicted)[0, 1] > 0.9
    # In grey values: the errors are small against what there is to see.
    assert np.abs(predicted - observed).mean() < 0.5 * observed.std()
