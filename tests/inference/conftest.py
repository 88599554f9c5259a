"""Small models with weights that make every layer matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.inference import remembered
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

MakeModel = Callable[..., StainModel]


@pytest.fixture(autouse=True)
def nothing_remembered(tmp_path, monkeypatch) -> None:
    """Let no test know what another has measured."""
    monkeypatch.setenv("VSTAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remembered, "_known", {})


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Return a function that builds a random model; keywords as in ModelSpec.

    Several global operators in a chain multiply large weights to such products that float32 holds
    no result to 1e-4: such networks keep their own, with `large_weights` False.
    """

    def make(
        name: str = "gvtnet",
        *,
        axes: str = "YX",
        inputs: tuple[str, ...] = ("brightfield",),
        outputs: tuple[str, ...] = ("DNA",),
        planes: int = 1,
        voxel_size: dict[str, float] | None = None,
        seed: int = 0,
        statistics: tuple[float, float] | None = None,
        large_weights: bool = True,
        **options: Any,
    ) -> StainModel:
        spec = ModelSpec(
            name=f"random {name}",
            network=NetworkSpec(name=name, options=_small(name, options)),
            inputs=[InputSpec(name=channel, planes=planes) for channel in inputs],
            outputs=[
                OutputSpec(name=channel)
                if statistics is None
                else OutputSpec(name=channel, mean=statistics[0], std=statistics[1])
                for channel in outputs
            ],
            spatial_axes=axes,
            voxel_size=voxel_size or {},
            projects=name == "gvtnet-projection",
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = spec.build_network()
            for module in network.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.5, 2)
                elif large_weights and isinstance(module, torch.nn.modules.conv._ConvNd):
                    torch.nn.init.kaiming_normal_(module.weight)
        return StainModel(network.eval(), spec)

    return make


def _small(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return options that make a network small, where it has them."""
    small = {"filters": 4, "depth": 2, "growth": 2, "window": 16, "classes": 8, "widths": (4, 8)}
    if name == "gvtnet-projection":
        small["projection_filters"] = 4
    return {key: value for key, value in small.items() if key in networks.rules(name)} | options
