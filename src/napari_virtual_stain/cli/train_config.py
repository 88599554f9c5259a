"""The options of a training from a file, and into one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

NOT_OF_A_RECIPE = ("pairs", "output", "config", "save_config", "resume", "overwrite", "as_json")
"""What belongs to one run, not to what it does."""


def take_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options of a file as defaults, in place of our own; the command line goes before.

    So they are parsed and checked as if they stood on the command line.
    """
    if path is None or context.resilient_parsing:
        return path
    from napari_virtual_stain.io import read_options

    names = _names(context)
    repeated = [one.name for one in context.command.params if getattr(one, "multiple", False)]
    given = {names[name]: value for name, value in read_options(path, names).items()}
    context.default_map = {
        **(context.default_map or {}),
        **{name: _as_arguments(value, name in repeated) for name, value in given.items()},
    }
    return path


def save_options(context: typer.Context, path: Path, overwrite: bool) -> None:
    """Write the options of a command into a file that ``--config`` takes."""
    from napari_virtual_stain.io import write_options

    options = {
        name: _plain(context.params[parameter]) for name, parameter in _names(context).items()
    }
    write_options(
        {name: value for name, value in options.items() if value not in (None, "", [])},
        path,
        comment="vstain train PAIRS --output MODEL --config THIS FILE",
        overwrite=overwrite,
    )


def _names(context: typer.Context) -> dict[str, str]:
    """Return the names of options in a file, and those of the parameters that they are."""
    names = [parameter.name or "" for parameter in context.command.params]
    return {name.rstrip("_"): name for name in names if name not in (*NOT_OF_A_RECIPE, "help")}


def _as_arguments(value: Any, repeated: bool) -> Any:
    """Return a mapping such as ``{X: 0:640}`` as ``["X=0:640"]``, one of several as a list."""
    if not isinstance(value, dict):
        return [value] if repeated and isinstance(value, str) else value
    return [
        f"{name}={','.join(one) if isinstance(one, list) else one}" for name, one in value.items()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
