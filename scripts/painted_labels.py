"""Learns cells from a few painted strokes, and finds those of images that were not painted.

    python scripts/painted_labels.py --data ../shared/data [--steps 300] [--seed 0]

On two of the E. coli images, strokes are drawn from a seed, as a person would who wants the outline
to be right: short lines inside cells, short ones just outside of them, and long ones in between,
until at most five percent of the pixels are painted. All others do not count. A model learns the
mask from brightfield; the five other images tell the IoU of what it gives a probability of a half
and more. `--rim 0` leaves the strokes just outside to chance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

SHARE = 0.05
"""Of the pixels, at most so many are painted."""

NEAR = 4
"""Pixels from a cell that count as just outside."""


def main() -> None:
    """Paint, train, score."""
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.inference import predict
    from napari_virtual_stain.io import read_image
    from napari_virtual_stain.training import TrainingPair, train

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rim", type=float, default=0.3, help="share of strokes just outside")
    parser.add_argument("--precision", default="auto")
    asked = parser.parse_args()
    images = [
        read_image(path) for path in sorted((asked.data / "colicoords_ecoli").glob("*.ome.tif"))
    ]
    pairs, rng = [], np.random.default_rng(asked.seed)
    for image in images[:2]:
        cells = image.channel(2).numpy() > 0
        painted = strokes(cells, rng, asked.rim)
        print(
            f"{image.name}: {painted.mean():.1%} painted, {(painted & cells).mean():.1%} in cells"
        )
        pairs.append(
            TrainingPair(
                image.channel(0),
                Image(cells.astype(np.uint8), "YX", channels=("cells",), name=image.name),
                masks=("cells",),
                counts=Image(painted, "YX"),
            )
        )
    model = train(
        pairs,
        asked.preset,
        steps=asked.steps,
        seed=asked.seed,
        precision=asked.precision,
        foreground=0.5,
    )
    scores = []
    for image in images[2:]:
        found = predict(model, image.channel(0)).numpy() > 0.5
        cells = image.channel(2).numpy() > 0
        scores.append((found & cells).sum() / (found | cells).sum())
    print(f"IoU on {len(scores)} images: {np.mean(scores):.3f} ({np.round(scores, 3)})")


def strokes(cells: np.ndarray, rng: np.random.Generator, rim: float) -> np.ndarray:
    """Return which pixels are painted: lines inside cells, just outside, and anywhere between."""
    painted = np.zeros(cells.shape, bool)
    outside = ndimage.distance_transform_edt(~cells)
    kinds = (
        (cells, 0.2, 12),
        ((outside > 0) & (outside <= NEAR), rim, 12),
        (outside > 0, 0.8 - rim, 60),
    )
    for allowed, share, length in kinds:
        places = np.argwhere(allowed)
        # Cells and their rims fill little of an image: half of each is painted at most.
        most = painted.mean() + min(share * SHARE * 0.9, allowed.mean() / 2)
        while painted.mean() < most:
            y, x = (int(n) for n in places[rng.integers(len(places))])
            angle = rng.uniform(0, np.pi)
            for step in np.arange(-length / 2, length / 2, 0.5):
                row, column = round(y + step * np.sin(angle)), round(x + step * np.cos(angle))
                inside = 0 <= row < cells.shape[0] and 0 <= column < cells.shape[1]
                if inside and allowed[row, column]:
                    painted[row, column] = True
    return painted


if __name__ == "__main__":
    main()
