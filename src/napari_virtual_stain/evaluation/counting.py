"""Which pixels of an observed image count: those that were measured, and that a mask holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.pairing import describe
from napari_virtual_stain.events import Notice, Progress, Work
from napari_virtual_stain.image import Image


def spread_mask(
    mask: Image, observed: Image, positions: Sequence[int], spatial: Sequence[int]
) -> np.ndarray:
    """Return a mask frame by frame.

    Parameters
    ----------
    mask : Image
        0 (or NaN) where a pixel does not count. It holds for all positions of an axis that it
        lacks or has one position of; its channels are those of `observed`, in their order.
    observed : Image
    positions : sequence of int
        The channels of `observed` that are compared.
    spatial : sequence of int
        Shape of a frame.

    Returns
    -------
    ndarray of bool, shape (T, C, *spatial)
        Not to be written to: positions that are alike share their memory.

    Raises
    ------
    VirtualStainError
        If the mask does not lie on the grid of the image, or holds no pixel.
    """
    for axis in "TCZYX":
        wanted, found = observed.sizes.get(axis, 1), mask.sizes.get(axis, 1)
        if found not in ((wanted,) if axis in "YX" else (1, wanted)):
            raise VirtualStainError(
                f"the mask {mask.name} does not lie on the grid of {observed.name}: along {axis} "
                f"it has {found} positions and the image {wanted}; give one of the same size."
            )
    values = mask.numpy()
    chosen = values != 0
    if values.dtype.kind == "f":
        chosen &= ~np.isnan(values)
    if not chosen.any():
        raise VirtualStainError(
            f"the mask {mask.name} is 0 everywhere, so no pixel counts; give a mask or labels "
            "that are not 0 where pixels are to be compared."
        )
    # Axes that the mask lacks, for the moment with one position.
    key = tuple(slice(None) if axis in mask.axes else np.newaxis for axis in "TCZYX")
    chosen = chosen[key]
    if chosen.shape[1] > 1:
        chosen = chosen[:, list(positions)]
    if len(spatial) < 3:
        chosen = chosen[:, :, 0]
    shape = (observed.sizes.get("T", 1), len(positions), *spatial)
    return np.broadcast_to(chosen, shape)


def find_counted(
    observed: Image, positions: Sequence[int], seen: np.ndarray, mask: np.ndarray | None, name: str
) -> Work[np.ndarray | None]:
    """Return which pixels count, and say how many do not.

    Parameters
    ----------
    observed : Image
    positions : sequence of int
        Its channels that are compared.
    seen : ndarray, shape (T, C, [Z,] Y, X)
        Their pixels. What is NaN or infinite was not measured.
    mask : ndarray of bool, same shape, optional
    name : str
        Of the mask.

    Returns
    -------
    ndarray of bool, same shape, or None
        None where all pixels count.

    Raises
    ------
    VirtualStainError
        If no pixel of a channel counts.
    """
    times, channels = seen.shape[:2]
    counts: np.ndarray | None = None
    gone = np.zeros((channels, 2), np.int64)
    for done, (t, c) in enumerate(np.ndindex(times, channels), 1):
        known = np.isfinite(seen[t, c]) if seen.dtype.kind == "f" else None
        outside = None if mask is None else ~mask[t, c]
        if known is not None and outside is not None:
            outside &= known
        gone[c] += [0 if known is None else known.size - np.count_nonzero(known), 0]
        if outside is not None:
            gone[c, 1] += np.count_nonzero(outside)
            known = ~outside if known is None else known & ~outside
        if known is not None and not known.all():
            counts = np.ones(seen.shape, bool) if counts is None else counts
            counts[t, c] = known
        if mask is not None or seen.dtype.kind == "f":
            yield Progress("what counts", done, times * channels)
    yield from _said(observed, positions, gone, times * seen[0, 0].size, name)
    return counts


def check_predicted(
    predicted: Image, positions: Sequence[int], given: np.ndarray, counts: np.ndarray | None
) -> Work[None]:
    """Say where a prediction is no number although it counts there; refuse one that always is.

    Raises
    ------
    VirtualStainError
        If every pixel of a channel that counts is NaN or infinite.
    """
    if given.dtype.kind != "f":
        return
    for c, position in enumerate(positions):
        bad = total = 0
        for t in range(len(given)):
            broken = ~np.isfinite(given[t, c])
            if counts is not None:
                broken &= counts[t, c]
            bad += int(np.count_nonzero(broken))
            total += broken.size if counts is None else int(np.count_nonzero(counts[t, c]))
        if bad == total:
            raise VirtualStainError(
                f"{describe(predicted, position)}: all {total} predicted pixels are NaN or "
                "infinite, so there is nothing to compare; predict the image again."
            )
        if bad:
            yield Notice(
                f"{describe(predicted, position)}: {bad} of {total} predicted pixels are NaN or "
                "infinite where the observed image was measured, so its scores are not defined; "
                "predict the image again, or leave these pixels out by a mask.",
                warning=True,
            )


def _said(
    observed: Image, positions: Sequence[int], gone: np.ndarray, size: int, name: str
) -> Work[None]:
    """Say how many pixels do not count, once where it is the same for all channels."""
    for position, (unmeasured, outside) in zip(positions, gone.tolist(), strict=True):
        if unmeasured + outside == size:
            label = describe(observed, position)
            if not outside:
                raise VirtualStainError(
                    f"{label}: all {size} pixels are NaN or infinite, so there is nothing to "
                    "compare with; give a channel that was measured."
                )
            raise VirtualStainError(
                f"{label}: no pixel within the mask {name} was measured; give another mask."
            )
    alike = len(positions) > 1 and (gone == gone[0]).all()
    labels = [observed.name] if alike else [describe(observed, where) for where in positions]
    for label, (unmeasured, outside) in zip(labels, gone.tolist(), strict=False):
        each = f"{size} pixels of each channel" if alike else f"{size} pixels"
        if unmeasured:
            yield Notice(
                f"{label}: {unmeasured} of {each} ({unmeasured / size:.1%}) were not measured "
                "(NaN or infinite) and do not count."
            )
        if outside:
            yield Notice(
                f"{label}: {outside} of {each} ({outside / size:.1%}) lie outside the mask "
                f"{name} and do not count."
            )
