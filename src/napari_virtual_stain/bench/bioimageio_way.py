"""The network as a model of bioimageio.core, predicted by blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from bioimageio.core import Tensor, create_prediction_pipeline, predict
from bioimageio.core.axis import AxisId
from bioimageio.core.backends.pytorch_backend import PytorchModelAdapter
from bioimageio.spec.model import v0_5
from torch import nn

from napari_virtual_stain.bench.contenders import BLOCK, BLOCK_HALO

_SMALLEST = 2 * BLOCK_HALO  # px
_INPUT, _OUTPUT = "brightfield", "fluorescence"


class _Adapter(PytorchModelAdapter):  # type: ignore[misc,unused-ignore]
    """Their adapter for PyTorch, with a network that is there already instead of a file's."""

    def __init__(self, description: Any, network: nn.Module, device: str) -> None:
        self._given = network
        super().__init__(description, devices=[device])

    def _init_model_on_device(self, device: torch.device) -> nn.Module:
        return self._given.to(device)


def by_blocks(
    network: nn.Module, geometry: Any, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what predicts an array by blocks of bioimageio.core.

    Along Y and X, blocks are those of the example model, or the largest that fit into the image. Z
    is predicted whole.
    """
    ndim = len(geometry.stride)
    axes = tuple(map(AxisId, ("batch", "channel", *"zyx"[-ndim:])))

    def forward(values: np.ndarray) -> np.ndarray:
        # The number of planes is part of the description, so that there is one for each stack.
        description = _describe(geometry, values.shape)
        pipeline = create_prediction_pipeline(
            description, model_adapter=_Adapter(description, network, device.type)
        )
        tensor = Tensor(values[None, None], dims=axes)
        # 0 steps would stand for their default, which may be larger than the image.
        steps = max(1, (min(BLOCK, *values.shape[-2:]) - _SMALLEST) // geometry.stride[-1])
        sample = predict(model=pipeline, inputs=tensor, blocksize_parameter=steps)
        result: np.ndarray = sample.members[_OUTPUT].to_numpy()[0, 0]
        return result

    return forward


def _describe(geometry: Any, sizes: tuple[int, ...]) -> Any:
    """Return a model description; it is never written, so its files are not there to be checked."""
    batch, channel = v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=["one"])
    inputs: list[Any] = [batch, channel]
    outputs: list[Any] = [batch, channel]
    for axis, stride, size in zip("zyx"[-len(sizes) :], geometry.stride, sizes, strict=True):
        same = v0_5.SizeReference(tensor_id=_INPUT, axis_id=axis)
        if axis == "z":
            inputs.append(v0_5.SpaceInputAxis(id=axis, size=-(-size // stride) * stride))
            outputs.append(v0_5.SpaceOutputAxis(id=axis, size=same))
        else:
            block = v0_5.ParameterizedSize(min=_SMALLEST, step=stride)
            inputs.append(v0_5.SpaceInputAxis(id=axis, size=block))
            outputs.append(v0_5.SpaceOutputAxisWithHalo(id=axis, size=same, halo=BLOCK_HALO))
    return v0_5.ModelDescr.model_construct(
        name="network",
        inputs=[v0_5.InputTensorDescr(id=_INPUT, axes=inputs)],
        outputs=[v0_5.OutputTensorDescr(id=_OUTPUT, axes=outputs)],
        weights=v0_5.WeightsDescr.model_construct(
            pytorch_state_dict=v0_5.PytorchStateDictWeightsDescr.model_construct(source="none")
        ),
    )
