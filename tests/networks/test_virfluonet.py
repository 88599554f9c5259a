"""VirFluoNet's generator and discriminator: the counts, the padding, and batches of one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks import Discriminator
from napari_virtual_stain.networks.discriminator import HalvingConv
from napari_virtual_stain.networks.virfluonet import FallbackBatchNorm


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small(**options) -> nn.Module:
    torch.manual_seed(0)
    return networks.build("virfluonet", **{"filters": 4, "depth": 4} | options)


@pytest.mark.parametrize(
    ("depth", "in_channels", "parameters"),
    [(8, 1, 30_615_233), (8, 2, 30_615_809), (7, 1, 23_534_273), (7, 2, 23_534_849)],
)
def test_the_generator_has_the_published_parameters(depth, in_channels, parameters):
    with torch.device("meta"):
        network = networks.build("virfluonet", depth=depth, in_channels=in_channels)
    assert count(network) == parameters


@pytest.mark.parametrize(("in_channels", "parameters"), [(2, 4_437_953), (3, 4_439_553)])
def test_the_discriminator_has_the_published_parameters(in_channels, parameters):
    with torch.device("meta"):
        assert count(Discriminator(in_channels=in_channels, size=(256, 256))) == parameters


def test_the_default_reads_256_px_and_goes_down_to_a_single_position():
    with torch.device("meta"):
        network = networks.build("virfluonet")
        shapes = []
        network.encoders[-1].register_forward_hook(lambda *given: shapes.append(given[2].shape))
        assert network(torch.zeros(3, 1, 256, 256)).shape == (3, 1, 256, 256)
    assert shapes == [(3, 512, 1, 1)]


@pytest.mark.parametrize(("depth", "size", "step"), [(8, 256, 192), (7, 128, 96), (2, 4, 3)])
def test_the_window_is_what_the_levels_halve_and_overlaps_by_a_quarter(depth, size, step):
    with torch.device("meta"):
        geometry = networks.build("virfluonet", depth=depth).geometry
    both = (size, size)
    assert geometry.window == networks.Window(both, both, (step, step), "linear")
    assert geometry.stride == both
    assert not geometry.has_global_operators
    assert not geometry.projects


@pytest.mark.parametrize("depth", [2, 3])
def test_the_halo_is_the_reach_of_a_window(depth):
    network = small(filters=2, depth=depth).double().eval()
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(module.weight)
    (stride, _), (halo, _) = network.geometry.stride, network.geometry.halo
    core = slice(halo + stride, halo + 2 * stride)
    x = torch.randn(1, 1, stride, 2 * halo + 3 * stride, dtype=torch.float64, requires_grad=True)
    network(x)[..., core].abs().sum().backward()
    reach = x.grad[0, 0].abs().sum(0).nonzero().ravel()
    needed = max(core.start - int(reach.min()), int(reach.max()) + 1 - core.stop)
    assert halo - stride < needed <= halo


def test_any_number_of_channels_goes_in_and_comes_out():
    network = small(in_channels=3, out_channels=2).eval()
    assert network.head == networks.Head("value")
    assert network(torch.zeros(2, 3, 16, 32)).shape == (2, 2, 16, 32)


def test_what_comes_out_lies_between_minus_one_and_one_and_reaches_for_both():
    network = small().eval()
    predicted = network(1e3 * torch.randn(1, 1, 16, 16))
    assert predicted.abs().max() <= 1
    with torch.no_grad():
        network.last[1].conv.bias.fill_(100)
    assert network(torch.zeros(1, 1, 16, 16)).min() > 0.999
    with torch.no_grad():
        network.last[1].conv.bias.fill_(-100)
    assert network(torch.zeros(1, 1, 16, 16)).max() < -0.999


def test_dropout_acts_in_training_only_and_can_be_off():
    x = torch.randn(2, 1, 16, 16)
    network = small()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    still = small(dropout=0.0)
    assert torch.equal(still(x), still(x))


def test_the_first_three_decoder_blocks_have_dropout():
    with torch.device("meta"):
        network = networks.build("virfluonet", dropout=0.25)
    shares = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    assert shares == [0.25, 0.25, 0.25, 0, 0, 0, 0]


def test_blocks_are_those_of_the_paper_in_its_order():
    with torch.device("meta"):
        network = networks.build("virfluonet")
    encoder, decoder = network.encoders[0], network.decoders[0]
    assert [type(m).__name__ for m in encoder] == ["LeakyReLU", "SameDown", "FallbackBatchNorm"]
    assert [type(m).__name__ for m in decoder][:3] == ["ReLU", "SameUp", "FallbackBatchNorm"]
    assert encoder[0].negative_slope == 0.2
    assert isinstance(network.last[0], nn.ReLU)


def test_weights_begin_as_pix2pix_has_them():
    network = small(filters=32)
    convolutions = [m for m in network.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    weights = torch.cat([m.weight.detach().ravel() for m in convolutions])
    assert weights.mean().abs() < 1e-3
    assert weights.std() == pytest.approx(0.02, rel=0.02)
    assert all(not m.bias.any() for m in convolutions)


def test_a_batch_of_one_trains_every_parameter():
    network = small(dropout=0.0)
    network(torch.randn(1, 1, 16, 16)).abs().sum().backward()
    still = [
        name
        for name, parameter in network.named_parameters()
        if not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    # A bias before batch normalization is taken away by it, whatever the batch.
    assert all(name.endswith("conv.bias") for name in still)


@pytest.mark.parametrize("batch", [1, 4])
def test_the_bottleneck_tells_images_apart(batch):
    """With a batch of one, plain batch normalization would put out the same for every image."""
    network = small()
    found = []
    network.encoders[-1].register_forward_hook(lambda *given: found.append(given[2].detach()))
    for _ in range(2):
        network(torch.randn(batch, 1, 16, 16))
    images = torch.cat(found)
    assert images.shape == (2 * batch, 32, 1, 1)
    assert (images.std(0) > 1e-4 * images.abs().max()).all()


def test_one_value_is_normalized_in_training_as_in_evaluation():
    norm = FallbackBatchNorm(3)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(1, 3, 1, 1)
    trained = norm.train()(x)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert torch.equal(trained, norm.eval()(x))
    by_hand = (x[0, :, 0, 0] - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
    assert torch.allclose(trained[0, :, 0, 0], by_hand * norm.weight + norm.bias, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 1, 2), (2, 3, 4, 5), (2, 3, 2, 3, 4)])
def test_of_more_values_it_is_batch_normalization_and_nothing_else(shape):
    ours = FallbackBatchNorm(3)
    plain = (nn.BatchNorm2d, nn.BatchNorm3d)[len(shape) - 4](3)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(shape)
    assert torch.equal(ours(x), plain(x))
    assert torch.equal(ours.running_var, plain.running_var)
    assert torch.equal(ours.eval()(x), plain.eval()(x))


def test_skips_come_from_the_level_of_the_same_size():
    """With the way through the bottom closed, an image still gets through, to where it was."""
    network = small(dropout=0.0).eval()
    with torch.no_grad():
        network.encoders[-1][1].conv.weight.zero_()
    x = torch.zeros(1, 1, 64, 64)
    blank = network(x)
    x[0, 0, 40, 24] = 100
    changed = (network(x) - blank).abs()[0, 0] > 0
    rows, columns = changed.nonzero().T
    assert changed[40, 24]
    assert rows.min() >= 24
    assert rows.max() < 56
    assert columns.min() >= 8
    assert columns.max() < 40


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 8])
def test_halving_reads_what_tensorflow_does(size):
    """Against the definition of SAME: ⌈n / s⌉ outputs, the odd zero at the end."""
    layer = HalvingConv(2, 1, 1).double()
    x = torch.randn(1, 1, size, size + 1, dtype=torch.float64)

    def tap(values, at, axis):
        """The five values that output `at` reads along an axis, zeros beyond the border."""
        n = values.shape[axis]
        needed = max(0, (-(-n // 2) - 1) * 2 + 5 - n)
        start = 2 * at - needed // 2
        inside = [i for i in range(start, start + 5) if 0 <= i < n]
        taken = values.new_zeros([5 if a == axis else m for a, m in enumerate(values.shape)])
        taken.index_copy_(
            axis,
            torch.tensor([i - start for i in inside]),
            values.index_select(axis, torch.tensor(inside)),
        )
        return taken

    got = layer(x)[0, 0]
    assert got.shape == (-(-size // 2), -(-(size + 1) // 2))
    for row in range(got.shape[0]):
        for column in range(got.shape[1]):
            read = tap(tap(x[0, 0], row, 0), column, 1)
            expected = (read * layer.conv.weight[0, 0]).sum() + layer.conv.bias[0]
            assert got[row, column].item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("size", [(32, 16), (33, 17), (4, 32, 32), (5, 16, 24), (1, 16, 16)])
def test_the_discriminator_judges_patches_of_any_size_in_2d_and_3d(size):
    judge = Discriminator(in_channels=3, size=size, filters=2)
    logits = judge(torch.randn(2, 2, *size), torch.randn(2, 1, *size))
    assert logits.shape == (2,)
    assert logits[0] != logits[1]


def test_the_discriminator_trains_with_a_single_small_patch():
    judge = Discriminator(in_channels=2, size=(16, 16), filters=2)
    image = torch.randn(1, 1, 16, 16, requires_grad=True)
    judge(torch.randn(1, 1, 16, 16), image).sum().backward()
    assert image.grad.any()


def test_the_discriminator_looks_at_condition_and_image():
    judge = Discriminator(in_channels=2, size=(32, 32), filters=2).eval()
    condition, image = torch.randn(2, 1, 1, 32, 32)
    first = judge(condition, image)
    assert judge(condition + 1, image) != first
    assert judge(condition, image + 1) != first


def test_a_larger_condition_counts_by_its_centre_and_a_stack_by_its_maximum():
    judge = Discriminator(in_channels=2, size=(16, 16), filters=2).eval()
    image = torch.randn(1, 1, 16, 16)
    stack = torch.randn(1, 1, 7, 32, 32)
    plane = stack.max(dim=2).values
    assert torch.equal(judge(stack, image), judge(plane[..., 8:24, 8:24], image))


@pytest.mark.parametrize(
    ("condition", "image", "sentence"),
    [
        ((1, 1, 32, 32), (1, 1, 32, 16), r"judges images of \(32, 32\), got \(32, 16\)"),
        ((1, 2, 32, 32), (1, 1, 32, 32), "takes 2 channels in all, got 3"),
        ((1, 1, 16, 32), (1, 1, 32, 32), "smaller than the image"),
    ],
)
def test_what_the_discriminator_was_not_built_for_is_refused(condition, image, sentence):
    judge = Discriminator(in_channels=2, size=(32, 32), filters=2)
    with pytest.raises(ValueError, match=sentence):
        judge(torch.zeros(condition), torch.zeros(image))


@pytest.mark.parametrize("shape", [(1, 1, 16, 24), (1, 1, 8, 8)])
def test_sizes_off_the_window_are_refused(shape):
    with pytest.raises(ValueError, match=r"multiples of \(16, 16\)"):
        small()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ndim": 3}, "nothing but 2 for 'ndim'"),
        ({"depth": 1}, "from 2 to 10 for 'depth'"),
        ({"dropout": 1.0}, "from 0 to below 1 for 'dropout'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        networks.build("virfluonet", **options)
