"""The command line, ``vstain``."""

from napari_virtual_stain.cli.main import app, main

__all__ = ["app", "main"]
