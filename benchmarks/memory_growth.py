"""What a prediction from disk to disk takes of memory, and how little that grows with the image.

    python benchmarks/memory_growth.py [--full] [--only fnet-3d]
    python benchmarks/memory_growth.py --only gvtnet-2d --memory 1 --size 12 12000 12000 --alone

A uint16 OME-Zarr is predicted to an OME-Zarr within a given memory: an image that is larger than
one tile already, and one of eight times its voxels. Each runs in a process of its own, which
imports the libraries and predicts a tiny image first, so that everything is loaded; the peak counts
from there. It is the largest resident size that the system has seen, read every few milliseconds,
since the engine starts that count anew for its own measurements.

By default the networks have few filters and the memory is as small in proportion, so that it
takes minutes; --full takes them as they are, with 3 GiB for fnet in 3D and 1 GiB for GVTNet in 2D.
With --alone, one image is predicted, such as one that is several times larger than the memory.
Exits with 1 if the peak grows by more than 15 %, if it exceeds the limit, or if the smaller
image has no tiles. Linux only. The figures stand in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

MOST_GROWTH = 1.15
EVERY = 0.005
"""Seconds between two looks at the peak."""

GIB = 2**30


@dataclass(frozen=True)
class Case:
    """A network, what it may take, and the smaller of the two images."""

    name: str
    network: str
    axes: str
    options: dict[str, int]
    memory: float
    size: tuple[int, int, int]
    grown: tuple[int, int, int]
    """By what each axis of the larger image is longer."""


CASES = (
    Case("fnet-3d", "fnet", "ZYX", {"filters": 8}, 0.75, (64, 448, 448), (1, 2, 4)),
    Case("gvtnet-2d", "gvtnet", "YX", {"filters": 8}, 0.25, (1, 2560, 2560), (2, 2, 2)),
)
FULL = (
    Case("fnet-3d", "fnet", "ZYX", {}, 3, (64, 448, 448), (1, 2, 4)),
    Case("gvtnet-2d", "gvtnet", "YX", {}, 1, (1, 4096, 4096), (2, 2, 2)),
)


@dataclass(frozen=True)
class Result:
    """What one prediction took."""

    peak: int
    steps: int
    seconds: float


def main() -> None:
    """Run all cases, each image in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the networks as they are; slow")
    parser.add_argument("--only", choices=[case.name for case in CASES])
    parser.add_argument("--alone", action="store_true", help="without the larger image")
    parser.add_argument("--filters", type=int, help="of the network, in place of the case's own")
    parser.add_argument("--memory", type=float, help="GiB, in place of the case's own")
    parser.add_argument("--size", type=int, nargs=3, metavar=("Z", "Y", "X"))
    parser.add_argument("--folder", type=Path, help="for the images; by default a temporary one")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not Path("/proc/self/clear_refs").exists():
        sys.exit("The peak of a process can be measured on Linux only.")
    if options.child:
        predict(*options.child)
        return
    cases = [
        case for case in (FULL if options.full else CASES) if options.only in (None, case.name)
    ]
    if options.memory:
        cases = [replace(case, memory=options.memory) for case in cases]
    if options.filters:
        cases = [replace(case, options={"filters": options.filters}) for case in cases]
    if options.size:
        cases = [replace(case, size=tuple(options.size)) for case in cases]
    print("| network | memory | image | uint16 | steps | time | peak | growth |")
    print("|---|---|---|---|---|---|---|---|")
    sys.exit(any([failed(case, options.folder, options.alone) for case in cases]))


