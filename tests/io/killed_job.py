"""Runs a small deterministic prediction again and again, killed before one of its file operations.

    python killed_job.py FOLDER SEED...

To OME-Zarr in FOLDER/zarr and to OME-TIFF in FOLDER/tiff. There is an unbroken run in ``unbroken``,
and for each seed a folder of its name: the job is killed (SIGKILL) before a random one of its
operations on files, begun again, killed again, and at last left to come to its end. Prints, as
JSON, before which operations it was killed. All runs are forked from this process, so that
the libraries are loaded once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path

# What a run needs, loaded here. Nothing of it may be used: it would start threads, which a
# forked process lacks.
import dask.array
import numcodecs.blosc
import numpy as np
import ome_types
import psutil
import tifffile
import zarr

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io import TiffTarget, ZarrTarget
from napari_virtual_stain.target import placeholder

LOADED = (dask.array, numcodecs.blosc, ome_types, psutil, tifffile, zarr)
OPERATIONS = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate")
KILLS = 3
"""How often a job is killed before it is left to come to its end."""

SHAPE, CORE = (1, 150, 300), (64, 100)
LIKE = Image(placeholder(SHAPE), "CYX", channels=("DAPI",), name="well")
UNITS = [
    (slice(0, 1), slice(y, min(y + 64, 150)), slice(x, x + 100))
    for y in range(0, 150, 64)
    for x in range(0, 300, 100)
]


def target(folder: Path, kind: str):
    ending = "ome.zarr" if kind == "zarr" else "ome.tif"
    paths = [folder / f"well.{which}.{ending}" for which in ("predicted", "uncertainty")]
    return (ZarrTarget if kind == "zarr" else TiffTarget)(*paths)


def predict(folder: Path, kind: str) -> None:
    """Predict as an engine does: sums of a first pass are kept, then the units go on from them."""
    session = target(folder, kind).open(LIKE, LIKE.replace(channels=("DAPI σ",)), {"model": "a"})
    settled = session.earlier or {"step": 0.5}
    session.start(settled, CORE)
    sums = session.kept("sums")
    if sums is None:
        sums = {"offset": np.arange(3, dtype=np.float64)}
        session.keep("sums", sums)
    for number, key in enumerate(UNITS):
        if session.is_done(str(number)):
            continue
        shape = [part.stop - part.start for part in key]
        values = np.random.default_rng(number).normal(size=shape).astype(np.float32)
        session.write("predicted", key, values + np.float32(sums["offset"].sum()))
        session.write("uncertainty", key, values * np.float32(settled["step"]))
        session.finished(str(number))
    session.finish({"device": "cpu"})


def run(folder: Path, kind: str, kill_before: int | None) -> tuple[str, int]:
    """Run the job in a process of its own; return how it ended and its file operations."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            return "killed", 0
        ended, count = json.loads(text)
        return ended, count
    os.close(reading)
    count, inside = 0, str(folder)

    def count_operations(event: str, arguments: tuple) -> None:
        nonlocal count
        if event in OPERATIONS and str(arguments[0]).startswith(inside):
            count += 1
            if count == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count_operations)
    try:
        predict(folder, kind)
        ended = "finished"
    except VirtualStainError as error:
        ended = str(error)
    except BaseException:
        ended = traceback.format_exc()
    os.write(writing, json.dumps([ended, count]).encode())
    os._exit(0)


def job(folder: Path, kind: str, operations: int, seed: int) -> list[int]:
    """Run the job to its end over some kills; return before which operations they were."""
    rng = random.Random(seed)
    kills = [rng.randint(1, operations) for _ in range(KILLS)]
    for kill in [*kills, None]:
        ended, _ = run(folder, kind, kill)
        # A run that is killed after the last rename has finished, and the next one says so.
        if ended == "finished" or "exists already" in ended:
            return kills
        if ended != "killed":
            raise SystemExit(ended)
    raise SystemExit("the last run was not to be killed")


def main() -> None:
    folder, *seeds = sys.argv[1:]
    killed = {}
    for kind in ("zarr", "tiff"):
        ended, operations = run(Path(folder, kind, "unbroken"), kind, None)
        if ended != "finished":
            raise SystemExit(ended)
        killed[kind] = {
            seed: job(Path(folder, kind, seed), kind, operations, int(seed)) for seed in seeds
        }
    print(json.dumps(killed))


if __name__ == "__main__":
    main()
