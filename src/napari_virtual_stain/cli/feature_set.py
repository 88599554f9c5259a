"""Features of cells of one image, or of a set: image by image, and then over all cells."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_stain.cli.comparing import Comparing
from napari_virtual_stain.cli.feature_options import FeatureOptions
from napari_virtual_stain.cli.output import drive, say
from napari_virtual_stain.errors import VirtualStainError

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison
    from napari_virtual_stain.evaluation.features.limits import GreyLimits
    from napari_virtual_stain.io import PredictedPair


def measure_image(
    observed: Path,
    predicted: Path,
    comparing: Comparing,
    options: FeatureOptions,
    limits: GreyLimits | None = None,
) -> FeatureComparison:
    """Measure the cells of an image in what was observed and what was predicted."""
    from napari_virtual_stain.evaluation import compare_features_events

    seen, made, mask = comparing.read(observed, predicted)
    files = options.labels_of(observed)
    labels = {what: comparing.labels(path) for what, path in files.items()}
    work = compare_features_events(
        seen,
        made,
        labels.get("nuclei"),
        labels.get("cells"),
        nuclear_channel=options.nuclear_channel,
        nucleus_diameter=options.nucleus_diameter,
        limits=limits,
        mask=mask,
    )
    return drive(work, "Measuring")


def measure_set(
    pairs: Mapping[str, Sequence[PredictedPair]],
    output: Path,
    comparing: Comparing,
    options: FeatureOptions,
    overwrite: bool,
    failures: list[str],
) -> dict[str, FeatureComparison]:
    """Measure the images of a set, and write the features of each and of all.

    An image whose features are there already, of the same files and options, is taken over.

    Parameters
    ----------
    pairs : mapping of str to sequence of PredictedPair
        By model, of the same images.
    output : Path
        As that of `compare_set`.
    comparing : Comparing
    options : FeatureOptions
    overwrite : bool
    failures : list of str
        To which images are added that could not be measured.

    Returns
    -------
    dict of str to FeatureComparison
        By model, of the cells of all images; a model of which none could be measured is absent.

    Raises
    ------
    VirtualStainError
        If a file would be replaced.
    """
    from napari_virtual_stain.evaluation import pool_features
    from napari_virtual_stain.io import write_features
    from napari_virtual_stain.io.earlier import check_earlier_summary
    from napari_virtual_stain.io.feature_report import POOLED_FILES

    several = len(pairs) > 1
    limits = _joint_limits([pair for of_model in pairs.values() for pair in of_model], comparing)
    found: dict[str, FeatureComparison] = {}
    for model, of_model in pairs.items():
        folder = output / model if several else output
        made_from = {"digest": _digest(of_model, comparing, options, limits)}
        files = {what: folder / name for what, name in POOLED_FILES.items()}
        if not overwrite:
            check_earlier_summary(files, made_from)
        measured = []
        for pair in of_model:
            try:
                measured.append(
                    _one(pair, folder / pair.name, comparing, options, limits, overwrite)
                )
            except VirtualStainError as error:
                # The others are measured all the same.
                failures.append(f"{pair.predicted.name}: {error}")
                say(f"error: {failures[-1]}")
        if measured:
            found[model] = pool_features(measured)
            # What is there was made from the same, or may be replaced.
            write_features(found[model], folder, overwrite=True, made_from=made_from)
    return found


def _one(
    pair: PredictedPair,
    place: Path,
    comparing: Comparing,
    options: FeatureOptions,
    limits: GreyLimits,
    overwrite: bool,
) -> FeatureComparison:
    from napari_virtual_stain.io import earlier_features, write_features

    made_from = _made_from(pair, comparing, options, limits)
    earlier = None if overwrite else earlier_features(place, made_from)
    if earlier is not None:
        say(f"{pair.name}: features of {earlier.counted} (measured before)")
        return earlier
    found = measure_image(pair.observed, pair.predicted, comparing, options, limits)
    # Under the name that the set has for it.
    blocks = tuple(
        replace(one, objects=tuple(each._replace(image=pair.name) for each in one.objects))
        for one in found.blocks
    )
    found = replace(found, images=(pair.name,), blocks=blocks)
    write_features(found, place, overwrite=overwrite, made_from=made_from)
    say(f"{pair.name}: features of {found.counted}, {median_said(found.median_r())}")
    # Pixels of a whole set are not kept.
    return replace(found, labels={}, shown=None)


def median_said(r: float) -> str:
    """Return a median of r for a person."""
    return "no r is defined" if math.isnan(r) else f"median r {r:.3f}"


def _made_from(
    pair: PredictedPair, comparing: Comparing, options: FeatureOptions, limits: GreyLimits
) -> dict[str, object]:
    return {
        **comparing.made_from(pair.observed, pair.predicted),
        "features": options.made_from(pair.observed, limits),
    }


def _digest(
    pairs: Sequence[PredictedPair],
    comparing: Comparing,
    options: FeatureOptions,
    limits: GreyLimits,
) -> str:
    """Return what is the same for the same files and options."""
    all_of_it = []
    for pair in pairs:
        try:
            all_of_it.append(_made_from(pair, comparing, options, limits))
        except VirtualStainError as error:
            # It is said when the image is measured.
            all_of_it.append({"error": str(error)})
    return hashlib.sha256(json.dumps(all_of_it).encode()).hexdigest()


def _joint_limits(pairs: Sequence[PredictedPair], comparing: Comparing) -> GreyLimits:
    """Return grey limits for all images; each observed one is read once for them."""
    from napari_virtual_stain.evaluation.features import joint_limits, observed_limits

    first = {pair.name: pair for pair in pairs}
    return joint_limits(
        observed_limits(comparing.read(pair.observed, pair.predicted)[0]) for pair in first.values()
    )
