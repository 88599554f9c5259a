"""Several models as one: the mean of what they predict, and how far they disagree.

The members' predictions are taken as an equal mixture of distributions: its mean is the mean of
the means, its variance the variance of the means plus the mean of the variances. Where a member
yields no variance of its own, what remains is the spread of the means.

Source: Lakshminarayanan, Pritzel & Blundell, "Simple and scalable predictive uncertainty estimation
using deep ensembles" (2017), section 2.4.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.inference.options import Units
from napari_virtual_stain.inference.units import ENTROPY, GREY, SIGMA, OutputUnits, is_linear
from napari_virtual_stain.model import ModelSpec, OutputSpec, StainModel


def check_members(model: StainModel | Sequence[StainModel], units: Units) -> list[StainModel]:
    """Return the members of an ensemble, or the one model that was given.

    Raises
    ------
    VirtualStainError
        If what was given is no model, or the members do not predict the same thing.
    """
    several = isinstance(model, Sequence) and not isinstance(model, str)
    members: list[Any] = list(model) if several else [model]  # type: ignore[arg-type]
    if not members:
        raise VirtualStainError("a model is needed (vs.load_model); none was given.")
    for member in members:
        if not isinstance(member, StainModel):
            raise VirtualStainError(
                f"a model is needed (vs.load_model), not {type(member).__name__}."
            )
    for one, other in itertools.combinations(members, 2):
        if one is other or (one.digest and one.digest == other.digest):
            raise VirtualStainError(
                f"the model {one.spec.name!r} was given twice; an ensemble is of models that were "
                "trained apart, and the spread of one and the same says nothing."
            )
    first = members[0].spec
    for other in (member.spec for member in members[1:]):
        for what, one, two in _compared(first, other, units):
            if one != two:
                raise VirtualStainError(
                    f"the models {first.name!r} and {other.name!r} cannot be averaged: {what} "
                    f"differ ({one}; {two}). Choose models of one kind, or predict with each."
                )
    return members


def uncertainty_kinds(members: Sequence[StainModel], tta: bool = False) -> tuple[str, ...]:
    """Return which uncertainty maps one model yields for each output, or several models do.

    Several models always yield σ, and entropy if each of them does.

    Parameters
    ----------
    members : sequence of StainModel
    tta : bool
        With test-time augmentation.
    """
    own = [own_kinds(member, tta) for member in members]
    if len(own) == 1:
        return own[0]
    return (SIGMA, ENTROPY) if all(ENTROPY in kinds for kinds in own) else (SIGMA,)


def own_kinds(member: StainModel, tta: bool = False) -> tuple[str, ...]:
    """Return which uncertainty maps a model yields by itself; with `tta`, at least σ."""
    head: Any = member.network.head
    kinds: tuple[str, ...] = head.uncertainties
    return kinds or (SIGMA,) * tta


def with_own_sigma(
    members: Sequence[StainModel], units: Sequence[OutputUnits], tta: bool = False
) -> tuple[bool, ...]:
    """Return for each output whether every member yields a σ of it in the prediction's unit."""
    every = all(SIGMA in own_kinds(member, tta) for member in members)
    return tuple(
        every
        and all(
            unit.predicted != GREY or is_linear(member.spec.outputs[position], member.spec)
            for member in members
        )
        for position, unit in enumerate(units)
    )


def spread_notices(members: Sequence[StainModel], with_sigma: Sequence[bool]) -> list[Notice]:
    """Return what is said where some σ of members are left out of that of the ensemble."""
    if all(with_sigma) or not any(SIGMA in own_kinds(member) for member in members):
        return []
    text = (
        "not every model yields a σ of its own in the unit of the prediction; the uncertainty is "
        "the spread of the predictions alone."
    )
    return [Notice(text, True)]


class Mixture:
    """Mean and spread of what members predict; they are added one after the other.

    Parameters
    ----------
    kinds : tuple of str
        The uncertainty maps that are wanted.
    with_sigma : sequence of bool
        For each output, whether the members' own σ count.
    """

    def __init__(self, kinds: tuple[str, ...], with_sigma: Sequence[bool]) -> None:
        from napari_virtual_stain.inference.spread import Spread  # needs torch

        self._spread = Spread(kinds, with_sigma)
        self._frames: tuple[int, ...] = ()

    def add(self, values: np.ndarray, kinds: Sequence[str]) -> None:
        """Add what a member yields.

        Parameters
        ----------
        values : ndarray of float32, shape (T, planes, channels, *spatial)
            The predictions, then each kind of map. It is not changed.
        kinds : sequence of str
            Of its maps.
        """
        import torch

        self._frames = values.shape[:2]
        self._spread.add(torch.from_numpy(values).flatten(0, 1), kinds)

    def result(self) -> np.ndarray:
        """Return the mean, then each kind of map that is wanted, as members yield them."""
        result = self._spread.result().numpy()
        return result.reshape(*self._frames, *result.shape[1:])


def _compared(
    first: ModelSpec, other: ModelSpec, units: Units
) -> Iterator[tuple[str, object, object]]:
    """Yield what has to agree, in words, and the two values."""
    yield "their inputs", _names(first.inputs), _names(other.inputs)
    yield "their outputs", _names(first.outputs), _names(other.outputs)
    yield "their axes", first.spatial_axes, other.spatial_axes
    yield "their results", _result(first), _result(other)
    for one, two in zip(first.outputs, other.outputs, strict=True):
        if units == "z-score" or not (one.has_grey_values and two.has_grey_values):
            what = f"the units in which their networks yield {one.name}"
            yield what, _scale(one, first), _scale(two, other)


def _names(channels: Sequence[Any]) -> str:
    return ", ".join(channel.name for channel in channels)


def _result(spec: ModelSpec) -> str:
    return "one plane for a stack" if spec.consumes_z else "a stack for a stack"


def _scale(output: OutputSpec, spec: ModelSpec) -> str:
    how = spec.normalization
    if output.scaling != "input":
        return output.scaling
    return f"that of the input, {how.method}{' of the equalized image' * how.equalize}"
