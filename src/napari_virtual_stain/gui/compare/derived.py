"""Arrays that are computed where they are looked at, so that a map of a stack takes no memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Lazy(ABC):
    """What napari needs of an array: shape, dtype, and any part of it.

    It reads the plane that it shows, and no more.

    Parameters
    ----------
    shape : sequence of int
    dtype : numpy dtype
    """

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, key: Any) -> np.ndarray: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[(slice(None),) * self.ndim]
        return values if dtype is None else values.astype(dtype, copy=False)


class Derived(Lazy):
    """What a function makes of the same part of several arrays, computed with each access.

    Parameters
    ----------
    sources : sequence of array
        Of one shape; may be lazy.
    function : callable
        Makes of the same part of each source an array of that part's shape, pixel by pixel.
    dtype : numpy dtype
        Of what it makes.
    """

    def __init__(
        self, sources: Sequence[Any], function: Callable[..., np.ndarray], dtype: Any
    ) -> None:
        super().__init__(sources[0].shape, dtype)
        self._sources, self._function = tuple(sources), function

    def __getitem__(self, key: Any) -> np.ndarray:
        parts = [np.asarray(source[key]) for source in self._sources]
        return self._function(*parts).astype(self.dtype, copy=False)


class Curtain(Lazy):
    """One array on one side of a split along an axis, another on the other side.

    Parameters
    ----------
    before, after : array
        Of one shape; may be lazy.
    axis : int
        Along which they are split.
    at : int
        First position that shows `after`; it may be changed.
    line : int
        Thickness (px) of the line that is drawn at the split; 0 for none.
    bright : float
        Grey value of the line.
    """

    def __init__(
        self, before: Any, after: Any, axis: int, at: int, *, line: int = 0, bright: float = 1.0
    ) -> None:
        super().__init__(before.shape, np.float32)
        self._before, self._after = before, after
        self.axis, self.at, self.line, self.bright = axis, at, line, bright

    def __getitem__(self, key: Any) -> np.ndarray:
        keys = list(key) if isinstance(key, tuple) else [key]
        keys += [slice(None)] * (self.ndim - len(keys))
        places = np.arange(self.shape[self.axis])[keys[self.axis]]
        before, after = (
            np.asarray(source[tuple(keys)]).astype(np.float32)
            for source in (self._before, self._after)
        )
        # An index takes its axis away; what stands before the split decides where it went.
        axis = sum(isinstance(one, slice) for one in keys[: self.axis])
        if np.ndim(places):
            shape = [1] * before.ndim
            shape[axis] = len(places)
            places = places.reshape(shape)
        values: np.ndarray = np.where(places < self.at, before, after)
        if self.line:
            first = self.at - self.line // 2
            on_line = (places >= first) & (places < first + self.line)
            values = np.where(on_line, np.float32(self.bright), values)
        return values
