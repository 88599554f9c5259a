"""Overfits one real patch with each named configuration, by the commands that a user would type.

    python scripts/overfit.py [--folder WORK_FOLDER] [NAME ...]

Each configuration learns a crop of one image of the shared data folder (`../shared/data`, or
`$VSTAIN_TEST_DATA`) by `vstain train`, scored on that crop; the model predicts it by `vstain
predict`, and `vstain compare` gives Pearson r. Dropout is off, and patches are not turned. A
network that cannot reach r > 0.95 so has something wrong with it: its layers, its loss, its
scaling, or the way back to grey values.

Learning rates, steps and sizes are chosen to be quick: each takes less than three minutes of one
CPU core, and so small patches gain nothing from more. They say nothing about how a network should
be trained.

The target of the projection is made here, in the work folder: the maximum of the DAPI stack
along Z. The observed crop is written there too, for `vstain compare`.

Prints a Markdown table; exits with 1 if a configuration stays below.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from napari_virtual_stain.image import parse_region
from napari_virtual_stain.io import read_image, write_image

ENOUGH = 0.95

ECOLI = "colicoords_ecoli/ds1_00003.ome.tif"
HELA = "deepcell_phase_nuclei/train/HeLa_train1.ome.tif"
EMBRYO = "idr0062_3d_laminb1_dapi/embryo.ome.tif"
NUCLEUS = "neubias_widefield_confocal_3d/nucleus.ome.tif"
PROJECTED = "dapi.projected.ome.tif"


@dataclass(frozen=True)
class Case:
    """A configuration, the crop that it learns, and what is chosen to be quick."""

    name: str
    image: str
    channels: tuple[str, str]
    crop: str
    recipe: str
    projected: bool = False


IN_2D = (HELA, ("phase", "nuclei"), "Y=96:160 X=432:496")
IN_3D = (EMBRYO, ("LaminB1", "DAPI"), "Z=16:32 Y=16:48 X=160:192")

CASES = (
    Case("fnet", *IN_3D, "--preset fnet --batch 1 --steps 60 --validate-every 20"),
    Case("fnet-2d", *IN_2D, "--preset fnet-2d --batch 1 --steps 120 --validate-every 20"),
    Case(
        "fnet-2d, gaussian likelihood",
        *IN_2D,
        "--preset fnet-2d --option likelihood=gaussian --batch 1 --steps 160 --validate-every 20 "
        "--learning-rate 5e-4",
    ),
    Case("gvtnet", *IN_3D, "--preset gvtnet --batch 1 --steps 60 --validate-every 20"),
    Case("gvtnet-2d", *IN_2D, "--preset gvtnet-2d --batch 1 --steps 120 --validate-every 20"),
    Case(
        "gvtnet-denoise",
        *(NUCLEUS, ("widefield", "confocal"), "Z=24:32 Y=40:72 X=32:64"),
        "--preset gvtnet-denoise --batch 1 --steps 200 --validate-every 40 --learning-rate 1e-3",
    ),
    Case(
        "gvtnet-projection",
        *(EMBRYO, ("LaminB1", "DAPI"), "Y=192:256 X=144:208"),
        "--preset gvtnet-projection --batch 1 --steps 120 --validate-every 20 --learning-rate 1e-3",
        projected=True,
    ),
    Case("unet", *IN_3D, "--preset unet --batch 1 --steps 60 --validate-every 20"),
    Case("unet-2d", *IN_2D, "--preset unet-2d --batch 1 --steps 120 --validate-every 20"),
    Case(
        "gt-unet",
        *(ECOLI, ("brightfield", "fluorescence"), "Y=160:224 X=400:464"),
        "--preset gt-unet --option dropout=0 --option window=32 --batch 4 --steps 500 "
        "--validate-every 50 --learning-rate 1e-3",
    ),
    Case(
        "virfluonet, small, adversarial",
        *IN_2D,
        "--preset virfluonet --option dropout=0 --option depth=6 --option filters=32 --batch 1 "
        "--steps 200 --validate-every 50 --learning-rate 1e-3",
    ),
    Case(
        "virfluonet, full size, its generator alone",
        *(HELA, ("phase", "nuclei"), "Y=0:256 X=256:512"),
        "--preset virfluonet --no-adversarial --option dropout=0 --batch 1 --steps 260 "
        "--validate-every 65 --learning-rate 1e-3",
    ),
    Case(
        "gvtnet-2d as the generator of a cGAN",
        *IN_2D,
        "--preset gvtnet-2d --adversarial --batch 1 --steps 80 --validate-every 20",
    ),
)


def main() -> int:
    """Run the configurations that were named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a configuration's name")
    parser.add_argument("--folder", type=Path, help="where models and predictions are kept")
    chosen = parser.parse_args()
    cases = [c for c in CASES if not chosen.names or any(name in c.name for name in chosen.names)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print("| configuration | image | commands | CPU s | r |\n|---|---|---|---|---|")
        scores = [overfit(case, folder) for case in cases]
    return 0 if all(score > ENOUGH for score in scores) else 1


def overfit(case: Case, folder: Path) -> float:
    """Train, predict and compare; prints a row and returns Pearson r."""
    stem = re.sub(r"\W+", "-", case.name)
    image, (source, target) = data_folder() / case.image, case.channels
    stack = read_image(image)
    observed = stack.channel(target)
    pairs = str(image)
    if case.projected:
        observed = observed.replace(data=observed.numpy().max(0), axes="YX", voxel_size={})
        write_image(observed, folder / PROJECTED, overwrite=True)
        pairs = "projected.csv"
        listed = f"input,target\n{image},{PROJECTED}\n"
        (folder / pairs).write_text(listed, encoding="utf-8")
    regions = dict(parse_region(part) for part in case.crop.split())
    write_image(observed.crop(regions), folder / f"{stem}.observed.ome.tif", overwrite=True)

    def crops(option: str) -> str:
        return " ".join(f"{option} {part}" for part in case.crop.split())

    model = f"{stem}.safetensors"
    train = (
        f"vstain train {shlex.quote(pairs)} --input {source} --target {target} "
        f"{crops('--train-crop')} --validation {shlex.quote(pairs)} "
        f"{crops('--validation-crop')} {case.recipe} --no-turns --output {model}"
    )
    predict = (
        f"vstain predict {shlex.quote(str(image))} --channel {source} --model {model} "
        f"{crops('--crop')} --output {stem}"
    )
    start = cpu_seconds()
    for command in (train, predict):
        run(command + " --device cpu --overwrite", folder)
    seconds = cpu_seconds() - start
    name = Path(case.image).name.removesuffix(".ome.tif")
    compare = f"vstain compare {stem}.observed.ome.tif {stem}/{name}.predicted.ome.tif"
    run(f"{compare} --output {stem}/comparison --overwrite", folder)
    metrics = json.loads((folder / stem / "comparison" / "metrics.json").read_text("utf-8"))
    (score,) = (one["pearson_r"] for one in metrics["channels"].values())
    shown = [one.replace(str(data_folder()) + "/", "") for one in (train, predict)]
    print(
        f"| {case.name} | `{case.image}` {source} → {target}, {case.crop} | "
        f"`{shown[0]}`<br>`{shown[1]}` | {seconds:.0f} | {score:.3f} |",
        flush=True,
    )
    return float(score)


def run(command: str, folder: Path) -> None:
    """Run a command of the package that this script is run with."""
    arguments = [sys.executable, "-m", "napari_virtual_stain.cli", *shlex.split(command)[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")


def cpu_seconds() -> float:
    """Return what the commands so far have taken of the CPU."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def data_folder() -> Path:
    """Return the folder of real images."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    return Path(os.environ.get("VSTAIN_TEST_DATA", default)).resolve()


if __name__ == "__main__":
    sys.exit(main())
