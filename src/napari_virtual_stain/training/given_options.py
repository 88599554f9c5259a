"""Options of a training in the forms in which they may be given, as what they are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.training.augmentation import Augmentation
from napari_virtual_stain.training.losses import LossOptions

if TYPE_CHECKING:
    from napari_virtual_stain.model import StainModel

Choice = TypeVar("Choice", LossOptions, Augmentation)


def as_loss(given: Any) -> LossOptions:
    """Return a loss; ``"mae"`` is one of that term alone, and a mapping names terms."""
    if isinstance(given, str):
        return LossOptions(value=given)  # type: ignore[arg-type]  # which it checks
    return _made(LossOptions, given, "the loss", "{'ssim': 0.5}")


def as_augmentation(given: Any) -> Augmentation:
    """Return an augmentation; a mapping names what is done to patches."""
    return _made(Augmentation, given, "the augmentation", "{'rotation': 10}")


def as_start(given: Any) -> StainModel:
    """Return a model to start from, which has to have been loaded."""
    from napari_virtual_stain.model import StainModel

    if not isinstance(given, StainModel):
        raise VirtualStainError(
            f"a training starts from a model, such as vs.load_model({str(given)!r}), not from "
            f"{given!r}."
        )
    return given


def as_parts(given: Any) -> tuple[str, ...]:
    """Return names of parts of a network, of which there may be one."""
    parts = (given,) if isinstance(given, str) else given
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise VirtualStainError(
            f"the parts of a network to freeze are names, such as ['encoders'], not {given!r}."
        )
    return tuple(parts)


def check_mapping(given: Any, what: str, example: str) -> None:
    """Refuse what is no mapping; `what` is said of it."""
    if not isinstance(given, Mapping):
        raise VirtualStainError(f"{what} are given by name, such as {example}, not as {given!r}.")


def _made(kind: type[Choice], given: Any, what: str, example: str) -> Choice:
    if isinstance(given, kind):
        return given
    check_mapping(given, f"the parts of {what}", example)
    known = [field.name for field in fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise VirtualStainError(f"{what} of a training has no {name!r}. {hint}")
    return kind(**given)
