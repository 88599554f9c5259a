"""One contender in a process of its own: it reads a job, predicts, and prints what it measured.

    python -m napari_virtual_stain.bench.contender_process '{"task": "measure", …}'

The last line on stdout is the answer, as JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import platform
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_virtual_stain.bench.cases import Case
from napari_virtual_stain.bench.contenders import chosen
from napari_virtual_stain.bench.peak_memory import peak, resident
from napari_virtual_stain.bench.ways import prepare, reference
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.devices import choose_device, describe
from napari_virtual_stain.inference.options import Device
from napari_virtual_stain.model import StainModel
from napari_virtual_stain.version import __version__


def main() -> None:
    """Do the job that the command line holds, and print the answer."""
    job = json.loads(sys.argv[1])
    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        "machine": machine,
        "reference": write_reference,
        "measure": measure_contender,
    }
    # Peers print and draw bars; stdout is for the answer.
    with contextlib.redirect_stdout(sys.stderr):
        answer = tasks[job.pop("task")](**job)
    print(json.dumps(answer))


def machine(device: Device) -> dict[str, Any]:
    """Return where and with what is measured."""
    found = choose_device(device)
    return {
        "device": found.type,
        "description": describe(found),
        "vector_unit": torch.backends.cpu.get_cpu_capability(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "napari-virtual-stain": __version__,
    }


def write_reference(case: dict[str, Any], device: Device, path: str) -> dict[str, Any]:
    """Write the whole-image result as OME-TIFF; returns the checksum of what it was made from."""
    from napari_virtual_stain.io import write_image

    what = _case(case)
    model, image = what.model(), what.image()
    same = _checksum(model, image)
    values = reference(model, image, choose_device(device))
    if not (np.isfinite(values).all() and values.std() > 0):
        raise ValueError(f"the result of {what.key} is constant or not finite")
    write_image(Image(values, "ZYX"[-what.ndim :]), path, overwrite=True, compression=None)
    return {"checksum": same}


def measure_contender(
    contender: str, case: dict[str, Any], device: Device, repeats: int, path: str, checksum: int
) -> dict[str, Any]:
    """Predict with a contender and compare the result with the reference.

    Returns
    -------
    dict
        ``seconds`` of each prediction; ``peak`` memory in bytes, above what the imported libraries
        take; ``largest`` and ``rms`` difference, in standard deviations of the reference; and
        from the engine the ``precision`` that it settled on.
    """
    who, what = chosen([contender])[0], _case(case)
    where = choose_device(device)
    if who.module:
        importlib.import_module(who.module)
    before = resident() if where.type == "cpu" else 0
    model, image = what.model(), what.image()
    if _checksum(model, image) != checksum:
        raise ValueError("weights or image differ from those of the reference")
    way = prepare(who, model, where)
    # A first call sets up kernels and imports the rest. On a GPU that depends on the size, and a
    # prediction takes little; on a CPU a small one does, and memory is touched first when timed.
    way((what.small() if where.type == "cpu" else what).image())()
    predict = way(image)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        predicted = predict()
        seconds.append(time.perf_counter() - start)
    answer: dict[str, Any] = {"seconds": seconds, "peak": peak(where) - before}
    if isinstance(predicted, Image):
        answer["precision"] = predicted.provenance["precision"]
        predicted = np.asarray(predicted.data)
    return answer | _difference(predicted, Path(path))


def _checksum(model: StainModel, image: Image) -> int:
    """Return a checksum of weights and image: contenders are given the same."""
    total = zlib.crc32(np.ascontiguousarray(image.data).data)
    for tensor in model.network.state_dict().values():
        total = zlib.crc32(np.ascontiguousarray(tensor.numpy()).data, total)
    return total


def _difference(predicted: np.ndarray, path: Path) -> dict[str, float]:
    from napari_virtual_stain.io import read_image

    expected = np.asarray(read_image(path).data)
    difference = predicted.reshape(expected.shape) - expected.astype(np.float64)
    std = float(expected.std(dtype=np.float64))
    return {
        "largest": float(np.abs(difference).max()) / std,
        "rms": float(np.sqrt(np.mean(difference**2))) / std,
    }


def _case(fields: dict[str, Any]) -> Case:
    return Case(fields["network"], tuple(fields["sizes"]), fields["options"])


if __name__ == "__main__":
    main()
