"""A tuned network is the same function, and leaves the one it was made of alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_virtual_stain import networks
from napari_virtual_stain.inference.tuned import tuned
from napari_virtual_stain.networks import GlobalOperator

CPU = torch.device("cpu")
NORM = nn.modules.batchnorm._BatchNorm

VARIANTS = {
    **{name: (name, {}) for name in networks.names()},
    "fnet 3D": ("fnet", {"axes": "ZYX"}),
    "fnet, gaussian": ("fnet", {"likelihood": "gaussian"}),
    "gvtnet 3D": ("gvtnet", {"axes": "ZYX"}),
    "unet 3D": ("unet", {"axes": "ZYX", "skip": "concat"}),
    "gvtnet, operators": ("gvtnet", {"down": "gvto-v1", "up": "gvto-v1", "depth": 3}),
    "gvtnet, without norm": ("gvtnet", {"norm": False, "encoder_blocks": [2, 1], "skip": "concat"}),
    "gvtnet, without blocks": (
        "gvtnet",
        {"norm": False, "encoder_blocks": 0, "decoder_blocks": 0, "activation": "relu"},
    ),
    "gvtnet, residual": ("gvtnet", {"residual": True, "likelihood": "laplace"}),
    "gt-unet, other": (
        "gt-unet",
        {
            "multi_scale": "learned",
            "blocks": "plain",
            "operators": "convolution",
            "head": "residual",
        },
    ),
    "gt-unet, relu": ("gt-unet", {"relu_projections": True, "norm": False}),
}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def network(request, make_model):
    name, options = request.param
    options = dict(options)
    if name == "gvtnet-projection":
        options["axes"] = "ZYX"
    return make_model(name, large_weights=name in ("fnet", "virfluonet"), **options).network


def example(network) -> torch.Tensor:
    stride = network.geometry.stride
    sizes = [max(2 * s, 5 if s == 1 else s) for s in stride]
    return torch.randn((1, 1, *sizes), generator=torch.Generator().manual_seed(1)) * 2


def ran(network, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network(x)


def test_it_computes_the_same(network):
    x = example(network)
    before = x.clone()
    expected = ran(network, x)
    result = ran(tuned(network, CPU), x)
    assert (result - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(x, before)


def test_the_network_is_left_as_it_was(network):
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    private = tuned(network, CPU)
    ran(private, example(network))
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert all(module.training for module in network.modules())
    assert not any(getattr(module, "inplace", False) for module in network.modules())
    assert not any(module.training for module in private.modules())
    own = {tensor.data_ptr() for tensor in private.state_dict().values()}
    assert not own & {tensor.data_ptr() for tensor in network.state_dict().values()}


def test_what_others_rely_on_is_kept(network):
    private = tuned(network, CPU)
    assert type(private) is type(network)
    assert (private.geometry, private.head) == (network.geometry, network.head)
    assert [type(m) for m in private.modules() if isinstance(m, GlobalOperator)] == [
        type(m) for m in network.modules() if isinstance(m, GlobalOperator)
    ]


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, NORM) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "left"),
    [("fnet", 0), ("gt-unet", 0), ("virfluonet", 0), ("gvtnet-denoise", 0), ("gvtnet", 5)],
)
def test_normalization_behind_convolutions_is_folded(make_model, name, left):
    """What is left stands before the convolutions of a block, behind sums: one for each block."""
    network = make_model(name).network
    assert norms(tuned(network, CPU)) == left
    assert norms(network) > left or name == "gvtnet-denoise"


def test_normalization_by_the_statistics_of_the_input_is_not_folded(make_model):
    network = make_model("fnet").network
    for module in network.modules():
        if isinstance(module, NORM):
            module.running_mean = module.running_var = None
            module.track_running_stats = False
    x = example(network)
    private = tuned(network, CPU)
    assert norms(private) == norms(network)
    assert torch.allclose(ran(private, x), ran(network, x), atol=1e-4)


def test_weights_that_would_overflow_are_not_folded(make_model):
    network = make_model("fnet").network
    norm = next(module for module in network.modules() if isinstance(module, NORM))
    norm.weight.data.fill_(3e38)
    norm.running_var.fill_(1e-30)
    assert norms(tuned(network, CPU)) == 1


def test_activations_overwrite_what_nobody_else_reads(make_model):
    def in_place(name: str, **options) -> list[bool]:
        private = tuned(make_model(name, **options).network, CPU)
        return [module.inplace for module in private.modules() if hasattr(module, "inplace")]

    assert all(in_place("fnet"))
    assert all(in_place("gvtnet"))
    assert not any(in_place("gvtnet-denoise"))  # without norms they read what is added later
    assert not any(in_place("virfluonet")[:2])  # they read skips


def test_weights_lie_channels_last(make_model):
    for axes, layout in (("YX", torch.channels_last), ("ZYX", torch.channels_last_3d)):
        private = tuned(make_model("gvtnet", axes=axes).network, CPU)
        kernels = [p for p in private.parameters() if p.ndim == len(axes) + 2]
        assert kernels
        assert all(p.is_contiguous(memory_format=layout) for p in kernels)


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
def test_it_runs_in_reduced_precision(make_model, name):
    """A 3D convolution that is called directly would ignore autocast."""
    network = make_model(name, axes="ZYX").network
    x = example(network)
    expected = ran(network, x)
    private = tuned(network, CPU)
    with torch.autocast("cpu", torch.bfloat16):
        result = ran(private, x)
    assert result.dtype == torch.bfloat16
    assert 0 < (result - expected).square().mean().sqrt() <= 0.05 * expected.std()


def test_3d_convolutions_are_direct_and_the_same():
    from napari_virtual_stain.inference.direct_conv import direct_convolutions

    x = torch.randn(2, 3, 5, 9, 7)
    for options in ({"padding": 1}, {"stride": 2, "bias": False}, {"padding": (0, 1, 2)}):
        plain = nn.Conv3d(3, 4, 3, **options)
        chain = nn.Sequential(plain)
        expected = ran(chain, x)
        direct_convolutions(chain)
        assert torch.allclose(ran(chain, x), expected, atol=1e-5)
        assert torch.allclose(ran(chain, x[:1]), expected[:1], atol=1e-5)


def test_operators_are_given_and_gather_as_before(make_model):
    network = make_model("gvtnet").network
    private = tuned(network, CPU)
    own = next(module for module in private.modules() if isinstance(module, GlobalOperator))
    theirs = next(module for module in network.modules() if isinstance(module, GlobalOperator))
    features = torch.randn(1, own.key.weight.shape[1], 4, 4)
    before = features.clone()
    with torch.inference_mode():
        gathered = theirs.gather(features)
        assert torch.allclose(own.gather(features).key_value, gathered.key_value, rtol=1e-5)
    assert torch.equal(features, before)
    x = example(network)
    plain = ran(private, x)
    own.given = gathered
    assert not torch.allclose(ran(private, x), plain, rtol=1e-3)
