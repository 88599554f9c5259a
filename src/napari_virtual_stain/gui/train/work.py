"""The work behind the buttons: check the pairs, train, keep the model. Generators of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_stain.events import Progress, Work, raise_if_stopped
from napari_virtual_stain.gui.train.naming import file_stem
from napari_virtual_stain.gui.train.plan import PairPlan, training_pair
from napari_virtual_stain.gui.train.request import Request
from napari_virtual_stain.gui.train.unfinished import is_on, new_run_file
from napari_virtual_stain.model import ModelSpec

if TYPE_CHECKING:
    from napari_virtual_stain.training import TrainOptions
    from napari_virtual_stain.training.checks import Finding
    from napari_virtual_stain.training.control import Control
    from napari_virtual_stain.training.pairs import TrainingPair
    from napari_virtual_stain.training.preview import BatchPreview

SAVING = "Saving the model"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Pairs that have been read and checked.

    Parameters
    ----------
    request : Request
    pairs : tuple of TrainingPair
        Those to learn from, then those to score on.
    findings : tuple of Finding
        What the checks have found; they count pairs through `pairs`.
    """

    request: Request
    pairs: tuple[TrainingPair, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training came to.

    Parameters
    ----------
    path : Path
        Of the model, in the model folder.
    spec : ModelSpec
    seconds : float
    """

    path: Path
    spec: ModelSpec
    seconds: float


def prepare(request: Request, folder: Path) -> Work[Prepared]:
    """Read the pairs and check them, and whether a model can be kept; a generator of events.

    Parameters
    ----------
    request : Request
    folder : Path
        The model folder.
    """
    from napari_virtual_stain.io import check_writable
    from napari_virtual_stain.training.checks import Finding, check_pairs_events
    from napari_virtual_stain.training.split_warnings import split_warnings

    # Under a name that no model has.
    check_writable(new_run_file(folder, file_stem(request.options.name)))
    pairs = yield from _read(request)
    findings = yield from check_pairs_events(pairs, request.options)
    learned, scored = pairs[: len(request.pairs)], pairs[len(request.pairs) :]
    flattering = [
        Finding(0, True, notice.text) for notice in split_warnings(learned, {}, {}, scored)
    ]
    return Prepared(request, pairs, (*findings, *flattering))


def train(
    prepared: Prepared,
    correct: Sequence[Finding],
    control: Control,
    run_file: Path,
    folder: Path,
) -> Work[Trained]:
    """Train and put the model into the model folder; a generator of events.

    Parameters
    ----------
    prepared : Prepared
    correct : sequence of Finding
        What is to be corrected.
    control : Control
    run_file : Path
        Where the training is kept while it runs. It goes when the model is safe.
    folder : Path
        The model folder.
    """
    yield Progress("Starting", 0, 0)
    with is_on(run_file):
        return (yield from _trained(prepared, correct, control, run_file, folder))


def _trained(
    prepared: Prepared,
    correct: Sequence[Finding],
    control: Control,
    run_file: Path,
    folder: Path,
) -> Work[Trained]:
    # torch is loaded here, in the thread.
    from napari_virtual_stain.io import RunFile, store_model
    from napari_virtual_stain.training import train_events
    from napari_virtual_stain.training.checks import corrected_as_found

    begin = time.perf_counter()
    pairs, options = _given(prepared.request, corrected_as_found(prepared.pairs, correct))
    keeper = RunFile(run_file)
    model = yield from train_events(pairs, options, control=control, keeper=keeper)
    yield Progress(SAVING, 0, 0)
    raise_if_stopped()
    path = store_model(model, file_stem(model.spec.name), folder)
    keeper.done()
    return Trained(path, model.spec, time.perf_counter() - begin)


def preview(request: Request) -> Work[BatchPreview]:
    """Return what a batch looks like; a generator of events."""
    yield Progress("Making a batch", 0, 0)
    from napari_virtual_stain.training import preview_events

    pairs = yield from _read(request)
    given, options = _given(request, pairs)
    return (yield from preview_events(given, options))


def estimate(request: Request) -> Work[float]:
    """Return the seconds that all steps take on this device; a generator of events."""
    from napari_virtual_stain.training.estimate import seconds_per_step

    options = _with_start(request)
    source, target = request.pairs[0].sources[0], request.pairs[0].targets[0]
    each = yield from seconds_per_step(
        options,
        in_channels=len(request.inputs),
        out_channels=len(request.targets),
        planes=1 if "Z" in target.axes else source.sizes.get("Z", 1),
    )
    return each * request.recipe.steps


def recover(run_file: Path, folder: Path) -> Callable[[], Work[Trained]]:
    """Return work that puts the best model of an unfinished run into the model folder."""

    def work() -> Work[Trained]:
        yield Progress(SAVING, 0, 0)
        from napari_virtual_stain.io import recover_model, store_model

        begin = time.perf_counter()
        model = recover_model(run_file)
        path = store_model(model, file_stem(model.spec.name), folder)
        run_file.unlink(missing_ok=True)
        return Trained(path, model.spec, time.perf_counter() - begin)

    return work


def offsets(request: Request, correct: Sequence[Finding]) -> dict[int, dict[str, int]]:
    """Return where the scored pairs begin in their layers (px), of those that are corrected."""
    from napari_virtual_stain.training.correcting import shared

    shifts = {finding.pair: finding.shift for finding in correct if finding.shift is not None}
    begin = len(request.pairs) if request.validation else 0
    return {
        position: {
            axis: int(shared(plan.targets[0].sizes[axis], round(by))[1].start)
            for axis, by in shifts[begin + position].items()
        }
        for position, plan in enumerate(request.scored)
        if begin + position in shifts
    }


def _read(request: Request) -> Work[tuple[TrainingPair, ...]]:
    plans: Sequence[PairPlan] = (*request.pairs, *request.validation)
    pairs = []
    for position, plan in enumerate(plans):
        yield Progress("Reading pairs", position, len(plans))
        pairs.append(training_pair(plan))
    return tuple(pairs)


def _given(
    request: Request, pairs: Sequence[TrainingPair]
) -> tuple[list[TrainingPair], TrainOptions]:
    """Return the pairs to learn from, and the options with all that has to be read."""
    options = replace(_with_start(request), validation=list(pairs[len(request.pairs) :]))
    return list(pairs[: len(request.pairs)]), options


def _with_start(request: Request) -> TrainOptions:
    if request.start is None:
        return request.options
    from napari_virtual_stain.io import load_model_file

    return replace(request.options, start=load_model_file(request.start))
