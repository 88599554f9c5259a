"""Importers of checkpoints that other code wrote. Nothing of a file is ever executed."""

from napari_virtual_stain.io.importing.recognize import import_model

__all__ = ["import_model"]
