"""SSIM and correlation equal scikit-image and NumPy, also where only some pixels count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_virtual_stain.networks import Head
from napari_virtual_stain.training.losses import Levels, LossOptions, head_loss
from napari_virtual_stain.training.losses.correlation import K, decorrelation
from napari_virtual_stain.training.losses.similarity import dissimilarity

RANGES = (4.0, 1.0)


def images(*sizes, seed=0):
    """Return two images that resemble each other, shape (2, 2, *sizes)."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(2, 2, *sizes, generator=generator) * 2 - 0.5
    return 0.7 * target + 0.3 * torch.rand(target.shape, generator=generator), target


def ssim(predicted, target, span):
    return structural_similarity(
        predicted.double().numpy(),
        target.double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=span,
    )


@pytest.mark.parametrize("sizes", [(24, 31), (3, 20, 17)])
def test_the_ssim_term_is_that_of_scikit_image(sizes):
    predicted, target = images(*sizes)
    losses, weights = dissimilarity(predicted, target, torch.tensor(RANGES), None)
    assert weights is None
    for sample, output in np.ndindex(2, 2):
        x = predicted[sample, output].reshape(-1, *sizes[-2:])
        y = target[sample, output].reshape(-1, *sizes[-2:])
        expected = np.mean([1 - ssim(a, b, RANGES[output]) for a, b in zip(x, y, strict=True)])
        assert float(losses[sample, output].mean()) == pytest.approx(expected, abs=2e-6)


def test_ssim_where_everything_counts_is_ssim_without_weights():
    predicted, target = images(20, 16)
    plain, _ = dissimilarity(predicted, target, torch.tensor(RANGES), None)
    losses, weights = dissimilarity(
        predicted, target, torch.tensor(RANGES), torch.ones_like(target)
    )
    torch.testing.assert_close(losses, plain)
    assert weights.shape == losses.shape
    assert (weights == 1).all()


