"""Trains presets on real images with the same number of samples, and compares what they reach.

    python scripts/compare_presets.py --data ../shared/data --output results.jsonl [--seeds 0 1 2]
    python scripts/compare_presets.py --output results.jsonl --table

Two tasks, whose folders are described in the README of the images:

* ``deepcell``: phase contrast to a nuclear marker. The last fifth of the columns of each training
  image chooses the step; r is the mean over the images of ``val``, which nothing else sees.
* ``isl``: 13 planes of phase contrast to DAPI, MAP2 and NFH. Columns 0-511 are learned, 512-639
  choose the step; r is the mean of the three stains over columns 640-799.

Each run is a process of one thread; `--jobs` run at once. What was run before is not run again, so
that an interrupted comparison goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np

TASKS = ("deepcell", "isl")
RUNS = {
    "fnet-2d": {"batch": 4, "turns": False},
    "gvtnet-2d": {"batch": 4, "turns": False},
    "best-small": {},
    "best": {},
}
"""Presets, and what of them is changed: the published batches of 16 and 32 patches of 256² would
leave too few steps of so few samples, and nothing is turned there."""


def main() -> None:
    """Run what has not been run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the images")
    parser.add_argument("--output", type=Path, required=True, help="results, a line each")
    parser.add_argument("--presets", nargs="+", default=list(RUNS), metavar="NAME")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--megapixels", type=float, default=40, help="of patches, in a run")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--options", default="{}", help="more options of a run, as JSON")
    parser.add_argument("--label", default="", help="what these options are called")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print the table and run nothing")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(run(asked.data, json.loads(asked.child))))
        return
    if not asked.table:
        run_all(asked)
    print(table(read(asked.output)))


def run_all(asked: argparse.Namespace) -> None:
    """Run every combination that is not among the results."""
    done = {_name(result["run"]) for result in read(asked.output)}
    wanted = [
        {
            "preset": preset,
            "task": task,
            "seed": seed,
            "megapixels": asked.megapixels,
            "precision": asked.precision,
            "label": asked.label,
            "options": json.loads(asked.options),
        }
        for seed, task, preset in product(asked.seeds, asked.tasks, asked.presets)
    ]
    with ThreadPoolExecutor(asked.jobs) as pool:
        for result in pool.map(
            lambda one: _in_a_process(asked.data, one), [w for w in wanted if _name(w) not in done]
        ):
            with asked.output.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(json.dumps(result), flush=True)


def run(data: Path, one: dict) -> dict:
    """Train once, and score what nothing has seen."""
    import torch

    torch.set_num_threads(1)
    from napari_virtual_stain.events import Losses
    from napari_virtual_stain.events import run as drive
    from napari_virtual_stain.inference import predict
    from napari_virtual_stain.training import TrainOptions, train_events
    from napari_virtual_stain.training.loop import chosen_recipe

    changed = {**RUNS.get(one["preset"], {}), **one["options"]}
    patch = chosen_recipe(TrainOptions(one["preset"], **changed))
    # A network with a window learns patches of that, whatever the recipe says.
    window = patch.options.get("window")
    pixels = np.prod(patch.patch) if window is None else window**2
    steps = max(10, round(one["megapixels"] * 1e6 / (patch.batch * pixels)))
    pairs, options, unseen = _task(data, one["task"])
    chosen = TrainOptions(
        one["preset"],
        steps=steps,
        seed=one["seed"],
        precision=one["precision"],
        validate_every=max(1, steps // 8),
        device="cpu",
        **changed,
        **options,
    )
    scores = []
    start, cpu = time.perf_counter(), time.process_time()
    model = drive(
        train_events(pairs, chosen),
        lambda e: scores.append(e.validation) if isinstance(e, Losses) and e.validation else None,
    )
    seconds = time.perf_counter() - start
    used = time.process_time() - cpu
    r = [unseen(predict(model, source), index) for index, (source, _) in enumerate(unseen.pairs)]
    return {
        "run": one,
        "steps": steps,
        "batch": patch.batch,
        "best_step": model.spec.provenance.steps,
        "chosen_by": max(float(np.mean(score)) for score in scores),
        "r": float(np.mean(r)),
        "each": np.round(np.mean(r, axis=0) if one["task"] == "isl" else np.ravel(r), 4).tolist(),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "parameters": sum(p.numel() for p in model.network.parameters()),
    }


class Unseen:
    """The part that only reports."""

    def __init__(self, pairs, crop) -> None:
        self.pairs, self.crop = pairs, crop

    def __call__(self, predicted, index: int) -> list[float]:
        """Return r of each channel of one image."""
        observed = self.pairs[index][1]
        return [
            float(
                np.corrcoef(
                    *(
                        np.asarray(image.channel(c).crop(self.crop).numpy(), float).ravel()
                        for image in (observed, predicted)
                    )
                )[0, 1]
            )
            for c in range(observed.n_channels)
        ]


def _task(data: Path, name: str):
    """Return the pairs to train on, options that split them, and the unseen part."""
    from napari_virtual_stain.io import read_image

    def both(path: Path):
        image = read_image(path)
        return image.channel(0), image.channel(1)

    if name == "deepcell":
        folders = (data / "deepcell_phase_nuclei" / part for part in ("train", "val"))
        train, unseen = ([both(path) for path in sorted(folder.iterdir())] for folder in folders)
        return train, {}, Unseen(unseen, {})
    folder = data / "isl_condition_b"
    pair = read_image(folder / "phase.ome.tif"), read_image(folder / "fluorescence.ome.tif")
    crops = {"train_crop": {"X": slice(0, 512)}, "validation_crop": {"X": slice(512, 640)}}
    return [pair], crops, Unseen([pair], {"X": slice(640, 800)})


def table(results: list[dict]) -> str:
    """Return mean and spread over the seeds, a line for each preset and task."""
    lines = [
        "| preset | task | samples | r, mean of seeds | of each | steps | parameters | CPU time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple, list[dict]] = {}
    for result in results:
        one = result["run"]
        key = (one["preset"] + (f", {one['label']}" if one["label"] else ""), one["task"])
        groups.setdefault((*key, one["megapixels"]), []).append(result)
    for (preset, task, megapixels), group in sorted(groups.items(), key=lambda g: (g[0][1], g[0])):
        r = [one["r"] for one in sorted(group, key=lambda one: one["run"]["seed"])]
        spread = f" ± {statistics.stdev(r):.3f}" if len(r) > 1 else ""
        seconds = statistics.median(one["cpu_seconds"] for one in group)
        lines.append(
            f"| {preset} | {task} | {megapixels:g} Mpx | {statistics.mean(r):.3f}{spread} | "
            f"{', '.join(f'{one:.3f}' for one in r)} | {group[0]['steps']} × {group[0]['batch']} | "
            f"{group[0]['parameters']:,} | {seconds:.0f} s |"
        )
    return "\n".join(lines)


def read(path: Path) -> list[dict]:
    """Return the results so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _name(one: dict) -> str:
    return json.dumps(one, sort_keys=True)


def _in_a_process(data: Path, one: dict) -> dict:
    command = [sys.executable, "-W", "ignore", __file__, "--data", str(data), "--output", "-"]
    done = subprocess.run(
        [*command, "--child", json.dumps(one)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    result: dict = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
