"""The GVTNets are the published ones, to the parameter, and any mix of their operators works."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks.global_operators import DownGVTO, UpGVTO
from napari_virtual_stain.networks.residual_blocks import residual_blocks

DOWNS = ["residual", "convolution", "gvto-v1", "gvto-v2"]
UPS = ["transposed", "gvto-v1", "gvto-v2"]


def count(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("gvtnet", {}, 6_172_225),
        ("gvtnet", {"ndim": 2}, 2_263_489),
        ("unet", {}, 9_448_513),
        ("gvtnet", {"bottom": "residual"}, 9_448_513),
        ("gvtnet", {"up": "gvto-v1"}, 7_442_753),
        ("gvtnet", {"up": "gvto-v2"}, 6_281_537),
        ("gvtnet", {"down": "gvto-v1"}, 5_140_929),
        ("gvtnet", {"down": "gvto-v2"}, 3_979_713),
        ("gvtnet", {"down": "gvto-v2", "up": "gvto-v2"}, 4_089_025),
        ("gvtnet", {"down": "gvto-v1", "up": "gvto-v1"}, 6_411_457),
        ("gvtnet-denoise", {}, 1_347_360),
        ("gvtnet-denoise", {"likelihood": "none"}, 1_347_328),
        ("gvtnet-denoise", {"ndim": 2, "likelihood": "none"}, 517_312),
        # Neither heads nor the kind of attention has parameters.
        ("gvtnet", {"heads": 8, "attention": "softmax", "activation": "relu"}, 6_172_225),
    ],
)
def test_parameters_are_those_of_the_published_graphs(name, options, parameters):
    with torch.device("meta"):
        assert count(networks.build(name, **options)) == parameters


def test_parameters_of_each_part_of_the_label_free_network():
    with torch.device("meta"):
        network = networks.build("gvtnet")
    parts = [network.first, network.encoder, *network.downs, network.bottom]
    assert [count(part) for part in parts] == [864, 55_424, 168_128, 672_128, 2_687_744, 263_680]
    assert [count(up) for up in network.ups] == [884_736, 221_184, 55_296]
    assert [count(decoder) for decoder in network.decoders] == [885_248, 221_440, 55_424]
    assert (count(network.norm), count(network.output), count(network.encoders)) == (64, 865, 0)


def test_keys_of_the_state_dict():
    """Importers and model files rely on them."""
    with torch.device("meta"):
        denoise = networks.build("gvtnet-denoise").state_dict()
        several = networks.build("gvtnet", depth=2, encoder_blocks=2, decoder_blocks=0).state_dict()
    blocks = [f"{block}.conv_{i}" for block in ("encoder", "encoders.0") for i in (1, 2)]
    decoders = [
        f"decoders.{i}.{layer}" for i in (0, 1) for layer in ("shortcut", "conv_1", "conv_2")
    ]
    bare = ["first", "downs.0.conv", "downs.1.conv", *blocks, *decoders, "output", "sigma"]
    attention = ["bottom.query", "ups.0.query.conv", "ups.1.query.conv"] + [
        f"{operator}.{layer}"
        for operator in ("bottom", "ups.0", "ups.1")
        for layer in ("key", "value", "out")
    ]
    biased = [f"{layer}.{kind}" for layer in attention for kind in ("weight", "bias")]
    assert set(denoise) == {f"{layer}.weight" for layer in bare} | set(biased)
    assert {"encoder.0.conv_1.weight", "encoders.0.1.norm_2.running_var"} <= set(several)
    assert not [key for key in several if key.startswith("decoders")]


@given(
    ndim=st.sampled_from([2, 3]),
    down=st.lists(st.sampled_from(DOWNS), min_size=2, max_size=2),
    up=st.lists(st.sampled_from(UPS), min_size=2, max_size=2),
    encoder_blocks=st.one_of(
        st.integers(0, 2), st.lists(st.integers(0, 2), min_size=1, max_size=5)
    ),
    decoder_blocks=st.lists(st.integers(0, 2), min_size=2, max_size=2),
    bottom=st.sampled_from(["gvto", "residual"]),
    skip=st.sampled_from(["add", "concat"]),
    attention=st.sampled_from(["linear", "softmax"]),
    likelihood=st.sampled_from(["none", "laplace", "gaussian"]),
    output_kernel=st.sampled_from([1, 3]),
    norm=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_any_mix_of_operators(ndim, likelihood, **options):
    network = networks.build(
        "gvtnet",
        ndim=ndim,
        depth=3,
        filters=2,
        heads=2,
        in_channels=3,
        out_channels=2,
        likelihood=likelihood,
        **options,
    ).eval()
    raw = 2 if likelihood == "none" else 4
    assert network.head.raw_channels(2) == raw
    assert network(torch.randn(2, 3, *(4, 8, 4)[:ndim])).shape == (2, raw, *(4, 8, 4)[:ndim])
    attends = "gvto" in str([options["down"], options["up"], options["bottom"]])
    assert network.geometry.has_global_operators == attends
    ran = []
    operators = [m for m in network.modules() if isinstance(m, networks.GlobalOperator)]
    for operator in operators:
        operator.register_forward_pre_hook(lambda module, _: ran.append(module))
    network(torch.randn(1, 3, *(4, 4, 4)[:ndim]))
    assert ran == operators  # tiled inference relies on that order


def test_levels_are_counted_from_the_finest():
    with torch.device("meta"):
        network = networks.build(
            "gvtnet",
            filters=2,
            down=["gvto-v1", "residual", "convolution"],
            up=["gvto-v2", "transposed", "transposed"],
            decoder_blocks=[2, 1, 0],
            encoder_blocks=[1, 2],
        )
    assert isinstance(network.downs[0], DownGVTO)
    assert [isinstance(up, UpGVTO) for up in network.ups] == [False, False, True]
    assert [count(decoder) // count(network.decoders[1]) for decoder in network.decoders] == [
        0,
        1,
        0,
    ]
    assert len(network.decoders[2]) == 2
    assert [len(blocks) for blocks in network.encoders] == [2, 2, 2]


def settled(network: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """Give every layer weights that matter, and no global operator any reach but its own."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, torch.nn.modules.conv._ConvNd):
            torch.nn.init.kaiming_normal_(module.weight)
    for module in network.modules():
        if isinstance(module, networks.GlobalOperator):
            torch.nn.init.zeros_(module.out.weight)
            torch.nn.init.zeros_(module.out.bias)
    return network.double().eval()


