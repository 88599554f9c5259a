"""Validation: Pearson r of whole held-out regions, predicted as a user would predict them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn

from napari_virtual_stain.evaluation.metrics import pearson_r
from napari_virtual_stain.inference.engine import Engine
from napari_virtual_stain.inference.options import Precision
from napari_virtual_stain.training.examples import Example


def validation_r(
    network: nn.Module,
    examples: Sequence[Example],
    device: torch.device,
    precision: Precision = "auto",
) -> tuple[float, ...]:
    """Return Pearson r of each output, the mean over the examples; NaN if it predicts a NaN.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied, not changed.
    examples : sequence of Example
    device : torch.device
    precision : {"auto", "fp32", "bf16", "fp16"}
    """
    engine = Engine(network, examples[0].values.shape[0], device, precision)
    scores = [_scores(engine, example) for example in examples]
    return tuple(float(np.mean(column)) for column in zip(*scores, strict=True))


def settled(network: nn.Module, batches: Iterable[torch.Tensor]) -> nn.Module:
    """Return a copy whose batch normalization has the statistics of `batches`, for inference.

    The running averages of training lag behind the weights: with GVTNet's momentum of 0.003 by
    hundreds of steps, in which the network looks far worse than it is. Everything else is as in
    inference: dropout would change the statistics that are measured. A network without
    batch normalization has nothing to settle.

    Parameters
    ----------
    network : torch.nn.Module
    batches : iterable of tensor, shape (B, in_channels, *spatial)

    References
    ----------
    Wu & Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3: precise BatchNorm.
    """
    network = copy.deepcopy(network).eval()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return network
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over the batches
    with torch.no_grad():
        for values in batches:
            network(values)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def _scores(engine: Engine, example: Example) -> list[float]:
    sizes = example.values.shape[1:]
    predicted = np.empty(example.target.shape, np.float32)

    def read(region: tuple[slice, ...]) -> np.ndarray:
        part: np.ndarray = example.values[(slice(None), *region)]
        return part

    for _ in engine.run(read, sizes, engine.plan(sizes), predicted):
        pass
    return [pearson_r(o, p) for o, p in zip(example.target, predicted, strict=True)]
