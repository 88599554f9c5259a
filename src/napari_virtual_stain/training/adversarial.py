"""The objective of a conditional generative adversarial network.

Source: Nguyen et al., "Virtual organelle self-coding for fluorescence imaging via adversarial
learning" (VirFluoNet), arXiv:1909.04518, Eq. 2-6. With x the input, y the observed and G(x) the
predicted image, D(x, ·) the share that the discriminator gives to "observed" and θ the
weights and biases of the generator:

* generator: λ₁ · mean |y − G(x)| + λ₂ · (−log D(x, G(x))) + λ₃ · mean |θ|,
* discriminator: −log D(x, y) − log(1 − D(x, G(x))).

Where the paper is not taken at its word, or is silent:

* Eq. 4 reads ‖|y| − |G(x)|‖. Images are scaled to [−1, 1], where that would take 0.5 and −0.5
  for the same; the plain difference is meant.
* Eq. 6 is a sum over 3·10⁷ weights. As they are initialized, N(0, 0.02), it is about 5·10⁵,
  and 0.001 of it 500 times what the other terms come to. We take the mean. It decays the
  weights very little: λ₁ and λ₂ do the work.
* The learning rate is 2e-4 for both networks. Betas of Adam, batch size and the number of
  updates are not given. As in pix2pix (Isola et al. 2017), on which the networks are modelled:
  betas (0.5, 0.999), for the objective of each network moves with the other; batches of one;
  :data:`GENERATOR_UPDATES`. Unlike pix2pix, which normalizes by the statistics of the image at
  hand in prediction too, prediction here uses those of the training.
* As λ₂ is a hundredth of λ₁, the training is near to one on the absolute error alone.

D enters as a logit, so that neither logarithm meets a zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

GENERATOR_UPDATES = 2
"""How often the generator is updated for each update of the discriminator, on the same batch.

The paper does not say; pix2pix's TensorFlow form updates it twice, so that the discriminator
does not win outright and leave it without a gradient."""


@dataclass(frozen=True)
class AdversarialWeights:
    """Weights of the terms of the generator's objective (Eq. 3); the paper's by default.

    Parameters
    ----------
    mae : float
        λ₁, of the mean absolute error.
    adversarial : float
        λ₂, of −log D.
    weights : float
        λ₃, of the mean absolute value of the generator's parameters.
    """

    mae: float = 0.99
    adversarial: float = 0.01
    weights: float = 0.001


def generator_loss(
    predicted: Tensor,
    target: Tensor,
    fake_logits: Tensor,
    parameters: Iterable[Tensor],
    weights: AdversarialWeights | None = None,
) -> Tensor:
    """Return the objective of the generator (Eq. 3), a scalar of at least float32.

    Parameters
    ----------
    predicted, target : tensor, shape (B, out, *sizes)
        The prediction itself: of a network with a likelihood or with classes, what its head
        reads from the raw channels.
    fake_logits : tensor
        The discriminator's of `predicted`.
    parameters : iterable of tensor
        Weights and biases of the generator, at least one.
    weights : AdversarialWeights, optional
        The paper's by default.

    Raises
    ------
    ValueError
        If prediction and target differ in shape.
    """
    from torch.nn import functional

    weights = weights or AdversarialWeights()
    if predicted.shape != target.shape:
        raise ValueError(
            f"the prediction is {tuple(predicted.shape)}, its target {tuple(target.shape)}"
        )
    error = (_precise(predicted) - _precise(target)).abs().mean()
    adversarial = -functional.logsigmoid(_precise(fake_logits)).mean()
    size = mean_magnitude(parameters)
    return weights.mae * error + weights.adversarial * adversarial + weights.weights * size


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return the objective of the discriminator (Eq. 2, negated), a scalar of at least float32.

    Parameters
    ----------
    real_logits, fake_logits : tensor
        The discriminator's of observed and of predicted images; the latter cut off from the
        generator, which this objective is not to improve.
    """
    from torch.nn import functional

    real = -functional.logsigmoid(_precise(real_logits)).mean()
    fake = -functional.logsigmoid(-_precise(fake_logits)).mean()
    return real + fake


def mean_magnitude(parameters: Iterable[Tensor]) -> Tensor:
    """Return the mean absolute value over all elements of all `parameters`."""
    import torch

    given = list(parameters)
    total = torch.stack([_precise(one).abs().sum() for one in given]).sum()
    return total / sum(one.numel() for one in given)


def _precise(x: Tensor) -> Tensor:
    """Half precision cannot hold a mean over an image, nor a logarithm near zero."""
    import torch

    return x.to(torch.promote_types(x.dtype, torch.float32))