def reach(network: torch.nn.Module) -> tuple[int, int]:
    """Return how far, before and after it, an aligned core depends on the input."""
    (stride, _), (halo, _) = network.geometry.stride, network.geometry.halo
    core = slice(halo + stride, halo + 2 * stride)
    x = torch.randn(1, 1, stride, 2 * halo + 3 * stride, dtype=torch.float64, requires_grad=True)
    network(x)[..., core].abs().sum().backward()
    touched = x.grad[0, 0].abs().sum(0).nonzero().ravel()
    return core.start - int(touched.min()), int(touched.max()) + 1 - core.stop


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gvtnet-denoise", {}),
        ("gvtnet-denoise", {"depth": 4}),
        ("unet", {"depth": 3}),
        ("unet", {"down": "convolution", "skip": "concat"}),
        ("gvtnet", {"down": "gvto-v1", "up": "gvto-v1"}),
        ("gvtnet", {"down": "gvto-v2", "up": "gvto-v2", "depth": 3}),
        ("gvtnet", {"down": ["gvto-v2", "residual"], "up": ["transposed", "gvto-v1"], "depth": 3}),
        ("gvtnet", {"encoder_blocks": [0, 2, 1], "decoder_blocks": [2, 0], "depth": 3}),
        ("gvtnet", {"encoder_blocks": 0, "decoder_blocks": 0, "output_kernel": 1, "depth": 2}),
        ("gvtnet", {"down": "convolution", "bottom": "residual", "likelihood": "gaussian"}),
    ],
)
def test_an_aligned_core_depends_on_its_halo_and_on_nothing_beyond(name, options):
    network = settled(networks.build(name, **{"ndim": 2, "filters": 2, **options}))
    before, after = reach(network)
    assert max(before, after) <= network.geometry.halo[0]
    assert max(before, after) > network.geometry.halo[0] - network.geometry.stride[0]


