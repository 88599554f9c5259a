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
MAX_SHOWN = 80
MAX_PATH = 300


def clean(text: str, limit: int = MAX_SHOWN) -> str:
    """Return a text of a file as it can be shown: printable characters, and not too many."""
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(c if c.isprintable() else " " for c in shown)


def quoted(text: str) -> str:
    """Return a name that comes from a file, in quotation marks."""
    return f"'{clean(text)}'"


def listed(names: Sequence[str]) -> str:
    """Return the first of the names, and that there are more."""
    return ", ".join(map(clean, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def some(kind: str, names: Sequence[str]) -> str:
    """Return how many things there are and what some are called."""
    return f"with {len(names)} {kind} such as {listed([quoted(name) for name in names[:5]])}"


def file_name(path: Path) -> str:
    """Return the name of a file as it can be shown."""
    return clean(path.name, MAX_PATH)


def not_imported(path: Path, reason: str) -> VirtualStainError:
    """Return the error for a file that is sound, but does not fit."""
    return VirtualStainError(f"{file_name(path)} cannot be imported: {reason}")


def damaged(path: Path, reason: str) -> VirtualStainError:
    """Return the error for a file that contradicts itself."""
    return VirtualStainError(f"{file_name(path)} is damaged: {reason}. Copy or download it again.")


def unreadable(path: Path, error: OSError) -> VirtualStainError:
    """Return the error for a file that is missing or cannot be read."""
    shown = clean(str(path), MAX_PATH)
    if isinstance(error, FileNotFoundError):
        return VirtualStainError(f"there is no file {shown}.")
    return VirtualStainError(f"{shown} cannot be read: {error.strerror or error}.")


def unknown(path: Path, found: str) -> VirtualStainError:
    """Return the error for a file that is none of the known ones; `found` says what it is."""
    return not_imported(path, f"it is {found}. Known: {KNOWN}.")
