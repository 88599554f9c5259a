"""Which stored dimension is which axis of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import AXES

UNNAMED = "IQ"
"""tifffile's letters for a dimension of which the file says nothing."""

EXAMPLES = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}


@dataclass(frozen=True)
class Layout:
    """How a stored array becomes an image: dimensions of length 1 fall away, the rest are sorted.

    Parameters
    ----------
    axes : str
        Axes of the image, a subset of ``TCZYX`` in that order.
    keep : tuple of int
        The stored dimension of each axis.
    assumed : bool
        Whether a dimension was taken as Z because the file does not name it.
    """

    axes: str
    keep: tuple[int, ...]
    assumed: bool = False

    def apply(self, data: Any) -> Any:
        """Return `data`, a NumPy or Dask array as stored, with the image's axes."""
        key = tuple(slice(None) if i in self.keep else 0 for i in range(data.ndim))
        remaining = sorted(self.keep)
        return data[key].transpose([remaining.index(i) for i in self.keep])


def find_layout(stored: str, shape: Sequence[int], requested: str | None, file: str) -> Layout:
    """Return how a stored array of axes `stored` and `shape` becomes an image.

    Parameters
    ----------
    stored : str
        tifffile's axis letters, one for each dimension.
    shape : sequence of int
        Size of each dimension.
    requested : str, optional
        What the user calls the dimensions, slowest first. It may leave out those of length 1.
    file : str
        The file's name, for the sentences.

    Raises
    ------
    VirtualStainError
        If the axes cannot be told apart, or `requested` does not fit the shape.
    """
    long = [i for i, size in enumerate(shape) if size > 1 or stored[i] in "YX"]
    if requested is not None:
        return _sorted(_named(requested.upper(), long, shape, file), shape)

    names = {i: stored[i] for i in long}
    if "C" not in names.values():
        names = {i: "C" if name == "S" else name for i, name in names.items()}
    unnamed = [i for i, name in names.items() if name in UNNAMED]
    assumed = len(unnamed) == 1 and len(names) == 3
    if assumed:
        names[unnamed[0]] = "Z"
    letters = list(names.values())
    if len(set(letters)) < len(letters) or not {"Y", "X"} <= set(letters) <= set(AXES):
        sizes = [shape[i] for i in long]
        raise VirtualStainError(
            f"{file}: the axes of an image of shape {_times(sizes)} cannot be told apart, because "
            f"the file does not name them; {_remedy(len(sizes))}."
        )
    return _sorted(names, shape, assumed)


def _named(requested: str, long: list[int], shape: Sequence[int], file: str) -> dict[int, str]:
    letters = set(requested)
    if len(letters) < len(requested) or not {"Y", "X"} <= letters <= set(AXES):
        raise VirtualStainError(
            f"{file}: the axes {requested!r} are not some of the letters {AXES}, each once, with Y "
            "and X; name the axes of the file again, slowest first."
        )
    for dimensions in (long, list(range(len(shape)))):
        if len(dimensions) == len(requested):
            return dict(zip(dimensions, requested, strict=True))
    sizes = [shape[i] for i in long]
    raise VirtualStainError(
        f"{file}: the axes {requested} are {len(requested)}, but an image of shape "
        f"{_times(sizes)} has {len(sizes)}; {_remedy(len(sizes))}."
    )


def _sorted(names: dict[int, str], shape: Sequence[int], assumed: bool = False) -> Layout:
    kept = {name: i for i, name in names.items() if shape[i] > 1 or name in "YX"}
    axes = "".join(axis for axis in AXES if axis in kept)
    return Layout(axes, tuple(kept[axis] for axis in axes), assumed)


def _remedy(ndim: int) -> str:
    example = EXAMPLES.get(ndim)
    if example is None:
        return "save it with at most the five axes T, C, Z, Y and X"
    return f'name them, slowest first: axes="{example}", on the command line --axes {example}'


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(str(size) for size in sizes)
