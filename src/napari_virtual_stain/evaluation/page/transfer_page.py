"""The page of a transfer matrix: heat maps and tables of models × data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_virtual_stain.evaluation.page.channel import TITLES
from napari_virtual_stain.evaluation.page.set_page import LESS_IS_BETTER, mean_and_interval
from napari_virtual_stain.evaluation.page.templates import template
from napari_virtual_stain.evaluation.transfer import TransferMatrix
from napari_virtual_stain.version import __version__


def transfer_html(
    matrices: Sequence[TransferMatrix], links: Mapping[str, str] | None = None
) -> str:
    """Render matrices of several scores as one HTML page.

    Parameters
    ----------
    matrices : sequence of TransferMatrix
        Of the same models and data sets.
    links : mapping of str to str, optional
        Addresses of the pages of the data sets, relative to this page.

    Returns
    -------
    str
        The page, UTF-8 when written.
    """
    from napari_virtual_stain.evaluation.page import plots

    first = matrices[0]
    channels = []
    for name in first.channels:
        drawn, tables = [], []
        for one in matrices:
            title = TITLES[one.score][0] if one.score in TITLES else one.score
            hint = "lower is better" if one.score in LESS_IS_BETTER else "higher is better"
            drawn.append(
                (title, plots.matrix(one.means(name), one.models, one.data_sets, hint), hint)
            )
            rows = [
                {
                    "model": model,
                    "cells": [
                        mean_and_interval(one.cells.get((name, model, data)))
                        for data in one.data_sets
                    ],
                }
                for model in one.models
            ]
            tables.append((title, rows))
        channels.append({"name": name, "plots": drawn, "tables": tables})
    return template("transfer.html").render(
        models=first.models,
        data_sets=first.data_sets,
        channels=channels,
        links=links or {},
        version=__version__,
    )
