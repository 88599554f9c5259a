"""Beginning with the weights of another model, and leaving parts of a network as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.model import InputSpec, ModelSpec, OutputSpec, StainModel
from napari_virtual_stain.training.recipe import Preset

if TYPE_CHECKING:
    from torch import nn


def recipe_of(start: StainModel, recipe: Preset) -> Preset:
    """Return a recipe with the network of a model to start from, and its scaling of inputs.

    Raises
    ------
    VirtualStainError
        If the recipe is of other dimensions than the model.
    """
    spec = start.spec
    if (spec.spatial_axes, spec.projects) != (recipe.spatial_axes, recipe.projects):
        raise VirtualStainError(
            f"the model {spec.name!r} to start from is {spec.expects.split(':')[0]}, which the "
            f"preset {recipe.name!r} is not; choose another preset or model."
        )
    return replace(
        recipe,
        network=spec.network.name,
        options=dict(spec.network.options),
        normalization=spec.normalization,
    )


def take_weights(network: nn.Module, start: StainModel) -> Notice:
    """Copy the weights of a model into a network wherever name and shape are the same.

    Returns
    -------
    Notice
        What was taken, and what begins anew (layers for other channels).

    Raises
    ------
    VirtualStainError
        If nothing fits.
    """
    own, given = network.state_dict(), start.network.state_dict()
    taken = {
        name: values
        for name, values in given.items()
        if name in own and own[name].shape == values.shape
    }
    named = dict(network.named_parameters())
    count = sum(name in named for name in taken)
    if not count:
        raise VirtualStainError(
            f"no weights of the model {start.spec.name!r} fit the network to be trained; start "
            "from another model, or from none."
        )
    network.load_state_dict({**own, **taken})
    anew = [name for name in named if name not in taken]
    text = f"Started from the model {start.spec.name!r}."
    if anew:
        text = (
            f"Started from the model {start.spec.name!r}; {len(anew)} of {len(named)} parameters "
            f"have another shape and begin anew ({', '.join(anew[:3])}"
            f"{', …' if len(anew) > 3 else ''})."
        )
    return Notice(text)


def order_notice(start: ModelSpec, spec: ModelSpec) -> Notice | None:
    """Return the warning that channels were taken by their order, where names do not tell them."""
    pairs = [
        (_names(one), _names(other))
        for one, other in ((start.inputs, spec.inputs), (start.outputs, spec.outputs))
    ]
    said = [
        f"{', '.join(there)} for {', '.join(here)}"
        for there, here in pairs
        if len(there) == len(here) > 1
        and [name.casefold() for name in there] != [name.casefold() for name in here]
    ]
    if not said:
        return None
    return Notice(
        f"The channels of the model {start.name!r} have other names, and were taken in this order: "
        f"{'; '.join(said)}.",
        True,
    )


def _names(channels: Sequence[InputSpec] | Sequence[OutputSpec]) -> list[str]:
    return [channel.name for channel in channels]


def freeze(network: nn.Module, beginnings: Sequence[str]) -> list[nn.Module]:
    """Leave parts of a network as they are.

    Parameters
    ----------
    network : torch.nn.Module
    beginnings : sequence of str
        Of the names of parameters, such as ``encoder``.

    Returns
    -------
    list of torch.nn.Module
        Those of which no parameter learns: they stay in evaluation mode, or their running
        statistics would move.

    Raises
    ------
    VirtualStainError
        If a beginning is none of any parameter, or nothing would be left to learn.
    """
    named = dict(network.named_parameters())
    for beginning in beginnings:
        if not any(_is_in(name, beginning) for name in named):
            parts = list(dict.fromkeys(name.split(".")[0] for name in named))
            raise VirtualStainError(
                f"the network has no part {beginning!r} that could be frozen; it has "
                f"{', '.join(parts)}."
            )
    for name, parameter in named.items():
        if any(_is_in(name, beginning) for beginning in beginnings):
            parameter.requires_grad_(False)
    if beginnings and not any(parameter.requires_grad for parameter in named.values()):
        raise VirtualStainError("every part of the network is frozen, so nothing would be learned.")
    return [
        module
        for module in network.modules()
        if (own := list(module.parameters(recurse=False)))
        and not any(parameter.requires_grad for parameter in own)
    ]


def _is_in(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(beginning.rstrip(".") + ".")
