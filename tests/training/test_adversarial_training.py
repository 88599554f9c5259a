"""A discriminator learns along with any network, and all of it follows from the seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from napari_virtual_stain import networks
from napari_virtual_stain.events import Losses, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import TrainOptions, preset, train_events
from napari_virtual_stain.training.adversarial import GENERATOR_UPDATES
from napari_virtual_stain.training.feeding import Fed
from napari_virtual_stain.training.updates import Adversarial, Supervised

SMALL = {
    "gvtnet-2d": {"filters": 2, "depth": 2},
    "fnet-2d": {"filters": 2, "depth": 2, "likelihood": "gaussian"},
    "gt-unet": {"window": 16, "filters": 4, "growth": 2, "classes": 4},
    "virfluonet": {"filters": 2, "depth": 4},
    "gvtnet-projection": {"filters": 2, "depth": 2, "projection_filters": 2},
    "gvtnet": {"filters": 2, "depth": 2},
}


def trained(name, **options):
    rng = np.random.default_rng(0)
    recipe = preset(name)
    flat = recipe.spatial_axes == "YX"
    source = rng.integers(0, 4096, (24, 48) if flat else (4, 24, 48)).astype(np.uint16)
    target = source if flat or not recipe.projects else source.max(0)
    pair = (
        Image(source, "YX" if flat else "ZYX", channels=("phase",)),
        Image(target, "YX" if target.ndim == 2 else "ZYX", channels=("DNA",)),
    )
    quick = {"steps": 2, "batch": 2, "validate_every": 2, "device": "cpu", **options}
    events = []
    chosen = TrainOptions(preset=name, network_options=SMALL[name], **quick)
    model = run(train_events([pair], chosen), events.append)
    return model, [event.training for event in events if isinstance(event, Losses)]


@pytest.mark.parametrize("name", list(SMALL))
def test_any_network_can_be_the_generator(name):
    model, losses = trained(name, adversarial=True)
    alone, _ = trained(name, adversarial=False)
    assert all(np.isfinite(losses))
    one, other = model.network.state_dict(), alone.network.state_dict()
    assert list(one) == list(other)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_everything_follows_from_the_seed():
    one, same, other = (
        trained("virfluonet", seed=seed)[0].network.state_dict() for seed in (5, 5, 6)
    )
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def fed(inputs, targets):
    return Fed(inputs, targets, None)


def adversarial(name="gvtnet-2d", seed=0):
    torch.manual_seed(seed)
    network = networks.build(preset(name).network, ndim=2, **SMALL[name])
    fabric = Fabric(accelerator="cpu", devices=1)
    return network, Adversarial(fabric, network, preset(name), 10, size=(16, 16), channels=2)


def test_the_loss_that_is_shown_is_the_generator_s_absolute_error():
    network, update = adversarial()
    inputs, targets = torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16)
    error = (network(inputs) - targets).abs().mean()
    assert update(fed(inputs, targets)) == pytest.approx(float(error.detach()), rel=1e-4)


def test_one_step_changes_the_discriminator_once_and_the_generator_twice():
    network, update = adversarial()
    counts = {"discriminator": 0, "generator": 0}

    def count(who):
        return lambda *_: counts.__setitem__(who, counts[who] + 1)

    update.discriminator._optimizer.register_step_post_hook(count("discriminator"))
    update.generator._optimizer.register_step_post_hook(count("generator"))
    before = [p.clone() for p in update.discriminator.network.parameters()]
    update(fed(torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16)))
    assert counts == {"discriminator": 1, "generator": GENERATOR_UPDATES}
    after = list(update.discriminator.network.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.requires_grad for p in after)
    assert all(p.grad is None for p in network.parameters())


def test_the_discriminator_learns_by_adam_whatever_trains_the_network():
    network = networks.build("subpixel-unet", ndim=2, widths=(4, 8))
    fabric = Fabric(accelerator="cpu", devices=1)
    update = Adversarial(fabric, network, preset("best"), 10, size=(16, 16), channels=2)
    optimizer = update.discriminator._optimizer
    assert type(optimizer) is torch.optim.Adam
    (group,) = optimizer.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 0)


def test_the_discriminator_learns_to_tell_observed_from_predicted():
    network, update = adversarial()
    for group in update.generator._optimizer.param_groups:
        group["lr"] = 0.0  # a generator that stands still
    inputs = torch.randn(4, 1, 16, 16)
    targets = inputs.sign()
    for _ in range(30):
        update(fed(inputs, targets))
    with torch.no_grad():
        real = update.discriminator.network(inputs, targets)
        fake = update.discriminator.network(inputs, network(inputs))
    assert real.min() > fake.max()


def test_a_distribution_is_trained_along_with_its_mean():
    network, update = adversarial("fnet-2d")
    with torch.no_grad():
        network.output.bias.zero_()  # where the penalty on weights leaves it
    for _ in range(5):
        update(fed(torch.randn(2, 1, 16, 16), 100 * torch.randn(2, 1, 16, 16)))
    assert network.output.bias[1] > 0.005  # the logarithm of a variance, of large errors


def test_the_two_ways_of_updating_leave_no_gradient_behind():
    torch.manual_seed(0)
    network = networks.build("gvtnet", ndim=2, filters=2, depth=2)
    update = Supervised(Fabric(accelerator="cpu", devices=1), network, preset("gvtnet-2d"), 10)
    loss = update(fed(torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16)))
    assert loss > 0
    assert all(p.grad is None for p in network.parameters())
    assert isinstance(network, nn.Module)


def test_where_a_target_does_not_count_it_may_be_anything():
    inputs, targets = torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16)
    weights = (torch.rand(2, 1, 16, 16) > 0.3).float()
    after = []
    for nothing in (0.0, 1e6, torch.nan):
        network, update = adversarial()
        update(Fed(inputs, targets.where(weights > 0, torch.tensor(nothing)), weights))
        after.append(torch.cat([p.detach().ravel() for p in network.parameters()]))
    assert torch.equal(after[0], after[1])
    assert torch.equal(after[0], after[2])
    assert after[0].isfinite().all()


def test_a_sure_pixel_does_not_ruin_the_generator():
    """Of classes, σ and entropy of a sure pixel are 0, where their derivatives are infinite."""

    class Sure(nn.Module):
        head = networks.Head("classes", 8)

        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(1, 8, 16, 16))
            self.logits.data[0, 3, 0, 0] = 200.0

        def forward(self, x):
            return self.logits + 0 * x.mean()

    network = Sure()
    fabric = Fabric(accelerator="cpu", devices=1)
    update = Adversarial(fabric, network, preset("gt-unet"), 1, size=(16, 16), channels=2)
    update(fed(torch.randn(1, 1, 16, 16), torch.rand(1, 1, 16, 16)))
    assert network.logits.isfinite().all()
