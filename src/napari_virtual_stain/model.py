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
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.normalization import Scaling, between

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
Choice = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | Word
NetworkOption = Choice | Annotated[tuple[Choice, ...], Field(max_length=16)]
Size = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Part):
    """Which network, by its name in the registry, and its options."""

    name: Name
    options: dict[Word, NetworkOption] = {}


class InputSpec(_Part):
    """One input channel; `planes` > 1 takes that many z planes of it as network channels."""

    name: Name
    modality: Word = ""
    planes: Annotated[int, Field(ge=1, le=1024)] = 1


class OutputSpec(_Part):
    """One output channel, and what its values stand for.

    Parameters
    ----------
    name, kind, colormap : str
    scaling : {"z-score", "unit", "range", "input"}
        ``z-score``: grey value = value · `std` + `mean`, the statistics of the training target.
        ``unit``: values 0 and 1 are the grey values `low` and `high`. ``range``: −1 and 1 are.
        ``input``: the value is on the normalized scale of the first input channel, as
        in restoration, where a better image of the same thing is predicted.
    mean, std, low, high : float, optional
        In grey values. Where they are unknown, a prediction stays in the network's own units.
    """

    name: Name
    kind: Literal["fluorescence"] = "fluorescence"
    colormap: Word = "gray"
    scaling: Literal["z-score", "unit", "range", "input"] = "z-score"
    mean: Finite | None = None
    std: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> OutputSpec:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std of an output are given together, or neither")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high of an output are given together, or neither")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low of an output is below its high")
        given = [value for value in (self.mean, self.std, self.low, self.high) if value is not None]
        if any(abs(value) > 1e30 for value in given):
            raise ValueError("mean, std, low and high of an output must be below 1e30")
        if self.mean is not None and self.scaling != "z-score":
            raise ValueError(f"an output of the scaling {self.scaling!r} has no mean and std")
        if self.low is not None and self.scaling not in ("unit", "range"):
            raise ValueError(f"an output of the scaling {self.scaling!r} has no low and high")
        return self

    def grey_values(self, of_input: Scaling) -> Scaling | None:
        """Return the scaling that takes values to grey values, or None where it is unknown.

        Parameters
        ----------
        of_input : Scaling
            That of the first input channel of the image that is predicted.
        """
        if self.scaling == "input":
            return of_input
        if self.mean is not None and self.std is not None:
            return Scaling(self.mean, self.std)
        if self.low is not None and self.high is not None:
            return between(
                self.low, self.high, "range" if self.scaling == "range" else "percentile"
            )
        return None

    @property
    def has_grey_values(self) -> bool:
        """Whether a prediction can be given in grey values."""
        return self.grey_values(Scaling(0.0, 1.0)) is not None


Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class NormalizationSpec(_Part):
    """How the channels of an input image are scaled, each by its own pixels.

    Parameters
    ----------
    method : {"z-score", "percentile", "range", "none"}
        As :func:`napari_virtual_stain.normalization.measure`.
    percentiles : tuple of float
        For ``percentile`` and ``range``, in percent.
    equalize : bool
        Whether the histogram is equalized before.
    central_planes : int, optional
        Only so many z planes around the middle are measured; by default all.
    per : {"time point", "movie"}
        What is measured together.
    """

    method: Literal["z-score", "percentile", "range", "none"] = "z-score"
    percentiles: tuple[Percent, Percent] = (0.0, 100.0)
    equalize: bool = False
    central_planes: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    per: Literal["time point", "movie"] = "time point"

    @model_validator(mode="after")
    def _in_order(self) -> NormalizationSpec:
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError("the first percentile is below the second")
        return self


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
    projects : bool
        Whether the network turns a z-stack into one plane.
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
    voxel_size: dict[Literal["Z", "Y", "X"], Size] = {}
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


@dataclass(frozen=True, eq=False)
class StainModel:
    """A network with its specification.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (B, channels, [Z,] Y, X) normalized values to raw channels, which its ``head`` reads.
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
