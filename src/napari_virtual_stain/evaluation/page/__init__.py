"""Comparisons as HTML pages that hold everything they show, for a browser or an e-mail."""

from napari_virtual_stain.evaluation.page.feature_section import features_html
from napari_virtual_stain.evaluation.page.page import html
from napari_virtual_stain.evaluation.page.set_page import set_html
from napari_virtual_stain.evaluation.page.transfer_page import transfer_html

__all__ = ["features_html", "html", "set_html", "transfer_html"]
