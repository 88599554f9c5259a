"""Scores of a stack beside scikit-image's: seconds, and memory above the two images.

    python benchmarks/metrics.py [--size 64 624 924] [--repeats 5]

Each contender runs in a process of its own, on the same pair of float32 images. *All* is SSIM and
every scalar metric. Linux only. Then: one plane of 2048², as a person who moves a slider waits for
it. The figures stand in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CONTENDERS = ("scalars", "scalars, scikit-image", "SSIM", "SSIM, scikit-image")


def main() -> None:
    """Run all contenders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[64, 624, 924])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(run(asked.child, tuple(asked.size))))
        return
    print("| what | size | time | memory above the images, as a part of them |\n|---|---|---|---|")
    for size in (asked.size, [2048, 2048]):
        results: dict[str, list[dict]] = {name: [] for name in CONTENDERS}
        for _ in range(asked.repeats):
            for name in CONTENDERS:
                command = [sys.executable, __file__, "--child", name, "--size", *map(str, size)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                results[name].append(json.loads(done.stdout))
        for name, found in results.items():
            seconds = [one["seconds"] for one in found]
            memory = statistics.median(one["memory"] for one in found)
            shape = " × ".join(map(str, size))
            print(
                f"| {name} | {shape} | {statistics.median(seconds):.3f} s "
                f"[{min(seconds):.3f}–{max(seconds):.3f}] | {memory:.2f} |"
            )


def run(name: str, size: tuple[int, ...]) -> dict[str, float]:
    """Return how long one contender takes, and the memory that it adds, as a part of the images."""
    rng = np.random.default_rng(0)
    observed, predicted = (np.empty(size, np.float32) for _ in range(2))
    for plane in range(size[0]):  # in parts, so that making them takes no memory of its own
        observed[plane] = rng.gamma(2, 200, size[1:])
        predicted[plane] = 0.8 * observed[plane] + rng.normal(0, 60, size[1:])
    work = contender(name)
    small = (slice(0, 16),) * len(size)
    work(observed[small], predicted[small])  # imports, and what is set up once
    before = peak(reset=True)
    start = time.perf_counter()
    work(observed, predicted)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "memory": (peak() - before) / (2 * observed.nbytes)}


def contender(name: str):
    """Return what is timed."""
    if name == "scalars":
        from napari_virtual_stain.evaluation import moments
        from napari_virtual_stain.evaluation.metrics import SCORES

        def scalars(o: np.ndarray, p: np.ndarray) -> list[float]:
            found = moments(o, p)
            return [score(found) for score in SCORES.values()]

        return scalars
    if name == "SSIM":
        from napari_virtual_stain.evaluation import structural_similarity

        return lambda o, p: structural_similarity(o, p, data_range=4000.0)
    from skimage import metrics

    if name.startswith("SSIM"):
        return lambda o, p: metrics.structural_similarity(o, p, data_range=4000.0)
    from scipy.stats import pearsonr

    return lambda o, p: [
        pearsonr(o.ravel(), p.ravel()),
        metrics.mean_squared_error(o, p),
        metrics.normalized_root_mse(o, p),
        metrics.peak_signal_noise_ratio(o, p, data_range=4000.0),
        np.abs(o - p).mean(),
    ]


def peak(reset: bool = False) -> int:
    """Return the largest resident set so far in bytes, or that of now, counted anew from here."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    field = "VmRSS" if reset else "VmHWM"
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


if __name__ == "__main__":
    main()
