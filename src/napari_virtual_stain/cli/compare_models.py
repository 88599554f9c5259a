"""``vstain compare --models``: models predict the images of data sets, and are compared on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.cli.compare_set import Compared, compare_set
from napari_virtual_stain.cli.comparing import Comparing
from napari_virtual_stain.cli.one_image import OneImage
from napari_virtual_stain.cli.output import say
from napari_virtual_stain.errors import VirtualStainError

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import TransferMatrix
    from napari_virtual_stain.inference import PredictOptions
    from napari_virtual_stain.model import StainModel

RECORDS = "predictions.jsonl"
"""What the predictions in a folder were made from, a line each."""

TRANSFERRED = (
    "pearson_r",
    "structural_similarity",
    "fitted_normalized_root_mean_squared_error",
)
"""Scores of the matrix of models and data sets."""


@dataclass(frozen=True)
class DataSet:
    """Observed images, and what their predictions are made from.

    Parameters
    ----------
    name : str
    images : mapping of str to (observed, input)
        By name of the observed image.
    """

    name: str
    images: Mapping[str, tuple[Path, Path]]


def data_sets(observed: Sequence[Path], inputs: Sequence[Path]) -> list[DataSet]:
    """Return the images of files and folders.

    Parameters
    ----------
    observed : sequence of Path
        Each a folder of images, or one image.
    inputs : sequence of Path
        For each of `observed` a folder of images of the same names, or one image; none where the
        observed images hold the inputs too.

    Raises
    ------
    VirtualStainError
        If the numbers of them differ, an image has no input, or two are called alike.
    """
    from napari_virtual_stain.io._names import image_name

    if inputs and len(inputs) != len(observed):
        raise VirtualStainError(
            f"{len(observed)} observed and {len(inputs)} --input were given; give one for each, in "
            "the same order, or none where the observed images hold the inputs too."
        )
    sets = []
    for place, path in enumerate(observed):
        images = _images(path)
        given = _images(inputs[place]) if inputs else images
        if len(images) == len(given) == 1 and not _is_folder(path):
            given = {next(iter(images)): next(iter(given.values()))}
        missing = [name for name in images if name not in given]
        if missing:
            raise VirtualStainError(
                f"{inputs[place]} holds no image named {missing[0]}, which is to be predicted; "
                "give inputs the names of the observed images."
            )
        sets.append(
            DataSet(image_name(path.resolve()), {one: (images[one], given[one]) for one in images})
        )
    names = [one.name for one in sets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise VirtualStainError(f"two data sets are called {twice}; rename one of the folders.")
    return sets


def model_names(models: Sequence[str]) -> list[str]:
    """Return what models are called: the names of their files without ending.

    Raises
    ------
    VirtualStainError
        If two are called alike.
    """
    names = [Path(model).name.removesuffix(".safetensors") for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise VirtualStainError(f"two models are called {twice}; rename one of the files.")
    return names


def compare_models(
    sets: Sequence[DataSet],
    models: Sequence[str],
    output: Path,
    comparing: Comparing,
    options: PredictOptions,
    overwrite: bool,
    failures: list[str],
) -> dict[str, Compared]:
    """Predict each data set with each model, and compare the predictions as sets.

    Parameters
    ----------
    sets : sequence of DataSet
    models : sequence of str
        Names or files.
    output : Path
        Predictions and reports of a model are written into a folder of its name, of several data
        sets within folders of theirs.
    comparing : Comparing
    options : PredictOptions
    overwrite : bool
    failures : list of str
        To which data sets are added that could not be compared, if there are several.

    Returns
    -------
    dict of str to Compared
        By data set.

    Raises
    ------
    VirtualStainError
        If a file would be replaced, or no image of a data set could be compared.
    """
    from napari_virtual_stain.io import find_model, load_model, stamp
    from napari_virtual_stain.io.earlier import check_earlier_summary
    from napari_virtual_stain.io.report import set_report_files, transfer_report_files

    several = len(sets) > 1
    names = model_names(models)
    folders = {one.name: output / one.name if several else output for one in sets}
    if not overwrite:
        # Before hours of predicting, and not after.
        for folder in folders.values():
            check_earlier_summary(set_report_files(folder), {"models": names})
        if several:
            check_earlier_summary(transfer_report_files(output), {"models": names})
    loaded = {
        name: (load_model(model), stamp(find_model(model)))
        for name, model in zip(names, models, strict=True)
    }
    found = {}
    for one in sets:
        try:
            found[one.name] = _compare_one(
                one, loaded, folders[one.name], comparing, options, overwrite
            )
        except VirtualStainError as error:
            if not several:
                raise
            # The other data sets are compared all the same.
            failures.append(f"{one.name}: {error}")
            say(f"error: {failures[-1]}")
    if not found:
        raise VirtualStainError("no data set could be compared; see the errors above.")
    return found


def write_transfer(
    found: Mapping[str, Compared], output: Path, overwrite: bool
) -> tuple[list[TransferMatrix], dict[str, Path]]:
    """Write how each model does on each data set; return the matrices and the files."""
    from napari_virtual_stain.evaluation import transfer_matrix
    from napari_virtual_stain.io import write_transfer_report
    from napari_virtual_stain.io.earlier import check_earlier_summary
    from napari_virtual_stain.io.report import transfer_report_files

    sets = {name: one.sets for name, one in found.items()}
    known = {
        score
        for of_models in sets.values()
        for one in of_models
        for channel in one.channels
        for score in one.scores(channel)
    }
    matrices = [transfer_matrix(sets, score) for score in TRANSFERRED if score in known]
    made_from = {
        "models": list(matrices[0].models),
        "data_sets": {name: one.made_from for name, one in found.items()},
    }
    if not overwrite:
        check_earlier_summary(transfer_report_files(output), made_from)
    links = {name: f"{name}/{one.files['report'].name}" for name, one in found.items()}
    return matrices, write_transfer_report(
        matrices, output, links=links, overwrite=True, made_from=made_from
    )


def _compare_one(
    data: DataSet,
    loaded: Mapping[str, tuple[StainModel, Any]],
    output: Path,
    comparing: Comparing,
    options: PredictOptions,
    overwrite: bool,
) -> Compared:
    from napari_virtual_stain.io import PredictedPair

    pairs: dict[str, list[PredictedPair]] = {}
    failures: list[str] = []
    for name, (model, of_model) in loaded.items():
        pairs[name] = []
        for image, (observed, given) in data.images.items():
            try:
                predicted = _predict(
                    image, given, model, of_model, output / name, comparing, options, overwrite
                )
            except VirtualStainError as error:
                # The others are predicted all the same; a night is not lost for one of them.
                failures.append(f"{image} by {name}: {error}")
                say(f"error: {failures[-1]}")
                continue
            pairs[name].append(PredictedPair(image, observed, predicted))
    return compare_set(pairs, output, comparing, overwrite, failures)


def _predict(
    image: str,
    given: Path,
    model: StainModel,
    of_model: Any,
    folder: Path,
    comparing: Comparing,
    options: PredictOptions,
    overwrite: bool,
) -> Path:
    """Predict one image unless an earlier run has, and return the file of the prediction."""
    from napari_virtual_stain.inference import uncertainty_kinds
    from napari_virtual_stain.io import read_image, stamp
    from napari_virtual_stain.io.records import append_record, read_records

    uncertain = bool(uncertainty_kinds([model]))
    kinds = ["predicted", *["uncertainty"] * uncertain]
    files = {kind: folder / f"{image}.{kind}.ome.tif" for kind in kinds}
    one = OneImage(given, files, overwrite)
    channels = None if options.channels is None else list(options.channels)
    record = {"image": image, "input": stamp(given), "model": of_model, "channels": channels}
    records = read_records(folder / RECORDS)
    if one.is_finished:
        of_image = [each for each in records if each.get("image") == image]
        if not of_image or of_image[-1] != record:
            raise VirtualStainError(
                f"{files['predicted']} is there already, predicted from another image or by "
                "another model, and is left as it is; choose another folder, or ask for it to be "
                "replaced (--overwrite)."
            )
        say(f"{image} was predicted by {folder.name} before.")
        return files["predicted"]
    one.check()
    is_new = not any(file.exists() for file in files.values())
    # Before a file that is new, so that it never lacks what it was made from; after one that is
    # replaced, so that the one before it is never taken for it.
    if is_new:
        append_record(folder / RECORDS, record, anew=not records)
    wanted = replace(options, uncertainty=uncertain)
    one.predict([model], read_image(given, axes=comparing.axes), wanted)
    if not is_new:
        append_record(folder / RECORDS, record, anew=not records)
    return files["predicted"]


def _images(path: Path) -> dict[str, Path]:
    from napari_virtual_stain.io._names import image_name
    from napari_virtual_stain.io.pairs.image_files import image_files

    found = image_files(path) if _is_folder(path) else {image_name(path): path}
    if not found:
        raise VirtualStainError(f"{path} holds no TIFF file and no OME-Zarr.")
    return found


def _is_folder(path: Path) -> bool:
    from napari_virtual_stain.io.pairs.image_files import is_store

    return path.is_dir() and not is_store(path)
