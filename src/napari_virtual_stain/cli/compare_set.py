"""Images and their predictions by one model or several, image by image, and then as a set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.cli.comparing import Comparing
from napari_virtual_stain.cli.feature_set import measure_set
from napari_virtual_stain.cli.output import say
from napari_virtual_stain.errors import VirtualStainError

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison, SetScores
    from napari_virtual_stain.io import PredictedPair

Scores = Mapping[str, Mapping[str, Any]]
"""What ``metrics.json`` says of an image, by channel."""


@dataclass(frozen=True)
class Compared:
    """What comparing a set came to.

    Parameters
    ----------
    sets : list of SetScores
        One for each model that could be compared.
    files : dict of str to Path
        Of the report of the set.
    made_from : mapping
        What tells it from a set of other files.
    failures : list of str
        Of images that could not be compared, or measured.
    features : mapping of str to FeatureComparison
        By model, of the cells of all images; empty where they were not asked for.
    """

    sets: list[SetScores]
    files: dict[str, Path]
    made_from: dict[str, Any]
    failures: list[str]
    features: Mapping[str, FeatureComparison] = field(default_factory=dict)


def folder_pairs(observed: Path, predicted: Sequence[Path]) -> dict[str, list[PredictedPair]]:
    """Return by the name of each folder of predictions which of its files belong to which image.

    Raises
    ------
    VirtualStainError
        If nothing can be paired, or two folders cannot be told apart.
    """
    names = _names(predicted)
    return {name: _pairs(observed, one) for name, one in zip(names, predicted, strict=True)}


def compare_set(
    pairs: Mapping[str, Sequence[PredictedPair]],
    output: Path,
    comparing: Comparing,
    overwrite: bool,
    failures: Sequence[str] = (),
) -> Compared:
    """Compare the images of a set, and write a report of each and of all.

    An image whose report is there already, made from the same files and options, is taken over.

    Parameters
    ----------
    pairs : mapping of str to sequence of PredictedPair
        By model.
    output : Path
        The report of the set is written here, and that of an image into a folder of its name, of
        several models within folders of theirs.
    comparing : Comparing
    overwrite : bool
    failures : sequence of str
        Of images that could not be predicted.

    Raises
    ------
    VirtualStainError
        If a file would be replaced, or no image could be compared.
    """
    from napari_virtual_stain.evaluation import SetScores, mean_tolerance, single_values
    from napari_virtual_stain.io import write_set_report
    from napari_virtual_stain.io.earlier import check_earlier_summary
    from napari_virtual_stain.io.report import set_report_files

    made_from = {"models": list(pairs), "digest": _digest(pairs, comparing)}
    if not overwrite:
        check_earlier_summary(set_report_files(output), made_from)
    told = list(failures)
    scores: dict[str, dict[str, Scores]] = {name: {} for name in pairs}
    links, taken = {}, 0
    for model, of_model in pairs.items():
        for pair in of_model:
            place = Path(model, pair.name) if len(pairs) > 1 else Path(pair.name)
            try:
                found, is_earlier = _one(pair, output / place, comparing, overwrite)
            except VirtualStainError as error:
                # The others are compared all the same.
                told.append(f"{pair.predicted.name}: {error}")
                say(f"error: {told[-1]}")
                continue
            scores[model][pair.name] = found
            links[model, pair.name] = (place / "report.html").as_posix()
            taken += is_earlier
            again = " (compared before)" if is_earlier else ""
            say(f"{place.as_posix()}: {_told(found)}{again}")
    if taken:
        total = sum(map(len, pairs.values()))
        say(
            f"note: {taken} of {total} images were compared by an earlier run, of the same files "
            "and options, and are taken over (--overwrite compares them anew)."
        )
    common = _common(scores)
    sets = [
        SetScores(
            model,
            tuple(common),
            tuple(
                {name: single_values(one) for name, one in of_model[image].items()}
                for image in common
            ),
            {
                name: mean_tolerance([one["tolerance_curve"] for one in of_channel])
                for name, of_channel in _by_channel(of_model, common).items()
            },
        )
        for model, of_model in scores.items()
        if of_model
    ]
    sets = _with_random_pixels(sets, pairs, comparing)
    features = {}
    if comparing.features is not None:
        common_pairs = {
            one.model: [pair for pair in pairs[one.model] if pair.name in common] for one in sets
        }
        features = measure_set(common_pairs, output, comparing, comparing.features, overwrite, told)
    # A report that is there was made from the same, or may be replaced.
    files = write_set_report(
        sets, output, links=links, features=features, overwrite=True, made_from=made_from
    )
    return Compared(sets, files, made_from, told, features)


def _digest(pairs: Mapping[str, Sequence[PredictedPair]], comparing: Comparing) -> str:
    """Return what is the same for the same files and options."""
    all_of_it = {
        model: [comparing.made_from(pair.observed, pair.predicted) for pair in of_model]
        for model, of_model in pairs.items()
    }
    return hashlib.sha256(json.dumps(all_of_it).encode()).hexdigest()


def _one(
    pair: PredictedPair, place: Path, comparing: Comparing, overwrite: bool
) -> tuple[Scores, bool]:
    """Return the scores of an image, and whether an earlier run has found them."""
    from napari_virtual_stain.evaluation import metrics_json
    from napari_virtual_stain.io import earlier_report, write_report

    made_from = comparing.made_from(pair.observed, pair.predicted)
    earlier = None if overwrite else earlier_report(place, made_from)
    if earlier is not None:
        return earlier["channels"], True
    comparison = comparing.compare(pair.observed, pair.predicted)
    write_report(comparison, place, overwrite=overwrite, made_from=made_from)
    scores: Scores = metrics_json(comparison)["channels"]
    return scores, False


def _common(scores: Mapping[str, Mapping[str, Scores]]) -> list[str]:
    """Return the images that all models have, as models are compared by these."""
    some = {model: of_model for model, of_model in scores.items() if of_model}
    if not some:
        raise VirtualStainError("no image could be compared; see the errors above.")
    for model in scores.keys() - some.keys():
        say(f"note: no image of {model} could be compared, so it is left out.")
    first, *others = some.values()
    common = [name for name in first if all(name in one for one in others)]
    if not common:
        raise VirtualStainError("no image could be compared for all models; see the errors above.")
    return common


def _by_channel(
    of_model: Mapping[str, Scores], images: Sequence[str]
) -> dict[str, list[Mapping[str, Any]]]:
    names = dict.fromkeys(name for image in images for name in of_model[image])
    return {
        name: [of_model[image][name] for image in images if name in of_model[image]]
        for name in names
    }


def _with_random_pixels(
    sets: Sequence[SetScores], pairs: Mapping[str, Sequence[PredictedPair]], comparing: Comparing
) -> list[SetScores]:
    """Add r of random pixels; the images are read once more, one at a time."""
    from napari_virtual_stain.evaluation import PixelDraws, Positions, paired_pixels

    # Channels and models mostly have the same pixels, and so the same positions.
    positions: dict[tuple[int, ...], Positions] = {}
    result = []
    for one in sets:
        sizes = {
            name: tuple(metrics[name]["pixels"] for metrics in one.metrics if name in metrics)
            for name in one.channels
        }
        for of_channel in sizes.values():
            if of_channel not in positions:
                positions[of_channel] = Positions(of_channel)
        draws = {name: PixelDraws(positions[of_channel]) for name, of_channel in sizes.items()}
        files = {pair.name: (pair.observed, pair.predicted) for pair in pairs[one.model]}
        for image in one.images:
            for name, observed, predicted, mask in paired_pixels(*comparing.read(*files[image])):
                draws[name].add(observed, predicted, mask)
        result.append(replace(one, sampled={name: one.result() for name, one in draws.items()}))
    return result


def _pairs(observed: Path, predicted: Path) -> list[PredictedPair]:
    from napari_virtual_stain.io import predicted_pairs

    pairs, alone = predicted_pairs(observed, predicted)
    if alone:
        say(f"note: {len(alone)} observed images have no prediction in {predicted}: {alone[0]} …")
    return pairs


def _names(predicted: Sequence[Path]) -> list[str]:
    names = [folder.resolve().name for folder in predicted]
    if len(set(names)) < len(names):
        # Such as a/predicted and b/predicted.
        names = [f"{folder.resolve().parent.name}-{folder.resolve().name}" for folder in predicted]
    if len(set(names)) < len(names):
        raise VirtualStainError("the two folders of predictions are called alike; rename one.")
    return names


def _told(scores: Scores) -> str:
    return ", ".join(
        f"{name} r {'not defined' if one['pearson_r'] is None else format(one['pearson_r'], '.3f')}"
        for name, one in scores.items()
    )
