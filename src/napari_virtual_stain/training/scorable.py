"""What can be scored of what is held out: of a constant target, there is no correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.fields import Field
from napari_virtual_stain.training.lazy import whole


def scorable(
    spec: ModelSpec, fields: Sequence[Field], examples: Sequence[Example]
) -> tuple[list[Example], list[Notice]]:
    """Return examples without what cannot be scored, and what a person should know about it.

    Parameters
    ----------
    spec : ModelSpec
    fields : sequence of Field
        By their position, for the sentences.
    examples : sequence of Example
        What is held out, in memory.

    Returns
    -------
    examples : list of Example
        Where a target is constant in one, it does not count there.
    notices : list of Notice
        How many do not count.

    Raises
    ------
    VirtualStainError
        If nothing can be scored, or of a target not any example.
    """
    if not examples:
        raise VirtualStainError(
            "there is nothing to score on; mark a validation region in one of the pairs, or name "
            "validation pairs."
        )
    flat = np.array([_constant(example) for example in examples])  # NaN where nothing counts
    if np.isnan(flat).all():
        raise VirtualStainError(
            "no pixel of any target counts in the validation part, so nothing can be scored; "
            "annotate some there, or choose another validation part."
        )
    notices = []
    for position, output in enumerate(spec.outputs):
        constant, known = flat[:, position] == 1, ~np.isnan(flat[:, position])
        if not constant.any():
            continue
        if (constant == known).all():
            place = examples[int(np.argmax(constant))].place
            assert place is not None
            raise VirtualStainError(
                f"the target {_called(fields, place.pair, position, output.name)} is constant "
                "in the validation part, so nothing can be scored there; name another part "
                "with a validation crop."
            )
        notices.append(
            Notice(
                f"{constant.sum()} of {known.sum()} images or planes that are held out show "
                f"nothing of {output.name}, and do not count in its score."
            )
        )
    left = [
        _without(example, constant == 1) for example, constant in zip(examples, flat, strict=True)
    ]
    return [one for one in left if one.weight is None or whole(one.weight).any()], notices


def _constant(example: Example) -> list[float]:
    """Return for each output whether what counts of it is constant; NaN where nothing counts."""
    target = whole(example.target)
    counts = None if example.weight is None else whole(example.weight)
    found = []
    for position, values in enumerate(target):
        counted = values if counts is None else values[counts[position]]
        found.append(float(np.ptp(counted) == 0) if counted.size else np.nan)
    return found


def _without(example: Example, outputs: np.ndarray) -> Example:
    """Return an example in which these outputs do not count."""
    if not outputs.any():
        return example
    shape = example.target.shape
    weight = np.ones(shape, bool) if example.weight is None else whole(example.weight).copy()
    weight[outputs] = False
    return replace(example, weight=weight)


def _called(fields: Sequence[Field], pair: int, output: int, name: str) -> str:
    target = fields[pair].targets[output] if pair < len(fields) else None
    return name if target is None else f"{target.image.name} ({name})"
