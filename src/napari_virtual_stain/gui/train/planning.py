"""From layers that are chosen to the plan of a pair."""

from __future__ import annotations

from collections.abc import Sequence

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layers import Layer, Source
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.regions import polygons_on
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.offers import is_labels, read
from napari_virtual_stain.gui.train.picks import PairPicks, called
from napari_virtual_stain.gui.train.placement import lies_elsewhere
from napari_virtual_stain.gui.train.plan import PairPlan, Polygons
from napari_virtual_stain.image import Image


def plan_of(
    form: Form,
    pair: PairPicks,
    inputs: Sequence[str],
    targets: Sequence[str],
    notices: list[Notice],
) -> PairPlan:
    """Return a pair that is complete as a plan.

    Parameters
    ----------
    form : Form
    pair : PairPicks
    inputs, targets : sequence of str
        Names of the channels.
    notices : list of Notice
        Gets what has to be assumed about the layers.

    Raises
    ------
    VirtualStainError
        If its layers cannot be read, or make no pair.
    """
    sources = [_read(form, pick) for pick in pair.inputs]
    there = [
        (name, channel, pick, _read(form, pick))
        for name, channel, pick in zip(targets, form.targets, pair.targets, strict=True)
        if pick.layer is not None
    ]
    for _, _, pick, _ in there:
        if pick in pair.inputs:
            raise VirtualStainError(
                f"{called(pick)} is both an input and a target of a pair; choose another layer or "
                "channel."
            )
    for source in (*sources, *(source for *_, source in there)):
        notices += source.notices
    images = _on_one_grid(
        [_named(s, p, n) for s, p, n in zip(sources, pair.inputs, inputs, strict=True)]
    )
    channels = _on_one_grid([_named(source, pick, name) for name, _, pick, source in there])
    first = there[0][3]
    return PairPlan(
        sources=tuple(images),
        targets=tuple(channels),
        painted={name: c.unpainted for name, c, pick, _ in there if is_labels(pick.layer)},
        place=Geometry.of(first.layer, first.axes).keep(channels[0].axes),
        learn=_polygons(form.learn_in, first.layer),
        score=_polygons(form.score_in, first.layer),
        elsewhere=_elsewhere([*sources, *(source for *_, source in there)]),
    )


def _elsewhere(sources: Sequence[Source]) -> tuple[tuple[str, str, str], ...]:
    layers = {source.layer: source.axes for source in sources}
    first, *others = [(str(layer.name), Geometry.of(layer, layers[layer])) for layer in layers]
    found = [(name, first[0], lies_elsewhere(first[1], place)) for name, place in others]
    return tuple(one for one in found if one[-1])


def _polygons(shapes: Layer | None, layer: Layer) -> Polygons | None:
    return None if shapes is None else tuple(polygons_on(shapes, layer))


def _on_one_grid(channels: list[Image]) -> list[Image]:
    first = channels[0]
    for other in channels[1:]:
        if other.sizes != first.sizes:
            raise VirtualStainError(
                f"{first.name} ({size_text(first)}) and {other.name} ({size_text(other)}) are "
                "channels of one pair and must be of one size."
            )
    return channels


def _named(source: Source, pick: Pick, name: str) -> Image:
    return source.image.channel(pick.channel).replace(channels=(name,))


def _read(form: Form, pick: Pick) -> Source:
    return read(pick.layer, form.axes.get(pick.layer, ""))


def called_in(form: Form, pick: Pick) -> str:
    """Return what the channel that is picked is called, by itself or by its layer."""
    image = _read(form, pick).image
    named = image.channels and pick.channel < len(image.channels)
    return image.channels[pick.channel] if named else called(pick)


def is_unread(form: Form, pick: Pick) -> bool:
    """Whether a layer cannot be read; why not is said later."""
    try:
        _read(form, pick)
    except VirtualStainError:
        return True
    return False


def size_text(image: Image) -> str:
    """Return the sizes of an image as people write them: ``Y 512 × X 512``."""
    return " × ".join(f"{axis} {n}" for axis, n in image.sizes.items())
