"""Augmentation: what is done to patches so that a network sees more than was imaged.

Geometry (turns, scale, rotation) is applied to both sides of a pair alike. Everything else stands
for what a microscope does to its images from one day to the next, and changes the input alone.

Importing this room does not load torch; augmenting does.
"""

from napari_virtual_stain.training.augmentation.apply import augment
from napari_virtual_stain.training.augmentation.margin import margin
from napari_virtual_stain.training.augmentation.options import Augmentation

__all__ = ["Augmentation", "augment", "margin"]
