"""A batch of patches, augmented on the device on which it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.training.augmentation.draws import Draws
from napari_virtual_stain.training.augmentation.margin import margin
from napari_virtual_stain.training.augmentation.options import Augmentation

if TYPE_CHECKING:
    from torch import Tensor

    from napari_virtual_stain.inference.dihedral import Turn

CACHED = 2**19
"""Values of the input that a CPU works on at a time, so that they stay in its cache."""


def augment(
    inputs: Tensor,
    targets: Tensor,
    weights: Tensor | None,
    how: Augmentation,
    seeds: Sequence[tuple[int, ...]],
    *,
    source: Sequence[int],
    target: Sequence[int],
    planes: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return a batch in which each sample is changed at random.

    Parameters
    ----------
    inputs : tensor of float32, shape (B, C, [Z,] Y, X)
        Patches with their :func:`margin` around `source`. The tensors that are given stay as they
        are.
    targets : tensor of float32, shape (B, outputs, [Z,] Y, X)
        With the margin around `target`, centred on the same point. It may be smaller than
        the input (a network with a window), and lack its Z (projection).
    weights : tensor or None, shape (B, outputs or 1, [Z,] Y, X)
        0 where a target does not count and may be NaN, else 1.
    how : Augmentation
    seeds : sequence of tuple of int
        For each sample, from which everything random in it follows; what is beside it in the batch
        is of no matter. Of noise, on one kind of device.
    source, target : sequence of int
        Sizes to return, ([Z,] Y, X). Z is never cropped.
    planes : sequence of int
        Channels of the network for each input channel: the number of its planes.

    Returns
    -------
    inputs, targets, weights : tensor
        Cropped to `source` and `target`. Where weights are 0, targets hold anything.

    Raises
    ------
    ValueError
        If patches have no such margin, or are not centred on the same point.
    """
    import torch

    _check(inputs, how, source)
    _check(targets, how, target)
    at_once = len(inputs)
    if inputs.device.type == "cpu":
        at_once = max(1, CACHED // inputs[0].numel())
    results = []
    for first in range(0, len(inputs), at_once):
        part = slice(first, first + at_once)
        draws = Draws(seeds[part], len(planes))
        moved, learned, counting = _moved(
            inputs[part],
            targets[part],
            None if weights is None else weights[part],
            how,
            draws,
            source[-2:],
            target[-2:],
        )
        results.append((_disturbed(moved, how, draws, planes), learned, counting))
    if len(results) == 1:
        return results[0]
    of_inputs, of_targets, of_weights = zip(*results, strict=True)
    together = None if weights is None else torch.cat(of_weights)
    return torch.cat(of_inputs), torch.cat(of_targets), together


def _check(patches: Tensor, how: Augmentation, size: Sequence[int]) -> None:
    for read, wanted, beyond in zip(
        patches.shape[-2:], size[-2:], margin(how, size)[-2:], strict=True
    ):
        if read < wanted + 2 * beyond or (read - wanted) % 2:
            raise ValueError(
                f"{read} pixels were read for {wanted}, which need {beyond} more on either side."
            )


def _moved(
    inputs: Tensor,
    targets: Tensor,
    weights: Tensor | None,
    how: Augmentation,
    draws: Draws,
    source: Sequence[int],
    target: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Apply what both sides of a pair have in common."""
    from napari_virtual_stain.training.augmentation import geometry

    if how.turns:
        turns = _turns(draws, source, target)
        inputs, targets = geometry.turned(inputs, turns), geometry.turned(targets, turns)
        weights = None if weights is None else geometry.turned(weights, turns)
    if not how.interpolates:
        weights = None if weights is None else geometry.centred(weights, target)
        return geometry.centred(inputs, source), geometry.centred(targets, target), weights
    most = np.log1p(how.scale)
    factors = np.exp(draws.uniform("scale", -most, most)[:, 0])
    angles = np.radians(draws.uniform("rotation", -how.rotation, how.rotation)[:, 0])
    places = geometry.matrices(factors, angles)
    inputs = geometry.sampled(inputs, places, source)
    if weights is None:
        return inputs, geometry.sampled(targets, places, target), None
    return inputs, *geometry.sampled_targets(targets, weights, places, target)


def _turns(draws: Draws, source: Sequence[int], target: Sequence[int]) -> list[Turn]:
    from napari_virtual_stain.inference.dihedral import turns_for

    square = source[0] == source[1] and target[0] == target[1]
    choices = turns_for(None if square else (1, 2))
    return [choices[number] for number in draws.choices("turn", len(choices))]


def _disturbed(inputs: Tensor, how: Augmentation, draws: Draws, planes: Sequence[int]) -> Tensor:
    """Apply what concerns the input alone, in the order in which a microscope does it."""
    from napari_virtual_stain.training.augmentation import dropout, intensity, optics

    channels = np.repeat(np.arange(len(planes)), planes)
    chance, count = how.probability, len(planes)
    if how.blur:
        widths = draws.uniform("blur", 0, how.blur, probability=chance)[:, 0]
        inputs = optics.blurred(inputs, widths)
    if how.illumination:
        peaks = draws.uniform("illumination", 0, how.illumination, count, chance)
        shape = (count, optics.WAVES, optics.WAVES)
        waves = np.stack([rng.standard_normal(shape) for rng in draws.streams("field")])
        inputs = optics.lit(inputs, peaks, waves, channels)
    if how.contrast or how.brightness:
        most = np.log1p(how.contrast)
        factors = np.exp(draws.uniform("contrast", -most, most, count, chance))
        offsets = draws.uniform("brightness", -how.brightness, how.brightness, count, chance)
        inputs = intensity.rescaled(inputs, factors, offsets, channels)
    if how.noise:
        widths = draws.uniform("noise", 0, how.noise, probability=chance)[:, 0]
        seeds = [int(rng.integers(2**63)) for rng in draws.streams("grain")]
        inputs = intensity.noisy(inputs, widths, seeds)
    if how.channel_dropout or how.plane_dropout:
        inputs = dropout.silenced(inputs, dropout.kept(how, draws, planes))
    return inputs
