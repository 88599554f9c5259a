"""A prediction that can be made: what the form comes to, and what the work is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.on_disk import Files
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions
from napari_virtual_stain.model import ModelSpec


@dataclass(frozen=True, eq=False)
class Request:
    """A prediction that can be made, and what is needed to show it.

    Parameters
    ----------
    path : Path
        Of the model.
    spec : ModelSpec
    images : tuple of Image
        One for each input of the model.
    options : PredictOptions
    observed : dict of str to Image
        By output, its observed image without C axis; outputs without one are absent.
    errors, masks : bool
    match : {"none", "z-score", "least-squares"}
    input_layers : tuple of layers
        Those of the images.
    observed_layers : dict of str to layer
        Those of the observed images.
    geometry : Geometry
        That of the first input layer when the prediction was asked for.
    files : Files, optional
        Where the result goes on disk; None where it is kept in memory.
    """

    path: Path
    spec: ModelSpec
    images: tuple[Image, ...]
    options: PredictOptions
    observed: dict[str, Image]
    errors: bool
    masks: bool
    match: Match
    input_layers: tuple[Layer, ...]
    observed_layers: dict[str, Layer]
    geometry: Geometry
    files: Files | None = None
