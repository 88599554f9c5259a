"""The network that projects a stack onto a surface."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError

SMALL = {"filters": 2, "projection_filters": 2}


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_the_published_graph():
    with torch.device("meta"):
        network = networks.build("gvtnet-projection")
    assert (count(network.projection), count(network.denoising)) == (21_561, 517_312)
    assert count(network) == 538_873


@pytest.mark.parametrize("planes", [1, 5])
@pytest.mark.parametrize("likelihood", ["none", "laplace"])
def test_stacks_become_planes(planes, likelihood):
    network = networks.build(
        "gvtnet-projection", in_channels=2, out_channels=2, likelihood=likelihood, **SMALL
    ).eval()
    raw = network.head.raw_channels(2)
    assert raw == (2 if likelihood == "none" else 4)
    assert network(torch.randn(2, 2, planes, 16, 32)).shape == (2, raw, 16, 32)


def test_geometry():
    with torch.device("meta"):
        geometry = networks.build("gvtnet-projection").geometry
        deep = networks.build("gvtnet-projection", depth=7).geometry
    assert geometry.stride == (1, 16, 16)
    assert geometry.halo == (0, 80, 80)
    assert geometry.projects
    assert geometry.has_global_operators
    assert deep.stride == (1, 64, 64)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_an_aligned_core_depends_on_its_halo_and_on_nothing_beyond(depth):
    torch.manual_seed(1)
    network = networks.build("gvtnet-projection", depth=depth, **SMALL).double().eval()
    for module in network.modules():
        # Positive weights: no rectifier, maximum or cancellation hides what a layer reads.
        if isinstance(module, torch.nn.modules.conv._ConvNd):
            module.weight.data.abs_().mul_(0.3)
        elif isinstance(module, torch.nn.ReLU6):
            module.forward = torch.nn.functional.softplus
        elif isinstance(module, torch.nn.MaxPool3d):
            module.forward = torch.nn.AvgPool3d(module.kernel_size).forward
    for module in network.modules():
        if isinstance(module, networks.GlobalOperator):
            torch.nn.init.zeros_(module.out.weight)
    stride, halo = network.geometry.stride[1], network.geometry.halo[1]
    core = slice(halo + stride, halo + 2 * stride)
    for transpose in (False, True):
        sizes = (stride, 2 * halo + 3 * stride)
        x = torch.rand(1, 1, 2, *sizes, dtype=torch.float64)
        x = (x.mT.contiguous() if transpose else x).requires_grad_()
        y = network(x)
        (y.mT if transpose else y)[..., core].sum().backward()
        gradient = x.grad.mT if transpose else x.grad
        touched = gradient[0, 0].abs().sum((0, 1)).nonzero().ravel()
        before, after = core.start - int(touched.min()), int(touched.max()) + 1 - core.stop
        assert max(before, after) <= halo
        assert max(before, after) > halo - stride


def test_the_projection_is_the_mean_of_weighted_planes():
    network = networks.build("gvtnet-projection", **SMALL).eval()
    x = torch.randn(1, 1, 4, 16, 16)
    torch.nn.init.zeros_(network.denoising.output.weight)  # the 2D network adds nothing …
    torch.nn.init.zeros_(network.projection.output.weight)
    torch.nn.init.constant_(network.projection.output.bias, 3)
    assert torch.allclose(network(x), 3 * x.mean(2), atol=1e-6)  # … to the projected image


def flat_convolution(x: np.ndarray, layer: torch.nn.Module) -> np.ndarray:
    """Convolve (C, Z, Y, X), index by index: centred taps, zero outside."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    y = np.zeros((len(weight), *x.shape[1:])) + bias.reshape(-1, 1, 1, 1)
    centre = [n // 2 for n in weight.shape[2:]]
    for at in np.ndindex(x.shape[1:]):
        for tap in np.ndindex(weight.shape[2:]):
            read = tuple(o + t - c for o, t, c in zip(at, tap, centre, strict=True))
            if all(0 <= i < n for i, n in zip(read, x.shape[1:], strict=True)):
                y[:, *at] += weight[:, :, *tap] @ x[:, *read]
    return y


def test_weights_are_those_of_the_published_graph():
    """Every layer in its order, the convolutions by index arithmetic, in float64."""
    torch.manual_seed(0)
    net = networks.build("gvtnet-projection", **SMALL).projection.double().eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.4)
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64).numpy()

    def relu6(x):
        return np.clip(x, 0, 6)

    def pooled(x):
        c, z, y, x_ = x.shape
        return x.reshape(c, z, y // 4, 4, x_ // 4, 4).max((3, 5))

    def operator(module, x):
        with torch.no_grad():
            return module(torch.from_numpy(x)[None])[0].numpy()

    shape = [net.downs[0].kernel_size, net.output.kernel_size]
    assert shape == [(3, 5, 5), (5, 5, 5)]
    a = pooled(flat_convolution(x, net.downs[0]))
    a = pooled(flat_convolution(relu6(a), net.downs[1]))
    a = operator(net.bottom, a) + flat_convolution(relu6(a), net.bottom_conv)
    for up, conv in zip(net.ups, net.up_convs, strict=True):
        a = flat_convolution(relu6(operator(up, a)), conv)
    wanted = flat_convolution(relu6(a), net.output)
    assert np.abs(operator(net, x) - wanted).max() <= 1e-10 * np.abs(wanted).max()


def test_operators_run_in_the_order_of_modules():
    network = networks.build("gvtnet-projection", **SMALL).eval()
    operators = [m for m in network.modules() if isinstance(m, networks.GlobalOperator)]
    ran = []
    for operator in operators:
        operator.register_forward_pre_hook(lambda module, _: ran.append(module))
    network(torch.randn(1, 1, 2, 16, 16))
    assert len(operators) == 6
    assert ran == operators


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ndim": 2}, "nothing but 3 for 'ndim'"),
        ({"in_channels": 2}, "not 1 of 2; set 'residual' to false"),
        ({"projection_filters": 3}, "3 features cannot be split into 2 heads"),
        ({"skip": "add"}, "no option 'skip'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        networks.build("gvtnet-projection", **options)


def test_without_the_global_residual_channels_are_free():
    network = networks.build(
        "gvtnet-projection", in_channels=2, out_channels=3, residual=False, **SMALL
    )
    assert network(torch.zeros(1, 2, 2, 16, 16)).shape == (1, 3, 16, 16)
    with pytest.raises(ValueError, match="multiples of"):
        network(torch.zeros(1, 2, 2, 16, 24))
