"""One model or several over all frames of an image: each is read, run, and brought back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.events import Event, Notice, Progress, raise_if_stopped
from napari_virtual_stain.inference.ensemble import Mixture
from napari_virtual_stain.inference.fitting import Fit
from napari_virtual_stain.inference.frames import (
    Frame,
    frame,
    image_scalings,
    planes_apart,
    time_points,
)
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.inference.padding import Read
from napari_virtual_stain.inference.plan import TilePlan
from napari_virtual_stain.inference.resampling import resample_region
from napari_virtual_stain.inference.sinks import ArraySink, FrameSink, Sink, check_finite, write
from napari_virtual_stain.inference.units import OutputUnits, to_units
from napari_virtual_stain.inference.windows import WindowPlan
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.normalization import Scaling
from napari_virtual_stain.target import Session

if TYPE_CHECKING:
    from napari_virtual_stain.inference.engine import Engine
    from napari_virtual_stain.inference.planner import Plan

BLOCK = 2**22
"""Voxels that are brought back from the model's grid, or written, at a time."""

SHARE_FOR_INPUT = 8
"""A frame that is slow to read is held in memory if it takes no more than this part of it, and the
memory was not given."""


@dataclass(eq=False)
class Member:
    """One model over an image.

    Parameters
    ----------
    spec : ModelSpec
    whole : Fit
        Not cropped; it is measured as a whole.
    options : PredictOptions
    engine : Engine
    kinds : tuple of str
        The uncertainty maps that it yields and that are wanted.
    """

    spec: ModelSpec
    whole: Fit
    options: PredictOptions
    engine: Engine
    kinds: tuple[str, ...]
    part: Fit = field(init=False)
    _measured: dict[int | None, tuple[Scaling, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.part = self.whole.crop(self.options.crop)

    @property
    def frames(self) -> list[tuple[int, int]]:
        """Time point and plane of each frame."""
        times, planes = time_points(self.part), planes_apart(self.part, self.spec)
        return list(itertools.product(range(times), range(planes)))

    @property
    def grid(self) -> tuple[int, ...]:
        """Sizes of the result of a frame, on the grid of the image."""
        axes = 2 if self.spec.projects else len(self.spec.spatial_axes)
        return self.part.inputs[0].shape[-axes:]

    @property
    def channels(self) -> int:
        """How many predictions and maps it yields for a frame."""
        return len(self.spec.outputs) * (1 + len(self.kinds))

    def scalings(self, time: int) -> tuple[Scaling, ...]:
        """Return how the inputs of a time point are scaled; measured once."""
        how = self.spec.normalization
        first = self.options.crop.get("T", slice(0)).start or 0
        key = None if how.per == "movie" else first + time
        if key not in self._measured:
            # Of a movie, only the scaling of the time point at hand is needed again.
            self._measured = {key: image_scalings(self.whole, how, key)}
        return self._measured[key]

    def frame(self, time: int, plane: int) -> Frame:
        """Return a frame."""
        return frame(self.part, self.spec, self.scalings(time), time, plane)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of a frame on the model's grid; nothing is measured or read for it."""
        return frame(self.part, self.spec, (), 0, 0).sizes

    @property
    def streams(self) -> bool:
        """Whether parts of a frame can be written as they come: it is not resampled."""
        return set(self.part.zooms) == {1.0}


def plan_settled(member: Member, earlier: Mapping[str, Any] | None) -> Plan:
    """Return the plan of a member's frames: that of an earlier run, if there was one."""
    settled = (earlier or {}).get("plan")
    if settled is None:
        return member.engine.plan(member.sizes, member.options.tile)
    member.engine.planner.keeps_blocks = bool(earlier and earlier.get("keeps_blocks"))
    fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in settled.items()}
    return TilePlan(**fields)


def as_json(plan: Plan) -> dict[str, Any] | None:
    """Return what a later run needs to know of a plan, as plain JSON values.

    Of windows it needs nothing: they are the same, whatever the memory.
    """
    if isinstance(plan, WindowPlan):
        return None
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(plan).items()}


def core_of(member: Member, plan: Plan, streamed: bool) -> tuple[int, ...]:
    """Return the sizes of the parts in which results are written, along their last axes."""
    axes = len(member.grid)
    if not streamed:
        return tuple(part.stop for part in next(iter(_blocks(member.grid))))
    if isinstance(plan, WindowPlan):
        return (plan.window.step[0], *plan.size[1:])[-axes:]
    return plan.core[-axes:]


