"""Whether shapes leave something to learn and something to score, before any image is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.regions import rasterized
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.plan import PairPlan, Polygons

SMALL = 32
"""Pixels along a side below which a score says little."""

MOST = 2**24
"""Pixels of a part beyond which it is left to the training to look at them."""

Shape = tuple[int, int]
Window = tuple[slice, slice]
Key = tuple[bytes, ...]


def check_regions(
    form: Form, learned: Sequence[PairPlan], scored: Sequence[PairPlan]
) -> list[Notice]:
    """Refuse shapes that leave nothing to learn or to score, and warn of those that leave little.

    Parameters
    ----------
    form : Form
    learned, scored : sequence of PairPlan
        The pairs to learn from, and those to score on; of the latter there need not be any.

    Raises
    ------
    VirtualStainError
        If no pixel is learned, none is scored, or one is both.
    """
    if form.learn_in is None and form.score_in is None:
        return []
    _check_apart(form, [*learned, *scored])
    on = scored or learned
    return [
        *_useless("learned", [_nothing_to_learn(form, plan) for plan in learned]),
        *_useless("scored", [_nothing_to_score(form, plan) for plan in on]),
        *_small(form, on),
    ]


def _check_apart(form: Form, plans: Sequence[PairPlan]) -> None:
    if form.learn_in is not None and form.learn_in == form.score_in:
        raise VirtualStainError(
            f"{form.learn_in.name} is chosen for learning and for scoring, and the score would be "
            "of what was learned; choose other shapes for one of them."
        )
    for plan in plans:
        if plan.learn and plan.score and _overlap(_key(plan.learn), _key(plan.score), _shape(plan)):
            raise VirtualStainError(
                f"the shapes in which is learned and those in which is scored overlap on "
                f"{_called(plan)}, and the score would be of what was learned; move them apart."
            )


def _nothing_to_learn(form: Form, plan: PairPlan) -> str:
    if plan.learn is not None:
        return _outside(str(form.learn_in.name), plan.learn, plan) if form.learn_in else ""
    return _covered(str(form.score_in.name), plan.score, plan) if form.score_in else ""


def _nothing_to_score(form: Form, plan: PairPlan) -> str:
    if plan.score is not None:
        return _outside(str(form.score_in.name), plan.score, plan) if form.score_in else ""
    return _covered(str(form.learn_in.name), plan.learn, plan) if form.learn_in else ""


def _outside(shapes: str, polygons: Polygons, plan: PairPlan) -> str:
    if _reaches(_key(polygons), _shape(plan)):
        return ""
    return f"the shapes of {shapes} enclose no pixel of {_called(plan)}"


def _covered(shapes: str, polygons: Polygons | None, plan: PairPlan) -> str:
    if polygons is None or not _covers(_key(polygons), _shape(plan)):
        return ""
    return f"the shapes of {shapes} enclose every pixel of {_called(plan)}"


def _useless(what: str, reasons: Sequence[str]) -> list[Notice]:
    found = [reason for reason in reasons if reason]
    if not found:
        return []
    if len(found) == len(reasons):
        raise VirtualStainError(
            f"{found[0]}, so nothing can be {what}; draw them elsewhere, or choose no shapes."
        )
    others = len(found) - 1
    more = {0: "", 1: " and of another image"}.get(others, f" and of {others} other images")
    return [Notice(f"{found[0]}, so nothing of it{more} is {what}.", True)]


def _small(form: Form, plans: Sequence[PairPlan]) -> list[Notice]:
    for plan in plans:
        sides = [_sides(vertices, _shape(plan)) for vertices in plan.score or ()]
        height, width = max(sides, key=min, default=(SMALL, SMALL))
        if form.score_in is not None and 0 < min(height, width) < SMALL:
            return [
                Notice(
                    f"{form.score_in.name} marks little of {_called(plan)} ({height} × {width} "
                    f"px); a score of less than {SMALL} × {SMALL} px says little of the model.",
                    True,
                )
            ]
    return []


def _called(plan: PairPlan) -> str:
    return str(plan.targets[0].name)


def _shape(plan: PairPlan) -> Shape:
    sizes = plan.targets[0].sizes
    return sizes["Y"], sizes["X"]


def _key(polygons: Polygons) -> Key:
    """Return polygons as something that is remembered: with each click is asked again."""
    return tuple(np.ascontiguousarray(vertices, float).tobytes() for vertices in polygons)


def _of_key(key: Key) -> Polygons:
    return tuple(np.frombuffer(one, float).reshape(-1, 2) for one in key)


@lru_cache(256)
def _reaches(key: Key, shape: Shape) -> bool:
    """Whether polygons enclose a pixel of an image; lines enclose none."""
    polygons = tuple(one for one in _of_key(key) if np.ptp(one, axis=0).min() >= 1)
    if not polygons:
        return False
    window = _window(polygons, shape)
    return _somewhere(window, lambda inside: inside(polygons)) is not False


@lru_cache(256)
def _covers(key: Key, shape: Shape) -> bool:
    """Whether polygons enclose every pixel of an image."""
    polygons = _of_key(key)
    everything = (slice(0, shape[0]), slice(0, shape[1]))
    if _window(polygons, shape) != everything:
        return False
    return _somewhere(everything, lambda inside: ~inside(polygons)) is False


@lru_cache(256)
def _overlap(one: Key, other: Key, shape: Shape) -> bool:
    """Whether two sets of polygons enclose a pixel of an image that is the same."""
    first, second = _of_key(one), _of_key(other)
    pairs = zip(_window(first, shape), _window(second, shape), strict=True)
    rows, columns = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)
    return bool(_somewhere((rows, columns), lambda inside: inside(first) & inside(second)))


def _somewhere(
    window: Window, holds: Callable[[Callable[[Polygons], np.ndarray]], np.ndarray]
) -> bool | None:
    """Whether something holds at any pixel of a window; None where that is too much to look at."""
    height, width = (max(part.stop - part.start, 0) for part in window)
    if height * width > MOST:
        return None
    start = np.array([part.start for part in window])

    def inside(polygons: Polygons) -> np.ndarray:
        return rasterized([vertices - start for vertices in polygons], (height, width))

    return bool(holds(inside).any())


def _window(polygons: Polygons, shape: Shape) -> Window:
    """Return the part of an image in which polygons lie, between their outermost pixels."""
    vertices = np.concatenate(polygons)
    low, high = np.ceil(vertices.min(axis=0)), np.floor(vertices.max(axis=0))
    rows, columns = (
        slice(int(np.clip(a, 0, n)), int(np.clip(b + 1, 0, n)))
        for a, b, n in zip(low, high, shape, strict=True)
    )
    return rows, columns


def _sides(vertices: np.ndarray, shape: Shape) -> tuple[int, int]:
    height, width = (max(part.stop - part.start, 0) for part in _window((vertices,), shape))
    return height, width
