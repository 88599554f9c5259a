"""``vstain demo``: the main job on a simulated specimen, in napari or into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_virtual_stain.cli.arguments import AsJson, DeviceName, Overwrite
from napari_virtual_stain.cli.output import drive, finish

MODEL = "simulated_brightfield"
SEED = 1_000_000


def command(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the pictures here; no display is needed."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the specimen.")] = SEED,
    device: DeviceName = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict and compare a simulated specimen, ready to flip between observed and predicted."""
    if output is None:
        from napari_virtual_stain.gui.demo import run_demo

        run_demo(MODEL, seed=seed)
        return

    from napari_virtual_stain.evaluation import compare_events
    from napari_virtual_stain.inference import PredictOptions, predict_events
    from napari_virtual_stain.io import load_model, write_image, write_report
    from napari_virtual_stain.simulate import specimen

    brightfield, fluorescence = specimen(seed=seed)
    options = PredictOptions(device=device)
    work = predict_events(load_model(MODEL), brightfield, options)
    predicted = drive(work, "Predicting").predicted
    comparison = drive(compare_events(fluorescence, predicted), "Comparing")
    written = [
        write_image(brightfield, output / "simulated_brightfield.ome.tif", overwrite=overwrite),
        write_image(fluorescence, output / "simulated_fluorescence.ome.tif", overwrite=overwrite),
        write_image(predicted, output / "simulated.predicted.ome.tif", overwrite=overwrite),
        *write_report(comparison, output, overwrite=overwrite).values(),
    ]
    scores = {name: one["pearson_r"] for name, one in comparison.metrics.items()}
    lines = [f"simulated {name}: Pearson r {score:.3f}" for name, score in scores.items()]
    finish(
        {"files": written, "pearson_r": scores}, [*lines, *(str(path) for path in written)], as_json
    )
