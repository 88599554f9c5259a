"""``vstain simulate``: a simulated specimen as a pair of OME-TIFFs."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_virtual_stain.cli.arguments import AsJson, Output, Overwrite
from napari_virtual_stain.cli.output import finish


def command(
    output: Output,
    size: Annotated[int, typer.Option(min=16, help="Pixels along Y and X.")] = 512,
    planes: Annotated[int, typer.Option(min=1, help="Focal planes.")] = 7,
    ndim: Annotated[int, typer.Option(min=2, max=3, help="3: a fluorescence stack too.")] = 2,
    pixel_size: Annotated[float, typer.Option(min=0.01, help="µm along Y and X.")] = 0.325,
    plane_distance: Annotated[float, typer.Option(min=0.01, help="µm between planes.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    count: Annotated[
        int, typer.Option(min=1, help="Specimens, with the seeds that follow each other.")
    ] = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Simulate cells: a brightfield z-stack and its fluorescence, ready for training.

    Written to the folders ``brightfield`` and ``fluorescence``, where same names are pairs.
    """
    from napari_virtual_stain.io import write_image
    from napari_virtual_stain.simulate import specimen

    voxel_size = {"Z": plane_distance, "Y": pixel_size, "X": pixel_size}
    written = []
    for number in range(seed, seed + count):
        pair = specimen(
            size=(size, size), planes=planes, ndim=ndim, voxel_size=voxel_size, seed=number
        )
        for image, kind in zip(pair, ("brightfield", "fluorescence"), strict=True):
            path = output / kind / f"simulated_{number:04d}.ome.tif"
            written.append(write_image(image, path, overwrite=overwrite))
    finish({"files": written}, [str(path) for path in written], as_json)
