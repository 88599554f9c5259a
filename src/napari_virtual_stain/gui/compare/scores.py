"""The scores that are shown, what a person calls them, and how they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A score.

    Parameters
    ----------
    key : str
        Its name in the library.
    title : str
    tip : str
    digits : int
        Behind the point; 0 for as many as the size of the number asks for.
    unit : str
    higher_is_better : bool
    """

    key: str
    title: str
    tip: str
    digits: int = 3
    unit: str = ""
    higher_is_better: bool = True


SCORES = (
    Score(
        "pearson_r",
        "Pearson r",
        "Whether bright and dark lie in the same places: 1 is perfect. Gain and offset do not "
        "matter to it.",
    ),
    Score(
        "structural_similarity",
        "SSIM",
        "Structural similarity of windows of 7 px: 1 is perfect. Of noisy images even the truth "
        "reaches less.",
    ),
    Score("r_squared", "R²", "Share of the variation that is explained; gain and offset matter."),
    Score(
        "fitted_normalized_root_mean_squared_error",
        "NRMSE",
        "Root mean squared error after the gain and offset that fit best, as a part of the range "
        "of the observed channel (percentiles 0.1 to 99.9).",
        higher_is_better=False,
    ),
    Score(
        "root_mean_squared_error",
        "RMSE",
        "Root mean squared error, in grey values.",
        0,
        higher_is_better=False,
    ),
    Score(
        "mean_absolute_error",
        "MAE",
        "Mean absolute error, in grey values.",
        0,
        higher_is_better=False,
    ),
    Score(
        "peak_signal_to_noise_ratio",
        "PSNR",
        "Peak signal-to-noise ratio, by the range of the whole observed channel.",
        1,
        " dB",
    ),
    Score("dice", "Dice", "How far the Otsu masks of both agree: 1 is perfect."),
    Score(
        "intersection_over_union",
        "IoU",
        "Intersection over union of the Otsu masks of both: 1 is perfect.",
    ),
)
"""In the order in which they are shown."""


def written(score: Score, value: float | None) -> str:
    """Return a score as it is shown; a dash where it is not defined, nothing where not known."""
    if value is None:
        return ""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if not score.digits:
        return f"{value:.4g}".replace("-", "−")
    return f"{value:.{score.digits}f}{score.unit}".replace("-", "−")
