"""Global voxel transformer operators (GVTO): attention over all positions of a feature map.

An operator generates one query for each position of its output, and one key and one value for each
position of its input; so it keeps, halves or multiplies the size. With x' = act(BN(x)):

    y = out(attention(query(x'), key(x'), value(x'))) + residual

Source: Wang et al., "Global voxel transformer networks for augmented microscopy", Nature
Machine Intelligence 3 (2021), section 4.2. The published graphs are followed where the paper is
silent: heads, biases, the output projection, and N = the number of queries.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

from torch import Tensor, nn

from napari_virtual_stain.networks.attention import KINDS, Gathered
from napari_virtual_stain.networks.geometry import Layer, Nearest
from napari_virtual_stain.networks.layers import SameDown, SameUp, conv, pre_norm, rectifier

Region = tuple[slice, ...]


class GlobalOperator(nn.Module):
    """An operator whose output depends on all positions of its input.

    Attributes
    ----------
    given : Gathered or None
        What was gathered over the whole image. While it is given, ``forward`` uses it in place
        of what its own input has, which then may be a tile of the image.
    """

    given: Gathered | None

    def __init__(self) -> None:
        super().__init__()
        self.given = None

    def gather(self, x: Tensor, region: Region | None = None) -> Gathered:
        """Return what is to be given, of `region` (spatial slices of the input; default: all).

        Results of regions that together cover an image are joined by ``+``.
        """
        raise NotImplementedError


class GVTO(GlobalOperator):
    """Global voxel transformer operator; its subclasses say where queries and residual come from.

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes.
    n_in, n_out : int
        Channels of input and output.
    query : torch.nn.Module
        Generates the queries (B, n_out, *output sizes) from x'.
    shortcut : torch.nn.Module, optional
        Generates the residual from x'; without it, the residual is the queries.
    queries : Fraction or int
        Query positions for each position of the input.
    heads : int
        Number of attention heads; divides `n_out`.
    norm : bool
        Whether batch normalization precedes the activation.
    activation : {"relu6", "relu"}
    attention : {"linear", "softmax"}

    Attributes
    ----------
    reach : tuple of Layer
        What the output at a position reads of the input, beside what is gathered.

    Raises
    ------
    ValueError
        If `heads` does not divide `n_out`.
    """

    reach: ClassVar[tuple[Layer, ...]] = ()

    def __init__(
        self,
        ndim: int,
        n_in: int,
        n_out: int,
        query: nn.Module,
        shortcut: nn.Module | None = None,
        *,
        queries: Fraction | int = 1,
        heads: int = 1,
        norm: bool = True,
        activation: str = "relu6",
        attention: str = "linear",
    ) -> None:
        super().__init__()
        if n_out % heads:
            raise ValueError(f"{n_out} features cannot be split into {heads} heads")
        self.heads, self.queries = heads, Fraction(queries)
        self.kind = KINDS[attention]
        self.norm = pre_norm(ndim, n_in, norm)
        self.activation = rectifier(activation)
        self.query = query
        self.key = conv(ndim, n_in, n_out, 1)
        self.value = conv(ndim, n_in, n_out, 1)
        self.out = conv(ndim, n_out, n_out, 1)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *sizes) to (B, n_out, *output sizes)."""
        activated = self.activation(self.norm(x))
        query = self.query(activated)
        gathered = self._gather(activated) if self.given is None else self.given
        attended = gathered.answer(self._tokens(query)).mT.reshape(query.shape)
        result: Tensor = self.out(attended) + self.residual(x, activated, query)
        return result

    def residual(self, x: Tensor, activated: Tensor, query: Tensor) -> Tensor:
        """Return what is added to the output."""
        if self.shortcut is None:
            return query
        result: Tensor = self.shortcut(activated)
        return result

    def gather(self, x: Tensor, region: Region | None = None) -> Gathered:
        """Return what attention keeps of the keys and values in `region` of the input x.

        Where the operator halves the size, the bounds of `region` are even.
        """
        if region is not None:
            x = x[(slice(None), slice(None), *region)]
        return self._gather(self.activation(self.norm(x)))

    def _gather(self, activated: Tensor) -> Gathered:
        key, value = self._tokens(self.key(activated)), self._tokens(self.value(activated))
        return self.kind.of(key, value, int(key.shape[2] * self.queries))

    def _tokens(self, x: Tensor) -> Tensor:
        """Return (B, C, *sizes) as tokens, (B, heads, positions, C / heads)."""
        return x.reshape(x.shape[0], self.heads, x.shape[1] // self.heads, -1).mT


class SizePreservingGVTO(GVTO):
    """GVTO that keeps the size: queries by a 1×1 convolution, and x itself as residual.

    Parameters
    ----------
    ndim : int
    features : int
        Channels of input and output.
    **options
        ``heads``, ``norm``, ``activation``, ``attention`` as for :class:`GVTO`.
    """

    def __init__(self, ndim: int, features: int, **options: Any) -> None:
        super().__init__(ndim, features, features, conv(ndim, features, features, 1), **options)

    def residual(self, x: Tensor, activated: Tensor, query: Tensor) -> Tensor:
        """Return the input as it came, before normalization."""
        return x


class DownGVTO(GVTO):
    """GVTO that halves the size: queries by a convolution of kernel 3 and stride 2.

    Parameters
    ----------
    ndim, n_in, n_out : int
    version : {"v1", "v2"}
        The residual is a further strided convolution of x' (v1), or the queries (v2).
    **options
        ``heads``, ``norm``, ``activation``, ``attention`` as for :class:`GVTO`.
    """

    reach = SameDown.reach

    def __init__(
        self, ndim: int, n_in: int, n_out: int, *, version: str = "v2", **options: Any
    ) -> None:
        query = SameDown(ndim, n_in, n_out, bias=True)
        shortcut = SameDown(ndim, n_in, n_out, bias=False) if version == "v1" else None
        queries = Fraction(1, 2**ndim)
        super().__init__(ndim, n_in, n_out, query, shortcut, queries=queries, **options)


class UpGVTO(GVTO):
    """GVTO that doubles the size: queries by a transposed convolution of kernel 3 and stride 2.

    Parameters
    ----------
    ndim, n_in, n_out : int
    version : {"v1", "v2"}
        The residual is a further transposed convolution of x' (v1), or the queries (v2).
    **options
        ``heads``, ``norm``, ``activation``, ``attention`` as for :class:`GVTO`.
    """

    reach = SameUp.reach

    def __init__(
        self, ndim: int, n_in: int, n_out: int, *, version: str = "v2", **options: Any
    ) -> None:
        query = SameUp(ndim, n_in, n_out, bias=True)
        shortcut = SameUp(ndim, n_in, n_out, bias=False) if version == "v1" else None
        super().__init__(ndim, n_in, n_out, query, shortcut, queries=2**ndim, **options)


class Up4GVTO(GVTO):
    """GVTO that makes Y and X four times as large: each position of x' is a query 16 times.

    The queries have no parameters, and are the residual too. Of the projection network.

    Parameters
    ----------
    ndim : int
    features : int
        Channels of input and output.
    **options
        ``heads``, ``norm``, ``activation``, ``attention`` as for :class:`GVTO`.
    """

    reach = (Nearest(4),)

    def __init__(self, ndim: int, features: int, **options: Any) -> None:
        factors = (1,) * (ndim - 2) + (4, 4)
        query = nn.Upsample(scale_factor=factors, mode="nearest")
        super().__init__(ndim, features, features, query, queries=16, **options)
