"""Fixtures of the napari part: models, images as layers, a dock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from napari.components import ViewerModel

from napari_virtual_stain.io import save_model
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel


def small_spec(
    name: str = "small",
    inputs: Sequence[InputSpec] = (InputSpec(name="brightfield"),),
    outputs: Sequence[str] = ("nuclei",),
    **fields: Any,
) -> ModelSpec:
    """Return the specification of a network that predicts at once, and nothing of use."""
    return ModelSpec(
        name=name,
        network=NetworkSpec(name="fnet", options={"filters": 4, "depth": 2}),
        inputs=list(inputs),
        outputs=[OutputSpec(name=output, mean=100, std=20) for output in outputs],
        **fields,
    )


def small_model(name: str = "small", **fields: Any) -> StainModel:
    """Return such a network with weights that are always the same."""
    spec = small_spec(name, **fields)
    network = spec.build_network()
    torch.manual_seed(0)
    for weights in network.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.3)
    return StainModel(network, spec)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves a small model, outside the model folder, and tells where."""

    def save_small(name: str = "small", **fields: Any) -> Path:
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        return save_model(small_model(name, **fields), folder / name, overwrite=True)

    return save_small


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the model folder, which is empty and not the user's."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("VSTAIN_MODELS", str(folder))
    return folder


@pytest.fixture
def viewer() -> ViewerModel:
    """Return a viewer without a window."""
    return ViewerModel()


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    """Return a function that makes an image of a shape: noise with some structure, the same."""

    def make(*shape: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        image = rng.normal(1000, 100, shape)
        image[..., 8:16, 8:20] += 800
        return image.astype(np.uint16)

    return make


@pytest.fixture
def kept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run be kept as soon as it has learned anything."""
    from napari_virtual_stain.training import fitting

    monkeypatch.setattr(fitting, "KEEP_EVERY", 0.0)
