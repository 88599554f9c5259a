"""The networks are the published ones, to the parameter, and keep their promises of geometry."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks.layers import SameDown, SameUp


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "ndim", "parameters"),
    [
        ("gvtnet", 3, 6_172_225),
        ("gvtnet", 2, 2_263_489),
        ("fnet", 3, 23_280_769),
        ("fnet", 2, 8_116_225),
    ],
)
def test_parameters_are_those_of_the_papers(name, ndim, parameters):
    with torch.device("meta"):
        assert count(networks.build(name, ndim=ndim)) == parameters


@pytest.mark.parametrize(("name", "halo"), [("fnet", 96), ("gvtnet", 48)])
def test_halo_follows_from_the_layers(name, halo):
    with torch.device("meta"):
        assert networks.build(name, ndim=2).geometry.halo == (halo, halo)


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_any_number_of_channels(name, ndim):
    network = networks.build(
        name, ndim=ndim, in_channels=3, out_channels=2, filters=2, depth=2
    ).eval()
    sizes = tuple(2 * stride for stride in network.geometry.stride)
    assert network(torch.zeros(2, 3, *sizes)).shape == (2, 2, *sizes)


def settled(network: torch.nn.Module) -> torch.nn.Module:
    """Give batch normalization statistics of its own, so that no layer is nearly linear."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, torch.nn.modules.conv._ConvNd):
            torch.nn.init.kaiming_normal_(module.weight)
    return network.double().eval()


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_an_aligned_core_depends_on_its_halo_and_on_nothing_beyond(name, depth):
    """The halo that interval arithmetic gives is checked by disturbing pixels, both ways."""
    network = settled(networks.build(name, ndim=2, filters=2, depth=depth))
    (stride, _), (halo, _) = network.geometry.stride, network.geometry.halo
    for operator in network.modules():
        if isinstance(operator, networks.GlobalOperator):
            with torch.no_grad():  # its own reach is everything; that of the convolutions is asked
                operator.out.weight.zero_()
                operator.out.bias.zero_()
    core = slice(halo + stride, halo + 2 * stride)
    x = torch.randn(1, 1, stride, 2 * halo + 3 * stride, dtype=torch.float64, requires_grad=True)
    network(x)[..., core].abs().sum().backward()
    reach = x.grad[0, 0].abs().sum(0).nonzero().ravel()
    before, after = core.start - int(reach.min()), int(reach.max()) + 1 - core.stop
    assert max(before, after) <= halo
    assert max(before, after) > halo - stride  # and it is not larger than it need be


def test_strided_convolution_pads_at_the_end_as_tensorflow_does():
    down = SameDown(2, 1, 1, bias=False)
    with torch.no_grad():
        down.conv.weight.fill_(1)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    expected = torch.tensor([[45.0, 39.0], [66.0, 50.0]])
    assert torch.equal(down(x)[0, 0], expected)


def test_transposed_convolution_cuts_the_last_element_as_tensorflow_does():
    up = SameUp(2, 1, 1, bias=False)
    with torch.no_grad():
        up.conv.weight.copy_(torch.tensor([1.0, 10.0, 100.0]).expand(3, 3) / 3)
    x = torch.zeros(1, 1, 2, 2)
    x[0, 0, :, 0] = 1
    x[0, 0, :, 1] = 2
    columns = up(x)[0, 0, 0] * 3
    # Output o gets input i by the kernel's tap o − 2i, and the fifth column is cut.
    assert torch.allclose(columns, torch.tensor([1.0, 10.0, 102.0, 20.0]))


def test_attention_is_the_published_formula():
    """The bottom operator against the formula written out with the N × N attention matrix."""
    network = networks.build("gvtnet", ndim=2, filters=4, depth=2, heads=2)
    operator = network.bottom.eval()
    torch.manual_seed(0)
    x = torch.randn(2, 8, 3, 5)
    activated = torch.clamp(operator.norm(x), 0, 6)
    q, k, v = (
        layer(activated).reshape(2, 2, 4, 15)
        for layer in (operator.query, operator.key, operator.value)
    )
    attention = (q * 4**-0.5).transpose(2, 3) @ k / 15  # (B, heads, queries, keys)
    attended = (attention @ v.transpose(2, 3)).transpose(2, 3).reshape(2, 8, 3, 5)
    assert torch.allclose(operator(x), operator.out(attended) + x, atol=1e-5)


def test_sums_of_parts_add_up_to_the_sums_of_the_whole():
    operator = networks.build("gvtnet", ndim=2, filters=2, depth=2).bottom.eval()
    x = torch.randn(1, 4, 6, 8)
    left = operator.sums(x, (slice(None), slice(0, 3)))
    right = operator.sums(x, (slice(None), slice(3, 8)))
    both, whole = left + right, operator.sums(x)
    assert both.queries == whole.queries == 48
    assert torch.allclose(both.key_value, whole.key_value, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"name": "resnet"}, "no network named 'resnet'; known: fnet, gvtnet"),
        ({"name": "fnet", "heads": 2}, "has no option 'heads'"),
        ({"name": "fnet", "filters": 0}, "from 1 to 1024 for 'filters', not 0"),
        ({"name": "fnet", "filters": "32"}, "not '32'"),
        ({"name": "fnet", "ndim": 4}, "from 2 to 3 for 'ndim'"),
        ({"name": "gvtnet", "depth": 1}, "from 2 to 8 for 'depth', not 1"),
        ({"name": "fnet", "filters": 1024, "depth": 8}, "channels wide"),
        ({"name": "gvtnet", "filters": 5, "heads": 3}, "3 heads"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        networks.build(**call)


def test_sizes_off_the_lattice_are_refused():
    with pytest.raises(ValueError, match="multiples of"):
        networks.build("fnet", ndim=2, filters=1, depth=2)(torch.zeros(1, 1, 6, 8))
    with pytest.raises(ValueError, match="expected"):
        networks.build("fnet", ndim=2, filters=1, depth=2)(torch.zeros(1, 2, 8, 8))
