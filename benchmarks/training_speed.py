"""How much of a training step is computing, and what a training from disk takes of memory.

    python benchmarks/training_speed.py feeding [--presets fnet-2d gvtnet-2d] [--device cpu]
    python benchmarks/training_speed.py memory [--gib 8] [--steps 100] [--folder WORK_FOLDER]

*feeding*: steps of a training as it is, from images in memory, beside the bare training step
(forward, loss, backward, optimizer) on one batch that is there already. Blocks of steps of either
kind take turns, so that whatever else the machine does meets both alike, and what is read ahead is
waited for between them. The share is that of the medians of the blocks.

*memory*: an OME-Zarr of so many GiB (uint16, two channels, chunks of 1 × 1 × 512 × 512) is written
and trained on; the peak counts above what the imported libraries and a tiny training take. Linux
only. The figures stand in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import wait
from pathlib import Path

import numpy as np
from memory_growth import GIB, Peak, status

BLOCK = 5
"""Steps in a row."""


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["feeding", "memory"])
    parser.add_argument("--presets", nargs="+", default=["fnet-2d", "gvtnet-2d"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=60, help="of either kind")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--gib", type=float, default=8)
    parser.add_argument("--folder", type=Path, help="for the Zarr; by default a temporary one")
    options = parser.parse_args()
    if options.what == "memory":
        memory(options)
        return
    print("| preset | step | bare step | share that is computing |\n|---|---|---|---|")
    for preset in options.presets:
        step, bare = feeding(preset, options)
        print(f"| {preset} | {step * 1e3:.0f} ms | {bare * 1e3:.0f} ms | {bare / step:.1%} |")


def feeding(preset: str, asked: argparse.Namespace) -> tuple[float, float]:
    """Return the medians of a step as it is, and of the bare step, in seconds."""
    import torch

    from napari_virtual_stain.events import run
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.inference.devices import choose_device
    from napari_virtual_stain.training import TrainOptions
    from napari_virtual_stain.training.fitting import Fitting, Task
    from napari_virtual_stain.training.loop import chosen_recipe
    from napari_virtual_stain.training.preparation import prepare_events

    rng = np.random.default_rng(0)
    source = Image(rng.integers(0, 4096, (4, 1024, 1024)).astype(np.uint16), "TYX")
    target = Image(rng.integers(0, 4096, (4, 1024, 1024)).astype(np.uint16), "TYX")
    options = TrainOptions(preset, steps=10**6, batch=asked.batch, device=asked.device)
    recipe = chosen_recipe(options)
    ready = run(prepare_events([(source, target)], recipe, options))
    network = ready.spec.build_network()
    device = choose_device(asked.device)
    task = Task(
        ready.spec,
        network,
        ready.training,
        ready.validation,
        recipe,
        options,
        lambda _: ready.spec,
        {},
    )
    fitting = Fitting(task, device)
    steps, bare = [], []

    def learn() -> None:
        fitting.step += 1
        fitting._learn()

    with fitting.feed as feed:
        fed = feed(1)
        for _ in range(max(4, asked.steps // BLOCK)):
            steps.append(timed(learn, torch, device))
            wait(feed._ahead.values())
            bare.append(timed(lambda: fitting.update(fed), torch, device))
    return statistics.median(steps[1:]), statistics.median(bare[1:])


def timed(work, torch, device) -> float:
    """Return how many seconds something takes, of a block, with what it leaves to the device."""
    start = time.perf_counter()
    for _ in range(BLOCK):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / BLOCK


def memory(asked: argparse.Namespace) -> None:
    """Train on a Zarr, and print the peak."""
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder, "large.ome.zarr")
        side = 8192
        frames = max(2, round(asked.gib * GIB / (2 * 2 * side * side)))
        write(path, frames, side)
        train_on(Path(folder), path, asked)


def write(path: Path, frames: int, side: int) -> None:
    """Write noise, a frame at a time."""
    import dask.array as da

    from napari_virtual_stain.image import Image
    from napari_virtual_stain.io import write_image

    random = da.random.default_rng(0)
    shape, chunks = (frames, 2, side, side), (1, 1, 512, 512)
    pixels = random.integers(0, 4096, size=shape, dtype=np.uint16, chunks=chunks)
    write_image(Image(pixels, "TCYX", channels=("phase", "DNA")), path)


def train_on(folder: Path, path: Path, asked: argparse.Namespace) -> None:
    """Train on the images of a Zarr, after a tiny one."""
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.io import read_image
    from napari_virtual_stain.training import train

    rng = np.random.default_rng(0)
    tiny = Image(rng.integers(0, 999, (64, 128)).astype(np.uint16), "YX")
    chosen = {"preset": "gvtnet-2d-small", "batch": 4, "device": asked.device, "validate_every": 50}
    train([(tiny, tiny.replace(data=tiny.numpy()[::-1]))], steps=1, **chosen)
    image = read_image(path)
    pair = image.channel("phase"), image.channel("DNA")
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    peak = Peak()
    start = time.perf_counter()
    with peak:
        train([pair], steps=asked.steps, **chosen)
    size = 2 * np.prod(image.shape) / GIB
    print(
        f"{size:.1f} GiB, {asked.steps} steps, {time.perf_counter() - start:.0f} s: "
        f"{(peak.bytes - before) / GIB:.2f} GiB above the imports"
    )


if __name__ == "__main__":
    main()