def test_the_moments_of_a_window_are_those_of_its_pixels_that_count():
    predicted, target = images(11, 11)
    weight = (torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    weight[..., 5, 5] = 1
    losses, weights = dissimilarity(predicted, target, torch.tensor(RANGES), weight)
    assert (weights == 1).all()
    offsets = np.arange(-5, 6)
    gauss = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    for sample, output in np.ndindex(2, 2):
        x, y = (a[sample, output].double().numpy() for a in (predicted, target))
        w = gauss * weight[sample, output].numpy()
        w /= w.sum()
        mx, my = (w * x).sum(), (w * y).sum()
        vx, vy = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum()
        covariance = (w * (x - mx) * (y - my)).sum()
        c1, c2 = (0.01 * RANGES[output]) ** 2, (0.03 * RANGES[output]) ** 2
        expected = (2 * mx * my + c1) * (2 * covariance + c2)
        expected /= (mx**2 + my**2 + c1) * (vx + vy + c2)
        assert float(losses[sample, output]) == pytest.approx(1 - expected, abs=1e-5)


def test_a_patch_narrower_than_the_window_has_a_narrower_window():
    predicted, target = images(40, 6)
    losses, _ = dissimilarity(predicted, target, torch.tensor(RANGES), None)
    assert losses.shape[2:] == (36, 2)
    same, _ = dissimilarity(target, target, torch.tensor(RANGES), None)
    torch.testing.assert_close(same, torch.zeros_like(same), atol=1e-5, rtol=0)


def test_the_derivatives_of_both_terms_are_those_of_finite_differences():
    predicted, target = (image[:1].double() for image in images(12, 13))
    weight = (torch.rand(target.shape, generator=torch.Generator().manual_seed(2)) < 0.7).double()
    for term in (dissimilarity, decorrelation):
        assert torch.autograd.gradcheck(
            lambda x, term=term: term(x, target, torch.tensor(RANGES), weight)[0].sum(),
            predicted.requires_grad_(),
        )


def test_the_correlation_term_is_one_minus_pearson_r():
    predicted, target = images(9, 8)
    tiny = torch.full((2,), 1e-4)
    losses, weights = decorrelation(predicted, target, tiny, None)
    assert weights is None
    for sample, output in np.ndindex(2, 2):
        x, y = (a[sample, output].double().numpy().ravel() for a in (predicted, target))
        r = np.corrcoef(x, y)[0, 1]
        assert float(losses[sample, output]) == pytest.approx(1 - r, abs=1e-5)
        # Both with the same noise of a hundredth of the range are a little more alike.
        noise = (K * RANGES[output]) ** 2
        noisy = np.cov(x, y, bias=True) + noise
        expected = 1 - noisy[0, 1] / np.sqrt(noisy[0, 0] * noisy[1, 1])
        found = decorrelation(predicted, target, torch.tensor(RANGES), None)[0]
        assert float(found[sample, output]) == pytest.approx(expected, abs=1e-5)


def test_correlation_is_that_of_the_pixels_that_count():
    predicted, target = images(6, 7)
    weight = torch.zeros_like(target)
    weight[0, 0, 1:4] = 1
    losses, weights = decorrelation(predicted, target, torch.full((2,), 1e-4), weight)
    x, y = (a[0, 0, 1:4].double().numpy().ravel() for a in (predicted, target))
    assert float(losses[0, 0]) == pytest.approx(1 - np.corrcoef(x, y)[0, 1], abs=1e-5)
    assert weights.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("constant", ["prediction", "target", "both"])
def test_correlation_of_a_constant_image_has_a_gradient_that_is_finite(constant):
    predicted, target = images(16, 16)
    if constant != "target":
        predicted = torch.full_like(predicted, 0.3)
    if constant != "prediction":
        target = torch.full_like(target, 0.1)
    loss = decorrelation(predicted.requires_grad_(), target, torch.tensor(RANGES), None)[0].sum()
    loss.backward()
    assert torch.isfinite(predicted.grad).all()
    # By Cauchy and Schwarz, the gradient of a patch adds up to less than 1 / (K · range).
    steepest = predicted.grad.abs().sum((2, 3)) * torch.tensor(RANGES)
    assert (steepest <= 1 / K).all()


def test_terms_are_added_with_their_weights():
    predicted, target = images(16, 15)
    levels = Levels((0.5, 0.5), RANGES)
    weight = (torch.rand(target.shape, generator=torch.Generator().manual_seed(3)) < 0.6).float()

    def loss(**options):
        options = LossOptions(**options)
        return float(
            head_loss(Head(), predicted, target, options=options, weight=weight, levels=levels)
        )

    plain, both = loss(), loss(ssim=0.5, correlation=2)
    of_ssim, of_correlation = loss(ssim=1) - plain, loss(correlation=1) - plain
    assert both == pytest.approx(plain + 0.5 * of_ssim + 2 * of_correlation, rel=1e-5)
    windows, centres = dissimilarity(
        predicted * weight, target * weight, torch.tensor(RANGES), weight
    )
    means = (windows * centres).sum((0, 2, 3)) / centres.sum((0, 2, 3))
    assert of_ssim == pytest.approx(float(means.mean()), rel=1e-4)


def test_foreground_counts_more_and_the_scale_of_the_loss_stays():
    predicted, target = images(8, 9)
    thresholds = (0.4, 0.8)
    found = head_loss(
        Head(),
        predicted,
        target,
        options=LossOptions(foreground=3),
        levels=Levels(thresholds, RANGES),
    )
    above = target > torch.tensor(thresholds).reshape(2, 1, 1)
    weights = np.where(above.numpy(), 4, 1)
    squares = ((predicted - target) ** 2).numpy()
    means = [np.average(squares[:, k], weights=weights[:, k]) for k in range(2)]
    assert float(found) == pytest.approx(np.mean(means), rel=1e-5)
    alike = head_loss(
        Head(),
        target + 0.5,
        target,
        options=LossOptions(foreground=3),
        levels=Levels(thresholds, RANGES),
    )
    assert float(alike) == pytest.approx(0.25, rel=1e-5)


def test_all_terms_are_in_float32_under_autocast():
    predicted, target = images(20, 20)
    head, raw = Head("laplace"), torch.cat([predicted, predicted.abs() + 0.5], dim=1)
    options = LossOptions(foreground=1, ssim=1, correlation=1)
    levels = Levels((0.5, 0.5), RANGES)
    expected = head_loss(head, raw, target, options=options, levels=levels)
    with torch.autocast("cpu", torch.bfloat16):
        found = head_loss(head, raw, target, options=options, levels=levels)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize("option", ["foreground", "ssim", "correlation"])
def test_terms_that_need_levels_ask_for_them(option):
    predicted, target = images(12, 12)
    with pytest.raises(ValueError, match="levels of the targets"):
        head_loss(Head(), predicted, target, options=LossOptions(**{option: 1}))
