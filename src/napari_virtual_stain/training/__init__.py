"""Training: pairs of images → StainModel.

Importing this room does not load torch; training does.
"""

from napari_virtual_stain.training.loop import train, train_events
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.presets import preset, presets
from napari_virtual_stain.training.recipe import Preset

__all__ = ["Pair", "Preset", "TrainOptions", "preset", "presets", "train", "train_events"]
