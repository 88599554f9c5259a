"""ModelSpec: what a model expects and what it yields.

The specification travels with the weights in one file, so that a prediction needs nothing from the
user that the training knew: which channels go in, how they are scaled, at which voxel size the
network learned, and in which units its output is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.model.parts import (
    InputSpec,
    Name,
    NetworkSpec,
    NormalizationSpec,
    OutputSpec,
    Part,
    Provenance,
    Size,
    Text,
)

if TYPE_CHECKING:
    from torch import nn

FORMAT_VERSION = 1


class ModelSpec(Part):
    """What a model expects and what it yields.

    Parameters
    ----------
    name : str
        The model's name, by which it is chosen.
    description : str
        A sentence for the person who chooses.
    network : NetworkSpec
    inputs, outputs : list
        Channels, in the network's order.
    spatial_axes : {"YX", "ZYX"}
        The axes that the network convolves.
    projects : bool
        Whether the network turns a z-stack into one plane.
    uncertainties : tuple of {"σ", "entropy"}
        Maps that the network yields beside each output; saving a model fills them in.
    voxel_size : dict
        µm, keyed by spatial axis; empty where unknown.
    normalization : NormalizationSpec
    provenance : Provenance
    format_version : int
    """

    format_version: Literal[1] = 1
    name: Name
    description: Text = ""
    network: NetworkSpec
    inputs: Annotated[list[InputSpec], Field(min_length=1, max_length=64)]
    outputs: Annotated[list[OutputSpec], Field(min_length=1, max_length=64)]
    spatial_axes: Literal["YX", "ZYX"] = "YX"
    projects: bool = False
    uncertainties: tuple[Literal["σ", "entropy"], ...] = ()
    voxel_size: dict[Literal["Z", "Y", "X"], Size] = Field(default={})
    normalization: NormalizationSpec = NormalizationSpec()
    provenance: Provenance = Provenance()

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        for role, channels in (("input", self.inputs), ("output", self.outputs)):
            names = [channel.name for channel in channels]
            if len(set(names)) != len(names):
                raise ValueError(f"{role} names are not unique: {names}")
        if self.projects and self.spatial_axes != "ZYX":
            raise ValueError("a model that projects a stack has the axes ZYX")
        if self.spatial_axes == "ZYX" and any(channel.planes > 1 for channel in self.inputs):
            raise ValueError("a 3D model cannot take z planes as channels")
        if len({channel.planes > 1 for channel in self.inputs}) > 1:
            raise ValueError("either all inputs take z planes as channels, or none")
        if not set(self.voxel_size) <= set(self.spatial_axes):
            raise ValueError(f"voxel sizes must belong to the axes {self.spatial_axes}")
        implied = {
            "ndim": len(self.spatial_axes),
            "in_channels": sum(channel.planes for channel in self.inputs),
            "out_channels": len(self.outputs),
        }
        for option, value in implied.items():
            if self.network.options.get(option, value) != value:
                raise ValueError(
                    f"the network's {option} is {self.network.options[option]}, but the channels "
                    f"and axes of the model need {value}"
                )
        return self

    @property
    def takes_planes(self) -> bool:
        """Whether z planes of a stack are the network's channels, so that Z is consumed."""
        return self.inputs[0].planes > 1

    @property
    def consumes_z(self) -> bool:
        """Whether the prediction of a stack is one plane."""
        return self.takes_planes or self.projects

    @property
    def expects(self) -> str:
        """One line saying what the model takes and gives, for a person."""
        inputs = []
        for channel in self.inputs:
            planes = f" ({channel.planes} z planes)" if channel.planes > 1 else ""
            inputs.append(f"{channel.modality or channel.name}{planes}")
        kind = {"YX": "2D", "ZYX": "3D to 2D" if self.projects else "3D"}[self.spatial_axes]
        known = [self.voxel_size[axis] for axis in self.spatial_axes if axis in self.voxel_size]
        sizes = " × ".join(f"{size:g}" for size in known)
        at = f" at {sizes} µm" if sizes else ""
        outputs = ", ".join(output.name for output in self.outputs)
        return f"{kind}: {' + '.join(inputs)} → {outputs}{at}"

    def build_network(self) -> nn.Module:
        """Build the network with random weights.

        Raises
        ------
        VirtualStainError
            If this version of the package has no such network or option.
        """
        from napari_virtual_stain import networks

        options: dict[str, Any] = {
            **self.network.options,
            "ndim": len(self.spatial_axes),
            "in_channels": sum(channel.planes for channel in self.inputs),
            "out_channels": len(self.outputs),
        }
        network: Any = networks.build(self.network.name, **options)
        if network.geometry.projects != self.projects:
            does = "projects" if network.geometry.projects else "does not project"
            raise VirtualStainError(
                f"the network {self.network.name!r} {does} a stack onto a plane, and the model "
                f"{self.name!r} says otherwise."
            )
        built: nn.Module = network
        return built


def parse_spec(content: Mapping[str, Any], label: str) -> ModelSpec:
    """Return the specification that a model file holds.

    Raises
    ------
    VirtualStainError
        If its format version is unknown or a field does not fit; `label` names the file.
    """
    version = content.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise VirtualStainError(
            f"{label} has the model format {version!r}, and this version of napari-virtual-stain "
            f"reads format {FORMAT_VERSION}; update the plugin, or save the model again."
        )
    try:
        return ModelSpec.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the specification"
        raise VirtualStainError(
            f"{label} holds a model specification that does not fit: {where}: {first['msg']}."
        ) from None
