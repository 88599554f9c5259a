"""What is chosen of a training, looked at before anything is read; status 2 if it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from napari_virtual_stain.cli.arguments import as_bad_arguments
from napari_virtual_stain.cli.assignments import assignments

if TYPE_CHECKING:
    from napari_virtual_stain.training import Preset, TrainOptions

GOES_WITH = {"leave_out": "autofocus", "focused_plane": "autofocus", "log_folder": "log"}
"""Options that do nothing without another one."""


def check_used(chosen: Mapping[str, Any]) -> None:
    """Refuse options that would do nothing beside the others.

    Parameters
    ----------
    chosen : mapping
        What was given, keyed by the names of the command's parameters.
    """
    for name, other in GOES_WITH.items():
        if chosen[name] is not None and not chosen[other]:
            raise typer.BadParameter(f"it goes with --{other}", param_hint=_option(name))
    if chosen["autofocus"] and chosen["target"]:
        raise typer.BadParameter(
            "with --autofocus the target is the plane in focus; leave --target out",
            param_hint="--target",
        )
    for name in ("input_", "target"):
        names = chosen[name] or []
        if twice := [one for one in names if names.count(one) > 1]:
            raise typer.BadParameter(f"{twice[0]} is given twice", param_hint=_option(name))


def check_recipe(options: TrainOptions, loss: Sequence[str] | None) -> None:
    """Refuse what the network to be trained does not have.

    Parameters
    ----------
    options : TrainOptions
    loss : sequence of str, optional
        Terms of the loss, as they were given.
    """
    import torch

    from napari_virtual_stain import networks
    from napari_virtual_stain.training.loop import chosen_recipe
    from napari_virtual_stain.training.preparation import check_options
    from napari_virtual_stain.training.transfer import freeze

    with as_bad_arguments():
        recipe = chosen_recipe(options)
        _check_sizes(options, recipe)
        check_options(recipe)
        with torch.device("meta"):  # without memory for its weights
            ndim = len(recipe.spatial_axes)
            network: Any = networks.build(recipe.network, **recipe.options, ndim=ndim)
        freeze(network, options.freeze)
    if network.head.kind != "value" and "value" in assignments(loss, "--loss"):
        learns = "classes" if network.head.kind == "classes" else "a likelihood"
        raise typer.BadParameter(
            f"the network {recipe.network!r} learns {learns} in the place of an error of its "
            "values; leave value=… out",
            param_hint="--loss",
        )


def _check_sizes(options: TrainOptions, recipe: Preset) -> None:
    for axis in options.voxel_size:
        if axis not in recipe.spatial_axes:
            raise typer.BadParameter(
                f"the preset {recipe.name!r} is 2D, and its models have no size along {axis}; "
                f"leave {axis} out",
                param_hint="--voxel-size",
            )


def _option(name: str) -> str:
    return "--" + name.rstrip("_").replace("_", "-")
