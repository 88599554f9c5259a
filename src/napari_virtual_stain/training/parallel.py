"""Devices and processes, by Lightning Fabric.

Several processes each draw a batch of their own and average their gradients. Fabric starts the
others by running the same command again; each of them reads the pairs for itself, and all but the
first keep quiet.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.training.options import TrainOptions

if TYPE_CHECKING:
    import torch
    from lightning.fabric import Fabric

FABRIC_PRECISION: dict[str, Any] = {
    "auto": "32-true",
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}

INTERACTIVE = ("bash", "interactive")
"""Names of SLURM's jobs in which a person sits and starts processes by hand."""


def is_first_process() -> bool:
    """Whether this process is the one that says and saves something.

    By the variables that Fabric looks at: its own launcher's, those of torchrun, and those of SLURM
    where that has started the processes.
    """
    names = ["RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK"]
    if "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in INTERACTIVE:
        names.append("SLURM_PROCID")
    return not any(int(os.environ.get(name) or 0) for name in names)


def fabric_for(options: TrainOptions, device: torch.device) -> Fabric:
    """Return what runs a training on the devices that were chosen; starts other processes.

    Raises
    ------
    VirtualStainError
        If they cannot train in this precision, or are not there.
    """
    from lightning.fabric import Fabric

    if options.precision == "fp16" and device.type == "cpu":
        raise VirtualStainError(
            "half precision (fp16) does not train on the CPU; choose bf16 or fp32."
        )
    processes = options.devices * options.nodes
    try:
        with _only_warnings():
            fabric = Fabric(
                accelerator=device.type,
                devices=options.devices,
                num_nodes=options.nodes,
                strategy=options.strategy if processes > 1 else "auto",
                precision=FABRIC_PRECISION[options.precision],
            )
    except (ValueError, RuntimeError) as error:
        raise VirtualStainError(
            f"{options.devices} devices on {options.nodes} machines with the strategy "
            f"{options.strategy!r} cannot train together: {error}"
        ) from error
    if processes > 1:
        fabric.launch()
    return fabric


@contextmanager
def _only_warnings() -> Iterator[None]:
    """Keep Lightning from telling what the user has just chosen."""
    # Fabric speaks by PyTorch Lightning's logger where that has been imported.
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("fabric", "pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
