"""Trains in 3D on real stacks, and scores planes and columns that nothing has seen.

    python scripts/volumes.py lamin --data ../shared/data [--presets gvtnet unet] [--seeds 0 1]
    python scripts/volumes.py nucleus --data ../shared/data [--steps 400]

*lamin*: LaminB1 to DAPI in a mouse embryo (`idr0062_3d_laminb1_dapi`). Planes 0-31 are learned, of
which columns 160-207 choose the step; r is that of planes 34-47, beside that of the input taken as
the prediction.

*nucleus*: widefield to confocal of one nucleus (`neubias_widefield_confocal_3d`), which lie a few
pixels off each other: the shift is measured and corrected first. The nucleus is cut in two:
columns 0-51 are learned, 52-63 choose the step; NRMSE (after the best gain and offset) and SSIM are
those of the columns from 64 on, a third of the nucleus, for the input and for its restoration.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["lamin", "nucleus"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--presets", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--options", default="{}", help="more options of a run, as JSON")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()

    import torch

    torch.set_num_threads(asked.threads)
    run = {"lamin": lamin, "nucleus": nucleus}[asked.what]
    run(asked)


def lamin(asked: argparse.Namespace) -> None:
    """Predict DAPI from LaminB1."""
    from napari_virtual_stain.evaluation import pearson_r
    from napari_virtual_stain.inference import predict

    image = read(asked, "idr0062_3d_laminb1_dapi")
    source, target = image.channel(0), image.channel(1)
    unseen = {"Z": slice(34, 48)}
    observed = target.crop(unseen).numpy()
    print(json.dumps({"input": round(pearson_r(observed, source.crop(unseen).numpy()), 4)}))
    for preset in asked.presets or ["gvtnet", "unet"]:
        for seed in asked.seeds:
            model, seconds = learned(
                [(source, target)],
                preset,
                seed,
                asked,
                train_crop={"Z": slice(0, 32), "X": slice(0, 160)},
                validation_crop={"Z": slice(0, 32), "X": slice(160, 208)},
            )
            r = pearson_r(observed, predict(model, source.crop(unseen)).channel(0).numpy())
            tell(preset, seed, model, seconds, r=r)


def nucleus(asked: argparse.Namespace) -> None:
    """Restore the confocal image from the widefield one."""
    from napari_virtual_stain.inference import predict
    from napari_virtual_stain.training import TrainingPair
    from napari_virtual_stain.training.correcting import corrected
    from napari_virtual_stain.training.registration import measured_shift

    image = read(asked, "neubias_widefield_confocal_3d")
    source, target = image.channel(0), image.channel(1)
    shift = measured_shift(source.numpy(), target.numpy())
    print(f"# shift {np.round(shift.pixels, 1)} px, confidence {shift.confidence:.2f}")
    pair = corrected(TrainingPair(source, target), dict(zip("ZYX", shift.pixels, strict=True)))
    source, target = pair.source, pair.target
    unseen = {"X": slice(64, source.sizes["X"])}
    observed = target.crop(unseen).numpy()
    print(json.dumps({"input": quality(observed, source.crop(unseen).numpy())}))
    for preset in asked.presets or ["gvtnet-denoise"]:
        for seed in asked.seeds:
            model, seconds = learned(
                [(source, target)],
                preset,
                seed,
                asked,
                train_crop={"X": slice(0, 52)},
                validation_crop={"X": slice(52, 64)},
            )
            restored = predict(model, source).crop(unseen).channel(0).numpy()
            tell(preset, seed, model, seconds, **quality(observed, restored))


def read(asked: argparse.Namespace, folder: str):
    """Return the one image of a folder."""
    from napari_virtual_stain.io import read_image

    (path,) = (asked.data / folder).glob("*.tif*")
    return read_image(path)


def learned(pairs, preset: str, seed: int, asked: argparse.Namespace, **crops):
    """Return a model and how long it took."""
    from napari_virtual_stain.training import train

    start = time.process_time()
    options = {
        "steps": asked.steps,
        "batch": asked.batch,
        "precision": asked.precision,
        "validate_every": max(1, asked.steps // 8),
        **json.loads(asked.options),
    }
    model = train(pairs, preset, seed=seed, device="cpu", **options, **crops)
    return model, time.process_time() - start


def quality(observed: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """Return NRMSE and SSIM after the gain and offset by which the error is least.

    Of the range between the percentiles 0.1 and 99.9 of the observed image.
    """
    from skimage.metrics import structural_similarity

    observed, image = np.asarray(observed, float), np.asarray(image, float)
    gain, offset = np.polyfit(image.ravel(), observed.ravel(), 1)
    fitted = gain * image + offset
    low, high = np.percentile(observed, (0.1, 99.9))
    error = np.sqrt(np.mean((fitted - observed) ** 2)) / (high - low)
    return {
        "nrmse": round(float(error), 4),
        "ssim": round(float(structural_similarity(observed, fitted, data_range=high - low)), 4),
    }


def tell(preset: str, seed: int, model, seconds: float, **scores: float) -> None:
    """Print a line of JSON."""
    best = model.spec.provenance.steps
    rounded = {name: round(float(value), 4) for name, value in scores.items()}
    what = {"preset": preset, "seed": seed, "best_step": best, "cpu_seconds": round(seconds)}
    print(json.dumps({**what, **rounded}), flush=True)


if __name__ == "__main__":
    main()
