"""What a training tells while it runs, as a table or for TensorBoard."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Losses
from napari_virtual_stain.io._atomic import KEPT, disk_errors
from napari_virtual_stain.io.records import write_text

LogKind = Literal["csv", "tensorboard", "both"]
TABLE = "losses.csv"
FIRST_COLUMNS = ["step", "training_loss"]


class _Log(Protocol):
    def begin(self, step: int) -> None: ...
    def add(self, losses: Losses) -> None: ...
    def close(self) -> None: ...


class TrainingLog:
    """Writes the losses of a training as they come.

    ``losses.csv`` has the columns ``step``, ``training_loss`` and, for each output, ``validation_r
    NAME``, which is empty where nothing was scored. Where a training that was interrupted goes
    on, what an earlier run wrote of the same steps is replaced.

    Parameters
    ----------
    folder : path-like
        Made where it does not exist.
    kind : {"csv", "tensorboard", "both"}
    outputs : sequence of str
        Names of what is predicted.
    resumes : bool
        Whether an earlier log is gone on with.
    overwrite : bool
        Whether an earlier log may be replaced, where it is not gone on with.

    Raises
    ------
    VirtualStainError
        If there is a log already, or TensorBoard is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        kind: LogKind,
        outputs: Sequence[str],
        *,
        resumes: bool = False,
        overwrite: bool = False,
    ) -> None:
        folder = Path(folder).expanduser()
        kinds = ("csv", "tensorboard") if kind == "both" else (kind,)
        makers: dict[str, Callable[[], _Log]] = {
            "csv": lambda: _Table(folder / TABLE, outputs, resumes),
            "tensorboard": lambda: _Board(folder, outputs, resumes),
        }
        if not (resumes or overwrite):
            _refuse_existing(folder, kinds)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._logs = [makers[one]() for one in kinds]
        self._folder = folder
        self._began = False

    def add(self, event: Event) -> None:
        """Write an event if it tells losses.

        Raises
        ------
        VirtualStainError
            If it cannot be written.
        """
        if not isinstance(event, Losses):
            return
        with disk_errors(self._folder):
            for log in self._logs:
                if not self._began:
                    log.begin(event.step)
                log.add(event)
            self._began = True

    def close(self) -> None:
        """Write what is still to be written, and let go of the files."""
        with disk_errors(self._folder):
            for log in self._logs:
                log.close()


class _Table:
    def __init__(self, path: Path, outputs: Sequence[str], resumes: bool) -> None:
        self._path, self._outputs, self._resumes = path, outputs, resumes
        self._file: IO[str] | None = None

    def begin(self, step: int) -> None:
        header = [*FIRST_COLUMNS, *(f"validation_r {name}" for name in self._outputs)]
        rows = _rows_before(self._path, step) if self._resumes else []
        write_text(self._path, _lines([header, *rows]))
        self._file = open(self._path, "a", encoding="utf-8", newline="")  # noqa: SIM115

    def add(self, losses: Losses) -> None:
        assert self._file is not None
        scores = [_number(score) for score in losses.validation] or [""] * len(self._outputs)
        self._file.write(_lines([[str(losses.step), _number(losses.training), *scores]]))
        # A training that was killed goes on after the step that was kept; no row before may lack.
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Board:
    def __init__(self, folder: Path, outputs: Sequence[str], resumes: bool) -> None:
        self._writer_class = _summary_writer()
        self._folder, self._outputs, self._resumes = folder, outputs, resumes
        self._writer: Any = None

    def begin(self, step: int) -> None:
        if not self._resumes:
            for old in _board_files(self._folder):
                old.unlink()
        self._writer = self._writer_class(self._folder, purge_step=step)

    def add(self, losses: Losses) -> None:
        self._writer.add_scalar("loss/training", losses.training, losses.step)
        for name, score in zip(self._outputs, losses.validation, strict=False):
            if math.isfinite(score):
                self._writer.add_scalar(f"validation r/{name}", score, losses.step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise VirtualStainError(
            "TensorBoard is not installed; install it (pip install 'napari-virtual-stain[logs]'), "
            "or log as a table (csv)."
        ) from None
    return SummaryWriter


def _board_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))


def _refuse_existing(folder: Path, kinds: Sequence[str]) -> None:
    there = [folder / TABLE] if "csv" in kinds and (folder / TABLE).exists() else []
    if "tensorboard" in kinds:
        there += _board_files(folder)
    if there:
        raise VirtualStainError(f"{there[0]} {KEPT}")


def _rows_before(path: Path, step: int) -> list[list[str]]:
    """Return the rows of a table of earlier steps; a last line that was cut off is left out."""
    if not path.exists():
        return []
    *whole, _cut_off = path.read_text(encoding="utf-8").split("\n")
    rows = list(csv.reader(whole))[1:]
    return [row for row in rows if row and row[0].isdecimal() and int(row[0]) < step]


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
