"""One model of several labels from images that each lack one, beside a model for each label.

    python scripts/missing_labels.py --data ../shared/data [--seeds 0 1 2] [--megapixels 60]

The well of `isl_condition_b` is cut into three strips of rows, and each strip is robbed of one of
its three stains. One model learns all stains from the three strips; each stain is also learned
alone, from the two strips that have it, with as many samples of it as the model of all sees: two
thirds of its steps. Columns 0-511 are learned, 512-639 choose the step, and r is that of columns
640-799, where nothing is missing.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

LACKS = ("NFH", "DAPI", "MAP2")
"""What the first, second and third strip of rows lack."""


def main() -> None:
    """Train and score, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--preset", default="best-small")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--megapixels", type=float, default=60, help="of patches, for all stains")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="results, a line each")
    asked = parser.parse_args()

    import torch

    from napari_virtual_stain.io import read_image

    torch.set_num_threads(asked.threads)
    folder = asked.data / "isl_condition_b"
    phase = read_image(folder / "phase.ome.tif")
    stained = read_image(folder / "fluorescence.ome.tif")
    for seed in asked.seeds:
        scores = {"seed": seed, "together": together(phase, stained, asked, seed)}
        scores["alone"] = {
            stain: alone(phase, stained, stain, asked, seed) for stain in stained.channels
        }
        print(json.dumps(scores), flush=True)
        if asked.output:
            with asked.output.open("a") as file:
                file.write(json.dumps(scores) + "\n")


def strips(image):
    """Return the three parts of the well."""
    height = image.sizes["Y"]
    cuts = [round(height * part / 3) for part in range(4)]
    return [image.crop({"Y": slice(*part)}) for part in pairwise(cuts)]


def only(image, stains):
    """Return an image of these channels."""
    from napari_virtual_stain.image import Image

    values = np.stack([image.channel(stain).numpy() for stain in stains])
    return Image(values, "CYX", channels=tuple(stains), name=image.name)


def together(phase, stained, asked, seed: int) -> dict[str, float]:
    """Return r of each stain, of one model that learned them all."""
    pairs = [
        (source, only(target, [stain for stain in stained.channels if stain != lacking]))
        for source, target, lacking in zip(strips(phase), strips(stained), LACKS, strict=True)
    ]
    return scored(learned(pairs, asked, seed, asked.megapixels), phase, stained)


def alone(phase, stained, stain: str, asked, seed: int) -> float:
    """Return r of one stain, of a model that learned nothing else."""
    pairs = [
        (source, only(target, [stain]))
        for source, target, lacking in zip(strips(phase), strips(stained), LACKS, strict=True)
        if lacking != stain
    ]
    model = learned(pairs, asked, seed, asked.megapixels * 2 / 3)
    return scored(model, phase, only(stained, [stain]))[stain]


def learned(pairs, asked, seed: int, megapixels: float):
    """Return the model of so many samples."""
    from napari_virtual_stain.training import train
    from napari_virtual_stain.training.presets import preset

    recipe = preset(asked.preset)
    steps = round(megapixels * 1e6 / (recipe.batch * np.prod(recipe.patch)))
    start = time.perf_counter()
    model = train(
        pairs,
        asked.preset,
        steps=steps,
        seed=seed,
        precision=asked.precision,
        device="cpu",
        train_crop={"X": slice(0, 512)},
        validation_crop={"X": slice(512, 640)},
        validate_every=max(1, steps // 8),
    )
    print(f"# {steps} steps, {time.perf_counter() - start:.0f} s", flush=True)
    return model


def scored(model, phase, stained) -> dict[str, float]:
    """Return r of each output on the columns that nothing has seen."""
    from napari_virtual_stain.evaluation import pearson_r
    from napari_virtual_stain.inference import predict

    unseen = {"X": slice(640, 800)}
    predicted, observed = predict(model, phase).crop(unseen), stained.crop(unseen)
    return {
        stain: round(
            pearson_r(observed.channel(stain).numpy(), predicted.channel(stain).numpy()), 4
        )
        for stain in predicted.channels
    }


if __name__ == "__main__":
    main()
