"""What the channels that a network puts out stand for.

Most networks yield the prediction itself. Those with a likelihood yield its parameters, and those
that classify yield a score for each class of grey values; a prediction and its uncertainty
are read from either in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

HeadKind = Literal["value", "laplace", "gaussian", "log-variance", "classes"]
Statistic = Literal["mean", "median"]


@dataclass(frozen=True)
class Head:
    """How the raw channels of a network are arranged and read.

    Parameters
    ----------
    kind : {"value", "laplace", "gaussian", "log-variance", "classes"}
        ``value``: one raw channel for each output, the prediction.
        ``laplace``: all predictions, then the scale b of a Laplace distribution for each.
        ``gaussian``: all predictions, then a standard deviation for each.
        ``log-variance``: all predictions, then the logarithm of a variance for each.
        ``classes``: the logits of output 0, those of output 1, …; class c of C stands
        for the value c / (C − 1).
    classes : int
        Number of classes of each output; 1 for the other kinds.

    References
    ----------
    Kendall & Gal, "What uncertainties do we need in Bayesian deep learning for computer
    vision?" (2017), Eq. 5 and 8, for the likelihoods.
    """

    kind: HeadKind = "value"
    classes: int = 1

    def raw_channels(self, outputs: int) -> int:
        """Return how many raw channels a network with that many outputs has."""
        return outputs * {"value": 1, "classes": self.classes}.get(self.kind, 2)

    @property
    def uncertainties(self) -> tuple[str, ...]:
        """Names of the uncertainty maps of each output: σ, the standard deviation, and others."""
        return {"value": (), "classes": ("σ", "entropy")}.get(self.kind, ("σ",))

    def read(
        self, raw: Tensor, statistic: Statistic = "mean", *, uncertainty: bool = True
    ) -> Tensor:
        """Return the predictions, then each kind of uncertainty map, of raw channels.

        Parameters
        ----------
        raw : tensor, shape (B, raw_channels, *sizes)
        statistic : {"mean", "median"}
            Of the distribution over classes; other kinds are symmetric, so both are one.
        uncertainty : bool
            Whether the maps are wanted; without them it is quicker.

        Returns
        -------
        tensor of float32, shape (B, outputs · (1 + len(uncertainties)), *sizes)
            Or (B, outputs, *sizes) without uncertainty.
            σ is a standard deviation in the units of the prediction (√2 b for a Laplace
            distribution of scale b); entropy is divided by its maximum, ln C.
        """
        raw = raw.float()
        if self.kind == "value":
            return raw
        if self.kind == "classes":
            return self._read_classes(raw, statistic, uncertainty)
        predicted, spread = raw.chunk(2, dim=1)
        if not uncertainty:
            return predicted
        if self.kind == "laplace":
            spread = spread * 2**0.5
        elif self.kind == "log-variance":
            spread = torch.exp(spread / 2)
        return torch.cat([predicted, spread], dim=1)

    def _read_classes(self, raw: Tensor, statistic: Statistic, uncertainty: bool) -> Tensor:
        logits = raw.reshape(raw.shape[0], -1, self.classes, *raw.shape[2:])
        shares = torch.softmax(logits, dim=2)
        shape = [1, 1, self.classes] + [1] * (raw.ndim - 2)
        values = torch.linspace(0, 1, self.classes, device=raw.device).reshape(shape)
        mean = (shares * values).sum(2)
        predicted = mean
        if statistic == "median":
            # The first class at which half of the probability is reached.
            reached = (shares.cumsum(2) >= 0.5).float().argmax(2)
            predicted = reached / (self.classes - 1)
        if not uncertainty:
            return predicted
        spread = (shares * (values - mean.unsqueeze(2)) ** 2).sum(2).sqrt()
        entropy = torch.special.entr(shares).sum(2) / math.log(self.classes)
        return torch.cat([predicted, spread, entropy], dim=1)
