"""How each contender predicts: from the normalized pixels of an image to the same kind of array.

What a way needs is imported when it is prepared. Preparing is not timed; what it returns is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_virtual_stain.bench.contenders import HALO, OVERLAP, WINDOWS, Contender
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.allocator import steady_allocator
from napari_virtual_stain.inference.devices import autocast
from napari_virtual_stain.inference.padding import padded_size, read_padded
from napari_virtual_stain.inference.tuned import tuned
from napari_virtual_stain.normalization import measure, normalize

if TYPE_CHECKING:
    from napari_virtual_stain.model import StainModel

Predict = Callable[[], np.ndarray | Image]
Way = Callable[[Image], Predict]
"""Takes an image, and returns what predicts it, in the network's units and the image's sizes."""

_WINDOWS_AT_ONCE = 4  # sw_batch_size of MONAI's tutorials


def prepare(contender: Contender, model: StainModel, device: torch.device) -> Way:
    """Import what a contender needs and set it up with a network of its own.

    Parameters
    ----------
    contender : Contender
    model : StainModel
        Its network may be moved to the device.
    device : torch.device
    """
    if contender.way == "engine":
        return _engine(contender, model, device)
    network = tuned(model.network, device) if contender.tuned else model.network.to(device)
    if contender.way == "bioimageio":
        from napari_virtual_stain.bench.bioimageio_way import by_blocks

        forward = by_blocks(network, model.network.geometry, device)
    else:
        ways = {"whole": _whole, "monai": _monai, "torch-em": _torch_em}
        forward = ways[contender.way](contender, network, device)

    def way(image: Image) -> Predict:
        values = normalize(np.asarray(image.data), measure(image.data, image.name))

        def predict() -> np.ndarray:
            with contextlib.ExitStack() as stack:
                stack.enter_context(torch.inference_mode())
                if contender.tuned:
                    stack.enter_context(steady_allocator(device))
                    stack.enter_context(autocast(device, contender.precision))
                return forward(values)

        return predict

    return way


def reference(model: StainModel, image: Image, device: torch.device) -> np.ndarray:
    """Return the whole-image result in strict float32, nothing tuned."""
    network = model.network.to(device)
    values = normalize(np.asarray(image.data), measure(image.data, image.name))
    with torch.inference_mode(), autocast(device, "fp32"):
        return _forward_whole(network, values, device)


def _engine(contender: Contender, model: StainModel, device: torch.device) -> Way:
    from napari_virtual_stain.inference import predict

    options: dict[str, Any] = {
        "precision": contender.precision, "device": device.type, "units": "z-score",
    }  # fmt: skip
    return lambda image: lambda: predict(model, image, **options)


def _whole(
    contender: Contender, network: nn.Module, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: _forward_whole(network, values, device)


def _forward_whole(network: Any, values: np.ndarray, device: torch.device) -> np.ndarray:
    sizes = values.shape
    padded = [padded_size(n, s) for n, s in zip(sizes, network.geometry.stride, strict=True)]
    whole = [slice(0, size) for size in padded]
    frame = read_padded(lambda part: values[part][None], whole, sizes, padded)
    raw = network(torch.from_numpy(frame[None]).to(device))[0, 0].float().cpu().numpy()
    result: np.ndarray = raw[tuple(slice(0, size) for size in sizes)]
    return result


def _monai(
    contender: Contender, network: nn.Module, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    from monai.inferers import sliding_window_inference

    def forward(values: np.ndarray) -> np.ndarray:
        predicted = sliding_window_inference(
            torch.from_numpy(values[None, None]).to(device),
            WINDOWS[values.ndim][contender.tiles],
            _WINDOWS_AT_ONCE,
            network,
            overlap=OVERLAP,
            mode="gaussian",
        )
        result: np.ndarray = predicted[0, 0].float().cpu().numpy()
        return result

    return forward


def _torch_em(
    contender: Contender, network: nn.Module, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    from torch_em.util.prediction import predict_with_halo

    def forward(values: np.ndarray) -> np.ndarray:
        block, halo = WINDOWS[values.ndim]["small"], HALO[values.ndim]
        out = np.zeros(values.shape, np.float32)
        predict_with_halo(
            values, network, [device.type], block, halo, output=out[None], disable_tqdm=True
        )
        return out

    return forward