def predict_frames(
    members: Sequence[Member],
    plans: Sequence[Plan],
    kinds: tuple[str, ...],
    with_sigma: Sequence[bool],
    units: Sequence[OutputUnits],
    session: Session,
    axes: str,
) -> Generator[Event, None, None]:
    """Predict all frames of an image; yields `Progress` and `Notice`.

    Parameters
    ----------
    members : sequence of Member
    plans : sequence of TilePlan or WindowPlan
        Of each member.
    kinds : tuple of str
        The uncertainty maps that are wanted.
    with_sigma : sequence of bool
        For each output, whether the members' own σ count.
    units : sequence of OutputUnits
    session : Session
        Receives the results.
    axes : str
        Of the results.
    """
    frames = members[0].frames
    steps = [m.engine.steps(plan) for m, plan in zip(members, plans, strict=True)]
    total = sum(steps) * len(frames)
    streamed = len(members) == 1 and members[0].streams
    for index, (time, plane) in enumerate(frames):
        done = index * sum(steps)
        if streamed:
            member, plan = members[0], plans[0]
            one = member.frame(time, plane)
            sink = FrameSink(
                session, axes, time, plane, member.spec, one.scalings[0], units, member.channels
            )
            yield from _run(member.engine, one, plan, sink, done, total)
            continue
        unit = f"{time}.{plane}"
        if session.is_done(unit):
            yield Progress("Predicting", done + sum(steps), total)
            continue
        mixture = Mixture(kinds, with_sigma)
        for member, plan, count in zip(members, plans, steps, strict=True):
            one = member.frame(time, plane)
            values = yield from _whole_frame(member, one, plan, session, done, total)
            to_units(values, member.spec, one.scalings[0], units)
            done += count
            if len(members) > 1:
                mixture.add(values[None, None], member.kinds)
        if len(members) > 1:
            values = mixture.result()[0, 0]
        for region in _blocks(values.shape[1:]):
            raise_if_stopped()
            block = np.array(values[(slice(None), *region)])
            write(session, axes, (time, plane), region, block, len(units))
        session.finished(unit)


def _whole_frame(
    member: Member, one: Frame, plan: Plan, session: Session, done: int, total: int
) -> Generator[Event, None, np.ndarray]:
    """Predict a frame into one array on the image's grid, in network units."""
    axes = len(member.grid)
    at_model = session.scratch((member.channels, *one.sizes[-axes:]))
    yield from _run(member.engine, one, plan, ArraySink(at_model), done, total)
    for values in at_model:
        check_finite(values)
    if not one.is_resampled:
        return at_model
    result = session.scratch((member.channels, *member.grid))
    back = tuple(1 / zoom for zoom in one.zooms[-axes:])
    for region in _blocks(member.grid):
        raise_if_stopped()
        result[(slice(None), *region)] = resample_region(
            _reader(at_model), region, at_model.shape[1:], back, member.grid
        )
    return result


def _run(
    engine: Engine, one: Frame, plan: Plan, sink: Sink, done: int, total: int
) -> Generator[Event, None, None]:
    """Run a frame; yields the progress of it."""
    slow = not one.is_in_memory
    read: Read = one.read
    needed = 4 * engine.in_channels * math.prod(one.sizes)
    holds = not engine.budget.is_limited and needed <= engine.budget.memory // SHARE_FOR_INPUT
    if slow and not plan.is_whole and holds:
        # The same planes are not decoded, scaled and resampled again for every tile.
        read, slow = _reader(one.read_whole()), False
    raw = one.raw if read == one.read else None
    for said in engine.run(read, one.sizes, plan, sink, ahead=slow, raw=raw):
        if isinstance(said, Notice):
            yield said
        else:
            done += 1
            yield Progress("Predicting", done, total)


def _blocks(sizes: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield regions of about `BLOCK` voxels that cover a frame, cut along its slow axes first."""
    lengths = list(sizes)
    for axis in range(len(lengths)):
        rest = math.prod(lengths[axis + 1 :])
        lengths[axis] = max(1, min(lengths[axis], BLOCK // rest))
        if lengths[axis] > 1:
            break
    starts = (range(0, n, length) for n, length in zip(sizes, lengths, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + length, n))
            for first, length, n in zip(corner, lengths, sizes, strict=True)
        )


def _reader(whole: np.ndarray) -> Read:
    return lambda region: whole[(slice(None), *region)]
