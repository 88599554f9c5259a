"""Validation: Pearson r of whole held-out regions, predicted as a user would predict them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.metrics import pearson_r
from napari_virtual_stain.inference.engine import Engine
from napari_virtual_stain.inference.options import Precision
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.lazy import whole

MEMORY = 1.0
"""GiB that scoring may take on the CPU, beside what the training itself takes."""


@dataclass(frozen=True, eq=False)
class Validation:
    """How a network does on the validation part.

    Parameters
    ----------
    scores : tuple of float
        Pearson r of each output, the mean over the examples that have it; NaN where the network
        predicts one, and where no example has the output.
    first : ndarray of float32, shape (outputs, *spatial)
        What is predicted of the first example.
    """

    scores: tuple[float, ...]
    first: np.ndarray


def validate(
    network: nn.Module,
    examples: Sequence[Example],
    device: torch.device,
    precision: Precision = "auto",
) -> Validation:
    """Predict the examples, and score the predictions where targets count.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied, not changed.
    examples : sequence of Example
    device : torch.device
    precision : {"auto", "fp32", "bf16", "fp16"}
    """
    engine = _engine(network, examples, device, precision)
    first: np.ndarray | None = None
    scores = []
    for example in examples:
        values = predicted(engine, example)
        first = values if first is None else first
        scores.append(_scores(example, values))
    assert first is not None
    return Validation(tuple(_mean(column) for column in zip(*scores, strict=True)), first)


def _engine(
    network: nn.Module, examples: Sequence[Example], device: torch.device, precision: Precision
) -> Engine:
    channels = examples[0].values.shape[0]
    if device.type != "cpu":
        return Engine(network, channels, device, precision)
    engine = Engine(network, channels, device, precision, MEMORY)
    try:
        for example in examples:
            engine.plan(example.values.shape[1:])
    except VirtualStainError:
        # Not even the smallest exact tile fits: it takes what it needs.
        return Engine(network, channels, device, precision)
    return engine


def predicted(engine: Engine, example: Example) -> np.ndarray:
    """Return what a network predicts of an example, float32, in the shape of its target."""
    sizes = example.values.shape[1:]
    result = np.empty(example.target.shape, np.float32)

    def read(region: tuple[slice, ...]) -> np.ndarray:
        return example.values[(slice(None), *region)]

    for _ in engine.run(read, sizes, engine.plan(sizes), result):
        pass
    return result


def scored_outputs(examples: Sequence[Example]) -> list[int]:
    """Return which outputs any example has, by their position."""
    weights = [None if e.weight is None else whole(e.weight) for e in examples]
    outputs = range(examples[0].target.shape[0])
    return [i for i in outputs if any(one is None or one[i].any() for one in weights)]


def settled(network: nn.Module, batches: Iterable[torch.Tensor]) -> nn.Module:
    """Return a copy whose batch normalization has the statistics of `batches`, for inference.

    The running averages of training lag behind the weights: with GVTNet's momentum of 0.003 by
    hundreds of steps, in which the network looks far worse than it is. Everything else is as in
    inference: dropout would change the statistics that are measured. A network without
    batch normalization has nothing to settle, and what is frozen stays as it is.

    Parameters
    ----------
    network : torch.nn.Module
    batches : iterable of tensor, shape (B, in_channels, *spatial)

    References
    ----------
    Wu & Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3: precise BatchNorm.
    """
    network = copy.deepcopy(network).eval()
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and all(parameter.requires_grad for parameter in module.parameters())
    ]
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


def _scores(example: Example, values: np.ndarray) -> list[float | None]:
    target = whole(example.target)
    if example.weight is None:
        return [pearson_r(o, p) for o, p in zip(target, values, strict=True)]
    counts = whole(example.weight)
    return [
        pearson_r(o[c], p[c]) if c.any() else None
        for o, p, c in zip(target, values, counts, strict=True)
    ]


def _mean(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else math.nan
