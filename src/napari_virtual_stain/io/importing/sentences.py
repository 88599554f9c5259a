"""What is said about files that cannot be imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError

KNOWN = (
    "model.p of pytorch_fnet, TensorFlow checkpoints of GVTNets, and weights of this package's "
    "own networks (a PyTorch state dict or .safetensors)"
)
SHOWN = 4


def damaged(path: Path, reason: str) -> VirtualStainError:
    """Return the error for a file that contradicts itself."""
    return VirtualStainError(f"{path.name} is damaged: {reason}. Copy or download it again.")


def unreadable(path: Path, error: OSError) -> VirtualStainError:
    """Return the error for a file that is missing or cannot be read."""
    if isinstance(error, FileNotFoundError):
        return VirtualStainError(f"there is no file {path}.")
    return VirtualStainError(f"{path} cannot be read: {error.strerror or error}.")


def unknown(path: Path, found: str) -> VirtualStainError:
    """Return the error for a file that is none of the known ones; `found` says what it is."""
    return VirtualStainError(f"{path.name} cannot be imported: it is {found}. Known: {KNOWN}.")


def listed(names: Sequence[str]) -> str:
    """Return the first of the names, and that there are more."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
