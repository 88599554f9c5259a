"""Global transformer (GT) layers: softmax attention whose queries decide the output's size.

Source: Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence
images" (2019), Eq. 4-6 and Fig. 1. The published code differs from the paper in what the
options of :class:`GlobalTransformer` switch. Two more differences, and what was chosen:

* The code applies dropout to the attention weights too, the paper does not: none is applied,
  because CPU kernels with it would hold the whole matrix of weights.
* Neither says how strided convolutions are padded in a framework other than TensorFlow: as
  TensorFlow's ``SAME`` does (:class:`SameDown`, :class:`SameUp`), so that 128 → 64 → 128.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.dense_blocks import unit
from napari_virtual_stain.networks.layers import SameDown, SameUp, conv

Direction = Literal["down", "same", "up"]


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Return V · softmax(scale · KᵀQ) (Eq. 4; the softmax runs over the keys).

    The N × M matrix of weights is never held: at the full resolution of a 128² window it
    would be 16384 × 4096 numbers, 268 MB for each sample, and more to train.

    Parameters
    ----------
    query : tensor, shape (B, d, M)
    key : tensor, shape (B, d, N)
    value : tensor, shape (B, e, N)
        e is at most d.
    scale : float

    Returns
    -------
    tensor, shape (B, e, M)
    """
    width = value.shape[1]
    if width < key.shape[1]:
        # The CPU kernel that holds no matrix wants values as wide as the keys.
        value = functional.pad(value, (0, 0, 0, key.shape[1] - width))
    # It also wants the channels of a position side by side in memory.
    q, k, v = (x.mT.unsqueeze(1).contiguous() for x in (query, key, value))
    attended = functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return attended[:, 0, :, :width].mT


class GlobalTransformer(nn.Module):
    """Global down, same or up transformer (GDT, GST, GUT) with one head, in 2D.

    Q = 3×3 convolution of the input, of stride 2 (down), stride 1 (same) or transposed of
    stride 2 (up); K, V = 1×1 convolutions; O = V · softmax(KᵀQ). There is no residual connection.

    Parameters
    ----------
    direction : {"down", "same", "up"}
        The output is half as large as the input, as large, or twice as large.
    n_in, n_out : int
        Channels of the input and the output, ``n_out <= n_in``. Queries and keys have `n_in`.
    query_scaling : bool
        Whether KᵀQ is multiplied by ``n_in**-0.5`` (the code) or not (the paper).
    output_projection : bool
        Whether V has `n_in` channels and a 1×1 convolution follows the attention (the code), or
        V has the `n_out` channels of the output (the paper).
    relu_projections : bool
        Whether ReLU and dropout follow each convolution of the layer (the code).
    dropout : float
        Share of values set to zero in training, if `relu_projections`.
    """

    def __init__(
        self,
        direction: Direction,
        n_in: int,
        n_out: int,
        *,
        query_scaling: bool = True,
        output_projection: bool = True,
        relu_projections: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def finish(layer: nn.Module, features: int) -> nn.Module:
            if relu_projections:
                return unit(layer, features, norm=False, dropout=dropout)
            return layer

        n_value = n_in if output_projection else n_out
        self.query = finish(resampling_conv(direction, n_in, n_in), n_in)
        self.key = finish(conv(2, n_in, n_in, 1), n_in)
        self.value = finish(conv(2, n_in, n_value, 1), n_value)
        self.out: nn.Module = nn.Identity()
        if output_projection:
            self.out = finish(conv(2, n_in, n_out, 1), n_out)
        self.scale = n_in**-0.5 if query_scaling else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, H, W) to (B, n_out, H', W'), H and W even if the direction is down."""
        query = self.query(x)
        attended = attend(
            query.flatten(2), self.key(x).flatten(2), self.value(x).flatten(2), self.scale
        )
        result: Tensor = self.out(attended.reshape(*attended.shape[:2], *query.shape[2:]))
        return result


def resampling_conv(direction: Direction, n_in: int, n_out: int) -> nn.Module:
    """Return the 2D convolution of kernel 3 that halves, keeps or doubles the size."""
    if direction == "same":
        return conv(2, n_in, n_out, 3, padding=1)
    layer = SameDown if direction == "down" else SameUp
    return layer(2, n_in, n_out, bias=True)
