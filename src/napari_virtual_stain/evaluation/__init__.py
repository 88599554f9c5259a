"""observed + predicted -> Comparison: error maps, masks, metrics, and a report of them."""

from napari_virtual_stain.evaluation.calibration import (
    Calibration,
    CalibrationCounter,
    calibration,
)
from napari_virtual_stain.evaluation.comparison import Comparison, compare, compare_events
from napari_virtual_stain.evaluation.metrics import METRICS, pearson_r
from napari_virtual_stain.evaluation.report import figure, metrics_json

__all__ = [
    "METRICS",
    "Calibration",
    "CalibrationCounter",
    "Comparison",
    "calibration",
    "compare",
    "compare_events",
    "figure",
    "metrics_json",
    "pearson_r",
]
