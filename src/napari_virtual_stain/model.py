"""StainModel: a network, what it expects and what it yields.

The specification travels with the weights in one file, so that a prediction needs nothing from the
user that the training knew: which channels go in, how they are scaled, at which voxel size the
network learned, and in which units its output is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.normalization import Statistics

if TYPE_CHECKING:
    from torch import nn

FORMAT_VERSION = 1

NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"
TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"  # newlines and tabs are text

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_CONTROL),
]
Word = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL)]
Text = Annotated[str, StringConstraints(max_length=100_000, pattern=TEXT)]
Count = Annotated[int, Field(strict=True)]
Size = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Part):
    """Which network, by its name in the registry, and its options."""

    name: Name
    options: dict[Word, Count] = {}


class InputSpec(_Part):
    """One input channel; `planes` > 1 takes that many z planes of it as network channels."""

    name: Name
    modality: Word = ""
    planes: Annotated[int, Field(ge=1, le=1024)] = 1


class OutputSpec(_Part):
    """One output channel.

    `mean` and `std` are the statistics of the training target in its grey values; with them
    a prediction is given in intensity units. Both are None where they are unknown.
    """

    name: Name
    kind: Literal["fluorescence"] = "fluorescence"
    colormap: Word = "gray"
    mean: Finite | None = None
    std: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> OutputSpec:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std of an output are given together, or neither")
        if self.mean is not None and self.std is not None and max(abs(self.mean), self.std) > 1e30:
            raise ValueError("mean and std of an output must be below 1e30")
        return self

    @property
    def statistics(self) -> Statistics | None:
        """Statistics of the training target, where they are known."""
        if self.mean is None or self.std is None:
            return None
        return Statistics(self.mean, self.std)


class NormalizationSpec(_Part):
    """How inputs are scaled: z-scores of each channel, per time point or per movie."""

    method: Literal["z-score"] = "z-score"
    per: Literal["time point", "movie"] = "time point"


class Provenance(_Part):
    """Where a model comes from. Everything is optional, and nothing of it is ever executed."""

    data: Text = ""
    licence: Text = ""
    attribution: Text = ""
    preset: Text = ""
    command: Text = ""
    steps: int | None = None
    seed: int | None = None
    versions: dict[Word, Word] = {}
    scores: dict[Word, dict[Word, float]] = {}
    notes: Text = ""


class ModelSpec(_Part):
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
    voxel_size: dict[Literal["Z", "Y", "X"], Size] = {}
    normalization: NormalizationSpec = NormalizationSpec()
    provenance: Provenance = Provenance()

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        for role, channels in (("input", self.inputs), ("output", self.outputs)):
            names = [channel.name for channel in channels]
            if len(set(names)) != len(names):
                raise ValueError(f"{role} names are not unique: {names}")
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
    def expects(self) -> str:
        """One line saying what the model takes and gives, for a person."""
        inputs = []
        for channel in self.inputs:
            planes = f" ({channel.planes} z planes)" if channel.planes > 1 else ""
            inputs.append(f"{channel.modality or channel.name}{planes}")
        kind = {"YX": "2D", "ZYX": "3D"}[self.spatial_axes]
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
        return networks.build(self.network.name, **options)


@dataclass(frozen=True, eq=False)
class StainModel:
    """A network with its specification.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (B, channels, [Z,] Y, X) z-scores to (B, outputs, [Z,] Y, X) z-scores.
    spec : ModelSpec
    digest : str
        SHA-256 of the file that it was loaded from; empty for a model that was not.
    """

    network: nn.Module
    spec: ModelSpec
    digest: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """Name, network and digest, for what is made with this model."""
        return {
            "model": self.spec.name,
            "model_sha256": self.digest,
            "network": self.spec.network.name,
            "licence": self.spec.provenance.licence,
            "attribution": self.spec.provenance.attribution,
        }


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
