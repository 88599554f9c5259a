"""Batches on the device: read ahead in a thread, augmented where the network runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_virtual_stain.training.augmentation import Augmentation, augment
from napari_virtual_stain.training.patches import Batch, Patches

AHEAD = 2
"""Batches that are read while the network is busy with one."""


@dataclass(frozen=True, eq=False)
class Fed:
    """One batch on the device, augmented.

    Parameters
    ----------
    inputs : tensor of float32, shape (B, in_channels, [Z,] *source)
        Channels last in memory.
    targets : tensor of float32, shape (B, outputs, *target)
    weights : tensor of float32, shape of the targets, optional
        1 where the target counts, 0 where it does not; None for everything.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None


class Feed:
    """Gives the batch of any step; the next ones are read meanwhile.

    Parameters
    ----------
    patches : Patches
    how : Augmentation
    count : int
        Patches in a batch of this process.
    planes : sequence of int
        Network channels of each input.
    device : torch.device
    rank : int
        Which of several processes this is; each draws the patches of its own numbers.
    """

    def __init__(
        self,
        patches: Patches,
        how: Augmentation,
        count: int,
        planes: Sequence[int],
        device: torch.device,
        rank: int = 0,
    ) -> None:
        self.patches, self.how, self.planes, self.device = patches, how, tuple(planes), device
        self.numbers = range(rank * count, (rank + 1) * count)
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="patches")
        self._ahead: dict[int, Future[Batch]] = {}

    def __enter__(self) -> Feed:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is being read, and let go of it."""
        self._readers.shutdown(cancel_futures=True)

    def __call__(self, step: int, last: int | None = None) -> Fed:
        """Return the batch of a step.

        Parameters
        ----------
        step : int
        last : int, optional
            Up to which the next ones are read ahead; None for not at all.
        """
        reading = self._ahead.pop(step, None)
        batch = reading.result() if reading else self.patches.draw(step, self.numbers)
        fed = self._augmented(batch)
        # After augmenting, which is made of small operations and would wait for the reader's.
        if last is not None:
            for later in range(step + 1, min(step + AHEAD, last) + 1):
                if later not in self._ahead:
                    self._ahead[later] = self._readers.submit(
                        self.patches.draw, later, self.numbers
                    )
        return fed

    def _augmented(self, batch: Batch) -> Fed:
        values, targets = (
            torch.from_numpy(array).to(self.device) for array in (batch.values, batch.targets)
        )
        weights = None
        if batch.weights is not None:
            weights = torch.from_numpy(batch.weights).to(self.device, torch.float32)
        plan = self.patches.plan
        depth = values.shape[2 : values.ndim - len(plan.source)]
        inputs, targets, weights = augment(
            values,
            targets,
            weights,
            self.how,
            batch.seeds,
            source=(*depth, *plan.source),
            target=plan.target,
            planes=self.planes,
        )
        layout: Any = torch.channels_last if inputs.ndim == 4 else torch.channels_last_3d
        return Fed(inputs.contiguous(memory_format=layout), targets.contiguous(), weights)
