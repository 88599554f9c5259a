"""The adversarial objective is equation 3, to the last digit, whatever the logits."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from napari_virtual_stain import networks
from napari_virtual_stain.networks import Discriminator
from napari_virtual_stain.training.adversarial import (
    GENERATOR_UPDATES,
    AdversarialWeights,
    discriminator_loss,
    generator_loss,
    mean_magnitude,
)

NOTHING = torch.zeros(1, 1, 1, 1)
LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=5)


def minus_log_sigmoid(logit: float) -> float:
    return math.log1p(math.exp(-logit)) if logit > 0 else math.log1p(math.exp(logit)) - logit


def test_the_weights_are_those_of_the_paper():
    assert AdversarialWeights() == AdversarialWeights(mae=0.99, adversarial=0.01, weights=0.001)


def test_the_generator_s_objective_is_the_sum_of_its_three_terms():
    predicted = torch.tensor([[[[0.5, -0.5]]], [[[1.0, 0.0]]]], dtype=torch.float64)
    target = torch.tensor([[[[-0.5, -0.5]]], [[[0.0, -0.25]]]], dtype=torch.float64)
    logits = torch.tensor([0.0, 2.0], dtype=torch.float64)
    parameters = [torch.tensor([[1.0, -2.0]]).double(), torch.tensor([6.0]).double()]
    error = (1 + 0 + 1 + 0.25) / 4
    adversarial = (-math.log(1 / 2) - math.log(1 / (1 + math.exp(-2)))) / 2
    loss = generator_loss(predicted, target, logits, parameters)
    expected = 0.99 * error + 0.01 * adversarial + 0.001 * (1 + 2 + 6) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-14)
    chosen = AdversarialWeights(mae=2, adversarial=3, weights=5)
    expected = 2 * error + 3 * adversarial + 5 * 3
    loss = generator_loss(predicted, target, logits, parameters, chosen)
    assert loss.item() == pytest.approx(expected, rel=1e-14)


def test_grey_values_of_opposite_sign_differ():
    """Equation 4, taken at its word, would see no difference."""
    ones = torch.ones(1, 1, 2, 2)
    only = AdversarialWeights(mae=1, adversarial=0, weights=0)
    assert generator_loss(ones, -ones, torch.zeros(1), [torch.ones(1)], only) == 2


@given(LOGITS, LOGITS)
def test_both_objectives_are_the_logarithms_they_stand_for(real, fake):
    expected = sum(map(minus_log_sigmoid, real)) / len(real)
    expected += sum(minus_log_sigmoid(-logit) for logit in fake) / len(fake)
    real, fake = (torch.tensor(logits, dtype=torch.float64) for logits in (real, fake))
    assert discriminator_loss(real, fake).item() == pytest.approx(expected, rel=1e-12)
    direct = -torch.log(torch.sigmoid(fake)).mean()
    only = AdversarialWeights(mae=0, adversarial=1, weights=0)
    loss = generator_loss(NOTHING.double(), NOTHING.double(), fake, [torch.ones(1)], only)
    assert loss.item() == pytest.approx(direct.item(), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_extreme_logits_give_finite_losses_and_gradients(dtype):
    only = AdversarialWeights(mae=0, adversarial=1, weights=0)
    for logit in (-(2.0**15), 2.0**15):
        logits = torch.tensor([logit], dtype=dtype, requires_grad=True)
        generator = generator_loss(NOTHING, NOTHING, logits, [torch.ones(1)], only)
        assert generator.item() == pytest.approx(max(-logit, 0))
        generator.backward()
        assert logits.grad.item() == (-1 if logit < 0 else 0)
        judged = discriminator_loss(logits.detach(), -logits.detach())
        assert judged.item() == pytest.approx(2 * max(-logit, 0))


def test_small_losses_keep_their_digits():
    certain = torch.tensor([30.0], dtype=torch.float64)
    assert discriminator_loss(certain, -certain).item() == pytest.approx(
        2 * math.log1p(math.exp(-30)), rel=1e-12
    )


def test_half_precision_is_summed_in_float32():
    predicted = torch.full((1, 1, 64, 64), 100.0, dtype=torch.float16)
    parameters = [torch.full((1000,), 200.0, dtype=torch.float16)]
    loss = generator_loss(predicted, -predicted, torch.zeros(1).half(), parameters)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.99 * 200 + 0.01 * math.log(2) + 0.001 * 200, rel=1e-6)


def test_weights_count_by_their_number_and_not_by_their_tensor():
    assert mean_magnitude(iter([torch.full((3,), -1.0), torch.full((1, 1), 5.0)])) == 2


def test_gradients_are_those_of_the_formulas():
    torch.manual_seed(0)
    predicted = torch.randn(2, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 1, 2, 2, dtype=torch.float64)
    logits = torch.randn(2, dtype=torch.float64, requires_grad=True)
    others = torch.randn(2, dtype=torch.float64, requires_grad=True)
    parameter = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda p, f, w: generator_loss(p, target, f, [w]), (predicted, logits, parameter)
    )
    assert torch.autograd.gradcheck(discriminator_loss, (logits, others))


def test_gradients_pass_through_both_networks_as_they_should():
    """Generator, discriminator and objective in one, in float64, with respect to the image."""
    torch.manual_seed(0)
    generator = networks.build("virfluonet", filters=2, depth=2, dropout=0.0).double()
    judge = Discriminator(in_channels=2, size=(4, 4), filters=1).double()
    for module in (*generator.modules(), *judge.modules()):
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            nn.init.normal_(module.weight, 0, 0.5)
    generator.eval()
    judge.eval()
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    y = torch.randn(1, 1, 4, 4, dtype=torch.float64)

    def objective(image):
        predicted = generator(image)
        return generator_loss(predicted, y, judge(image, predicted), generator.parameters())

    assert torch.autograd.gradcheck(objective, (x,))


def test_a_prediction_of_another_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"prediction is \(1, 1, 4, 4\), its target \(1, 2, 4, 4\)"
    ):
        generator_loss(
            torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4), torch.zeros(1), [torch.ones(1)]
        )


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("virfluonet", {"filters": 8, "depth": 5, "dropout": 0.0}, (1, 32, 32)),
        ("fnet", {"ndim": 2, "filters": 4, "depth": 2}, (1, 32, 32)),
        ("gvtnet", {"ndim": 3, "filters": 4, "depth": 2}, (1, 4, 16, 16)),
    ],
)
def test_the_adversarial_steps_of_any_generator_lower_the_error_on_one_patch(name, options, shape):
    torch.manual_seed(0)
    generator = networks.build(name, **options)
    judge = Discriminator(in_channels=2, size=shape[1:], filters=4)
    x = torch.nn.functional.avg_pool2d(torch.randn(shape), 3, 1, 1)[None].clamp(-1, 1)
    y = (1.5 * x.abs() - 0.8).clamp(-1, 1)
    of_generator = torch.optim.Adam(generator.parameters(), 2e-3, betas=(0.5, 0.999))
    of_judge = torch.optim.Adam(judge.parameters(), 2e-4, betas=(0.5, 0.999))

    def step():
        with torch.no_grad():
            fake = generator(x)
        judged = discriminator_loss(judge(x, y), judge(x, fake))
        of_judge.zero_grad()
        judged.backward()
        of_judge.step()
        for _ in range(GENERATOR_UPDATES):
            predicted = generator(x)
            loss = generator_loss(predicted, y, judge(x, predicted), generator.parameters())
            of_generator.zero_grad()
            loss.backward()
            of_generator.step()
        return float((predicted - y).detach().abs().mean()), float(judged.detach())

    errors, verdicts = zip(*(step() for _ in range(30)), strict=True)
    assert errors[-1] < 0.6 * errors[0]
    assert min(verdicts[5:]) < verdicts[0]
    assert all(map(math.isfinite, verdicts))


def test_importing_the_objective_does_not_load_torch():
    code = "import sys, napari_virtual_stain.training.adversarial; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
