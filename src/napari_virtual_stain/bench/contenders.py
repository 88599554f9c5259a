"""Who is measured, and what each is given."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from napari_virtual_stain.bench.cases import Case, Sizes
from napari_virtual_stain.errors import VirtualStainError

Way = Literal["whole", "engine", "monai", "bioimageio", "torch-em"]
Tiles = Literal["", "small", "large"]

OVERLAP = 0.25
"""Of MONAI's windows; its documented default."""

WINDOWS: dict[int, dict[str, Sizes]] = {
    2: {"small": (256, 256), "large": (512, 512)},
    3: {"small": (32, 128, 128), "large": (32, 192, 192)},
}
"""Sizes of MONAI's windows. Both are measured for the tuned contender; its best one counts."""

BLOCK, BLOCK_HALO = 512, 32
"""Of bioimageio.core along Y and X (px), as in the example model of its specification."""

HALO: dict[int, Sizes] = {2: (16, 16), 3: (0, 16, 16)}
"""Of torch-em's blocks, as in its own 2D tests; a block with its halo fits the stride."""


@dataclass(frozen=True)
class Contender:
    """A way to predict an image.

    Parameters
    ----------
    name : str
        By which it is chosen.
    title : str
        What the table calls it.
    way : str
    precision : {"fp32", "bf16", "auto"}
    tuned : bool
        Whether it is given what the engine gives itself: BatchNorm folded, channels-last layout,
        and on a CPU an allocator that keeps freed blocks.
    tiles : {"", "small", "large"}
        Which of :data:`WINDOWS`, where there are any.
    package : str
        What it needs beyond this package, as pip knows it.
    module : str
        What is imported before memory is looked at.
    """

    name: str
    title: str
    way: Way
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    tuned: bool = False
    tiles: Tiles = ""
    package: str = ""
    module: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether the package that it needs is there; it is not imported to find out."""
        with contextlib.suppress(PackageNotFoundError):
            return not self.package or bool(version(self.package))
        return False

    def given(self, case: Case, device: str, settled: str = "") -> dict[str, str]:
        """Return what it is given, for the table; `settled` is the precision that it chose."""
        good = self.tuned or self.way == "engine"
        precision: str = self.precision
        if precision == "auto":
            precision = f"auto: {settled or 'unknown'}"
        elif device == "cuda" and precision == "fp32" and not good:
            precision = "fp32 (TF32 convolutions, PyTorch's default)"
        return {
            "tiles": self.described_tiles(case),
            "folding": "folded" if good else "no",
            "layout": "channels last" if good else "default",
            "precision": precision,
            "allocator": ("keeps blocks" if good else "default") if device == "cpu" else "PyTorch",
        }

    def described_tiles(self, case: Case) -> str:
        """Return how it divides the image, in a few words."""
        if self.way == "monai":
            window = "×".join(map(str, WINDOWS[case.ndim][self.tiles]))
            return f"{window}, overlap {OVERLAP}, Gaussian"
        if self.way == "torch-em":
            block = "×".join(map(str, WINDOWS[case.ndim]["small"]))
            halo = "×".join(map(str, HALO[case.ndim]))
            return f"{block}, halo {halo}, each block standardized"
        return {
            "whole": "none",
            "engine": "its own plan",
            "bioimageio": f"{BLOCK}×{BLOCK}, halo {BLOCK_HALO}",
        }[self.way]


_ENGINE = "napari_virtual_stain.inference.engine"
_MONAI = {"way": "monai", "package": "monai", "module": "monai.inferers"}


def _monai(name: str, title: str, tiles: Tiles, **options: object) -> Contender:
    return Contender(name, title, tiles=tiles, **_MONAI, **options)  # type: ignore[arg-type]


CONTENDERS: tuple[Contender, ...] = (
    Contender("whole", "whole image, as it comes", "whole"),
    Contender("whole-tuned", "whole image, tuned (the floor)", "whole", tuned=True),
    Contender("whole-tuned-bf16", "whole image, tuned", "whole", "bf16", tuned=True),
    Contender("engine-fp32", "this engine", "engine", module=_ENGINE),
    Contender("engine-auto", "this engine", "engine", "auto", module=_ENGINE),
    _monai("monai", "MONAI sliding window, as documented", "small"),
    _monai("monai-tuned", "MONAI sliding window, tuned", "small", tuned=True),
    _monai("monai-tuned-large", "MONAI sliding window, tuned", "large", tuned=True),
    _monai("monai-bf16", "MONAI sliding window, tuned", "small", precision="bf16", tuned=True),
    _monai(
        "monai-bf16-large", "MONAI sliding window, tuned", "large", precision="bf16", tuned=True
    ),
    Contender(
        "bioimageio",
        "bioimageio.core, by blocks",
        "bioimageio",
        package="bioimageio.core",
        module="bioimageio.core",
    ),
    Contender(
        "torch-em",
        "torch-em predict_with_halo",
        "torch-em",
        package="torch-em",
        module="torch_em.util.prediction",
    ),
)


def chosen(names: Sequence[str]) -> list[Contender]:
    """Return the contenders of these names, all of them where there is none.

    Raises
    ------
    VirtualStainError
        If a name is unknown.
    """
    known = {contender.name: contender for contender in CONTENDERS}
    for name in names:
        if name not in known:
            raise VirtualStainError(
                f"there is no contender {name!r}; choose from {', '.join(known)}."
            )
    return [known[name] for name in names] or list(CONTENDERS)
