"""A network with what it expects and what it yields. Importing this room loads no torch."""

from napari_virtual_stain.model.parts import (
    InputSpec,
    NetworkSpec,
    NormalizationSpec,
    OutputSpec,
    Provenance,
    clean_text,
)
from napari_virtual_stain.model.spec import FORMAT_VERSION, ModelSpec, parse_spec
from napari_virtual_stain.model.stain_model import StainModel

__all__ = [
    "FORMAT_VERSION",
    "InputSpec",
    "ModelSpec",
    "NetworkSpec",
    "NormalizationSpec",
    "OutputSpec",
    "Provenance",
    "StainModel",
    "clean_text",
    "parse_spec",
]
