"""Pairs whose input lies off the target, brought onto each other by cropping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.training.pairs import TrainingPair


def corrected(pair: TrainingPair, shift: Mapping[str, float]) -> TrainingPair:
    """Return a pair whose input and target lie on each other; both cropped to what they share.

    They are moved by whole pixels, so that nothing is resampled, and stay lazy.

    Parameters
    ----------
    pair : TrainingPair
    shift : mapping of str to float
        px by spatial axis by which the input lies off the target: what is at position p of the
        target is found at p + shift of the input.

    Raises
    ------
    VirtualStainError
        If the two lack such an axis, or share nothing after it.
    """
    of_source, of_target = {}, {}
    for axis, by in shift.items():
        sizes = pair.source.sizes.get(axis), pair.target.sizes.get(axis)
        if axis not in ("Z", "Y", "X") or sizes[0] is None or sizes[0] != sizes[1]:
            raise VirtualStainError(
                f"{pair.source.name} cannot be moved along {axis} onto {pair.target.name}, as they "
                f"do not have that axis of space, of one size, in common ({pair.source.axes} and "
                f"{pair.target.axes})."
            )
        pixels = round(by)
        if abs(pixels) >= sizes[0]:
            raise VirtualStainError(
                f"{pair.source.name} and {pair.target.name} share nothing after a shift of "
                f"{pixels} px along {axis}, where they have {sizes[0]} px."
            )
        of_source[axis], of_target[axis] = shared(sizes[0], pixels)
    cut = dict(pair.cut)
    for axis, part in of_target.items():
        begin, whole = pair.cut.get(axis, (0, pair.target.sizes[axis]))
        cut[axis] = begin + part.start, whole
    plane = tuple(of_target.get(axis, slice(None)) for axis in "YX")
    return replace(
        pair,
        source=pair.source.crop(of_source),
        target=pair.target.crop(of_target),
        counts=None if pair.counts is None else pair.counts.crop(of_target),
        learn=None if pair.learn is None else pair.learn[plane],
        score=None if pair.score is None else pair.score[plane],
        cut=cut,
    )


def shared(size: int, shift: int) -> tuple[slice, slice]:
    """Return what of an axis of a source and of its target shows the same.

    Parameters
    ----------
    size : int
        Of the axis, in both.
    shift : int
        px by which the source lies off the target, as in :class:`Shift`.

    Returns
    -------
    of_source, of_target : slice
        Of one length.
    """
    first, last = max(0, shift), min(size, size + shift)
    return slice(first, last), slice(first - shift, last - shift)
