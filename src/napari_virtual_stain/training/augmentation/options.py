"""What can be chosen about augmentation."""

from __future__ import annotations

from dataclasses import dataclass, fields

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.options import is_number

_MOST = {
    "scale": 1.0,
    "rotation": 180.0,
    "contrast": 10.0,
    "brightness": 100.0,
    "blur": 50.0,
    "noise": 100.0,
    "illumination": 1.0,
    "channel_dropout": 1.0,
    "plane_dropout": 1.0,
    "probability": 1.0,
}


@dataclass(frozen=True)
class Augmentation:
    """How patches are changed at random; of everything, 0 or False leaves it out.

    Input and target are turned, scaled and rotated alike, and within the plane only: optics have an
    up and a down along Z. The rest changes the input alone, whose values are normalized, so
    that 1 is about the spread of an image.

    Parameters
    ----------
    turns : bool
        The eight flips and quarter turns; patches that are not square are turned by halves only.
        Leave it out where the light has a direction that the image shows, as the shear of DIC.
    scale : float
        Everything is drawn larger or smaller, by a factor log-uniform in 1 / (1 + scale) …
        1 + scale, interpolated linearly. At most 1.
    rotation : float
        Degrees, uniform in ±`rotation`, interpolated linearly. At most 180.
    contrast : float
        Each input channel is multiplied by a factor log-uniform in 1 / (1 + contrast) … 1 +
        contrast. At most 10.
    brightness : float
        To each input channel, an offset uniform in ±`brightness` is added. At most 100.
    blur : float
        Defocus: the standard deviation (px) of a Gaussian, uniform in 0 … `blur`. At most 50.
    noise : float
        The standard deviation of Gaussian noise, independent in each pixel, uniform in 0 …
        `noise`. At most 100.
    illumination : float
        Uneven light in each input channel: a smooth random field whose peak is uniform in 0 …
        `illumination`, both added and multiplied. At most 1.
    channel_dropout : float
        Probability that an input channel is set to 0, with all its planes; if that is drawn
        for all channels of a patch, one stays.
    plane_dropout : float
        The same for each plane of a channel whose z planes are channels of the network.
    probability : float
        With which each of contrast, brightness, blur, noise and illumination is applied to a patch.

    Raises
    ------
    VirtualStainError
        If a number is out of its range.
    """

    turns: bool = True
    scale: float = 0.0
    rotation: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    illumination: float = 0.0
    channel_dropout: float = 0.0
    plane_dropout: float = 0.0
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.turns, bool):
            raise VirtualStainError(
                f"whether an augmentation turns patches is True or False, not {self.turns!r}."
            )
        for name in (field.name for field in fields(self) if field.name != "turns"):
            value, most = getattr(self, name), _MOST[name]
            if not (is_number(value) and 0 <= value <= most):
                raise VirtualStainError(
                    f"the {name.replace('_', ' ')} of an augmentation is a number from 0 to "
                    f"{most:g}, not {value!r}."
                )
            # A number of another type, such as NumPy's, would not be plain JSON.
            object.__setattr__(self, name, float(value))

    @property
    def interpolates(self) -> bool:
        """Whether pixels are computed from their neighbours, so that patches need a margin."""
        return self.scale > 0 or self.rotation > 0
