"""A training at one moment: everything that its next step depends on, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_virtual_stain.keeping import Snapshot
from napari_virtual_stain.training.best import Best
from napari_virtual_stain.training.state import packed, unpacked

if TYPE_CHECKING:
    from napari_virtual_stain.training.fitting import Fitting

BEST = "best/"


def snapshot_of(fitting: Fitting) -> Snapshot:
    """Return everything that the next step depends on, and the best model so far."""
    arrays: dict[str, np.ndarray] = {}
    state = {
        "update": fitting.update.state(),
        "averaged": None if fitting.averaged is None else fitting.averaged.state(),
        "patience": fitting.patience.state(),
    }
    values: dict[str, Any] = {
        "step": fitting.step,
        "steps": fitting.task.recipe.steps,
        "key": dict(fitting.task.key),
        "state": packed(state, arrays, "state"),
    }
    best = fitting.best
    if best is not None:
        for name, tensor in best.network.state_dict().items():
            arrays[BEST + name] = tensor.detach().cpu().numpy()
        values["best"] = {
            "mean": best.mean,
            "scores": [None if math.isnan(score) else score for score in best.scores],
            "step": best.step,
        }
        values["spec"] = fitting.task.describe(best).model_dump(mode="json")
    return Snapshot(arrays, values)


def restore(fitting: Fitting, snapshot: Snapshot) -> None:
    """Bring a training that has just been made to where a snapshot was taken."""
    state = unpacked(snapshot.values["state"], snapshot.arrays)
    fitting.step = int(snapshot.values["step"])
    fitting.update.restore(state["update"])
    if fitting.averaged is not None:
        fitting.averaged.restore(state["averaged"])
    fitting.patience.restore(state["patience"])
    best = snapshot.values.get("best")
    if best is None:
        return
    network = fitting.task.spec.build_network()
    network.load_state_dict(
        {
            name.removeprefix(BEST): torch.from_numpy(np.array(values))
            for name, values in snapshot.arrays.items()
            if name.startswith(BEST)
        }
    )
    scores = tuple(math.nan if score is None else float(score) for score in best["scores"])
    fitting.best = Best(
        float(best["mean"]), scores, int(best["step"]), network.eval().to(fitting.device)
    )
