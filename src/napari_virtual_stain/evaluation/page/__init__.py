"""A comparison as one HTML page that holds everything it shows, for a browser or an e-mail."""

from napari_virtual_stain.evaluation.page.page import html

__all__ = ["html"]
