"""Training: pairs of images → StainModel.

Importing this room does not load torch; training does.
"""

from napari_virtual_stain.training.augmentation import Augmentation
from napari_virtual_stain.training.control import Control
from napari_virtual_stain.training.loop import preview_events, train, train_events
from napari_virtual_stain.training.losses import LossOptions
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.pairs import TrainingPair
from napari_virtual_stain.training.presets import preset, presets
from napari_virtual_stain.training.preview import BatchPreview
from napari_virtual_stain.training.recipe import Preset

__all__ = [
    "Augmentation",
    "BatchPreview",
    "Control",
    "LossOptions",
    "Pair",
    "Preset",
    "TrainOptions",
    "TrainingPair",
    "preset",
    "presets",
    "preview_events",
    "train",
    "train_events",
]
