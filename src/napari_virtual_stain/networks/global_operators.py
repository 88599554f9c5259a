"""Global voxel transformer operators: attention over all positions of a feature map.

Without a softmax, attention is a product of three matrices and can be evaluated
from the right: Kᵀ V is a small matrix, a sum over all positions. The operator
therefore splits in two, the sums and their application, and an image that does not
fit into memory is attended to exactly: the sums are added up tile by tile
first, and given to every tile then.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy",
Nature Machine Intelligence 3 (2021), Eq. 1-4; the factor ``d**-0.5`` on the
queries, the heads and the output projection follow the published graphs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_virtual_stain.networks.layers import batch_norm, conv

Region = tuple[slice, ...]


@dataclass(frozen=True)
class GlobalSums:
    """Σ k vᵀ over all key positions, shape (B, heads, d_k, d_v) in float32, and the query count."""

    key_value: Tensor
    queries: int

    def __add__(self, other: GlobalSums) -> GlobalSums:
        return GlobalSums(self.key_value + other.key_value, self.queries + other.queries)


class GlobalOperator(nn.Module):
    """An operator whose output depends on sums over all positions of its input.

    Attributes
    ----------
    given : GlobalSums or None
        The sums of the whole image. While they are given, ``forward`` uses them in
        place of the sums of its own input, which then may be a tile of the image.
    """

    given: GlobalSums | None

    def __init__(self) -> None:
        super().__init__()
        self.given = None

    def sums(self, x: Tensor, region: Region | None = None) -> GlobalSums:
        """Return the sums over `region` (spatial slices of the input; all of it by default)."""
        raise NotImplementedError


class SizePreservingGVTO(GlobalOperator):
    """Size-preserving global voxel transformer operator with linear attention.

    With x' = act(BN(x)): q, k, v = 1×1 convolutions of x', in heads;
    y = out(q d^-½ · Σ k vᵀ / N) + x, where N is the number of query positions.

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes.
    features : int
        Channels of input and output.
    heads : int
        Number of attention heads; divides `features`.
    norm : bool
        Whether batch normalization precedes the activation.
    """

    def __init__(self, ndim: int, features: int, *, heads: int = 1, norm: bool = True) -> None:
        super().__init__()
        if features % heads:
            raise ValueError(f"{features} features cannot be split into {heads} heads")
        self.heads = heads
        self.norm = batch_norm(ndim, features, momentum=0.003) if norm else nn.Identity()
        self.activation = nn.ReLU6()
        self.query = conv(ndim, features, features, 1)
        self.key = conv(ndim, features, features, 1)
        self.value = conv(ndim, features, features, 1)
        self.out = conv(ndim, features, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, *n) to the same shape."""
        activated = self.activation(self.norm(x))
        sums = self.given or self._sums(activated)
        query = self._split(self.query(activated))
        query = query * query.shape[2] ** -0.5
        mean = (sums.key_value / sums.queries).to(query.dtype)
        attended = torch.einsum("bhkn,bhkv->bhvn", query, mean).reshape(x.shape)
        result: Tensor = self.out(attended.to(activated.dtype)) + x
        return result

    def sums(self, x: Tensor, region: Region | None = None) -> GlobalSums:
        """Return Σ k vᵀ and the number of positions over `region` of the input x."""
        if region is not None:
            x = x[(slice(None), slice(None), *region)]
        return self._sums(self.activation(self.norm(x)))

    def _sums(self, activated: Tensor) -> GlobalSums:
        key, value = self._split(self.key(activated)), self._split(self.value(activated))
        # Under autocast a sum over millions of positions would lose its low bits.
        with torch.autocast(activated.device.type, enabled=False):
            key_value = torch.einsum("bhkn,bhvn->bhkv", key.float(), value.float())
        return GlobalSums(key_value, key.shape[-1])

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.heads, x.shape[1] // self.heads, -1)
