"""``vstain bench``: time, memory and error of this engine beside others."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from napari_virtual_stain.bench.cases import NETWORKS, Sizes
from napari_virtual_stain.bench.contenders import CONTENDERS
from napari_virtual_stain.cli.arguments import AsJson, DeviceName, Output, Overwrite
from napari_virtual_stain.cli.output import drive, finish


def command(
    output: Output,
    network: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(NETWORKS)}; by default all. Repeatable.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="Of the image, such as 2048x2048 or 32x256x256. Repeatable."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(c.name for c in CONTENDERS)}; by default all. Repeatable."),
    ] = None,
    device: DeviceName = "auto",
    rounds: Annotated[
        int, typer.Option(min=1, help="Fresh processes for each contender, in turn.")
    ] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Predictions timed in each process.")] = 1,
    time_limit: Annotated[
        float, typer.Option(min=1, help="Seconds after which a process is ended.")
    ] = 900,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure this engine beside what you would use instead, on this machine.

    Written to the output folder: measurements (.jsonl), a table (.md) and a plot (.svg), named
    after the device. What was measured before is kept, so that an interrupted run goes on.
    """
    sizes = [_sizes(text) for text in size or ()]

    from napari_virtual_stain.bench import bench_events
    from napari_virtual_stain.bench.plot import plot
    from napari_virtual_stain.bench.table import table
    from napari_virtual_stain.io.records import write_text

    work = bench_events(
        output,
        networks=network or (),
        sizes=sizes,
        only=only or (),
        device=device,
        rounds=rounds,
        repeats=repeats,
        time_limit=time_limit,
        overwrite=overwrite,
    )
    measured_on, records = drive(work, "Measuring")
    page, picture = (output / f"{measured_on}{ending}" for ending in (".md", ".svg"))
    text = table(records, picture.name)
    write_text(page, text)
    write_text(picture, plot(records))
    finish({"records": records, "table": page, "plot": picture}, [text], as_json)


def _sizes(text: str) -> Sizes:
    if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5}){1,2}", text):
        raise typer.BadParameter(
            f"{text!r} is no size; give it such as 2048x2048 or 32x256x256", param_hint="--size"
        )
    return tuple(map(int, text.split("x")))
