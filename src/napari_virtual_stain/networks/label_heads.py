"""Heads of a network that classifies the grey values of several labels.

Source: Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence
images" (2019), Table 2; the residual head as in its published code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_virtual_stain.networks.layers import batch_norm, conv, glorot_uniform_


def plain_heads(n_in: int, labels: int, classes: int) -> nn.Module:
    """Return a 1×1 convolution that yields the logits of all labels, grouped by label.

    It starts with the weights that a convolution for each label alone would start with.
    """
    heads = conv(2, n_in, labels * classes, 1)
    glorot_uniform_(heads)
    for label in heads.get_parameter("weight").detach().chunk(labels):
        nn.init.xavier_uniform_(label)
    return heads


class ResidualHead(nn.Module):
    """Batch normalization → ReLU and tanh, concatenated → 1×1 convolution."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.norm = batch_norm(2, n_in, eps=1e-3, momentum=1e-3)  # 0.999 in TensorFlow's terms
        self.output = conv(2, 2 * n_in, n_out, 1)
        glorot_uniform_(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *n) to (B, n_out, *n)."""
        x = self.norm(x)
        result: Tensor = self.output(torch.cat([x.relu(), x.tanh()], dim=1))
        return result


class ResidualHeads(nn.ModuleList):
    """A :class:`ResidualHead` for each label; logits are ordered as by :func:`plain_heads`."""

    def __init__(self, n_in: int, labels: int, classes: int) -> None:
        super().__init__(ResidualHead(n_in, classes) for _ in range(labels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *n) to (B, labels · classes, *n)."""
        return torch.cat([head(x) for head in self], dim=1)
