"""What features of cells came to: values of each object, and their correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.features.compartments import COMPARTMENTS
from napari_virtual_stain.evaluation.features.measuring import GROUPS, group_of

LEAST_OBJECTS = 3
"""Below, a correlation says nothing: with two objects it is 1 or −1."""


class MeasuredObject(NamedTuple):
    """Which object a row belongs to: its image, time point (from 0) and label."""

    image: str
    time: int
    label: int


class Shown(NamedTuple):
    """The observed plane over which a page draws the outlines of objects.

    Parameters
    ----------
    channel : str
    time : int
        Time point, from 0.
    plane : ndarray, shape (Y, X)
    aspect : float
        Height of a pixel over its width.
    """

    channel: str
    time: int
    plane: np.ndarray
    aspect: float


class FeatureCorrelation(NamedTuple):
    """How well a feature of the predicted image follows that of the observed one.

    Parameters
    ----------
    channel, compartment, group, feature : str
    r : float
        Pearson r over the objects; NaN where a feature is constant, or known of fewer than 3.
    objects : int
        Objects of which the feature is known in both images.
    """

    channel: str
    compartment: str
    group: str
    feature: str
    r: float
    objects: int


@dataclass(frozen=True, eq=False)
class FeatureBlock:
    """Features of the objects of one compartment in one channel, or of a pair of channels.

    Parameters
    ----------
    channel : str
        Its name; of a pair ``first × second``.
    compartment : str
        ``cells``, ``nuclei`` or ``cytoplasm``.
    objects : tuple of MeasuredObject
    features : tuple of str
        As `cp_measure` calls them, such as ``Intensity_MeanIntensity``.
    observed, predicted : ndarray of float64, shape (objects, features)
        NaN where a feature of an object is not defined.
    """

    channel: str
    compartment: str
    objects: tuple[MeasuredObject, ...]
    features: tuple[str, ...]
    observed: np.ndarray
    predicted: np.ndarray

    @property
    def correlations(self) -> list[FeatureCorrelation]:
        """The correlation of each feature."""
        found = []
        for column, feature in enumerate(self.features):
            r, count = _pearson(self.observed[:, column], self.predicted[:, column])
            found.append(
                FeatureCorrelation(
                    self.channel, self.compartment, group_of(feature), feature, r, count
                )
            )
        return found


@dataclass(frozen=True, eq=False)
class FeatureComparison:
    """Features of cells in an observed and a predicted image, or in several of a set.

    Parameters
    ----------
    images : tuple of str
        Names of the observed images.
    blocks : tuple of FeatureBlock
        By channel (then pairs of channels), and by compartment within.
    labels : dict of str to ndarray of int32, shape (T, Y, X)
        The objects that were measured, by compartment, of one image; empty for a set.
    nuclear_channel : str or None
        Where nuclei were found; None if their labels were given or not needed.
    projected : bool
        Whether maximum projections of stacks were measured.
    shown : Shown, optional
        What a page shows of one image.
    voxel_size : mapping of str to float
        Of one image, µm by axis (Y, X).
    """

    images: tuple[str, ...]
    blocks: tuple[FeatureBlock, ...]
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    nuclear_channel: str | None = None
    projected: bool = False
    shown: Shown | None = None
    voxel_size: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def correlations(self) -> list[FeatureCorrelation]:
        """The correlation of each feature of each block."""
        return [one for block in self.blocks for one in block.correlations]

    @cached_property
    def pictures(self) -> dict[str, bytes]:
        """What :func:`.feature_figures` draws; drawn when it is first asked for."""
        from napari_virtual_stain.evaluation.features.figures import feature_figures

        return feature_figures(self)

    @property
    def objects(self) -> dict[str, int]:
        """How many objects were measured, by compartment."""
        found: dict[str, int] = {}
        for block in self.blocks:
            found.setdefault(block.compartment, len(block.objects))
        return {name: found[name] for name in COMPARTMENTS if name in found}

    @property
    def counted(self) -> str:
        """How many objects were measured, for a person: ``6 cells, 7 nuclei``."""
        texts = [
            f"{what} of {count} cells" if what == "cytoplasm" else f"{count} {what}"
            for what, count in self.objects.items()
        ]
        return ", ".join(texts) or "no cells"

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels and pairs of channels, in the order of the blocks."""
        return tuple(dict.fromkeys(block.channel for block in self.blocks))

    def median_r(
        self, channel: str | None = None, compartment: str | None = None, group: str | None = None
    ) -> float:
        """Return the median of the correlations that are defined, of some or all; NaN if none."""
        known = [
            one.r
            for one in self.correlations
            if not math.isnan(one.r)
            and channel in (None, one.channel)
            and compartment in (None, one.compartment)
            and group in (None, one.group)
        ]
        return float(np.median(known)) if known else math.nan


def pool_features(comparisons: Sequence[FeatureComparison]) -> FeatureComparison:
    """Put the objects of several images together, so that one correlation is over all of them.

    Raises
    ------
    VirtualStainError
        If there is no image.
    """
    if not comparisons:
        raise VirtualStainError("no image has features that could be put together.")
    blocks: dict[tuple[str, str], list[FeatureBlock]] = {}
    for comparison in comparisons:
        for block in comparison.blocks:
            blocks.setdefault((block.channel, block.compartment), []).append(block)
    nuclear = {comparison.nuclear_channel for comparison in comparisons}
    return FeatureComparison(
        tuple(image for comparison in comparisons for image in comparison.images),
        tuple(join_blocks(some) for some in blocks.values()),
        nuclear_channel=nuclear.pop() if len(nuclear) == 1 else None,
        projected=any(comparison.projected for comparison in comparisons),
    )


def join_blocks(blocks: Sequence[FeatureBlock]) -> FeatureBlock:
    """Put objects together that were measured in one channel and compartment."""
    found = dict.fromkeys(feature for block in blocks for feature in block.features)
    features = tuple(sorted(found, key=lambda name: GROUPS.index(group_of(name))))

    def stacked(which: str) -> np.ndarray:
        rows = [np.full((len(block.objects), len(features)), np.nan) for block in blocks]
        for block, values in zip(blocks, rows, strict=True):
            columns = [features.index(feature) for feature in block.features]
            values[:, columns] = getattr(block, which)
        return np.concatenate(rows)

    return FeatureBlock(
        blocks[0].channel,
        blocks[0].compartment,
        tuple(one for block in blocks for one in block.objects),
        features,
        stacked("observed"),
        stacked("predicted"),
    )


def _pearson(observed: np.ndarray, predicted: np.ndarray) -> tuple[float, int]:
    known = np.isfinite(observed) & np.isfinite(predicted)
    count = int(known.sum())
    if count < LEAST_OBJECTS:
        return math.nan, count
    deviations = []
    for values in (observed[known], predicted[known]):
        # Scaled first, so that no square is too large or too small for a float.
        scale = np.abs(values).max()
        if np.ptp(values) <= 1e-12 * scale:
            return math.nan, count
        values = values / scale
        deviations.append(values - values.mean())
    o, p = (values / np.linalg.norm(values) for values in deviations)
    return float(np.clip(np.dot(o, p), -1, 1)), count
