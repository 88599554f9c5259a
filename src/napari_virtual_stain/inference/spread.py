"""Mean and spread of several predictions of one thing, by several models or of turned images.

They are taken as an equal mixture of distributions: its mean is the mean of the means, its
variance the variance of the means plus the mean of the variances. Where predictions come
without a variance of their own, what remains is the spread of the means.

Source: Lakshminarayanan, Pritzel & Blundell, "Simple and scalable predictive uncertainty estimation
using deep ensembles" (2017), section 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_virtual_stain.inference.units import ENTROPY, SIGMA


class Spread:
    """Running mean and spread of predictions, on their device; none of them is kept.

    Parameters
    ----------
    kinds : sequence of str
        The uncertainty maps that are wanted.
    with_sigma : sequence of bool
        For each output, whether the predictions' own σ count.
    """

    def __init__(self, kinds: Sequence[str], with_sigma: Sequence[bool]) -> None:
        self._kinds, self._with_sigma = tuple(kinds), tuple(with_sigma)
        self._count = 0
        self._mean = self._squares = self._entropies = torch.empty(0)

    @torch.inference_mode()
    def add(self, values: Tensor, kinds: Sequence[str]) -> None:
        """Add predictions and what uncertainty maps come with them.

        Parameters
        ----------
        values : tensor of float32, shape (B, outputs · (1 + len(kinds)), *sizes)
            The predictions, then each kind of map. It is not changed.
        kinds : sequence of str
            Of its maps.
        """
        outputs = len(self._with_sigma)
        predicted = values[:, :outputs]
        if not self._count:
            self._mean = torch.zeros_like(predicted)
            if SIGMA in self._kinds:
                self._squares = torch.zeros_like(predicted)
            if ENTROPY in self._kinds:
                self._entropies = torch.zeros_like(predicted)
        self._count += 1
        # Welford: differences from the mean lose no digits to a large offset.
        difference = predicted - self._mean
        self._mean += difference / self._count
        if SIGMA in self._kinds:
            self._squares += difference.mul_(predicted - self._mean)
            if any(self._with_sigma):
                own = values[:, outputs * (1 + list(kinds).index(SIGMA)) :]
                for output in (i for i, counts in enumerate(self._with_sigma) if counts):
                    self._squares[:, output] += own[:, output] ** 2
        if ENTROPY in self._kinds:
            first = outputs * (1 + list(kinds).index(ENTROPY))
            self._entropies += values[:, first : first + outputs]

    @torch.inference_mode()
    def result(self) -> Tensor:
        """Return the mean, then each kind of map that is wanted.

        Returns
        -------
        tensor of float32, shape (B, outputs · (1 + len(kinds)), *sizes)
            σ is that of the mixture; an entropy is the mean of all.
        """
        maps = {
            SIGMA: (self._squares / self._count).sqrt(),
            ENTROPY: self._entropies / self._count,
        }
        return torch.cat([self._mean, *(maps[kind] for kind in self._kinds)], dim=1)
