"""Measurements that are kept between runs: what a network takes and yields on this machine.

Each is a small file in the user's cache folder, or in that which ``$VSTAIN_CACHE`` names. Nothing
depends on them: where they cannot be written or read, what they hold is measured again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.inference.devices import describe

if TYPE_CHECKING:
    import torch
    from torch import nn

MOST = 512
"""So many files are kept; with one more, the oldest half of them is removed."""

_known: dict[Path, dict[str, Any]] = {}


def recall(kind: str, key: str) -> dict[str, Any] | None:
    """Return what was remembered, by this process or an earlier one; None where nothing was.

    Parameters
    ----------
    kind : str
        What was measured: letters, digits and hyphens.
    key : str
        Of what and where it was measured (:func:`machine_key`).
    """
    path = _path(kind, key)
    if path in _known:
        return dict(_known[path])
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # absent, not to be read, or damaged
        return None
    if not isinstance(found, dict) or found.get("key") != key:
        return None
    value = found.get("value")
    return value if isinstance(value, dict) else None


def remember(kind: str, key: str, value: Mapping[str, Any]) -> None:
    """Keep plain JSON values for :func:`recall`; within this process in any case.

    Parameters
    ----------
    kind, key : str
        As for :func:`recall`. What was remembered before of the same kind and key is replaced.
    value : mapping of str to plain JSON values
    """
    path = _path(kind, key)
    _known[path] = dict(value)
    text = json.dumps({"key": key, "value": dict(value)})
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):  # a home that is full or read-only
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, "utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _forget_oldest(path.parent)


def machine_key(network: nn.Module, device: torch.device) -> str:
    """Return a name for a network on a device: another one if anything that matters changes.

    That is the network's layers and weights, the device, the machine, the version of PyTorch and
    the number of its threads.
    """
    import torch

    digest = hashlib.blake2b(digest_size=16)
    machine = (
        *(describe(device), platform.node(), platform.machine()),
        *(torch.__version__, torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()),
    )
    digest.update(repr((machine, network)).encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(values.numpy()))
    return digest.hexdigest()


def _path(kind: str, key: str) -> Path:
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return _folder() / f"{kind}-{name}.json"


def _folder() -> Path:
    if chosen := os.environ.get("VSTAIN_CACHE"):
        return Path(chosen).expanduser() / "measured"
    import platformdirs

    return platformdirs.user_cache_path("napari-virtual-stain", appauthor=False) / "measured"


def _forget_oldest(folder: Path) -> None:
    """Remove files until there is room for many more; other processes may do so as well."""
    files = list(folder.iterdir())
    if len(files) <= MOST:
        return
    dated = []
    for path in files:
        with contextlib.suppress(OSError):  # just removed by another process
            dated.append((path.stat().st_mtime, path))
    for _, path in sorted(dated)[: len(files) - MOST // 2]:
        path.unlink(missing_ok=True)
