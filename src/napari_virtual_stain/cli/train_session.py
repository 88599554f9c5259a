"""One run of a training: where it is kept, resumed from, logged, and what Ctrl-C leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from napari_virtual_stain.cli.output import say
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Result, Work

if TYPE_CHECKING:
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.io import RunFile


class Log(Protocol):
    """Writes events."""

    def add(self, event: Event) -> None:
        """Write one."""

    def close(self) -> None:
        """Write the rest."""


def check_unfinished(run: RunFile, output: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to begin anew where an unfinished training would be lost.

    Raises
    ------
    VirtualStainError
        If there is one, and it is neither to be resumed nor discarded.
    """
    if run.exists and not (resume or overwrite):
        raise VirtualStainError(
            f"{run.path} is an unfinished training of {output.name}; go on with it (--resume), or "
            "discard it (--overwrite)."
        )
    if resume and not run.exists:
        say(f"there is no unfinished training of {output.name}; it begins anew.")


@contextmanager
def kept_when_interrupted(run: RunFile) -> Iterator[None]:
    """Say after Ctrl-C how the training goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if run.exists:
            say(f"the training is kept in {run.path}; the same command with --resume goes on.")
        raise


def logged(work: Work[Result], log: Log) -> Work[Result]:
    """Do `work`, and write its events."""
    try:
        while True:
            event = next(work)
            log.add(event)
            yield event
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()
        log.close()


def output_names(pairs: Sequence[tuple[Image, Image]]) -> list[str]:
    """Return the names of what will be predicted: the targets in the order of their appearance."""
    names: dict[str, None] = {}
    for _, target in pairs:
        names |= dict.fromkeys(target.channels or ["target"])
    return list(names)
