"""Attention of queries to keys and values that are gathered first.

Tokens are feature vectors at positions, split into heads: shape (B, heads, positions, width).
Both kinds of attention split in two, what is gathered from all keys and values and what
each query makes of it. Therefore an image that does not fit into memory is
attended to exactly: what its parts gather is joined first, and given to every part then.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy", Nature Machine
Intelligence 3 (2021), section 4.2.1; the factor ``d**-0.5`` on the queries and the heads follow
the published graphs.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional


class Gathered(ABC):
    """What attention keeps of all keys and values; ``+`` joins what two parts gathered."""

    @classmethod
    @abstractmethod
    def of(cls, key: Tensor, value: Tensor, queries: int) -> Self:
        """Gather keys and values.

        Parameters
        ----------
        key : tensor, shape (B, heads, positions, d_k)
        value : tensor, shape (B, heads, positions, d_v)
        queries : int
            Number of query positions that stand at these positions.
        """

    @abstractmethod
    def __add__(self, other: Self) -> Self: ...

    @abstractmethod
    def answer(self, query: Tensor) -> Tensor:
        """Map queries (B, heads, positions, d_k) to what they attend to, (B, heads, …, d_v)."""

    def to_arrays(self) -> dict[str, Any]:
        """Return NumPy arrays from which :meth:`from_arrays` makes the same again, bit for bit."""
        return {name: _to_array(value) for name, value in vars(self).items()}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Any], device: torch.device) -> Gathered:
        """Return what was gathered, on a device, from the arrays of :meth:`to_arrays`."""
        values = {name: _to_tensor(array) for name, array in arrays.items()}
        if "queries" in values:
            return GlobalSums(values["key_value"].to(device), int(values["queries"]))
        return GlobalTokens(values["key"].to(device), values["value"].to(device))


@dataclass(frozen=True)
class GlobalSums(Gathered):
    """Linear attention, Y = V (KᵀQ) / N: without a softmax, V Kᵀ is a small matrix.

    Parameters
    ----------
    key_value : tensor, shape (B, heads, d_k, d_v)
        Σ k vᵀ over all key positions, in float32 at least.
    queries : int
        N, the number of query positions.
    """

    key_value: Tensor
    queries: int

    @classmethod
    def of(cls, key: Tensor, value: Tensor, queries: int) -> Self:
        """Sum k vᵀ over all positions; parameters as in :meth:`Gathered.of`."""
        wide = torch.promote_types(key.dtype, torch.float32)
        with _without_autocast(key.device.type):
            return cls(key.to(wide).mT @ value.to(wide), queries)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.key_value + other.key_value, self.queries + other.queries)

    def answer(self, query: Tensor) -> Tensor:
        """Return q d_k^-½ · Σ k vᵀ / N, shape (B, heads, positions, d_v)."""
        # Divided before the product: sums over a large image exceed the range of float16.
        mean = (self.key_value / self.queries).to(query.dtype)
        scaled: Tensor = query * query.shape[-1] ** -0.5
        return scaled @ mean


@dataclass(frozen=True)
class GlobalTokens(Gathered):
    """Softmax attention, Y = V softmax(KᵀQ d_k^-½), over the keys: all of them are kept.

    Parameters
    ----------
    key : tensor, shape (B, heads, positions, d_k)
    value : tensor, shape (B, heads, positions, d_v)
    """

    key: Tensor
    value: Tensor

    @classmethod
    def of(cls, key: Tensor, value: Tensor, queries: int) -> Self:
        """Keep all keys and values; a softmax has no use for the number of `queries`."""
        # Kernels that hold no matrix of weights want the channels of a position side by side.
        return cls(key.contiguous(), value.contiguous())

    def __add__(self, other: Self) -> Self:
        return type(self)(
            torch.cat([self.key, other.key], dim=2), torch.cat([self.value, other.value], dim=2)
        )

    def answer(self, query: Tensor) -> Tensor:
        """Return the mean of all values, weighted by softmax, (B, heads, positions, d_v)."""
        return functional.scaled_dot_product_attention(query.contiguous(), self.key, self.value)


def _to_array(value: Tensor | int) -> Any:
    """Return a tensor or a number as an array; bfloat16, which NumPy lacks, as its bits."""
    tensor = torch.as_tensor(value).detach().cpu()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _to_tensor(array: Any) -> Tensor:
    """Return an array of :func:`_to_array` as a tensor."""
    tensor = torch.tensor(array)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.int16 else tensor


def _without_autocast(device: str) -> contextlib.AbstractContextManager[Any]:
    """Keep autocast from a sum over millions of positions, which would lose its low bits."""
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return contextlib.nullcontext()  # no autocast there at all, as on the meta device


KINDS: dict[str, type[Gathered]] = {"linear": GlobalSums, "softmax": GlobalTokens}
"""The kinds of attention by name."""
