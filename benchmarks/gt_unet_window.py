"""What the attention matrix of a GT U-Net costs: time and memory with it and without.

    python benchmarks/gt_unet_window.py [--runs 5] [--window 128] [--labels 8] [--device cpu]

One window, random weights, once to predict and once to train (forward, cross-entropy, backward,
Adam). The network's own attention holds no matrix; here it is exchanged for one that writes out
Eq. 6 of the paper. Each case has a process of its own. Memory is what the process grows by
beyond the network and its input at the peak of its first run (resident memory on a CPU, Unix
only; allocated memory on a GPU); time is the median of the further runs and their range.
The figures stand in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_virtual_stain import networks
from napari_virtual_stain.networks import gt_layers

PLANES = 13  # the z planes that the paper reads


@dataclass(frozen=True)
class Case:
    """What one process measures."""

    matrix: bool
    training: bool
    runs: int
    window: int
    labels: int
    device: str


def attend_by_matrix(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Return V · softmax(scale · KᵀQ), as ``gt_layers.attend`` does, and hold the matrix."""
    return value @ torch.softmax(scale * (key.mT @ query), dim=1)


def prediction(network: torch.nn.Module, x: Tensor) -> Callable[[], object]:
    """Return what predicts the window."""
    network.eval()
    return torch.inference_mode()(lambda: network(x))


def training_step(network: torch.nn.Module, x: Tensor, case: Case) -> Callable[[], object]:
    """Return what trains on the window once."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-5)
    classes = network.head.classes
    target = torch.randint(classes, (case.labels, case.window, case.window), device=x.device)

    def step() -> None:
        optimizer.zero_grad()
        logits = network(x).unflatten(1, (case.labels, classes))[0]
        functional.cross_entropy(logits, target).backward()
        optimizer.step()

    return step


def peak(device: torch.device) -> int:
    """Return the most memory that this process has held so far, in bytes."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


def measure(case: Case) -> tuple[list[float], int]:
    """Return the seconds of each run and the bytes that the process grew by."""
    if case.matrix:
        gt_layers.attend = attend_by_matrix
    torch.manual_seed(0)
    device = torch.device(case.device)
    network = networks.build(
        "gt-unet", in_channels=PLANES, out_channels=case.labels, window=case.window
    ).to(device)
    x = torch.randn(1, PLANES, 2 * case.window, 2 * case.window, device=device)
    run = training_step(network, x, case) if case.training else prediction(network, x)
    before = peak(device)
    run()
    grown = peak(device) - before
    seconds = []
    for _ in range(case.runs):
        start = time.perf_counter()
        run()
        peak(device)  # which waits for a GPU
        seconds.append(time.perf_counter() - start)
    return seconds, grown


def main() -> None:
    """Measure the four cases and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--labels", type=int, default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = vars(parser.parse_args())
    print(
        f"{chosen['device']}, {torch.get_num_threads()} CPU thread(s), torch {torch.__version__}; "
        f"one window of {chosen['window']} px, {PLANES} planes, {chosen['labels']} labels; "
        f"median of {chosen['runs']} runs [range]\n"
    )
    print("| | attention matrix | time | peak memory |\n|---|---|---|---|")
    fresh = multiprocessing.get_context("spawn")
    for training in (False, True):
        for matrix in (False, True):
            with ProcessPoolExecutor(1, mp_context=fresh) as process:
                case = Case(matrix=matrix, training=training, **chosen)
                seconds, grown = process.submit(measure, case).result()
            print(
                f"| {'training step' if training else 'prediction'} "
                f"| {'held' if matrix else 'never held'} "
                f"| {statistics.median(seconds):.2f} s [{min(seconds):.2f}–{max(seconds):.2f}] "
                f"| {grown / 2**20:.0f} MiB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
