"""Inference: StainModel + Image → Image, whole or in tiles, with the same result.

Importing this room does not load torch; predicting does.
"""

from napari_virtual_stain.inference.fitting import Fit, fit
from napari_virtual_stain.inference.options import Device, Precision, PredictOptions, Units
from napari_virtual_stain.inference.prediction import predict, predict_events

__all__ = [
    "Device",
    "Fit",
    "Precision",
    "PredictOptions",
    "Units",
    "fit",
    "predict",
    "predict_events",
]
