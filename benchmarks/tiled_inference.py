"""What exact tiling costs: time of the whole image and of tiles, and how far they differ.

    python benchmarks/tiled_inference.py [--runs 5]

Random weights, one image for all, the median of several runs and their spread; each run goes
through the engine as a prediction does. The difference is the largest over all voxels, in standard
deviations of the whole-image result. The figures stand in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import collections
import functools
import statistics
import time

import numpy as np
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.inference.devices import choose_device, describe
from napari_virtual_stain.inference.engine import Engine

CASES = (
    ("gvtnet", {"ndim": 2, "filters": 16}, (1536, 1536), (512, 256, 128)),
    ("fnet", {"ndim": 2, "filters": 16}, (1024, 1024), (512, 256)),
    ("gvtnet", {"ndim": 3, "filters": 16}, (16, 256, 256), (128, 64)),
)


def take(image: np.ndarray, region: tuple[slice, ...]) -> np.ndarray:
    """Return a region of the image with all its channels."""
    return image[(slice(None), *region)]


def main() -> None:
    """Run every case and print one line for each tiling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    device = choose_device()
    print(f"{describe(device)}, torch {torch.__version__}, median of {runs} runs [range]")
    for name, options, sizes, tiles in CASES:
        torch.manual_seed(0)
        engine = Engine(networks.build(name, **options), 1, device)
        image = np.random.default_rng(0).normal(size=(1, *sizes)).astype(np.float32)
        print(f"\n{name} {options}, {' × '.join(map(str, sizes))}")
        read = functools.partial(take, image)
        whole = None
        for core in (max(sizes), *tiles):
            plan = engine.plan(sizes, core)
            out = np.empty((1, *sizes), np.float32)
            seconds = []
            for _ in range(runs):
                start = time.perf_counter()
                collections.deque(engine.run(read, sizes, plan, out), maxlen=0)
                seconds.append(time.perf_counter() - start)
            whole = out.copy() if whole is None else whole
            difference = np.abs(out - whole).max() / whole.std()
            print(
                f"  core {core:>5}: {plan.count:>4} tiles, {plan.overhead:.2f} voxels per voxel, "
                f"{statistics.median(seconds):6.2f} s [{min(seconds):.2f}-{max(seconds):.2f}], "
                f"difference {difference:.1e}"
            )


if __name__ == "__main__":
    main()
