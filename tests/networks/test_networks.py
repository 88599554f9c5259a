"""The networks are the published ones, to the parameter, and keep their promises of geometry."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError


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


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"name": "resnet"}, "no network named 'resnet'; known: fnet, "),
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