def failed(case: Case, folder: Path | None, alone: bool) -> bool:
    """Measure a case and print its lines; return whether it falls short."""
    larger = tuple(n * by for n, by in zip(case.size, case.grown, strict=True))
    results = []
    for size in (case.size,) if alone else (case.size, larger):
        with tempfile.TemporaryDirectory(dir=folder) as work:
            result = measured(replace(case, size=size), Path(work))
        results.append(result)
        growth = f"× {result.peak / results[0].peak:.2f}" if len(results) == 2 else ""
        print(
            f"| {case.name} {case.options or ''} | {case.memory:g} GiB | "
            f"{' × '.join(map(str, size))} | {2 * np.prod(size) / GIB:.2f} GiB | {result.steps} | "
            f"{result.seconds:.0f} s | {result.peak / GIB:.3f} GiB | {growth} |",
            flush=True,
        )
    problems = []
    if results[0].steps <= (1 if case.axes == "ZYX" else case.size[0]):
        problems.append("the smaller image has no tiles: give less memory or a larger one")
    if results[-1].peak > MOST_GROWTH * results[0].peak:
        problems.append(f"the peak grows by more than {MOST_GROWTH - 1:.0%}")
    if max(result.peak for result in results) > case.memory * GIB:
        problems.append("the peak exceeds the memory that was given")
    for problem in problems:
        print(f"{case.name}: {problem}", file=sys.stderr)
    return bool(problems)


def measured(case: Case, folder: Path) -> Result:
    """Predict an image in a process of its own."""
    write_image_of(case.size, folder / "image.ome.zarr")
    command = [sys.executable, __file__, "--child", json.dumps(asdict(case)), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def write_image_of(size: tuple[int, ...], path: Path) -> None:
    """Write noise, a few planes at a time."""
    import dask.array as da

    from napari_virtual_stain.image import Image
    from napari_virtual_stain.io import write_image

    random = da.random.default_rng(0)
    pixels = random.integers(0, 4096, size=size, dtype=np.uint16, chunks=(4, 512, 512))
    write_image(Image(pixels, "ZYX", channels=("brightfield",)), path)


def predict(described: str, folder: str) -> None:
    """Predict the image of a folder, and print what it took above the libraries."""
    import torch

    from napari_virtual_stain.events import Event, Progress, run
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.inference import predict_events
    from napari_virtual_stain.inference.options import PredictOptions
    from napari_virtual_stain.io import ZarrTarget, read_image
    from napari_virtual_stain.model import (
        InputSpec,
        ModelSpec,
        NetworkSpec,
        OutputSpec,
        StainModel,
    )

    case = Case(**json.loads(described))
    spec = ModelSpec(
        name="random",
        network=NetworkSpec(name=case.network, options=case.options),
        inputs=[InputSpec(name="brightfield")],
        outputs=[OutputSpec(name="DNA")],
        spatial_axes=case.axes,
    )
    torch.manual_seed(0)
    model = StainModel(spec.build_network().eval(), spec)
    image = read_image(Path(folder, "image.ome.zarr"))
    tiny = np.random.default_rng(0).integers(0, 4096, (16, 32, 32)).astype(np.uint16)
    steps = 0

    def count(event: Event) -> None:
        nonlocal steps
        if isinstance(event, Progress):
            steps = max(steps, event.total)

    def run_one(one: Image, name: str) -> None:
        nonlocal steps
        steps = 0
        target = ZarrTarget(Path(folder, f"{name}.predicted.ome.zarr"))
        wanted = PredictOptions(device="cpu", memory=case.memory)
        run(predict_events(model, one, wanted, target), count)

    run_one(Image(tiny, "ZYX", channels=("brightfield",)), "tiny")
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    with Peak() as peak:
        start = time.perf_counter()
        run_one(image, "image")
        seconds = time.perf_counter() - start
    print(json.dumps(asdict(Result(peak.bytes - before, steps, seconds))))


class Peak:
    """The largest resident size of this process while it is entered, in bytes."""

    bytes = 0

    def __enter__(self) -> Peak:
        """Begin to look."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look for the last time."""
        self._end.set()
        self._thread.join()
        self.bytes = max(self.bytes, status("VmHWM"))

    def _look(self) -> None:
        while not self._end.wait(EVERY):
            self.bytes = max(self.bytes, status("VmHWM"))


def status(field: str) -> int:
    """Return a size out of the system's status of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


if __name__ == "__main__":
    main()
