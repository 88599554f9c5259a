"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import parse_region
from napari_virtual_stain.inference.options import Device, Precision

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Crop = Annotated[
    list[str] | None,
    typer.Option("--crop", help="Part of the image, such as X=0:640. May be repeated."),
]
DeviceName = Annotated[Device, typer.Option(help="Where to compute.")]
PrecisionName = Annotated[Precision, typer.Option(help="Precision of the network.")]
Axes = Annotated[
    str | None,
    typer.Option(help="Axes of a TIFF that does not say them, such as ZYX or TCYX."),
]


@contextmanager
def as_bad_arguments(option: str | None = None) -> Iterator[None]:
    """Turn what is refused inside into a bad argument (exit status 2), of one option or several."""
    try:
        yield
    except VirtualStainError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def regions(texts: Sequence[str] | None, option: str = "--crop") -> dict[str, slice]:
    """Parse crops such as ``X=0:640``; a malformed one is a bad argument (exit status 2)."""
    found: dict[str, slice] = {}
    for text in texts or ():
        with as_bad_arguments(option):
            axis, region = parse_region(text)
        if axis in found:
            raise typer.BadParameter(f"{axis} is cropped twice", param_hint=option)
        found[axis] = region
    return found


def model_file(output: Path) -> Path:
    """Return the path of a model file to write, with its ending.

    Raises
    ------
    VirtualStainError
        If `output` names a folder and no file.
    """
    if output.name in ("", ".."):
        raise VirtualStainError(f"{output} is a folder; give the name of a file.")
    return output.with_name(output.name.removesuffix(".safetensors") + ".safetensors")
