"""What a comparison has to say beyond its scores, and what takes longer to find out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.evaluation.calibration import Calibration, CalibrationCounter
from napari_virtual_stain.evaluation.confusion import Confusion, ConfusionCounter
from napari_virtual_stain.evaluation.overlap import Overlap, mask_overlap
from napari_virtual_stain.evaluation.spectrum import RingCorrelation, RingCounter
from napari_virtual_stain.evaluation.tolerance import Tolerance, tolerance_index

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation.comparison import Comparison


@dataclass(frozen=True, eq=False)
class Details:
    """What one pair of channels has beyond its scores, after the match.

    Parameters
    ----------
    confusion : Confusion
        Of ten bins between the display limits.
    tolerance : Tolerance
        As it is by default.
    overlap : Overlap
        Of the Otsu masks.
    spectrum : RingCorrelation or None
        Of all planes of which every pixel counts; None where there is none of 8 × 8 pixels.
    spectrum_unit : str
        ``µm`` or ``px``: of one over its frequencies.
    calibration : Calibration or None
        Of σ, for a Gaussian; None where no σ was given.
    """

    confusion: Confusion
    tolerance: Tolerance
    overlap: Overlap
    spectrum: RingCorrelation | None
    spectrum_unit: str
    calibration: Calibration | None

    def as_scores(self) -> dict[str, Any]:
        """Return it as ``docs/metrics-json.md`` has it; what is not defined is NaN or None."""
        tolerance, overlap = self.tolerance, self.overlap
        scores: dict[str, Any] = {
            "tolerance_index": tolerance.index,
            "tolerance_level": tolerance.level,
            "grey_value_accuracy": self.confusion.overall_accuracy,
            "mask_dice": overlap.dice,
            "mask_iou": overlap.iou,
            "mask_hit": overlap.hit,
            "mask_missed": overlap.missed,
            "mask_false": overlap.false,
            "resolution": float("nan") if self.spectrum is None else self.spectrum.resolution(),
            "resolution_unit": self.spectrum_unit,
            "tolerance_curve": {
                "intensity_error": tolerance.intensity_error.tolist(),
                "spatial_error": tolerance.spatial_error.tolist(),
            },
            "confusion_matrix": self.confusion.counts.tolist(),
        }
        if self.spectrum is not None:
            scores["ring_correlation"] = {
                "frequencies": self.spectrum.frequencies.tolist(),
                "correlation": self.spectrum.correlation.tolist(),
            }
        if self.calibration is not None:
            scores["calibration"] = self.calibration.as_dict()
        return scores


def details_of(comparison: Comparison, channel: int) -> Details:
    """Compute the details of a channel of a comparison."""
    observed, predicted = (
        image.channel(channel).numpy() for image in (comparison.observed, comparison.predicted)
    )
    counts = None if comparison.counts is None else comparison.counts.channel(channel).numpy()
    of_observed, of_predicted = (
        comparison.masks[which].channel(channel).numpy() for which in ("observed", "predicted")
    )
    name = comparison.channels[channel]
    confusion = ConfusionCounter(*comparison.display_limits[name])
    confusion.add(observed, predicted, counts)
    voxel = comparison.observed.voxel_size
    known = "Y" in voxel and "X" in voxel
    calibration: Calibration | None = None
    if comparison.sigma is not None:
        counter = CalibrationCounter()
        sigma = comparison.sigma.channel(channel).numpy()
        counter.add(observed, predicted, sigma, counts)
        calibration = counter.result() if np.isfinite(sigma).any() else None
    return Details(
        confusion.result(),
        tolerance_index(observed, predicted, counts),
        mask_overlap(of_observed, of_predicted, counts),
        _spectrum(observed, predicted, counts, (voxel["Y"], voxel["X"]) if known else None),
        "µm" if known else "px",
        calibration,
    )


def _spectrum(
    observed: np.ndarray,
    predicted: np.ndarray,
    counts: np.ndarray | None,
    pixel_size: tuple[float, float] | None,
) -> RingCorrelation | None:
    shape = observed.shape[-2:]
    if min(shape) < RingCounter.LEAST:
        return None
    counter = RingCounter(shape, pixel_size)
    for plane in np.ndindex(observed.shape[:-2]):
        # A border around what was not measured would look like fine structure.
        if counts is None or counts[plane].all():
            if not np.isfinite(predicted[plane]).all():
                return None
            counter.add(observed[plane], predicted[plane])
    return counter.result() if counter.planes else None
