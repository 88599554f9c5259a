"""Observed + predicted -> the features of their cells, and how well one follows the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.counting import spread_mask
from napari_virtual_stain.evaluation.features.blocks import measured
from napari_virtual_stain.evaluation.features.compartments import check_labels, compartments
from napari_virtual_stain.evaluation.features.limits import GreyLimits, plane_limits
from napari_virtual_stain.evaluation.features.measuring import require_cp_measure
from napari_virtual_stain.evaluation.features.nuclear_channel import find_nuclear_channel
from napari_virtual_stain.evaluation.features.planes import read_planes
from napari_virtual_stain.evaluation.features.result import FeatureComparison, Shown
from napari_virtual_stain.evaluation.pairing import Pairing, check_grids, pair_channels
from napari_virtual_stain.events import Notice, Progress, Work, run
from napari_virtual_stain.image import Image


def compare_features(
    observed: Image,
    predicted: Image,
    nuclei: Any = None,
    cells: Any = None,
    *,
    nuclear_channel: str | None = None,
    nucleus_diameter: float | None = None,
    growth: float | None = None,
    border: bool = False,
    limits: GreyLimits | None = None,
    mask: Image | None = None,
) -> FeatureComparison:
    """Measure the same cells in the observed and in the predicted image.

    The same objects are measured in both, so features of shape are equal by construction, and
    so are positions: neither is among the features. These are, of each channel, *intensity*
    (with that of the edge), *texture* (Haralick, at a distance of 3 pixels, the mean of four
    directions), *granularity* (16 sizes) and *radial distribution* (four rings), and of each
    pair of channels their *correlation*, as CellProfiler measures them [1]_ [2]_. Of each
    feature, Pearson r between observed and predicted over the objects tells whether what would
    be concluded from the stain can be concluded from the prediction [3]_.

    Of a stack, the maximum projections are measured, as some of these features have no 3D form.
    The objects of all time points of a movie are taken together.

    Parameters
    ----------
    observed, predicted : Image
        On one grid. Channels are paired as :func:`.compare` pairs them.
    nuclei, cells : array of integers, shape (Y, X) or (T, Y, X), optional
        Labels on the grid of the images (of a stack, of its projection): 0 is background, every
        other value an object. Nuclei that are not given are found in the nuclear channel of the
        observed image by Otsu's threshold and a watershed; cells that are not given are grown
        around the nuclei; cytoplasm is what of a cell is in no nucleus.
    nuclear_channel : str, optional
        Name of the observed channel that shows nuclei. By default the first that is called as a
        nuclear stain is (DAPI, Hoechst, DNA, …), or the only one of an image without names. It
        needs no predicted partner.
    nucleus_diameter : float, optional
        Typical diameter of a nucleus, in µm, or in pixels where the voxel size is unknown. By
        default it is taken from the image.
    growth : float, optional
        How far cells reach beyond their nuclei, in the same unit; by default as far as the
        median nucleus is wide.
    border : bool
        Whether objects that touch the border count, although they are cut off.
    limits : mapping of str to (low, high), optional
        By observed channel, the grey values that become 0 and 1 before all but intensity is
        measured, in both images alike. By default the 0.1 and 99.9 percentiles of the observed
        channel. Give the images of a set the same: see :func:`.joint_limits`.
    mask : Image, optional
        0 where a pixel does not count, as for :func:`.compare`.

    Returns
    -------
    FeatureComparison
        A feature that an object does not have (of a constant, tiny or empty one) is NaN there.
        Objects with a pixel that does not count, or is NaN or infinite, are left out.

    Raises
    ------
    VirtualStainError
        If cp_measure is not installed, the images do not share a grid, their channels cannot be
        paired, labels or the mask do not fit, or no channel shows nuclei and no labels were given.

    Warns
    -----
    VirtualStainWarning
        If there is no object to measure, or channels were paired by position although they
        have names.

    References
    ----------
    .. [1] Muñoz et al., "cp_measure: API-first feature extraction for image-based profiling
       workflows" (2025).
    .. [2] Bray et al., "Cell Painting, a high-content image-based assay for morphological
       profiling using multiplexed fluorescent dyes", Nature Protocols 11, 1757-1774 (2016).
    .. [3] Nguyen et al., "Virtual organelle self-coding for fluorescence imaging via
       adversarial learning", Journal of Biomedical Optics 25, 096009 (2020), Figures 7 and 8.
    """
    return run(
        compare_features_events(
            observed,
            predicted,
            nuclei,
            cells,
            nuclear_channel=nuclear_channel,
            nucleus_diameter=nucleus_diameter,
            growth=growth,
            border=border,
            limits=limits,
            mask=mask,
        )
    )


def compare_features_events(
    observed: Image,
    predicted: Image,
    nuclei: Any = None,
    cells: Any = None,
    *,
    nuclear_channel: str | None = None,
    nucleus_diameter: float | None = None,
    growth: float | None = None,
    border: bool = False,
    limits: GreyLimits | None = None,
    mask: Image | None = None,
) -> Work[FeatureComparison]:
    """Do what :func:`compare_features` does, as a generator of events that returns the result."""
    require_cp_measure()
    check_grids(observed, predicted)
    pairing = pair_channels(observed, predicted)
    yield from pairing.notices
    sizes = observed.sizes
    frames, shape = sizes.get("T", 1), (sizes["Y"], sizes["X"])
    given = {
        what: None if labels is None else check_labels(labels, what, frames, shape)
        for what, labels in (("nuclei", nuclei), ("cells", cells))
    }
    nuclear = _nuclear(observed, nuclear_channel, given)
    projected = sizes.get("Z", 1) > 1
    if projected:
        yield Notice("features are measured in the maximum projections of the stacks.")

    spatial = [size for axis, size in sizes.items() if axis in "ZYX"]
    counts = None if mask is None else spread_mask(mask, observed, pairing.observed, spatial)
    seen = yield from read_planes(observed, pairing.observed, "reading observed", counts)
    made = yield from read_planes(predicted, pairing.predicted, "reading predicted")
    stain = None
    if nuclear is not None:
        stain = yield from read_planes(observed, [nuclear], "reading nuclei")
    size = _pixel_size(observed)
    labels: list[dict[str, np.ndarray]] = []
    for t in range(frames):
        found = compartments(
            None if stain is None else stain[t, 0],
            *(None if one is None else one[t] for one in given.values()),
            diameter=None if nucleus_diameter is None else nucleus_diameter / size,
            growth=None if growth is None else growth / size,
            border=border,
        )
        unknown = np.isnan(seen[t]).any(axis=0) | np.isnan(made[t]).any(axis=0)
        labels.append({name: _without(one, unknown) for name, one in found.items()})
        yield Progress("finding cells", t + 1, frames)
    scales = [
        (limits or {}).get(observed.channels[position] if observed.channels else "")
        or plane_limits(seen[:, c])
        for c, position in enumerate(pairing.observed)
    ]
    blocks = yield from measured(observed.name, pairing.names, seen, made, labels, scales)
    result = FeatureComparison(
        (observed.name,),
        tuple(blocks),
        {name: np.stack([one[name] for one in labels]) for name in labels[0]},
        None if nuclear is None or not observed.channels else observed.channels[nuclear],
        projected,
        _shown(observed, pairing, seen, stain),
        {axis: size for axis, size in observed.voxel_size.items() if axis in "YX"},
    )
    if not any(result.objects.values()):
        yield Notice(
            f"{observed.name}: there is no object to measure that lies wholly in the image; "
            "give labels of nuclei or cells, or count what touches the border.",
            warning=True,
        )
    return result


def _shown(observed: Image, pairing: Pairing, seen: np.ndarray, stain: np.ndarray | None) -> Shown:
    """Return the middle time point of the channel that shows nuclei, or else of the first."""
    found = find_nuclear_channel(observed)
    c = pairing.observed.index(found) if found in pairing.observed else 0
    middle = len(seen) // 2
    down, across = (observed.voxel_size.get(axis) for axis in "YX")
    return Shown(
        pairing.names[c],
        middle,
        (seen[middle, c] if stain is None else stain[middle, 0]).astype(np.float32),
        down / across if down and across else 1.0,
    )


def _without(labels: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Return labels without the objects that have an unknown pixel."""
    if not unknown.any():
        return labels
    left: np.ndarray = np.where(np.isin(labels, np.unique(labels[unknown])), 0, labels)
    return left


def _nuclear(observed: Image, name: str | None, given: dict[str, np.ndarray | None]) -> int | None:
    """Return which channel nuclei are to be found in; None if they need not be, or cannot."""
    if given["nuclei"] is not None:
        return None
    found = find_nuclear_channel(observed, name)
    if found is None and observed.n_channels == 1 and set(observed.channels) <= {"", "channel 1"}:
        found = 0
    if found is None and given["cells"] is None:
        known = ", ".join(repr(channel) for channel in observed.channels)
        raise VirtualStainError(
            f"{observed.name}: it cannot be told which channel shows nuclei ({known}); name it, "
            "or give labels of nuclei or cells."
        )
    return found


def _pixel_size(image: Image) -> float:
    sizes = [image.voxel_size.get(axis) for axis in "YX"]
    return math.sqrt(sizes[0] * sizes[1]) if sizes[0] and sizes[1] else 1.0
