"""Heads read raw channels as the formulas say."""

from __future__ import annotations

import math

import pytest
import torch

from napari_virtual_stain.networks import Head

LIKELIHOODS = {
    "laplace": lambda scale: math.sqrt(2) * scale,
    "gaussian": lambda scale: scale,
    "log-variance": lambda scale: torch.exp(scale) ** 0.5,
}


def random_raw(head: Head, outputs: int) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, head.raw_channels(outputs), 3, 4).abs() * 3


def test_a_value_is_itself():
    raw = random_raw(Head(), 3)
    assert torch.equal(Head().read(raw), raw)
    assert Head().uncertainties == ()


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_of_a_likelihood_the_mean_and_the_standard_deviation(kind):
    head = Head(kind)
    raw = random_raw(head, 3)
    read = head.read(raw)
    assert torch.equal(read[:, :3], raw[:, :3])
    assert torch.allclose(read[:, 3:], LIKELIHOODS[kind](raw[:, 3:]))
    assert torch.equal(head.read(raw, uncertainty=False), raw[:, :3])


@pytest.mark.parametrize("classes", [2, 5, 256])
def test_of_classes_every_statistic_pixel_by_pixel(classes):
    head = Head("classes", classes)
    raw = random_raw(head, 2).double()
    mean, median = head.read(raw), head.read(raw, "median")
    for item, output, y, x in [(0, 0, 0, 0), (1, 1, 2, 3), (0, 1, 1, 2)]:
        logits = raw[item, output * classes : (output + 1) * classes, y, x].tolist()
        total = sum(math.exp(value) for value in logits)
        shares = [math.exp(value) / total for value in logits]
        values = [c / (classes - 1) for c in range(classes)]
        expected = sum(s * v for s, v in zip(shares, values, strict=True))
        variance = sum(s * (v - expected) ** 2 for s, v in zip(shares, values, strict=True))
        entropy = -sum(s * math.log(s) for s in shares) / math.log(classes)
        reached = next(c for c in range(classes) if sum(shares[: c + 1]) >= 0.5)
        at = mean[item, :, y, x].reshape(3, 2)[:, output].tolist()
        assert at == pytest.approx([expected, math.sqrt(variance), entropy], abs=1e-5)
        assert median[item, output, y, x] == pytest.approx(values[reached], abs=1e-6)
    assert torch.equal(mean[:, 2:], median[:, 2:])


def test_a_uniform_distribution_knows_nothing_and_a_sure_one_everything():
    head = Head("classes", 16)
    raw = torch.zeros(1, 16, 1, 2)
    raw[0, 3, 0, 1] = 1000.0  # the others underflow to shares of 0
    read = head.read(raw)[0, :, 0]
    assert read[:, 0].tolist() == pytest.approx([0.5, math.sqrt(17 / 15 / 12), 1], abs=1e-5)
    assert read[:, 1].tolist() == pytest.approx([3 / 15, 0, 0], abs=1e-5)


def test_half_precision_is_read_in_single():
    raw = random_raw(Head("classes", 256), 1)
    read = Head("classes", 256).read(raw.bfloat16())
    assert read.dtype == torch.float32
    assert torch.allclose(read, Head("classes", 256).read(raw), atol=0.02)
