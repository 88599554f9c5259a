"""The U-Net on squares of pixels: what the squares become, and what it can be built as."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks.subpixel_unet import channels_to_squares, squares_to_channels


@pytest.mark.parametrize("sizes", [(6, 8), (3, 6, 8)])
def test_squares_become_channels_and_back(sizes):
    x = torch.arange(2 * 3 * torch.Size(sizes).numel(), dtype=torch.float32).reshape(2, 3, *sizes)
    channels = squares_to_channels(x)
    assert channels.shape == (2, 12, *sizes[:-2], 3, 4)
    for c in range(3):
        for i in range(2):
            for j in range(2):
                assert torch.equal(channels[:, 4 * c + 2 * i + j], x[:, c, ..., i::2, j::2])
    assert torch.equal(channels_to_squares(channels), x)


def test_upsampling_leaves_no_checkerboard():
    """Of a constant image, every pixel far from the border is predicted alike but for the head."""
    network = networks.build("subpixel-unet", ndim=2, widths=(4, 8)).eval()
    with torch.inference_mode():
        predicted = network(torch.ones(1, 1, 128, 128))[0, 0, 48:80, 48:80]
    for i in range(2):
        for j in range(2):
            phase = predicted[i::2, j::2]
            assert torch.allclose(phase, phase[0, 0].expand_as(phase), atol=1e-6)


def test_a_likelihood_doubles_the_raw_channels():
    network = networks.build(
        "subpixel-unet", ndim=2, widths=(2, 4), out_channels=2, likelihood="gaussian"
    )
    assert network.head.kind == "log-variance"
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 4, 8, 8)


@pytest.mark.parametrize("widths", [(8,), 8, (1,) * 9])
def test_widths_are_two_to_eight_numbers(widths):
    with pytest.raises(VirtualStainError, match="widths are a list of two to eight numbers"):
        networks.build("subpixel-unet", ndim=2, widths=widths)
