"""observed + predicted -> Comparison: error maps, masks, metrics, and a report of them."""

from napari_virtual_stain.evaluation.calibration import (
    Calibration,
    CalibrationCounter,
    calibration,
)
from napari_virtual_stain.evaluation.comparison import Comparison, compare, compare_events
from napari_virtual_stain.evaluation.confusion import Confusion, ConfusionCounter, confusion_matrix
from napari_virtual_stain.evaluation.details import Details
from napari_virtual_stain.evaluation.features import (
    FeatureComparison,
    compare_features,
    compare_features_events,
    feature_correlations_table,
    feature_figures,
    features_json,
    features_table,
    pool_features,
)
from napari_virtual_stain.evaluation.instances import InstanceMatch, match_instances
from napari_virtual_stain.evaluation.metrics import METRICS, pearson_r
from napari_virtual_stain.evaluation.moments import Moments, MomentsCounter, moments
from napari_virtual_stain.evaluation.noise import noise_ceiling, noise_variances
from napari_virtual_stain.evaluation.overlap import Overlap, mask_overlap, overlap_labels
from napari_virtual_stain.evaluation.paired_pixels import paired_pixels
from napari_virtual_stain.evaluation.report import (
    features_html,
    figure,
    html,
    metrics_json,
    metrics_table,
    set_html,
    transfer_html,
)
from napari_virtual_stain.evaluation.sampled import (
    PixelDraws,
    Positions,
    SampledR,
    sampled_pearson_r,
)
from napari_virtual_stain.evaluation.set_scores import (
    SetScores,
    mean_tolerance,
    set_json,
    set_table,
    single_scores,
    single_values,
)
from napari_virtual_stain.evaluation.significance import (
    PairedTest,
    bootstrap_interval,
    paired_t_test,
)
from napari_virtual_stain.evaluation.similarity import (
    global_structural_similarity,
    structural_similarity,
)
from napari_virtual_stain.evaluation.spectrum import (
    RingCorrelation,
    RingCounter,
    fourier_ring_correlation,
)
from napari_virtual_stain.evaluation.tolerance import Tolerance, tolerance_index
from napari_virtual_stain.evaluation.transfer import (
    TransferMatrix,
    transfer_json,
    transfer_matrix,
    transfer_table,
)

__all__ = [
    "METRICS",
    "Calibration",
    "CalibrationCounter",
    "Comparison",
    "Confusion",
    "ConfusionCounter",
    "Details",
    "FeatureComparison",
    "InstanceMatch",
    "Moments",
    "MomentsCounter",
    "Overlap",
    "PairedTest",
    "PixelDraws",
    "Positions",
    "RingCorrelation",
    "RingCounter",
    "SampledR",
    "SetScores",
    "Tolerance",
    "TransferMatrix",
    "bootstrap_interval",
    "calibration",
    "compare",
    "compare_events",
    "compare_features",
    "compare_features_events",
    "confusion_matrix",
    "feature_correlations_table",
    "feature_figures",
    "features_html",
    "features_json",
    "features_table",
    "figure",
    "fourier_ring_correlation",
    "global_structural_similarity",
    "html",
    "mask_overlap",
    "match_instances",
    "mean_tolerance",
    "metrics_json",
    "metrics_table",
    "moments",
    "noise_ceiling",
    "noise_variances",
    "overlap_labels",
    "paired_pixels",
    "paired_t_test",
    "pearson_r",
    "pool_features",
    "sampled_pearson_r",
    "set_html",
    "set_json",
    "set_table",
    "single_scores",
    "single_values",
    "structural_similarity",
    "tolerance_index",
    "transfer_html",
    "transfer_json",
    "transfer_matrix",
    "transfer_table",
]
