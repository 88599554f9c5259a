"""An unfinished training on disk: one file, from which it goes on or its best model is taken."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import disk_errors
from napari_virtual_stain.io._plain_json import to_json
from napari_virtual_stain.io._safetensors import (
    BadHeader,
    metadata_text,
    read_header,
    tensor_entries,
)
from napari_virtual_stain.io.model_file import network_for, with_weights
from napari_virtual_stain.io.prediction.safe_file import beside, write_safely
from napari_virtual_stain.keeping import Snapshot
from napari_virtual_stain.model import StainModel, parse_spec

RUN_ENDING = ".vstain-run"
"""Not that of a model file: an unfinished training is no model to choose."""

RUN_KEY = "napari_virtual_stain_training"
FORMAT_VERSION = 1
BEST = "best/"
NAMED = 3
"""Differences that a sentence names; the others are counted."""

SHOWN = 60
"""Characters of a value in a sentence."""


def run_file(output: str | os.PathLike[str]) -> Path:
    """Return where the training of a model file is kept: beside it, as ``NAME.vstain-run``."""
    path = Path(output).expanduser()
    return path.with_name(path.name.removesuffix(".safetensors") + RUN_ENDING)


class RunFile:
    """Keeps a training in one file; a :class:`~napari_virtual_stain.keeping.Keeper`.

    The file is a ``.safetensors`` file with another ending: the arrays of the snapshot, and in its
    header what determines the run and the snapshot's values. It is written beside its place, to
    the disk, and renamed, so that it is whole at any time. Reading it runs no code.

    Parameters
    ----------
    path : path-like
        Its folder is made where it does not exist.
    anew : bool
        Whether an unfinished training that is there is passed over. It stays until there is
        something of the new one to keep.

    Attributes
    ----------
    holds : bool
        Whether what is there is of this training.
    """

    def __init__(self, path: str | os.PathLike[str], *, anew: bool = False) -> None:
        self.path = Path(path).expanduser()
        self._anew = anew
        self.holds = False
        self._key: dict[str, Any] = {}

    @property
    def exists(self) -> bool:
        """Whether an unfinished training is kept there."""
        return self.path.is_file()

    def earlier(self, key: Mapping[str, Any]) -> Snapshot | None:
        """Return what an unfinished run left, or None where there was none.

        Parameters
        ----------
        key : mapping
            Plain JSON values: all that determines the run. It is kept with each snapshot.

        Raises
        ------
        VirtualStainError
            If the run that is there has another key, or its file cannot be read.
        """
        self._key = json.loads(to_json(key))
        if self._anew or not self.exists:
            return None
        kept, values = _contents(self.path, read_run_header(self.path))
        if not _same(kept, self._key):
            raise VirtualStainError(
                f"{self.path.name} is an unfinished training that was begun otherwise: "
                f"{_differences(kept, self._key)}. Resume it with what it was begun with, or "
                "discard it (on the command line --overwrite)."
            )
        self.holds = True
        return Snapshot(_arrays(self.path), values)

    def keep(self, snapshot: Snapshot) -> None:
        """Replace what is kept; in one piece, whatever happens meanwhile.

        Raises
        ------
        VirtualStainError
            If it cannot be written there.
        """
        from safetensors.numpy import save

        content = to_json(
            {
                "format_version": FORMAT_VERSION,
                "key": self._key,
                "values": snapshot.values,
                "writer": [platform.node(), os.getpid()],
            }
        )
        arrays = {
            name: np.require(values, requirements="C") for name, values in snapshot.arrays.items()
        }
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_safely(self.path, save(arrays, {RUN_KEY: content}))
        self.holds = True

    def done(self) -> None:
        """Forget the run: its result is safe.

        Raises
        ------
        VirtualStainError
            If the file cannot be removed.
        """
        with disk_errors(self.path):
            # The process may have been killed while it wrote.
            for path in (self.path, beside(self.path)):
                path.unlink(missing_ok=True)


def recover_model(path: str | os.PathLike[str]) -> StainModel:
    """Return the best model so far of a training that did not come to its end.

    Parameters
    ----------
    path : path-like
        What :class:`RunFile` wrote.

    Returns
    -------
    StainModel
        On the CPU, in evaluation mode.

    Raises
    ------
    VirtualStainError
        If the file cannot be read, or the training had not scored any model yet.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path).expanduser()
    header = read_run_header(path)
    _, values = _contents(path, header)
    content = values.get("spec")
    entries = {
        name.removeprefix(BEST): entry
        for name, entry in tensor_entries(header).items()
        if name.startswith(BEST)
    }
    if not isinstance(content, dict) or not entries:
        raise VirtualStainError(
            f"{path.name} holds no model yet: the training ended before its first score."
        )
    spec = parse_spec(content, path.name)
    network = network_for(path, spec, entries)
    try:
        # Of a large training, the optimizer's arrays are most, and are not needed.
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(BEST + name).clone() for name in entries}
    except (SafetensorError, OSError):
        raise _damaged(path) from None
    return with_weights(path, network, spec, tensors)


def run_writer(path: str | os.PathLike[str]) -> tuple[str, int] | None:
    """Return the machine and the process that has written a run, or None where that is unknown."""
    try:
        text = metadata_text(read_run_header(Path(path)), RUN_KEY)
        host, process = json.loads(text or "")["writer"]
        return str(host), int(process)
    except (VirtualStainError, ValueError, TypeError, KeyError, RecursionError):
        return None


def read_run_header(path: Path) -> dict[str, Any]:
    """Return the header of the file of an unfinished training.

    Raises
    ------
    VirtualStainError
        If it cannot be read, or is not as long as its header says.
    """
    try:
        return read_header(path)
    except BadHeader as error:
        raise (_foreign(path) if error.why == "foreign" else _damaged(path)) from None
    except FileNotFoundError:
        raise VirtualStainError(f"there is no unfinished training {path}.") from None
    except OSError as error:
        raise VirtualStainError(f"{path} cannot be read: {error.strerror or error}.") from None


def _contents(path: Path, header: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the key and the values that a header holds."""
    text = metadata_text(header, RUN_KEY)
    if text is None:
        raise _foreign(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise VirtualStainError(
            f"{path.name} was written by another version of napari-virtual-stain, and cannot be "
            "resumed by this one; use that version, or discard it (on the command line "
            "--overwrite)."
        )
    key, values = content.get("key"), content.get("values")
    if not isinstance(key, dict) or not isinstance(values, dict):
        raise _damaged(path)
    return key, values


def _arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, np.ndarray] = load(path.read_bytes())
    except (SafetensorError, KeyError, ValueError):
        raise _damaged(path) from None
    except OSError as error:
        raise VirtualStainError(f"{path} cannot be read: {error.strerror or error}.") from None
    return arrays


def _same(one: Any, other: Any) -> bool:
    # As texts, so that NaN is NaN.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _differences(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    one, other = dict(_flat(kept)), dict(_flat(asked))
    names = [name for name in {**one, **other} if not _same(one.get(name), other.get(name))]
    said = [
        f"{name} was {_shown(one.get(name))} and is now {_shown(other.get(name))}"
        for name in names[:NAMED]
    ]
    more = [f"and {len(names) - NAMED} more differ"] if len(names) > NAMED else []
    return "; ".join([*said, *more])


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _foreign(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path.name} is not an unfinished training of napari-virtual-stain; choose another name."
    )


def _damaged(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path.name} is damaged, and the training in it cannot go on; discard it (on the command "
        "line --overwrite), or take it away."
    )
