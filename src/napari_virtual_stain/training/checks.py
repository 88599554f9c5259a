"""What a person should know about pairs before hours are spent on them.

Nothing here is needed to train: what cannot be trained with is refused by the training too. But
an input that lies off its target, or a target that is saturated, trains well and predicts badly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.image import Image, lazily
from napari_virtual_stain.normalization import histogram, statistics
from napari_virtual_stain.training import targets
from napari_virtual_stain.training.correcting import corrected
from napari_virtual_stain.training.defects import (
    blanked,
    common_share,
    counted,
    plateau,
    plateau_share,
)
from napari_virtual_stain.training.fields import Field, Target, channel_name, channels_apart
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.pairs import TrainingPair, as_pairs
from napari_virtual_stain.training.registration import Shift, measured_shift

__all__ = ["Finding", "check_pairs_events", "corrected", "corrected_as_found", "counted"]

EMPTY = 0.999
"""Share of the pixels with one value from which a target is empty."""

BLANKED = 1e-3
"""Share of a plane from which blanked blocks are worth a word."""

FAR, HARMFUL = 2.0, 0.5
"""A shift is told of from this length (px), and where it costs this share of the likelihood."""

ALIKE = 2.0
"""Shifts of the targets of a pair that differ by no more are corrected together (px)."""

SIDE, STACK_SIDE, DEPTH = 640, 256, 32
"""The middle of an image, in which a shift is measured (px); of a stack, less along Y and X."""

PLANES_LOOKED_AT = 16


@dataclass(frozen=True)
class Finding:
    """Something about a pair.

    Parameters
    ----------
    pair : int
        Its position among those given.
    warning : bool
        False where the pair cannot be trained with.
    text : str
        A sentence for a person.
    shift : mapping of str to float, optional
        px by axis by which the input lies off its targets: what is at position p of the target
        is found at p + shift of the input. :func:`corrected` takes it.
    leave_out : bool
        Whether it is about pixels that show nothing of the specimen, which :func:`counted` leaves
        out.
    """

    pair: int
    warning: bool
    text: str
    shift: Mapping[str, float] | None = None
    leave_out: bool = False

    @property
    def can_be_corrected(self) -> bool:
        """Whether :func:`corrected_as_found` does away with it."""
        return self.leave_out or self.shift is not None


def corrected_as_found(
    pairs: Sequence[Pair], findings: Sequence[Finding]
) -> tuple[TrainingPair, ...]:
    """Return pairs of which is corrected what was found and can be.

    Parameters
    ----------
    pairs : sequence of (Image, Image) or TrainingPair
    findings : sequence of Finding
        Of these pairs.

    Returns
    -------
    tuple of TrainingPair
        Moved onto each other by whole pixels, and without pixels that show nothing of the
        specimen.
    """
    shifts = {finding.pair: finding.shift for finding in findings if finding.shift is not None}
    defective = {finding.pair for finding in findings if finding.leave_out}
    result = []
    for position, pair in enumerate(as_pairs(pairs)):
        # What is blanked is told from the rest of its plane, so before anything is cropped.
        pair = counted(pair) if position in defective else pair
        result.append(corrected(pair, shifts[position]) if position in shifts else pair)
    return tuple(result)


def check_pairs_events(pairs: Sequence[Pair], options: TrainOptions) -> Work[list[Finding]]:
    """Look for what would spoil a training; a generator of events.

    Parameters
    ----------
    pairs : sequence of (Image, Image) or TrainingPair
    options : TrainOptions
        The channels that are chosen.

    Returns
    -------
    list of Finding
        Targets that are constant, empty, saturated or blanked in part, inputs that are constant,
        and inputs that lie off their targets.
    """
    given = as_pairs(pairs)
    findings: list[Finding] = []
    for position, pair in enumerate(given):
        yield Progress("Checking pairs", position, len(given))
        try:
            field = channels_apart(pair, options.inputs, options.targets, position)
        except VirtualStainError as error:
            findings.append(Finding(position, False, str(error)))
            continue
        of_inputs = [_of_input(position, source) for source in field.sources]
        findings += [finding for finding in of_inputs if finding is not None]
        fit_to_compare = []
        for target in field.given:
            found = _of_target(position, target)
            findings += found
            if all(finding.warning for finding in found):
                fit_to_compare.append(target)
            yield Progress("Checking pairs", position, len(given))
        if not any(of_inputs):
            findings += _of_registration(position, field, fit_to_compare)
    yield Progress("Checking pairs", len(given), len(given))
    return findings


def _of_input(position: int, source: Image) -> Finding | None:
    try:
        statistics(source.data, f"the input {source.name}")
    except VirtualStainError as error:
        return Finding(position, False, str(error))
    return None


def _of_target(position: int, target: Target) -> list[Finding]:
    called = targets.label(target)
    values = targets.counted(target)
    if values.size == 0:
        return [Finding(position, True, f"no pixel of {called} counts; nothing is learned of it.")]
    # Pixels that count come in a row; what measures images expects two axes.
    values = values if values.ndim > 1 else values[np.newaxis]
    try:
        found = histogram(values, called)
    except VirtualStainError as error:
        return [Finding(position, False, str(error))]
    if target.is_mask:
        return []
    findings = []
    if (common := common_share(found)) >= EMPTY:
        text = (
            f"{called} is as good as empty: {_percent(common)} of its pixels have one and the same "
            "grey value. Check that it was stained and exposed, or leave it out."
        )
        findings.append(Finding(position, True, text))
    elif (top := plateau(found)) is not None:
        text = (
            f"{called} is saturated: {_percent(plateau_share(found))} of its pixels have its "
            f"highest grey value, {top:g}. Leave these out, or take the image with a shorter "
            "exposure."
        )
        findings.append(Finding(position, True, text, leave_out=True))
    if target.counts is None and (share := _blanked_share(target.image)) >= BLANKED:
        text = (
            f"a block of {called}, {_percent(share)} of the image, has one and the same grey "
            "value, as if it had been cut out. Leave it out: a network would learn that nothing is "
            "there."
        )
        findings.append(Finding(position, True, text, leave_out=True))
    return findings


def _blanked_share(image: Image) -> float:
    """Return the largest share of a plane that is blanked, of some planes of an image."""
    data, most = lazily(image.data), 0.0
    planes = list(np.ndindex(image.shape[:-2]))
    for place in planes[:: -(-len(planes) // PLANES_LOOKED_AT)]:
        most = max(most, float(blanked(np.asarray(data[place])).mean()))
    return most


def _of_registration(position: int, field: Field, given: Sequence[Target]) -> list[Finding]:
    """Return what there is to say about a shift between the inputs and targets of a pair."""
    found: list[tuple[str, Shift]] = []
    axes = ""
    for target in given:
        here = _middle(field.sources, target)
        if here is None:
            continue
        source, values, axes = here
        shift = measured_shift(source, values)
        if shift.is_told and shift.length >= FAR and shift.cost >= HARMFUL:
            found.append((channel_name(target.image, "target", 0), shift))
    if not found:
        return []
    shifts = np.array([shift.pixels for _, shift in found])
    together = bool((np.linalg.norm(shifts - shifts.mean(0), axis=1) <= ALIKE / 2).all())
    by = "; ".join(f"for {name}, {_in_words(axes, shift.pixels)}" for name, shift in found)
    first = f"{field.sources[0].name}: the input lies off its target ({by})."
    if together:
        mean = dict(zip(axes, (float(value) for value in shifts.mean(0)), strict=True))
        text = f"{first} Correct it: both are cropped to what they share, by whole pixels."
        return [Finding(position, True, text, mean)]
    text = f"{first} The targets lie off each other too; give each in a pair of its own."
    return [Finding(position, True, text)]


def _middle(sources: Sequence[Image], target: Target) -> tuple[np.ndarray, np.ndarray, str] | None:
    """Return the middle of the inputs and a target, as arrays, and the axes of the target.

    None where they do not lie on one grid, of which the training will say more.
    """
    images = [_at_middle_time(image) for image in (*sources, target.image)]
    *inputs, stain = [_without_single_planes(image) for image in images]
    depth = stain.sizes.get("Z", 1)
    if any(stain.sizes[axis] != one.sizes[axis] for one in inputs for axis in "YX"):
        return None
    if depth > 1 and any(one.sizes.get("Z", 1) != depth for one in inputs):
        return None
    limits = (
        {"Y": SIDE, "X": SIDE} if depth == 1 else {"Z": DEPTH, "Y": STACK_SIDE, "X": STACK_SIDE}
    )
    box = {
        axis: slice((size - min(size, most)) // 2, (size + min(size, most)) // 2)
        for axis, most in limits.items()
        for size in [stain.sizes[axis]]
    }
    arrays = []
    for one in inputs:
        cropped = one.crop(box)
        if depth == 1 and "Z" in one.axes:
            # A few planes of a stack, as each defocus shows something else.
            chosen = sorted({round((one.sizes["Z"] - 1) * share) for share in (0.25, 0.5, 0.75)})
            arrays += [cropped.select("Z", plane).numpy() for plane in chosen]
        else:
            arrays.append(cropped.numpy())
    values = stain.crop(box).numpy()
    if target.counts is not None:
        counts = _without_single_planes(_at_middle_time(target.counts)).crop(box).numpy() != 0
        if not counts.any():
            return None
        values = np.where(counts, values, np.median(values[counts]))
    return np.stack(arrays), values, stain.axes


def _at_middle_time(image: Image) -> Image:
    return image.select("T", image.sizes["T"] // 2) if "T" in image.axes else image


def _without_single_planes(image: Image) -> Image:
    return image.select("Z", 0) if image.sizes.get("Z") == 1 else image


def _in_words(axes: str, pixels: Sequence[float]) -> str:
    moved = [f"{by:+.0f} px along {axis}" for axis, by in zip(axes, pixels, strict=True)]
    return " and ".join(text for text in moved if not text.startswith(("+0 ", "-0 ")))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
