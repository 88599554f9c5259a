"""Presets: a network and the recipe by which it is trained, under one name.

Patch, batch, optimizer, rate and steps are the published ones, as the authors' code or their
published graphs have them where these differ from the paper. What is ours, as nothing is published:

* ``gvtnet-2d`` and ``unet-2d``: patch, batch and steps; the papers train in 3D.
* ``gt-unet``: the number of steps, which is stated nowhere (with a rate of 1e-5, many are needed);
  and the scaling of the inputs by percentiles. The authors' code divides by the largest number of
  the file's type, by which a 12-bit image in a 16-bit file would fill a 16th of the scale.
* ``virfluonet``: the number of steps, and that the range which becomes −1 … 1 is that between two
  percentiles. Batches of one: see :mod:`napari_virtual_stain.training.adversarial`.
* Flips and quarter turns of patches: they are published for GT U-Net and VirFluoNet alone, and
  here are an option of each run.
"""

from __future__ import annotations

import difflib
from dataclasses import replace

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.model import NormalizationSpec
from napari_virtual_stain.training.augmentation import Augmentation
from napari_virtual_stain.training.losses import LossOptions
from napari_virtual_stain.training.recipe import Preset, StepDecay

_EXTREMES = (0.1, 99.9)
_CARE = NormalizationSpec(method="percentile", percentiles=(2, 99.8))

_FNET = Preset(
    "fnet",
    "3D U-Net of Ounkomol et al. 2018, as published.",
    "fnet",
    "ZYX",
    patch=(32, 64, 64),
    batch=24,
    steps=50_000,
    betas=(0.5, 0.999),
)
_GVTNET = Preset(
    "gvtnet",
    "3D network with global attention of Wang et al. 2021, label-free task, as published.",
    "gvtnet",
    "ZYX",
    patch=(32, 64, 64),
    batch=16,
    steps=70_000,
    betas=(0.5, 0.999),
)
_GVTNET_2D = replace(
    _GVTNET,
    name="gvtnet-2d",
    description="The network of Wang et al. 2021 in 2D.",
    spatial_axes="YX",
    patch=(256, 256),
    steps=20_000,
)
_GVTNET_DENOISE = Preset(
    "gvtnet-denoise",
    "Restoration in 3D (Wang et al. 2021): a better image of the same thing, with its uncertainty.",
    "gvtnet-denoise",
    "ZYX",
    patch=(16, 64, 64),
    batch=16,
    steps=55_000,
    normalization=_CARE,
    target_scaling="input",
    loss=LossOptions(value="mae"),
    learning_rate=4e-4,
    schedule=StepDecay(0.7, 10_000),
)
_VIRFLUONET = Preset(
    "virfluonet",
    "Conditional adversarial network of Nguyen et al. 2020, on windows of 256 × 256 px.",
    "virfluonet",
    "YX",
    patch=(256, 256),
    batch=1,
    steps=50_000,
    normalization=NormalizationSpec(method="range", percentiles=_EXTREMES),
    target_scaling="range",
    loss=LossOptions(value="mae"),
    learning_rate=2e-4,
    betas=(0.5, 0.999),
    adversarial=True,
)
_BEST = Preset(
    "best",
    "The project's own, for 2D: the best predictions we know how to get from few images.",
    "subpixel-unet",
    "YX",
    patch=(128, 128),
    batch=8,
    steps=4_000,
    loss=LossOptions(correlation=1.0),
    optimizer="muon",
    weight_decay=0.01,
    schedule="one-cycle",
    augmentation=Augmentation(
        scale=0.2,
        rotation=20,
        contrast=0.3,
        brightness=0.3,
        blur=1.0,
        noise=0.2,
        illumination=0.5,
    ),
)
_BEST_SMALL = replace(
    _BEST,
    name="best-small",
    description="Like best with half the weights: a model file below 2 MB in half precision.",
    options={"widths": (24, 48, 96, 152)},
    optimizer="adam",
)

_PRESETS = (
    _FNET,
    replace(
        _FNET,
        name="fnet-2d",
        description="2D U-Net of Ounkomol et al. 2018, as published.",
        spatial_axes="YX",
        patch=(256, 256),
        batch=32,
    ),
    _GVTNET,
    _GVTNET_2D,
    replace(
        _GVTNET_2D,
        name="gvtnet-2d-small",
        description="A quarter of gvtnet-2d's weights and a short one-cycle schedule: minutes on "
        "a CPU.",
        batch=8,
        steps=2_000,
        options={"filters": 16},
        betas=(0.9, 0.999),
        schedule="one-cycle",
    ),
    _BEST,
    _BEST_SMALL,
    replace(
        _BEST_SMALL,
        name="quick",
        description="best-small for a first look: useful after five minutes on two cores of a CPU.",
        steps=900,
    ),
    _GVTNET_DENOISE,
    replace(
        _GVTNET_DENOISE,
        name="gvtnet-projection",
        description="A z-stack to one plane of its surface, restored (Wang et al. 2021).",
        network="gvtnet-projection",
        patch=(50, 64, 64),
        projects=True,
        schedule=StepDecay(0.5, 20_000),
    ),
    replace(
        _GVTNET,
        name="unet",
        description="gvtnet with a residual block in place of its attention, to tell what that "
        "contributes.",
        network="unet",
    ),
    replace(
        _GVTNET_2D,
        name="unet-2d",
        description="gvtnet-2d with a residual block in place of its attention, to tell what that "
        "contributes.",
        network="unet",
    ),
    Preset(
        "gt-unet",
        "Global transformer U-Net of Liu et al. 2020: a distribution over 256 grey values for "
        "each pixel.",
        "gt-unet",
        "YX",
        patch=(128, 128),
        batch=4,
        steps=100_000,
        normalization=NormalizationSpec(method="percentile", percentiles=_EXTREMES),
        target_scaling="unit",
        learning_rate=1e-5,
    ),
    _VIRFLUONET,
    replace(
        _VIRFLUONET,
        name="virfluonet-autofocus",
        description="The network of Nguyen et al. 2020 from defocused to focused images.",
    ),
)


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    VirtualStainError
        If there is none of that name.
    """
    known = [one.name for one in _PRESETS]
    if name in known:
        return _PRESETS[known.index(name)]
    near = difflib.get_close_matches(str(name).casefold(), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise VirtualStainError(f"there is no preset named {name!r}; known: {', '.join(known)}.{hint}")


def presets() -> tuple[Preset, ...]:
    """Return all presets."""
    return _PRESETS
