"""Small models with weights that make every layer matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

MakeModel = Callable[..., StainModel]


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Return a function that builds a random model; keywords as in ModelSpec."""

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
        **options: int,
    ) -> StainModel:
        spec = ModelSpec(
            name=f"random {name}",
            network=NetworkSpec(name=name, options={"filters": 4, "depth": 2, **options}),
            inputs=[InputSpec(name=channel, planes=planes) for channel in inputs],
            outputs=[
                OutputSpec(name=channel)
                if statistics is None
                else OutputSpec(name=channel, mean=statistics[0], std=statistics[1])
                for channel in outputs
            ],
            spatial_axes=axes,
            voxel_size=voxel_size or {},
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = spec.build_network()
            for module in network.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.5, 2)
                elif isinstance(module, torch.nn.modules.conv._ConvNd):
                    torch.nn.init.kaiming_normal_(module.weight)
        return StainModel(network.eval(), spec)

    return make
