"""A recipe: everything about a training but the images and what the user chooses for one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_virtual_stain.model import NormalizationSpec
from napari_virtual_stain.training.augmentation import Augmentation
from napari_virtual_stain.training.losses import LossOptions


@dataclass(frozen=True)
class StepDecay:
    """The learning rate is multiplied by `factor` after every so many steps."""

    factor: float
    every: int


@dataclass(frozen=True)
class Preset:
    """A recipe.

    Parameters
    ----------
    name, description : str
    network : str
        Name in the registry.
    spatial_axes : {"YX", "ZYX"}
    patch : tuple of int
        Size of a patch along the spatial axes (px); smaller where an image is. A network with
        a window has patches of that instead, and one that projects reads all planes.
    batch : int
        Patches in a step.
    steps : int
    options : mapping
        Options of the network, beside its channels.
    projects : bool
        Whether the network turns a z-stack into one plane.
    normalization : NormalizationSpec
        Of the inputs, each image by its own pixels.
    target_scaling : {"z-score", "unit", "range", "input"}
        ``z-score``: each image by its own mean and standard deviation. ``unit`` and ``range``: by
        two percentiles of all training targets, kept in the specification, to 0 … 1 or
        −1 … 1. ``input``: as the first input of its pair, for restoration.
    loss : LossOptions
    learning_rate : float
    optimizer : {"adam", "muon"}
        Adam (with weight decay, AdamW), or Muon for the kernels between hidden layers.
    betas : tuple of float
        Of Adam.
    weight_decay : float
        Decoupled from the gradient (AdamW, Loshchilov & Hutter 2019), of weights of
        convolutions alone.
    schedule : {"constant", "one-cycle", "cosine"} or StepDecay
        Of the learning rate; Smith & Topin 2017 for ``one-cycle``.
    augmentation : Augmentation
    averaging : float
        Decay of the running average of the weights that is scored and kept; 0 for none.
    foreground : float
        Share of the patches that are drawn around foreground.
    adversarial : bool
        Whether a discriminator learns along (a conditional GAN).
    """

    name: str
    description: str
    network: str
    spatial_axes: Literal["YX", "ZYX"]
    patch: tuple[int, ...]
    batch: int
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)
    projects: bool = False
    normalization: NormalizationSpec = field(default_factory=NormalizationSpec)
    target_scaling: Literal["z-score", "unit", "range", "input"] = "z-score"
    loss: LossOptions = field(default_factory=LossOptions)
    learning_rate: float = 1e-3
    optimizer: Literal["adam", "muon"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Literal["constant", "one-cycle", "cosine"] | StepDecay = "constant"
    augmentation: Augmentation = field(default_factory=Augmentation)
    averaging: float = 0.0
    foreground: float = 0.0
    adversarial: bool = False
