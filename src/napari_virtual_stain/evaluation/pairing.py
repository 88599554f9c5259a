"""Which predicted channel belongs to which observed one, and whether the two share a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.image import Image

VOXEL_SIZE_TOLERANCE = 0.02
"""Voxel sizes that differ by less are taken for the same."""


@dataclass(frozen=True)
class Pairing:
    """Channels that belong together, in the order of the observed image.

    Parameters
    ----------
    names : tuple of str
        Name of each pair: the observed channel's, or the predicted one's where that has none.
    observed, predicted : tuple of int
        Positions in the two images.
    notices : tuple of Notice
        What a person should know about the choice.
    """

    names: tuple[str, ...]
    observed: tuple[int, ...]
    predicted: tuple[int, ...]
    notices: tuple[Notice, ...] = ()


def pair_channels(observed: Image, predicted: Image) -> Pairing:
    """Pair channels by name, or by position where no name is shared.

    Case is ignored. Channels that have no partner of their name are left out, with a notice.
    Where no name is shared, images with equally many channels are paired by position, with a
    notice if both have names.

    Raises
    ------
    VirtualStainError
        If neither names nor numbers of channels tell which belong together, or if two channels
        that would be compared have the same name.
    """
    names_o, names_p = _names(observed), _names(predicted)
    pairs = [
        (i, j)
        for i, name in enumerate(names_o)
        for j, other in enumerate(names_p)
        if name and name.casefold() == other.casefold()
    ]
    notices: list[Notice] = []
    if pairs:
        notices += _left_out(observed, names_o, {i for i, _ in pairs})
        notices += _left_out(predicted, names_p, {j for _, j in pairs})
    elif observed.n_channels == predicted.n_channels:
        pairs = [(i, i) for i in range(observed.n_channels)]
        if any(names_o) and any(names_p):
            notices.append(_by_position(observed, predicted))
    else:
        raise VirtualStainError(
            f"{observed.name} has {_listed(observed)} and {predicted.name} has "
            f"{_listed(predicted)}, and no name is in both, so it cannot be told which belong "
            "together; give channels that belong together the same name, or pick as many "
            "observed channels as there are predicted ones."
        )
    of_pairs = tuple(names_o[i] or names_p[j] or f"channel {i + 1}" for i, j in pairs)
    _check_distinct(observed, predicted, pairs, of_pairs)
    return Pairing(of_pairs, tuple(i for i, _ in pairs), tuple(j for _, j in pairs), tuple(notices))


def check_grids(observed: Image, predicted: Image) -> None:
    """Refuse two images whose pixels do not lie on one grid.

    An axis that an image lacks counts as having one position. Voxel sizes are compared where
    both are known, and may differ by 2 %.

    Raises
    ------
    VirtualStainError
        If the size or the voxel size differs along an axis.
    """
    for axis in "TZYX":
        size_o, size_p = observed.sizes.get(axis, 1), predicted.sizes.get(axis, 1)
        if size_o != size_p:
            raise VirtualStainError(
                f"{observed.name} and {predicted.name} cannot be compared pixel by pixel: along "
                f"{axis} the one has {size_o} positions and the other {size_p} "
                f"({_sizes(observed)} and {_sizes(predicted)}); crop them to the same region, or "
                "resample one to the grid of the other."
            )
    for axis in "ZYX":
        voxel_o, voxel_p = observed.voxel_size.get(axis), predicted.voxel_size.get(axis)
        if voxel_o is None or voxel_p is None:
            continue
        if max(voxel_o, voxel_p) > (1 + VOXEL_SIZE_TOLERANCE) * min(voxel_o, voxel_p):
            raise VirtualStainError(
                f"{observed.name} and {predicted.name} cannot be compared pixel by pixel: along "
                f"{axis} a voxel is {voxel_o:g} µm in the one and {voxel_p:g} µm in the other; "
                "resample one to the grid of the other, or correct its voxel size."
            )


def describe(image: Image, position: int) -> str:
    """Return how a sentence names a channel: ``well, channel 'DAPI'``, or ``well``."""
    names = _names(image)
    if names[position]:
        return f"{image.name}, channel {names[position]!r}"
    return f"{image.name}, channel {position + 1}" if image.n_channels > 1 else image.name


def _names(image: Image) -> list[str]:
    # Names that Image gave for want of better ones say nothing about what a channel shows.
    given = image.channels or ("",)
    return ["" if name == f"channel {i + 1}" else name for i, name in enumerate(given)]


def _by_position(observed: Image, predicted: Image) -> Notice:
    pairs = zip(observed.channels, predicted.channels, strict=True)
    listed = ", ".join(f"{name!r} with {other!r}" for name, other in pairs)
    return Notice(
        f"no channel of {predicted.name} has the name of one of {observed.name}, so they were "
        f"compared in their order: {listed}.",
        # Where there is only one choice, it is hardly the wrong one.
        warning=observed.n_channels > 1,
    )


def _left_out(image: Image, names: Sequence[str], used: set[int]) -> list[Notice]:
    rest = [name or f"channel {i + 1}" for i, name in enumerate(names) if i not in used]
    if not rest:
        return []
    listed = ", ".join(repr(name) for name in rest)
    return [Notice(f"{image.name}: {listed} has no partner of the same name and was left out.")]


def _check_distinct(
    observed: Image, predicted: Image, pairs: Sequence[tuple[int, int]], names: Sequence[str]
) -> None:
    seen_o: set[int] = set()
    seen_p: set[int] = set()
    for (i, j), name, earlier in zip(pairs, names, range(len(names)), strict=True):
        if i in seen_o or j in seen_p or name in names[:earlier]:
            # An observed channel with two partners: it is the predicted names that repeat.
            image = predicted if i in seen_o else observed
            raise VirtualStainError(
                f"{image.name}: two channels are named {name!r}, so their comparisons could not "
                "be told apart; give them different names."
            )
        seen_o.add(i)
        seen_p.add(j)


def _listed(image: Image) -> str:
    names = ", ".join(repr(name) for name in _names(image) if name)
    count = "1 channel" if image.n_channels == 1 else f"{image.n_channels} channels"
    return f"{count} ({names})" if names else count


def _sizes(image: Image) -> str:
    return " × ".join(f"{axis} {size}" for axis, size in image.sizes.items() if axis != "C")
