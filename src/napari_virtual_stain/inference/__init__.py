"""Inference: StainModel + Image → Image, whole, in tiles or in windows.

Importing this room does not load torch; predicting does.
"""

from napari_virtual_stain.inference.ensemble import uncertainty_kinds
from napari_virtual_stain.inference.fitting import Fit, fit
from napari_virtual_stain.inference.options import (
    Device,
    Precision,
    PredictOptions,
    Statistic,
    Units,
)
from napari_virtual_stain.inference.plan_description import describe_prediction, result_bytes
from napari_virtual_stain.inference.prediction import Prediction, predict, predict_events

__all__ = [
    "Device",
    "Fit",
    "Precision",
    "PredictOptions",
    "Prediction",
    "Statistic",
    "Units",
    "describe_prediction",
    "fit",
    "predict",
    "predict_events",
    "result_bytes",
    "uncertainty_kinds",
]
