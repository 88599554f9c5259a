"""Pairs for autofocus: the planes of a z-stack that are out of focus, and the one in focus."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.image import Image

ROUNDING = 1e-6
"""µm: distances of planes are multiples of a voxel size that has been rounded."""


def focus_pairs(
    stack: Image, leave_out_um: float = 2.0, *, focused: int | None = None
) -> list[tuple[Image, Image]]:
    """Return a pair of each plane out of focus and the plane in focus.

    Planes near the focused one are hardly out of focus, and teach a network to do nothing; they
    are left out (Nguyen et al. 2020, "Autofocusing").

    Parameters
    ----------
    stack : Image
        A z-stack with a known voxel size along Z. Of a movie, each time point has its own plane in
        focus; of several channels, the plane that is sharpest in all together is taken.
    leave_out_um : float
        Planes no further than this from the focused one are left out (µm).
    focused : int, optional
        Position of the plane in focus, from 0; by default the sharpest, see :func:`sharpness`.
        Transmitted light is sharpest somewhat off focus: say the position there.

    Returns
    -------
    list of (Image, Image)
        Without a Z axis; lazy where the stack is.

    Raises
    ------
    VirtualStainError
        If the image is no z-stack, its planes' distance is unknown, there is no such plane, or no
        plane is far enough away.

    Warns
    -----
    VirtualStainWarning
        If the sharpest plane is the first or the last: the focus may lie outside the stack.

    References
    ----------
    Nguyen et al. (2020), "Virtual organelle self-coding for fluorescence imaging via adversarial
    learning", Journal of Biomedical Optics 25(9), 096009.
    """
    if "Z" not in stack.axes:
        raise VirtualStainError(
            f"{stack.name} is no z-stack (its axes are {stack.axes}); for pairs of planes out of "
            "focus and the plane in focus, a stack is needed."
        )
    if "Z" not in stack.voxel_size:
        raise VirtualStainError(
            f"{stack.name}: the distance of the planes is unknown, so it cannot be told which are "
            f"nearer than {leave_out_um:g} µm to the focus; give the image a voxel size along Z."
        )
    if not (np.isfinite(leave_out_um) and leave_out_um >= 0):
        raise VirtualStainError(f"planes are left out within 0 µm or more, not {leave_out_um} µm.")
    count = stack.sizes["Z"]
    if focused is not None and not 0 <= focused < count:
        raise VirtualStainError(
            f"{stack.name} has no plane {focused}; its planes are 0 to {count - 1}."
        )
    pairs = []
    for one in _frames(stack):
        plane = _sharpest(one) if focused is None else focused
        target = one.select("Z", plane)
        far = [
            z
            for z in range(count)
            if z != plane and abs(z - plane) * one.voxel_size["Z"] > leave_out_um + ROUNDING
        ]
        if not far:
            raise VirtualStainError(
                f"{one.name}: no plane is more than {leave_out_um:g} µm from the focused one "
                f"(plane {plane} of {count}, {one.voxel_size['Z']:g} µm apart); leave out less, or "
                "take a deeper stack."
            )
        pairs += [(one.select("Z", z).replace(name=f"{one.name} z {z}"), target) for z in far]
    return pairs


def sharpness(stack: Image) -> np.ndarray:
    """Return how sharp each plane of a stack is.

    Vollath's F4, the sum of I(x) I(x+1) − I(x) I(x+2), along Y and X: among the measures that
    Santos et al. compare, one of the best on fluorescence, and little misled by noise, which is
    not alike in neighbouring pixels. Channels count alike.

    Parameters
    ----------
    stack : Image
        Axes ZYX or CZYX.

    Returns
    -------
    ndarray of float64, shape (Z,)
        Larger is sharper; comparable within one stack alone.

    References
    ----------
    Vollath (1987), "Automatic focusing by correlative methods", Journal of Microscopy 147, 279-288.
    Santos et al. (1997), "Evaluation of autofocus functions in molecular cytogenetic analysis",
    Journal of Microscopy 188, 264-272.
    """
    scores = np.zeros((stack.n_channels, stack.sizes["Z"]))
    for c in range(stack.n_channels):
        channel = stack.channel(c)
        for z in range(stack.sizes["Z"]):
            raise_if_stopped()
            scores[c, z] = _vollath(channel.select("Z", z).numpy().astype(np.float64))
    peak = np.abs(scores).max(axis=1, keepdims=True)
    relative = np.divide(scores, peak, out=np.zeros_like(scores), where=peak > 0)
    total: np.ndarray = relative.sum(axis=0)
    return total


def _vollath(plane: np.ndarray) -> float:
    # Without the mean, rounding of large grey values would be as large as the differences.
    plane = plane - plane.mean()
    along = (plane, plane.T)
    return float(sum((p[:-2] * p[1:-1]).sum() - (p[:-2] * p[2:]).sum() for p in along))


def _sharpest(stack: Image) -> int:
    scores = sharpness(stack)
    if not np.isfinite(scores).all() or np.ptp(scores) == 0:
        raise VirtualStainError(
            f"{stack.name}: no plane is sharper than the others, or pixels are not numbers; say "
            "which plane is in focus."
        )
    plane = int(scores.argmax())
    if plane in (0, len(scores) - 1):
        warnings.warn(
            f"{stack.name}: the sharpest plane is the {'last' if plane else 'first'}, so the focus "
            "may lie outside the stack.",
            VirtualStainWarning,
            stacklevel=3,
        )
    return plane


def _frames(stack: Image) -> Iterator[Image]:
    if "T" not in stack.axes:
        yield stack
        return
    for t in range(stack.sizes["T"]):
        yield stack.select("T", t).replace(name=f"{stack.name} t {t}")
