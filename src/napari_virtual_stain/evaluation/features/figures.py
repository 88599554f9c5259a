"""Correlations of features as pictures: the heat map and the histogram.

After Figures 7 and 8 of Nguyen et al., "Virtual organelle self-coding for fluorescence imaging
via adversarial learning", Journal of Biomedical Optics 25, 096009 (2020).
"""

from __future__ import annotations

from napari_virtual_stain.evaluation.features.result import FeatureComparison


def feature_figures(features: FeatureComparison) -> dict[str, bytes]:
    """Draw the correlations of features as PNG pictures.

    Returns
    -------
    dict of str to bytes
        ``heat_map``: a row for each feature, by group, and a column for each compartment of
        each channel (below it, the same for pairs of channels). ``histogram``: how many
        features have which r, by group.
    """
    # matplotlib takes half a second to import, and most who compare draw nothing.
    from napari_virtual_stain.evaluation.page import feature_plots

    figures = {
        "heat_map": feature_plots.heat_map(features),
        "histogram": feature_plots.histogram(features),
    }
    return {name: feature_plots.png(figure) for name, figure in figures.items()}
