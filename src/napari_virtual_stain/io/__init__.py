"""Everything that touches disk: images, model files, training pairs, reports, samples.

The names are imported when they are first used: reading a model's specification should not
load a TIFF library, and neither should load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "ModelEntry": "model_store",
    "PredictedPair": "predicted_folders",
    "RunFile": "training_run",
    "TiffTarget": "prediction",
    "TrainingLog": "training_logs",
    "ZarrTarget": "prediction",
    "check_writable": "_writable",
    "earlier_features": "measured_before",
    "earlier_report": "earlier",
    "fetch_isl_well": "isl",
    "find_model": "model_store",
    "import_model": "importing",
    "lacks_specification": "model_file",
    "list_models": "model_store",
    "load_model": "model_store",
    "load_model_file": "model_file",
    "model_folder": "model_store",
    "predicted_pairs": "predicted_folders",
    "read_image": "images",
    "read_options": "options_file",
    "read_pairs": "pairs",
    "read_spec": "model_file",
    "read_stacks": "pairs",
    "recover_model": "training_run",
    "run_file": "training_run",
    "run_writer": "training_run",
    "save_model": "model_file",
    "stamp": "stamps",
    "store_model": "model_store",
    "write_flip": "flip_animation",
    "uncertainty_beside": "predicted_folders",
    "write_features": "feature_report",
    "write_image": "images",
    "write_options": "options_file",
    "write_picture": "small_files",
    "write_report": "report",
    "write_set_report": "report",
    "write_table": "small_files",
    "write_transfer_report": "report",
}
__all__ = [
    "ModelEntry",
    "PredictedPair",
    "RunFile",
    "TiffTarget",
    "TrainingLog",
    "ZarrTarget",
    "check_writable",
    "earlier_features",
    "earlier_report",
    "fetch_isl_well",
    "find_model",
    "import_model",
    "lacks_specification",
    "list_models",
    "load_model",
    "load_model_file",
    "model_folder",
    "predicted_pairs",
    "read_image",
    "read_options",
    "read_pairs",
    "read_spec",
    "read_stacks",
    "recover_model",
    "run_file",
    "run_writer",
    "save_model",
    "stamp",
    "store_model",
    "uncertainty_beside",
    "write_features",
    "write_flip",
    "write_image",
    "write_options",
    "write_picture",
    "write_report",
    "write_set_report",
    "write_table",
    "write_transfer_report",
]

if TYPE_CHECKING:
    from napari_virtual_stain.io._writable import check_writable
    from napari_virtual_stain.io.earlier import earlier_report
    from napari_virtual_stain.io.feature_report import write_features
    from napari_virtual_stain.io.flip_animation import write_flip
    from napari_virtual_stain.io.images import read_image, write_image
    from napari_virtual_stain.io.importing import import_model
    from napari_virtual_stain.io.isl import fetch_isl_well
    from napari_virtual_stain.io.measured_before import earlier_features
    from napari_virtual_stain.io.model_file import (
        lacks_specification,
        load_model_file,
        read_spec,
        save_model,
    )
    from napari_virtual_stain.io.model_store import (
        ModelEntry,
        find_model,
        list_models,
        load_model,
        model_folder,
        store_model,
    )
    from napari_virtual_stain.io.options_file import read_options, write_options
    from napari_virtual_stain.io.pairs import read_pairs, read_stacks
    from napari_virtual_stain.io.predicted_folders import (
        PredictedPair,
        predicted_pairs,
        uncertainty_beside,
    )
    from napari_virtual_stain.io.prediction import TiffTarget, ZarrTarget
    from napari_virtual_stain.io.report import write_report, write_set_report, write_transfer_report
    from napari_virtual_stain.io.small_files import write_picture, write_table
    from napari_virtual_stain.io.stamps import stamp
    from napari_virtual_stain.io.training_logs import TrainingLog
    from napari_virtual_stain.io.training_run import RunFile, recover_model, run_file, run_writer


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
