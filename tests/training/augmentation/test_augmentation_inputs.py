"""What is done to inputs alone: as large as asked, as often as asked, and to nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_virtual_stain.training.augmentation import Augmentation, augment
from napari_virtual_stain.training.augmentation.optics import TRUNCATED, blurred

SIZE = (8, 8)


def disturbed(inputs, planes=None, **asked):
    """Return inputs and targets, which began as the inputs, of an augmentation."""
    asked = {"probability": 1.0, "turns": False, **asked}
    seeds = [(7, i) for i in range(len(inputs))]
    sizes = inputs.shape[2:]
    targets = inputs.clone()
    result, kept, _ = augment(
        inputs,
        targets,
        None,
        Augmentation(**asked),
        seeds,
        source=sizes,
        target=sizes,
        planes=planes or (1,) * inputs.shape[1],
    )
    assert torch.equal(kept, targets)
    return result


def constant(value, samples=800, channels=1, size=SIZE):
    return torch.full((samples, channels, *size), float(value))


def check_uniform(values, low, high):
    """Assert that values are uniform in low … high: all within, and mean and spread."""
    values = (np.asarray(values, float).ravel() - low) / (high - low)
    assert values.min() > -1e-4
    assert values.max() < 1 + 1e-4
    assert values.mean() == pytest.approx(0.5, abs=0.05)
    assert values.var() == pytest.approx(1 / 12, abs=0.015)


def test_contrast_is_a_factor():
    result = disturbed(constant(3), contrast=0.5)
    assert (result == result[..., :1, :1]).all()
    check_uniform((result[:, 0, 0, 0] / 3).log(), -np.log(1.5), np.log(1.5))


def test_brightness_is_an_offset():
    result = disturbed(constant(3), brightness=0.5)
    assert (result == result[..., :1, :1]).all()
    check_uniform(result[:, 0, 0, 0] - 3, -0.5, 0.5)


def test_planes_of_a_channel_share_what_happens_to_it():
    inputs = constant(1, samples=20, channels=5)
    for asked in ({"contrast": 0.5}, {"brightness": 0.5}, {"illumination": 0.5}):
        result = disturbed(inputs, (3, 2), **asked)
        assert torch.equal(result[:, :1].expand(-1, 3, -1, -1), result[:, :3])
        assert torch.equal(result[:, 3], result[:, 4])
        assert (result[:, 0] != result[:, 3]).flatten(1).any(1).all()


def test_noise_is_independent_and_of_every_strength():
    noise = disturbed(constant(2, samples=400, channels=2, size=(32, 32)), noise=0.5) - 2
    spread = noise.flatten(1).std(1)
    check_uniform(spread, 0, 0.5 * 1.05)
    assert (noise.flatten(1).mean(1) / spread).abs().max() < 5 / np.sqrt(2 * 32 * 32)
    one = noise / spread[:, None, None, None]
    for shifted in (
        (one[..., 1:, :] * one[..., :-1, :]),
        (one[:, 0] * one[:, 1]),
        one[1:] * one[:-1],
    ):
        assert abs(shifted.mean()) < 0.01


def test_blur_is_a_gaussian_of_every_width():
    point = torch.zeros(400, 1, 41, 41)
    point[..., 20, 20] = 1
    spots = disturbed(point, blur=4)[:, 0].double()
    assert spots.sum((1, 2)).sub(1).abs().max() < 1e-5
    offsets = (torch.arange(41) - 20.0).double()
    for axis in (1, 2):
        variance = (spots.sum(3 - axis) * offsets**2).sum(1)
        # Ended at three standard deviations, a Gaussian is a little narrower.
        check_uniform(variance.sqrt(), 0, 4)


@pytest.mark.parametrize("size", [(20, 17), (1, 1), (3, 30)])
def test_blur_is_that_of_scipy_with_reflected_borders(size):
    widths = np.array([0.0, 0.7, 2.5])
    images = torch.randn(3, 2, *size, generator=torch.Generator().manual_seed(0))
    result = blurred(images, widths)
    assert torch.equal(result[0], images[0])
    for image, one, width in zip(images[1:], result[1:], widths[1:], strict=True):
        radius = int(np.ceil(TRUNCATED * width))
        for channel, filtered in zip(image, one, strict=True):
            expected = gaussian_filter(channel.double(), width, mode="mirror", radius=radius)
            np.testing.assert_allclose(filtered, expected, atol=1e-5)


def test_illumination_is_smooth_and_peaks_as_asked():
    size = (48, 64)
    dark, light = (disturbed(constant(x, 300, size=size), illumination=0.4) for x in (0, 1))
    peaks = dark.abs().amax((1, 2, 3))
    check_uniform(peaks, 0, 0.4)
    # Added where the input is 0, and multiplied as well.
    torch.testing.assert_close(light, 1 + 2 * dark)
    # The fastest wave changes by π · 2 / 48 of its height from one pixel to the next.
    assert (dark.diff(dim=-2).abs().amax((1, 2, 3)) < 4 * peaks * np.pi * 2 / 48).all()
    assert dark.flatten(1).std(1).min() > 0


@pytest.mark.parametrize("name", ["contrast", "brightness", "blur", "noise", "illumination"])
def test_each_is_applied_as_often_as_asked(name):
    inputs = torch.randn(400, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    # A blur of much less than a pixel leaves every bit as it is, so it is asked to be a large one.
    amount = 20.0 if name == "blur" else 1.0
    for probability in (0.0, 0.3, 1.0):
        result = disturbed(inputs, probability=probability, **{name: amount})
        left = (result == inputs).flatten(1).all(1).double().mean()
        assert left == pytest.approx(1 - probability, abs=0.08 * (0 < probability < 1) + 0.03)


def test_channels_are_dropped_as_often_as_asked_with_all_their_planes():
    result = disturbed(constant(1, samples=2000, channels=6), (3, 1, 2), channel_dropout=0.4)
    stay = result[..., 0, 0]
    assert ((result == 0) | (result == 1)).all()
    assert (result == result[..., :1, :1]).all()
    assert torch.equal(stay[:, :1].expand(-1, 3), stay[:, :3])
    assert torch.equal(stay[:, 4], stay[:, 5])
    # Of three channels all are drawn in 0.4³ of the samples; one of them stays then.
    expected = 0.6 + 0.4**3 / 3
    for channel in (0, 3, 4):
        assert stay[:, channel].mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("chance", [0.9, 1.0])
def test_dropout_never_takes_everything(chance):
    inputs = constant(1, samples=300, channels=7)
    stay = disturbed(inputs, (4, 1, 2), channel_dropout=chance, plane_dropout=chance)[..., 0, 0]
    assert (stay.sum(1) > 0).all()
    assert disturbed(inputs[:, :1], channel_dropout=1.0, plane_dropout=1.0).min() == 1
    planes = disturbed(inputs, (4, 1, 2), plane_dropout=chance)[..., 0, 0]
    assert all((part.sum(1) > 0).all() for part in planes.split((4, 1, 2), 1))


def test_planes_are_dropped_one_by_one():
    stay = disturbed(constant(1, samples=2000, channels=5), (5,), plane_dropout=0.3)[..., 0, 0]
    np.testing.assert_allclose(stay.mean(0), 0.7, atol=0.05)
    assert len(torch.unique(stay, dim=0)) == 2**5 - 1
