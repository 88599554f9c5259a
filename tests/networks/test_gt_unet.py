"""GT U-Net has the published numbers of parameters, Table 2's channels, and Table 4's variants."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks.gt_unet import GTUNet
from napari_virtual_stain.networks.label_heads import ResidualHead

CODE = {
    "norm": False,
    "multi_scale": "learned",
    "relu_projections": True,
    "head": "residual",
    "classes": 64,
}
SMALL = {"window": 16, "filters": 2, "growth": 2, "classes": 5}


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def described(**options: object) -> GTUNet:
    with torch.device("meta"):
        return GTUNet(**options)


@pytest.mark.parametrize(
    ("channels", "parameters"), [(52, 6_934_374), (13, 6_933_126), (1, 6_932_742)]
)
def test_trunk_of_the_code_has_the_published_number_of_parameters(channels, parameters):
    network = described(in_channels=channels, **CODE)
    assert count(network) - count(network.heads) == parameters


def test_the_code_with_all_its_heads_has_the_published_number_of_parameters():
    nine_labels_and_26_planes = 9 + 26
    network = described(in_channels=52, out_channels=nine_labels_and_26_planes, **CODE)
    assert count(network) == 7_346_114


@pytest.mark.parametrize(
    ("multi_scale", "parameters"), [("image", 6_542_914), ("learned", 6_628_994)]
)
def test_the_paper_taken_literally_has_its_number_of_parameters(multi_scale, parameters):
    network = described(
        in_channels=13, out_channels=8, output_projection=False, multi_scale=multi_scale
    )
    assert count(network) == parameters


def test_every_part_of_the_code_has_the_published_number_of_parameters():
    network = described(in_channels=52, **CODE)
    scales = network.scales
    assert count(scales.project) == 1_696
    assert [count(scales.middle), count(scales.context)] == [18_496, 2 * 18_496]
    assert count(scales.detail) == 18_496 + 9_248
    assert count(scales.fuse) == 3_104
    assert [count(stage[0]) for stage in network.encoders] == [11_552, 50_752, 212_096]
    assert [count(stage[1]) for stage in network.encoders] == [4_160, 16_512, 65_792]
    assert [count(down) for down in network.downs] == [49_408, 197_120, 787_456]
    assert [count(network.bottom), count(network.across)] == [359_552, 1_771_008]
    assert [count(up) for up in network.ups] == [1_697_088, 954_864, 325_164]
    assert [count(stage[0]) for stage in network.decoders] == [100_576, 37_128, 11_026]
    assert [count(stage[1]) for stage in network.decoders] == [142_912, 41_504, 10_672]


@pytest.mark.parametrize(
    ("head", "classes", "parameters"),
    [
        ("residual", 64, 11_764),
        ("residual", 256, 46_516),
        ("plain", 64, 5_824),
        ("plain", 256, 23_296),
    ],
)
def test_heads_have_the_published_number_of_parameters(head, classes, parameters):
    network = described(out_channels=3, head=head, classes=classes)
    assert count(network.heads) == 3 * parameters


@pytest.mark.parametrize("multi_scale", ["image", "learned"])
@pytest.mark.parametrize("operators", ["gt", "convolution"])
@pytest.mark.parametrize("blocks", ["dense", "plain"])
def test_channels_and_sizes_are_those_of_table_2(multi_scale, operators, blocks):
    """Whatever of Table 4 is left out; at the second decoder level 168, which it prints as 165."""
    network = described(in_channels=13, multi_scale=multi_scale, operators=operators, blocks=blocks)
    shapes = []
    for stage in (
        network.scales,
        *network.downs,
        network.across,
        *network.decoders,
        network.heads,
    ):
        stage.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    network(torch.zeros(1, 13, 256, 256, device="meta"))
    channels = [32, 64, 128, 256, 384, 288, 168, 90, 256]
    sizes = [128, 64, 32, 16, 16, 32, 64, 128, 128]
    assert shapes == [(c, n, n) for c, n in zip(channels, sizes, strict=True)]


@pytest.mark.parametrize("multi_scale", ["image", "learned"])
@pytest.mark.parametrize("operators", ["gt", "convolution"])
@pytest.mark.parametrize("blocks", ["dense", "plain"])
@pytest.mark.parametrize("norm", [True, False])
def test_every_variant_learns_from_every_parameter(multi_scale, operators, blocks, norm):
    torch.manual_seed(0)
    network = GTUNet(
        in_channels=2,
        out_channels=3,
        multi_scale=multi_scale,
        operators=operators,
        blocks=blocks,
        norm=norm,
        dropout=0,
        **{**SMALL, "filters": 8, "growth": 8},  # with fewer, whole layers may be dead
    )
    raw = network(torch.randn(2, 2, 32, 64))
    assert raw.shape == (2, 15, 16, 32)
    raw.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    unused = [name for name, p in network.named_parameters() if not p.grad.any()]
    # A constant added to all keys, or before batch normalization, changes nothing.
    assert all(name.endswith("bias") for name in unused)


def test_units_are_normalized_unless_the_code_is_followed():
    def norms(**options):
        return sum(isinstance(m, nn.BatchNorm2d) for m in described(**options).modules())

    assert norms() == 29 + 3 + 3  # layers of the dense blocks, and their 1×1 convolutions
    assert norms(multi_scale="learned") == 35 + 9
    assert norms(norm=False, multi_scale="learned") == 0
    assert norms(norm=False, head="residual", out_channels=2) == 2


def test_a_unit_is_convolution_normalization_relu_dropout():
    kinds = [type(layer) for layer in GTUNet(**SMALL).encoders[0][0].layers[0]]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout]
    kinds = [type(layer) for layer in GTUNet(norm=False, **SMALL).decoders[0][0]]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.Dropout]


def test_a_dense_layer_reads_the_input_and_all_layers_before_it():
    block = GTUNet(norm=False, dropout=0, **SMALL).encoders[0][0]
    x = torch.randn(1, 2, 8, 8)
    first = block.layers[0](x)
    second = block.layers[1](torch.cat([x, first], dim=1))
    assert torch.equal(block(x), torch.cat([x, first, second], dim=1))


def test_decoders_read_the_skip_and_then_what_comes_from_below():
    network = GTUNet(**SMALL).eval()
    seen = {}
    for name in ("encoders.2", "ups.0", "decoders.0"):
        network.get_submodule(name).register_forward_hook(
            lambda _, inputs, out, name=name: seen.update({name: (inputs[0], out)})
        )
    network(torch.randn(1, 1, 32, 32))
    expected = torch.cat([seen["encoders.2"][1], seen["ups.0"][1]], dim=1)
    assert torch.equal(seen["decoders.0"][0], expected)


def test_options_of_the_attention_reach_every_layer():
    network = GTUNet(
        query_scaling=False, output_projection=False, relu_projections=True, dropout=0.25, **SMALL
    )
    for layer in (*network.downs, network.across, *network.ups):
        assert layer.scale == 1
        assert isinstance(layer.out, nn.Identity)
        for projection in (layer.query, layer.key, layer.value):
            assert isinstance(projection[1], nn.ReLU)
            assert projection[2].p == 0.25


def test_prediction_is_deterministic_and_training_is_not():
    torch.manual_seed(0)
    x = torch.randn(1, 1, 32, 32)
    network = GTUNet(**SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.eval()
    assert torch.equal(network(x), network(x))
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    network.train()
    assert not torch.equal(network(x), network(x))
    assert not torch.equal(
        before["bottom.layers.0.1.running_mean"], network.bottom.layers[0][1].running_mean
    )


@pytest.mark.parametrize("head", ["plain", "residual"])
def test_logits_are_grouped_by_label(head):
    network = GTUNet(out_channels=3, head=head, **SMALL).eval()
    with torch.no_grad():
        for label in range(3):
            own = network.heads[label].output if head == "residual" else network.heads
            slots = slice(None) if head == "residual" else slice(5 * label, 5 * label + 5)
            own.weight.zero_()
            own.bias[slots] = 10 * label + torch.arange(5.0)
    raw = network(torch.zeros(1, 1, 32, 32))
    expected = [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert raw[0, :, 3, 7].tolist() == expected
    assert network.head == networks.Head("classes", 5)


def test_with_one_class_it_predicts_the_value():
    network = GTUNet(out_channels=3, **{**SMALL, "classes": 1})
    assert network.head == networks.Head("value")
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 3, 16, 16)


def test_residual_head_is_relu_and_tanh_of_the_normalized_features():
    head = ResidualHead(2, 3).eval()
    head.norm.running_mean.copy_(torch.tensor([1.0, -2.0]))
    head.norm.running_var.copy_(torch.tensor([4.0, 0.25]))
    x = torch.randn(1, 2, 4, 4)
    scale = (torch.tensor([4.0, 0.25]) + 0.001).sqrt()[:, None, None]
    normalized = (x - torch.tensor([1.0, -2.0])[:, None, None]) / scale
    features = torch.cat([normalized.clamp(min=0), normalized.tanh()], dim=1)
    expected = torch.einsum("oc,bcyx->boyx", head.output.weight[:, :, 0, 0], features)
    assert torch.allclose(head(x), expected + head.output.bias[:, None, None], atol=1e-5)
    assert head.norm.momentum == pytest.approx(0.001)


@pytest.mark.parametrize("head", ["plain", "residual"])
def test_weights_start_xavier_uniform_and_biases_at_zero(head):
    torch.manual_seed(0)
    network = GTUNet(filters=16, classes=16, out_channels=16, head=head)
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            area = module.kernel_size[0] * module.kernel_size[1]
            n_out = 16 if module is network.heads else module.out_channels
            bound = (6 / (area * (module.in_channels + n_out))) ** 0.5
            assert 0.8 * bound < float(module.weight.detach().abs().max()) <= bound, name
            assert not module.bias.any(), name


def test_its_window_is_read_from_twice_the_size_and_overlaps_by_half():
    geometry = described(window=96).geometry
    assert geometry.window == networks.Window((192, 192), (96, 96), (48, 48), "smooth")
    assert not geometry.has_global_operators
    assert geometry.stride == (32, 32)
    assert not any(isinstance(m, networks.GlobalOperator) for m in described().modules())


def test_what_does_not_fit_is_refused():
    network = GTUNet(**SMALL)
    with pytest.raises(ValueError, match="multiples of"):
        network(torch.zeros(1, 1, 32, 48))
    with pytest.raises(ValueError, match="expected"):
        network(torch.zeros(1, 2, 32, 32))
    with pytest.raises(ValueError, match="2D only"):
        GTUNet(ndim=3)


def test_it_is_built_by_name():
    network = networks.build("gt-unet", in_channels=2, **SMALL)
    assert isinstance(network, GTUNet)
    assert networks.describe("gt-unet").parameters == {2: 6_872_458}
    with pytest.raises(VirtualStainError, match="window must be a multiple of 16, not 100"):
        networks.build("gt-unet", window=100)
    with pytest.raises(VirtualStainError, match="one of 'image', 'learned' for 'multi_scale'"):
        networks.build("gt-unet", multi_scale="paper")


@pytest.mark.parametrize(("filters", "growth", "classes"), [(1, 1, 1), (3, 5, 2)])
def test_any_width_can_be_built(filters, growth, classes):
    network = networks.build("gt-unet", filters=filters, growth=growth, classes=classes, window=16)
    assert network.eval()(torch.zeros(1, 1, 32, 32)).shape == (1, classes, 16, 16)
