"""Features of cells: measured in the observed and in the predicted image, and correlated."""

from napari_virtual_stain.evaluation.features.comparison import (
    compare_features,
    compare_features_events,
)
from napari_virtual_stain.evaluation.features.figures import feature_figures
from napari_virtual_stain.evaluation.features.limits import joint_limits, observed_limits
from napari_virtual_stain.evaluation.features.measuring import require_cp_measure
from napari_virtual_stain.evaluation.features.result import (
    FeatureBlock,
    FeatureComparison,
    FeatureCorrelation,
    MeasuredObject,
    pool_features,
)
from napari_virtual_stain.evaluation.features.segmentation import find_nuclei, grow_cells
from napari_virtual_stain.evaluation.features.tables import (
    feature_correlations_table,
    features_from_tables,
    features_json,
    features_table,
)

__all__ = [
    "FeatureBlock",
    "FeatureComparison",
    "FeatureCorrelation",
    "MeasuredObject",
    "compare_features",
    "compare_features_events",
    "feature_correlations_table",
    "feature_figures",
    "features_from_tables",
    "features_json",
    "features_table",
    "find_nuclei",
    "grow_cells",
    "joint_limits",
    "observed_limits",
    "pool_features",
    "require_cp_measure",
]
