"""Kills predictions to OME-Zarr at random moments, resumes them, and compares every file.

    python scripts/kill_and_resume.py [--times 20] [--folder WORK_FOLDER]

For a small fnet and a small GVTNet with random weights, and a uint16 stack in an OME-Zarr: `vstain
predict --format ome-zarr` runs twice without a break. Then, again and again, the same command is
killed (SIGKILL) at a random moment of the time that the second run took, and given once more.
The results must be the same, chunk for chunk: every file of the store, byte for byte.

The size of the tiles is given, so that every run has the same plan however much memory is free.
Prints a Markdown table; exits with 1 if any file differs, is missing, or is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NETWORKS = {"fnet": {"filters": 8, "depth": 2}, "gvtnet": {"filters": 8, "depth": 2}}
SIZES = (3, 800, 960)
TILE = 160
NAME = "stack"
RESULT = f"{NAME}.predicted.ome.zarr"
PARTIAL = f"{RESULT}.partial"


@dataclass(frozen=True)
class Outcome:
    """One prediction that was killed and resumed."""

    network: str
    killed_after: float
    state: str
    differences: list[str]


def main() -> None:
    """Run all predictions and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="kills, over all networks")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--folder", type=Path, help="work folder; by default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        outcomes = run_all(Path(folder), options.times, random.Random(options.seed))
    print_table(outcomes)
    sys.exit(any(outcome.differences for outcome in outcomes))


def run_all(folder: Path, times: int, rng: random.Random) -> list[Outcome]:
    """Kill and resume `times` predictions, the networks taking turns."""
    image = write_stack(folder)
    commands = {network: command_of(folder, image, network) for network in NETWORKS}
    durations = {}
    for network, command in commands.items():
        complete([*command, str(folder / network)], folder / network / RESULT)
        # The first run has measured what later ones remember, and takes longer.
        again = folder / f"{network}-again"
        start = time.perf_counter()
        complete([*command, str(again)], again / RESULT)
        durations[network] = time.perf_counter() - start
        differences = compare(folder / network, again)
        say(f"{network}: unbroken twice, {durations[network]:.1f} s, {verdict(differences)}")
        if differences:
            sys.exit("two unbroken runs differ, so that nothing can be said of a resumed one.")
    outcomes = []
    for number in range(times):
        network = list(NETWORKS)[number % len(NETWORKS)]
        output = folder / f"{network}-{number}"
        command = [*commands[network], str(output)]
        moment = rng.uniform(0, durations[network])
        state = run_and_kill(command, moment, output)
        complete(command, output / RESULT)
        differences = compare(folder / network, output)
        outcomes.append(Outcome(network, moment, state, differences))
        say(f"{number + 1}/{times} {network}: {state}, {verdict(differences)}")
    return outcomes


def command_of(folder: Path, image: Path, network: str) -> list[str]:
    """Return the command that predicts an image, without the folder for the result."""
    return [
        *(sys.executable, "-m", "napari_virtual_stain.cli", "predict", str(image)),
        *("--model", str(write_model(folder, network)), "--tile", str(TILE)),
        *("--format", "ome-zarr", "--output"),
    ]


def run_and_kill(command: list[str], moment: float, output: Path) -> str:
    """Start a command, kill it after `moment` seconds, and say how far it had come."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(output)
    ) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    if (output / RESULT).exists():
        return "finished"
    if not (output / PARTIAL).exists():
        return "not begun"
    journal = output / PARTIAL / "done"
    done = journal.read_bytes().count(b"\n") if journal.exists() else 0
    return f"{done} units done"


def complete(command: list[str], result: Path) -> None:
    """Run a command to its end.

    A run that was killed after it had given the result its name has finished: the next one then
    refuses to make it again.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(result.parent), check=False
    )
    finished_before = result.exists() and "exists already" in done.stderr
    if done.returncode and not finished_before:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")


def environment(output: Path) -> dict[str, str]:
    """Return the environment of a run: what runs remember is shared by those of this script."""
    return {**os.environ, "XDG_CACHE_HOME": str(output.parent / "cache")}


def compare(whole: Path, resumed: Path) -> list[str]:
    """Return the files that two folders do not have in common, or not with the same bytes."""
    files = [
        {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        for folder in (whole, resumed)
    ]
    return [
        *(f"missing: {name}" for name in sorted(files[0].keys() - files[1].keys())),
        *(f"left over: {name}" for name in sorted(files[1].keys() - files[0].keys())),
        *(
            f"different: {name}"
            for name in sorted(files[0].keys() & files[1].keys())
            if files[0][name].read_bytes() != files[1][name].read_bytes()
        ),
    ]


def verdict(differences: list[str]) -> str:
    """Say what came out, in a few words."""
    if not differences:
        return "the same"
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    return f"{differences[0]}{more}"


def print_table(outcomes: list[Outcome]) -> None:
    """Print the outcomes as Markdown."""
    print("| # | network | killed after | at that moment | after resuming |")
    print("|---|---|---|---|---|")
    for number, outcome in enumerate(outcomes, 1):
        print(
            f"| {number} | {outcome.network} | {outcome.killed_after:.2f} s | {outcome.state} | "
            f"{verdict(outcome.differences)} |"
        )
    same = sum(not outcome.differences for outcome in outcomes)
    print(f"\n{same} of {len(outcomes)} have the same files, byte for byte.")


def write_stack(folder: Path) -> Path:
    """Write a stack of smooth noise as camera images have it."""
    from scipy.ndimage import gaussian_filter

    from napari_virtual_stain.image import Image
    from napari_virtual_stain.io import write_image

    noise = np.random.default_rng(0).normal(size=SIZES)
    smooth = gaussian_filter(noise, (0, 3, 3)) * 4000 + 8000 + noise * 50
    image = Image(smooth.astype(np.uint16), "ZYX", channels=("brightfield",), name=NAME)
    return write_image(image, folder / f"{NAME}.ome.zarr")


def write_model(folder: Path, network: str) -> Path:
    """Write a model with random weights."""
    import torch

    from napari_virtual_stain.io import save_model
    from napari_virtual_stain.model import (
        InputSpec,
        ModelSpec,
        NetworkSpec,
        OutputSpec,
        StainModel,
    )

    spec = ModelSpec(
        name=f"random {network}",
        network=NetworkSpec(name=network, options=NETWORKS[network]),
        inputs=[InputSpec(name="brightfield")],
        outputs=[OutputSpec(name="DNA", mean=900, std=300)],
    )
    torch.manual_seed(0)
    path = folder / f"{network}.safetensors"
    save_model(StainModel(spec.build_network().eval(), spec), path)
    return path


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
