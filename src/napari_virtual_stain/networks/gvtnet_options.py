"""The options of the GVTNets: what they take, and the configurations of the paper.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy", Nature
Machine Intelligence 3 (2021), section 4.5, and the published configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from napari_virtual_stain.networks.options import CHANNELS, Flag, OneOf, PerLevel, Rule, Whole

REFERENCE = "Wang et al., Nature Machine Intelligence 3 (2021), doi:10.1038/s42256-020-00283-x"

RULES: dict[str, Rule] = {
    "ndim": Whole(2, 3),
    **CHANNELS,
    "filters": Whole(1, 1024),
    "depth": Whole(2, 8),
    "heads": Whole(1, 64),
    "down": PerLevel(OneOf("residual", "convolution", "gvto-v1", "gvto-v2")),
    "bottom": OneOf("gvto", "residual"),
    "up": PerLevel(OneOf("transposed", "gvto-v1", "gvto-v2")),
    "encoder_blocks": PerLevel(Whole(0, 8)),
    "decoder_blocks": PerLevel(Whole(0, 8)),
    "skip": OneOf("add", "concat"),
    "norm": Flag(),
    "activation": OneOf("relu6", "relu"),
    "attention": OneOf("linear", "softmax"),
    "output_kernel": OneOf(1, 3),
    "residual": Flag(),
    "likelihood": OneOf("none", "laplace", "gaussian"),
}

DENOISE: dict[str, Any] = {
    "depth": 3,
    "heads": 2,
    "down": "convolution",
    "up": "gvto-v2",
    "encoder_blocks": (1, 1, 0),
    "skip": "concat",
    "norm": False,
    "output_kernel": 1,
    "residual": True,
    "likelihood": "laplace",
}
"""The denoising configuration (section 4.5.2): where it differs from the label-free one."""

PROJECTION_RULES: dict[str, Rule] = {
    "ndim": Whole(3, 3),
    **CHANNELS,
    "projection_filters": Whole(1, 1024),
    **{
        option: RULES[option]
        for option in (
            *("filters", "depth", "heads", "activation"),
            *("attention", "residual", "likelihood"),
        )
    },
}
"""The options of the projecting network; what it does not name is as for denoising."""

UNET_RULES: dict[str, Rule] = {
    option: rule for option, rule in RULES.items() if option not in ("heads", "bottom", "attention")
} | {"down": PerLevel(OneOf("residual", "convolution")), "up": PerLevel(OneOf("transposed"))}
"""The options of the network without attention."""

Value = TypeVar("Value", int, str)


def per_level(option: str, values: Value | Sequence[Value], levels: int) -> list[Value]:
    """Return a value for each of `levels` levels, from one for all or from as many.

    Raises
    ------
    ValueError
        If there are more values, or fewer.
    """
    if isinstance(values, (int, str)):
        return [values] * levels
    if len(values) != levels:
        raise ValueError(
            f"{option!r} has {len(values)} values, and {levels} are needed: one for each level "
            "but the coarsest, or one for all"
        )
    return list(values)


def fitted(option: str, values: int | Sequence[int], levels: int) -> list[int]:
    """Return a value for each of `levels` levels; a sequence is cut, or goes on with its last.

    Raises
    ------
    ValueError
        If the sequence is empty.
    """
    given = [values] if isinstance(values, int) else list(values)
    if not given:
        raise ValueError(f"{option!r} is empty; give at least one number")
    return (given + given[-1:] * levels)[:levels]
