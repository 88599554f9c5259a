"""Predictions that are written to disk as they come, and go on after they were killed."""

from napari_virtual_stain.io.prediction.targets import TiffTarget, ZarrTarget

__all__ = ["TiffTarget", "ZarrTarget"]
