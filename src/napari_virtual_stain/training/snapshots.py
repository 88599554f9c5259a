"""A training at one moment: everything that its next step depends on, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from napari_virtual_stain.keeping import Snapshot
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.training.best import Best
from napari_virtual_stain.training.state import packed, unpacked

BEST = "best/"


class Part(Protocol):
    """What changes from step to step: updates, averages, patience."""

    def state(self) -> Any:
        """Return all that the next step depends on."""

    def restore(self, state: Any) -> None:
        """Go on from a state."""


Parts = Mapping[str, Part | None]
"""By name; None for what this training does without."""


@dataclass(frozen=True, eq=False)
class Moment:
    """Where a training is.

    Parameters
    ----------
    step : int
    best : Best or None
        The best so far.
    """

    step: int
    best: Best | None


def snapshot_of(
    moment: Moment, parts: Parts, values: Mapping[str, Any], spec: ModelSpec | None
) -> Snapshot:
    """Return everything that the next step depends on, and the best model so far.

    Parameters
    ----------
    moment : Moment
    parts : mapping
    values : mapping
        Plain JSON values that are kept with it.
    spec : ModelSpec or None
        Of the best model so far, if there is one.
    """
    arrays: dict[str, np.ndarray] = {}
    state = {name: None if part is None else part.state() for name, part in parts.items()}
    kept: dict[str, Any] = {
        **values,
        "step": moment.step,
        "state": packed(state, arrays, "state"),
    }
    best = moment.best
    if best is not None and spec is not None:
        for name, tensor in best.network.state_dict().items():
            arrays[BEST + name] = tensor.detach().cpu().numpy()
        kept["best"] = {
            "mean": best.mean,
            "scores": [None if math.isnan(score) else score for score in best.scores],
            "step": best.step,
        }
        kept["spec"] = spec.model_dump(mode="json")
    return Snapshot(arrays, kept)


def restore(snapshot: Snapshot, parts: Parts, spec: ModelSpec, device: torch.device) -> Moment:
    """Bring the parts of a training that has just been made to where a snapshot was taken.

    Parameters
    ----------
    snapshot : Snapshot
    parts : mapping
        As they were then; they are changed.
    spec : ModelSpec
        Of the network that is trained.
    device : torch.device
        Of the best network.
    """
    state = unpacked(snapshot.values["state"], snapshot.arrays)
    for name, part in parts.items():
        if part is not None:
            part.restore(state[name])
    step = int(snapshot.values["step"])
    best = snapshot.values.get("best")
    if best is None:
        return Moment(step, None)
    network = spec.build_network()
    network.load_state_dict(
        {
            name.removeprefix(BEST): torch.from_numpy(np.array(values))
            for name, values in snapshot.arrays.items()
            if name.startswith(BEST)
        }
    )
    scores = tuple(math.nan if score is None else float(score) for score in best["scores"])
    kept = Best(float(best["mean"]), scores, int(best["step"]), network.eval().to(device))
    return Moment(step, kept)
