"""The first batch of a training, for a person to look at."""

from __future__ import annotations

import torch

from napari_virtual_stain.networks import Geometry
from napari_virtual_stain.training.feeding import Feed
from napari_virtual_stain.training.options import TrainOptions
from napari_virtual_stain.training.patches import patches_of
from napari_virtual_stain.training.preparation import Prepared
from napari_virtual_stain.training.preview import BatchPreview
from napari_virtual_stain.training.recipe import Preset


def first_batch(prepared: Prepared, recipe: Preset, options: TrainOptions) -> BatchPreview:
    """Return the patches of the first step, augmented.

    Parameters
    ----------
    prepared : Prepared
    recipe : Preset
        With what the user chose in its place.
    options : TrainOptions
    """
    spec = prepared.spec
    with torch.device("meta"):
        geometry: Geometry = spec.build_network().geometry  # type: ignore[assignment]
    patches = patches_of(prepared.training, recipe, geometry, options.seed)
    planes = [channel.planes for channel in spec.inputs]
    with Feed(patches, recipe.augmentation, recipe.batch, planes, torch.device("cpu")) as feed:
        fed = feed(1)
    weights = torch.ones_like(fed.targets) if fed.weights is None else fed.weights
    return BatchPreview(
        fed.inputs.contiguous().numpy(),
        fed.targets.numpy(),
        weights.numpy(),
        tuple(
            channel.name if channel.planes == 1 else f"{channel.name} {plane + 1}"
            for channel in spec.inputs
            for plane in range(channel.planes)
        ),
        tuple(output.name for output in spec.outputs),
    )