@pytest.mark.parametrize("likelihood", ["laplace", "gaussian"])
def test_scales_follow_all_predictions(likelihood):
    torch.manual_seed(0)
    network = networks.build(
        "gvtnet", ndim=2, filters=2, depth=2, out_channels=2, likelihood=likelihood
    ).eval()
    assert network.head.kind == likelihood
    torch.nn.init.constant_(network.sigma.weight[0], -100)
    torch.nn.init.constant_(network.sigma.weight[1], 100)
    seen = {}
    network.output.register_forward_hook(lambda _, args, y: seen.update(features=args[0], y=y))
    with torch.no_grad():
        raw = network(torch.randn(1, 1, 8, 8))
        sigma = torch.nn.functional.softplus(network.sigma(seen["features"])) + 1e-3
    assert torch.equal(raw, torch.cat([seen["y"], sigma], 1))
    assert seen["features"].min() == 0  # activated: the published weights are of such features
    assert raw[:, 2].min().item() == pytest.approx(1e-3)
    assert raw[:, 3].median().item() > 10


def test_residual_networks_add_their_input():
    network = networks.build("gvtnet-denoise", ndim=2, filters=2).eval()
    x = torch.randn(1, 1, 8, 8)
    difference = network(x)[:, :1] - x
    network.residual = False
    assert torch.allclose(network(x)[:, :1], difference, atol=1e-6)
    torch.nn.init.zeros_(network.output.weight)
    network.residual = True
    assert torch.equal(network(x)[:, :1], x)


def test_concatenated_skips_come_second():
    network = networks.build("gvtnet", ndim=2, filters=2, depth=2, skip="concat").eval()
    seen = {}
    network.ups[0].register_forward_hook(lambda _, __, y: seen.update(up=y))
    network.encoder.register_forward_hook(lambda _, __, y: seen.update(skip=y))
    network.decoders[0].register_forward_pre_hook(lambda _, args: seen.update(joined=args[0]))
    network(torch.randn(1, 1, 8, 8))
    assert torch.equal(seen["joined"], torch.cat([seen["up"], seen["skip"]], 1))


def test_residual_blocks_are_their_equations():
    """Identity shortcuts add the raw input, those to other channels the activated one."""
    torch.manual_seed(0)
    identity = residual_blocks(2, 1, 3, 3, norm=False).double()
    projecting = residual_blocks(2, 1, 3, 2, norm=False).double()
    x = 5 * torch.randn(1, 3, 6, 6, dtype=torch.float64)

    def convolved(block):
        y = torch.conv2d(x.clamp(0, 6), block.conv_1.weight, padding=1)
        return torch.conv2d(y.clamp(0, 6), block.conv_2.weight, padding=1)

    assert torch.allclose(identity(x), x + convolved(identity))
    shortcut = torch.conv2d(x.clamp(0, 6), projecting.shortcut.weight)
    assert torch.allclose(projecting(x), shortcut + convolved(projecting))
    assert torch.equal(residual_blocks(2, 0, 3, 3)(x), x)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"output_kernel": 2}, "takes one of 1, 3 for 'output_kernel', not 2"),
        ({"residual": True, "in_channels": 13, "out_channels": 3}, "not 3 of 13; set 'residual'"),
        ({"down": ["gvto-v1"]}, "'down' has 1 values, and 3 are needed: one for each level"),
        ({"up": ["transposed"] * 4}, "'up' has 4 values, and 3 are needed"),
        ({"decoder_blocks": [1, 1]}, "'decoder_blocks' has 2 values"),
        ({"encoder_blocks": []}, "'encoder_blocks' is empty"),
        ({"down": "gvto"}, "takes one of 'residual', 'convolution', 'gvto-v1', 'gvto-v2'"),
        ({"likelihood": "classes"}, "takes one of 'none', 'laplace', 'gaussian'"),
        ({"up": "gvto-v1", "filters": 3, "heads": 2}, "3 features cannot be split into 2 heads"),
        ({"name": "unet", "up": "gvto-v1"}, "takes one of 'transposed'"),
        ({"name": "unet", "bottom": "gvto"}, "no option 'bottom'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        networks.build(**{"name": "gvtnet", **call})


def test_the_default_encoder_fits_any_depth():
    for depth in (2, 6):
        with torch.device("meta"):
            network = networks.build("gvtnet-denoise", ndim=2, filters=1, heads=1, depth=depth)
        assert len(network.downs) == len(network.encoders) == depth - 1


@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_shapes_are_known_without_computing(attention):
    with torch.device("meta"):
        network = networks.build("gvtnet-denoise", attention=attention).eval()
        assert network(torch.empty(1, 1, 16, 64, 64)).shape == (1, 2, 16, 64, 64)
