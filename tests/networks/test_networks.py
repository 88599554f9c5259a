"""The networks are the published ones, to the parameter, and keep their promises of geometry."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


PARAMETERS = {
    ("fnet", 3): 23_280_769,
    ("fnet", 2): 8_116_225,
    ("gvtnet", 3): 6_172_225,
    ("gvtnet", 2): 2_263_489,
    ("gvtnet-denoise", 3): 1_347_328 + 32,
    ("gvtnet-projection", 3): 21_561 + 517_312,
    ("unet", 3): 9_448_513,
    ("virfluonet", 2): 30_615_233,
    ("gt-unet", 2): 6_872_458,
    ("subpixel-unet", 2): 2_174_468,
    ("subpixel-unet", 3): 6_258_692,
}
"""Trainable parameters with the default options. Those of operators, parts and variants stand
in the tests of their modules. The default GT U-Net is the paper's, for one channel and one label;
the counts that its code implies are in test_gt_unet.py."""


@pytest.mark.parametrize(("name", "ndim"), PARAMETERS)
def test_parameters_are_those_of_the_papers(name, ndim):
    with torch.device("meta"):
        assert count(networks.build(name, ndim=ndim)) == PARAMETERS[name, ndim]
    assert networks.describe(name).parameters[ndim] == PARAMETERS[name, ndim]


def test_no_network_is_forgotten():
    assert {name for name, _ in PARAMETERS} == set(networks.names())


@pytest.mark.parametrize(("name", "halo"), [("fnet", 96), ("gvtnet", 48), ("subpixel-unet", 112)])
def test_halo_follows_from_the_layers(name, halo):
    with torch.device("meta"):
        assert networks.build(name, ndim=2).geometry.halo == (halo, halo)


SMALL = {
    "fnet": {"filters": 2, "depth": 2},
    "gvtnet": {"filters": 2, "depth": 2},
    "gvtnet-denoise": {"filters": 2, "depth": 2, "out_channels": 3},
    "gvtnet-projection": {"filters": 2, "depth": 2, "projection_filters": 2, "out_channels": 3},
    "subpixel-unet": {"widths": (2, 4)},
    "unet": {"filters": 2, "depth": 2},
    "virfluonet": {"filters": 2, "depth": 4},
    "gt-unet": {"filters": 4, "growth": 2, "window": 16, "classes": 4},
}


@pytest.mark.parametrize(
    ("name", "ndim"),
    [
        (n, ndim)
        for n in networks.names()
        for ndim in (2, 3)
        if networks.rules(n)["ndim"].accepts(ndim)
    ],
)
def test_any_number_of_channels(name, ndim):
    """What a network states of its sizes and channels is what it does."""
    options = {"out_channels": 2, **SMALL[name]}
    network = networks.build(name, ndim=ndim, in_channels=3, **options).eval()
    geometry, head = network.geometry, network.head
    window = geometry.window
    sizes = window.input if window else tuple(2 * stride for stride in geometry.stride)
    if geometry.projects:
        sizes = (5, *sizes[1:])
    given = torch.randn(2, 3, *sizes)
    raw = network(given)
    expected = window.output if window else sizes[1:] if geometry.projects else sizes
    outputs = options["out_channels"]
    assert raw.shape == (2, head.raw_channels(outputs), *expected)
    read = head.read(raw)
    assert read.shape == (2, outputs * (1 + len(head.uncertainties)), *expected)
    assert read.isfinite().all()


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
        (
            {"name": "fnet", "filters": 1024, "depth": 8},
            "have [0-9,]+ parameters; choose fewer",
        ),
        ({"name": "gvtnet", "filters": 1024, "depth": 4}, "parameters; choose fewer"),
        ({"name": "virfluonet", "filters": 1024, "depth": 10}, "parameters; choose fewer"),
        ({"name": "gt-unet", "filters": 1024, "growth": 256}, "parameters; choose fewer"),
        ({"name": "gvtnt"}, "Did you mean 'gvtnet'"),
        ({"name": "virfluonet", "ndim": 3}, "takes nothing but 2 for 'ndim', not 3"),
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
