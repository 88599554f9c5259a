"""Folders of predictions, image by image, and then as a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.cli.output import say
from napari_virtual_stain.errors import VirtualStainError

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import Comparison, SetScores
    from napari_virtual_stain.io import PredictedPair

Compare = Callable[[Path, Path], "Comparison"]
"""Reads an observed and a predicted image, and compares them."""


@dataclass(frozen=True)
class Compared:
    """What comparing folders came to.

    Parameters
    ----------
    sets : list of SetScores
    files : dict of str to Path
        Of the report of the set.
    failures : list of str
        Of images that could not be compared.
    """

    sets: list[SetScores]
    files: dict[str, Path]
    failures: list[str]


def compare_folders(
    observed: Path, predicted: Sequence[Path], output: Path, compare: Compare, overwrite: bool
) -> Compared:
    """Compare the images of folders, and write a report of each and of all.

    Parameters
    ----------
    observed : Path
        Folder of observed images.
    predicted : sequence of one or two Path
        Folders of predictions.
    output : Path
        The report of the set is written here, and that of an image into a folder of its name, of
        two models within folders of theirs.
    compare : callable
    overwrite : bool

    Raises
    ------
    VirtualStainError
        If nothing can be paired, two folders are of different images, a file would be replaced,
        or no image could be compared.
    """
    from napari_virtual_stain.evaluation import SetScores, single_scores
    from napari_virtual_stain.io import write_report, write_set_report
    from napari_virtual_stain.io.report import refuse_earlier_report, set_report_files

    names = _names(predicted)
    pairs = {name: _pairs(observed, folder) for name, folder in zip(names, predicted, strict=True)}
    if not overwrite:
        refuse_earlier_report(output, list(set_report_files(output).values()))
    scores: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in names}
    links, failures = {}, []
    for model, of_model in pairs.items():
        for pair in of_model:
            place = Path(model, pair.name) if len(names) > 1 else Path(pair.name)
            try:
                comparison = compare(pair.observed, pair.predicted)
                write_report(comparison, output / place, overwrite=overwrite)
            except VirtualStainError as error:
                # The others are compared all the same.
                failures.append(f"{pair.predicted.name}: {error}")
                say(f"error: {failures[-1]}")
                continue
            scores[model][pair.name] = single_scores(comparison)
            links[model, pair.name] = (place / "report.html").as_posix()
            say(f"{place.as_posix()}: {_told(comparison)}")
    # Two models are compared by what both have.
    common = [name for name in scores[names[0]] if all(name in of for of in scores.values())]
    if not common:
        raise VirtualStainError("no image could be compared; see the errors above.")
    sets = [
        SetScores(name, tuple(common), tuple(scores[name][image] for image in common))
        for name in names
    ]
    return Compared(
        sets, write_set_report(sets, output, links=links, overwrite=overwrite), failures
    )


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


def _told(comparison: Comparison) -> str:
    return ", ".join(
        f"{name} r {scores['pearson_r']:.3f}" for name, scores in comparison.metrics.items()
    )
