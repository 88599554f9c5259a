"""How well each model does on each data set: the matrix of models × data sets.

References
----------
.. [1] Wang et al., "Global voxel transformer networks for augmented microscopy", Nature Machine
   Intelligence 3, 161-171 (2021), Figure 5: models of one data set are tested on all the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.set_scores import TESTED, SetScores, summary

FORMAT = 1
"""Version of the form of :func:`transfer_json`, described in ``docs/metrics-json.md``."""


@dataclass(frozen=True, eq=False)
class TransferMatrix:
    """A score of models (rows) on data sets (columns), for each channel.

    Parameters
    ----------
    score : str
        Of the scores of an image, such as ``pearson_r``.
    models, data_sets, channels : tuple of str
    cells : mapping of (channel, model, data set) to dict
        ``mean`` over the images; ``spread``, their standard deviation; ``interval``, [low, high],
        that holds 95 % of the means of images drawn again and again; ``images``, for how many the
        score is defined. A combination that was not scored is absent.
    """

    score: str
    models: tuple[str, ...]
    data_sets: tuple[str, ...]
    channels: tuple[str, ...]
    cells: Mapping[tuple[str, str, str], Mapping[str, Any]]

    def means(self, channel: str) -> np.ndarray:
        """Return the means of a channel, shape (models, data sets); NaN where there is none."""
        found = [
            [self.cells.get((channel, model, data), {}).get("mean") for data in self.data_sets]
            for model in self.models
        ]
        return np.array(found, np.float64)


def transfer_matrix(sets: Mapping[str, Sequence[SetScores]], score: str = TESTED) -> TransferMatrix:
    """Arrange the scores of several models on several data sets.

    Parameters
    ----------
    sets : mapping of str to sequence of SetScores
        By the name of a data set, the scores of each model on it. A model may lack on a data set
        that it cannot be used for.
    score : str
        ``pearson_r``, or another single number of ``metrics.json``.

    Returns
    -------
    TransferMatrix
        Models and channels in the order of their appearance.

    Raises
    ------
    VirtualStainError
        If there is no data set, or none has the score.
    """
    every = [one for of_models in sets.values() for one in of_models]
    models = tuple(dict.fromkeys(one.model for one in every))
    channels = tuple(dict.fromkeys(name for one in every for name in one.channels))
    cells = {
        (channel, one.model, data): summary(one.values(channel, score))
        for data, of_models in sets.items()
        for one in of_models
        for channel in one.channels
        if score in one.scores(channel)
    }
    if not cells:
        raise VirtualStainError(f"no data set has the score {score!r} of any model.")
    return TransferMatrix(score, models, tuple(sets), channels, cells)


def transfer_json(matrices: Sequence[TransferMatrix]) -> dict[str, Any]:
    """Return matrices of several scores as plain JSON values.

    Returns
    -------
    dict
        The form is described in ``docs/metrics-json.md``.
    """
    first = matrices[0]
    return {
        "format": FORMAT,
        "models": list(first.models),
        "data_sets": list(first.data_sets),
        "scores": {
            one.score: {
                channel: {
                    model: {
                        data: dict(one.cells[channel, model, data])
                        for data in one.data_sets
                        if (channel, model, data) in one.cells
                    }
                    for model in one.models
                }
                for channel in one.channels
            }
            for one in matrices
        },
    }


def transfer_table(matrices: Sequence[TransferMatrix]) -> list[dict[str, Any]]:
    """Return a row for each score, channel, model and data set."""
    return [
        {
            "score": one.score,
            "channel": channel,
            "model": model,
            "data_set": data,
            "mean": cell["mean"],
            "spread": cell["spread"],
            "low": cell["interval"][0],
            "high": cell["interval"][1],
            "images": cell["images"],
        }
        for one in matrices
        for (channel, model, data), cell in one.cells.items()
    ]
