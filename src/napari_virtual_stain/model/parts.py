"""The parts of a model's specification: network, channels, scaling, origin.

Whatever a file says in them is data: names are looked up, never imported, and texts are shown.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    model_validator,
)

from napari_virtual_stain.normalization import Scaling, between

NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"
TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"  # newlines and tabs are text

_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and bytes that were no text where they come from."""

MOST_TEXT = 100_000
"""Characters of a text in a model file."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_CONTROL),
]
Word = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL)]
Text = Annotated[str, StringConstraints(max_length=MOST_TEXT, pattern=TEXT)]
Choice = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | Word
NetworkOption = Choice | Annotated[tuple[Choice, ...], Field(max_length=16)]
Size = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def clean_text(text: str) -> str:
    """Return a text as a model file can hold it.

    Without control characters, with newlines as they are here, and cut off where it is too long.
    """
    cleaned = _NO_TEXT.sub(" ", "\n".join(text.splitlines()))
    return cleaned if len(cleaned) <= MOST_TEXT else cleaned[: MOST_TEXT - 1] + "…"


class Part(BaseModel):
    """A part of a specification: frozen, and without fields that this version does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(Part):
    """Which network, by its name in the registry, and its options."""

    name: Name
    options: dict[Word, NetworkOption] = {}


class InputSpec(Part):
    """One input channel; `planes` > 1 takes that many z planes of it as network channels."""

    name: Name
    modality: Word = ""
    planes: Annotated[int, Field(ge=1, le=1024)] = 1


class OutputSpec(Part):
    """One output channel, and what its values stand for.

    Parameters
    ----------
    name, colormap : str
    kind : {"fluorescence", "mask"}
        The values of a mask are the probability that a pixel belongs to it.
    scaling : {"z-score", "unit", "range", "input", "none"}
        ``z-score``: grey value = value · `std` + `mean`, the statistics of the training target.
        ``unit``: values 0 and 1 are the grey values `low` and `high`. ``range``: −1 and 1 are.
        ``input``: the value is on the normalized scale of the first input channel, as
        in restoration, where a better image of the same thing is predicted. ``none``: the value
        is what was learned, as of masks.
    mean, std, low, high : float, optional
        In grey values. Where they are unknown, a prediction stays in the network's own units.
    """

    name: Name
    kind: Literal["fluorescence", "mask"] = "fluorescence"
    colormap: Word = "gray"
    scaling: Literal["z-score", "unit", "range", "input", "none"] = "z-score"
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
        if self.kind == "mask" and self.scaling != "none":
            raise ValueError("an output that is a mask has the scaling 'none'")
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
        if self.scaling == "none":
            return Scaling(0.0, 1.0)
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


class NormalizationSpec(Part):
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


class Provenance(Part):
    """Where a model comes from. Everything is optional, and nothing of it is ever executed.

    Parameters
    ----------
    data, licence, attribution, notes : str
        As people give them.
    preset : str
        Name of the recipe.
    options : str
        What differed from it, as JSON.
    started_from : str
        The model whose weights were taken, with a digest of them, and its licence and attribution.
    command : str
    steps : int
        Of the network that was kept: the one that scored best.
    seed : int
    versions : dict of str to str
        Of the packages, by name.
    scores : dict of str to dict of str to float
        By output, and by the name of the score.
    """

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
    options: Text = ""
    started_from: Text = ""
