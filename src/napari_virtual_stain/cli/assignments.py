"""Options of the form ``name=value``, of which there may be several."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any, TypeVar

import typer

from napari_virtual_stain.errors import VirtualStainError

Value = bool | int | float | str
Choice = TypeVar("Choice")


def assignments(
    texts: Sequence[str] | None, option: str = "--option", example: str = "dropout=0"
) -> dict[str, Value | list[Value]]:
    """Parse options such as ``dropout=0``; a malformed one is a bad argument (exit status 2).

    A value is true, false, a number or a word, or a list of them, separated by commas.
    """
    found: dict[str, Value | list[Value]] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not of the form name=value, such as {example}", param_hint=option
            )
        if name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        values = [_value(part.strip()) for part in value.split(",")]
        found[name] = values if len(values) > 1 else values[0]
    return found


def changed(default: Choice, texts: Sequence[str] | None, option: str, example: str) -> Choice:
    """Return a dataclass of choices with those that ``name=value`` texts make in its place.

    Parameters
    ----------
    default : dataclass
        What is chosen where nothing is said.
    texts : sequence of str
    option, example : str
        For the sentences.
    """
    known = [field.name for field in dataclasses.fields(default)]  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for written, value in assignments(texts, option, example).items():
        name = written.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise typer.BadParameter(f"there is no {written!r}. {hint}", param_hint=option)
        given[name] = value
    try:
        return dataclasses.replace(default, **given)  # type: ignore[type-var]
    except VirtualStainError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def sizes(texts: Sequence[str] | None, option: str) -> dict[str, float]:
    """Parse sizes in µm such as ``X=0.29``; ``YX=0.29`` gives several axes one size."""
    found: dict[str, float] = {}
    for axes, value in assignments(texts, option, "YX=0.29").items():
        for axis in axes:
            if axis in found:
                raise typer.BadParameter(f"{axis} is given twice", param_hint=option)
            if axis not in "ZYX" or isinstance(value, (bool, str, list)):
                raise typer.BadParameter(
                    f"{axes}={value} is no size in µm of some of the axes Z, Y and X, such as "
                    "YX=0.29",
                    param_hint=option,
                )
            found[axis] = float(value)
    return found


def _value(text: str) -> Value:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
