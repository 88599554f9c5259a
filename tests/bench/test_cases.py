"""What is measured: every process builds the same network and image, and the result is no toy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_stain.bench import Case, cases
from napari_virtual_stain.errors import VirtualStainError

SMALL = {"filters": 4, "depth": 2}


@pytest.mark.parametrize("sizes", [(70, 45), (33, 64, 40)])
def test_an_image_follows_from_its_sizes(sizes):
    case = Case("fnet-2d" if len(sizes) == 2 else "fnet-3d", sizes)
    image, again = case.image(), case.image()
    assert image.shape == sizes
    assert image.dtype == np.uint16
    assert np.array_equal(image.data, again.data)
    # Patches of different grey, and noise within them.
    patches = [patch.mean() for patch in (image.data[..., :32], image.data[..., 32:])]
    assert abs(patches[0] - patches[1]) > 20
    assert 150 < image.data[..., :8, :8].std() < 400


@pytest.mark.parametrize("network", ["fnet-2d", "gvtnet-2d", "fnet-3d", "gvtnet-3d"])
def test_weights_follow_from_the_network_and_matter(network):
    case = Case(network, (16, 16, 16)[-int(network[-2]) :], SMALL)
    first, again = case.model().network, case.model().network
    for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    norms = [m for m in first.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(norm.running_var.std() > 0.1 and norm.running_mean.std() > 0.05 for norm in norms)
    x = torch.randn(1, 1, *case.sizes)
    with torch.inference_mode():
        y = first(x)
    assert torch.isfinite(y).all()
    assert y.std() > 0.1 * y.abs().mean()


def test_names():
    case = Case("gvtnet-3d", (32, 256, 256))
    assert case.key == "gvtnet-3d-32x256x256"
    assert case.title == "GVTNet 3D, 32 × 256 × 256"
    assert case.small().sizes == (32, 96, 96)
    assert Case("fnet-2d", (100, 5000)).small().sizes == (100, 256)


def test_what_is_usual_on_each_device():
    on_cpu = [case.key for case in cases((), (), "cpu")]
    assert "fnet-2d-2048x2048" in on_cpu
    assert "gvtnet-2d-4096x4096" in on_cpu
    assert "fnet-3d-32x256x256" in on_cpu
    assert [c.sizes for c in cases((), (), "cuda")] == [(64, 624, 924)] * 2


def test_sizes_go_to_networks_with_as_many_axes():
    found = cases(("fnet-2d", "fnet-3d"), ((128, 128), (16, 64, 64)), "cpu")
    assert [case.key for case in found] == ["fnet-2d-128x128", "fnet-3d-16x64x64"]


def test_what_cannot_be_measured_is_said():
    with pytest.raises(VirtualStainError, match="no network 'unet' to measure; choose from fnet"):
        cases(("unet",), (), "cpu")
    with pytest.raises(VirtualStainError, match="give a size that fits the network"):
        cases(("fnet-2d",), ((16, 64, 64),), "cpu")
