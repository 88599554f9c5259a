"""Every preset trains its network, as published where something is, and by what the user chose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Losses, Notice, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.training import TrainOptions, preset, presets, train, train_events
from napari_virtual_stain.training.loop import chosen_recipe
from napari_virtual_stain.training.recipe import StepDecay
from napari_virtual_stain.training.schedules import schedule

SMALL = {
    "fnet": {"filters": 2, "depth": 2},
    "gvtnet": {"filters": 2, "depth": 2},
    "gvtnet-denoise": {"filters": 2, "depth": 2, "encoder_blocks": 1},
    "gvtnet-projection": {"filters": 2, "depth": 2, "projection_filters": 2},
    "subpixel-unet": {"widths": (4, 8)},
    "unet": {"filters": 2, "depth": 2},
    "gt-unet": {"window": 16, "filters": 4, "growth": 2, "classes": 8},
    "virfluonet": {"filters": 2, "depth": 4},
}
QUICK = {"steps": 2, "batch": 2, "validate_every": 2, "device": "cpu"}
NAMES = [one.name for one in presets()]


def pair(axes="YX", target_axes=None, seed=0):
    rng = np.random.default_rng(seed)
    sizes = {"Z": 4, "Y": 24, "X": 40}
    source = rng.integers(0, 4096, [sizes[axis] for axis in axes]).astype(np.uint16)
    wanted = target_axes or axes
    target = rng.integers(100, 900, [sizes[axis] for axis in wanted]).astype(np.uint16)
    return (
        Image(source, axes, dict.fromkeys(axes, 0.5), channels=("phase",)),
        Image(target, wanted, dict.fromkeys(wanted, 0.5), channels=("DNA",)),
    )


def suited(name):
    """Return a pair with the axes that a preset wants."""
    recipe = preset(name)
    return pair(recipe.spatial_axes, "YX" if recipe.projects else None)


def trained(name, **options):
    small = SMALL[preset(name).network]
    chosen = {
        **QUICK,
        **options,
        "network_options": {**small, **options.get("network_options", {})},
    }
    events = []
    model = run(train_events([suited(name)], TrainOptions(preset=name, **chosen)), events.append)
    return model, events


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_trains_and_its_model_predicts(name):
    model, events = trained(name)
    assert (model.spec.network.name, model.spec.provenance.preset) == (preset(name).network, name)
    assert all(np.isfinite(e.training) for e in events if isinstance(e, Losses))
    source, target = suited(name)
    predicted = predict(model, source)
    assert predicted.shape == (1, *target.shape)
    assert np.isfinite(predicted.numpy()).all()


@pytest.mark.parametrize("name", ["gt-unet", "virfluonet", "gvtnet-denoise", "gvtnet-2d"])
def test_the_same_seed_gives_the_same_weights_dropout_included(name):
    state = torch.random.get_rng_state()
    one, same, other = (trained(name, seed=seed)[0].network.state_dict() for seed in (3, 3, 4))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_s_network_is_the_published_one(name):
    recipe = preset(name)
    with torch.device("meta"):
        network = networks.build(recipe.network, **recipe.options)
    geometry = network.geometry
    assert geometry.projects == recipe.projects
    if geometry.window is None:
        assert all(p % s == 0 for p, s in zip(recipe.patch[-2:], geometry.stride[-2:], strict=True))
    else:
        assert recipe.patch == geometry.window.output
    assert (network.head.kind == "classes") == (name == "gt-unet")
    assert recipe.description.endswith(".")


def test_the_published_recipes():
    def facts(name):
        r = preset(name)
        return r.patch, r.batch, r.learning_rate, r.betas[0], r.loss.value, r.target_scaling

    assert facts("fnet") == ((32, 64, 64), 24, 1e-3, 0.5, "mse", "z-score")
    assert facts("gvtnet") == ((32, 64, 64), 16, 1e-3, 0.5, "mse", "z-score")
    assert facts("gvtnet-denoise") == ((16, 64, 64), 16, 4e-4, 0.9, "mae", "input")
    assert facts("gvtnet-projection") == ((50, 64, 64), 16, 4e-4, 0.9, "mae", "input")
    assert facts("gt-unet") == ((128, 128), 4, 1e-5, 0.9, "mse", "unit")
    assert facts("virfluonet")[2:] == (2e-4, 0.5, "mae", "range")
    assert preset("gvtnet-denoise").schedule == StepDecay(0.7, 10_000)
    assert preset("gvtnet-projection").schedule == StepDecay(0.5, 20_000)
    assert preset("gvtnet-denoise").normalization.percentiles == (2, 99.8)
    assert [one.name for one in presets() if one.adversarial] == [
        "virfluonet",
        "virfluonet-autofocus",
    ]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("gvtnet-denoise", ("σ",)), ("gt-unet", ("σ", "entropy")), ("virfluonet", ())],
)
def test_a_likelihood_and_classes_give_uncertainties(name, kinds):
    model, _ = trained(name)
    assert model.network.head.uncertainties == kinds


def test_a_likelihood_is_chosen_by_an_option():
    model, events = trained("fnet-2d", network_options={"likelihood": "gaussian"})
    assert model.network.head.kind == "log-variance"
    assert model.spec.network.options["likelihood"] == "gaussian"
    assert len([e for e in events if isinstance(e, Losses)]) == 2


def rates(name, steps, at):
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], preset(name).learning_rate)
    plan, found = schedule(optimizer, preset(name), steps), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plan.step()
    return [found[step] for step in at]


def test_the_rate_decays_in_steps():
    decayed = rates("gvtnet-denoise", 20_001, (0, 9_999, 10_000, 20_000))
    assert decayed == pytest.approx([4e-4, 4e-4, 2.8e-4, 1.96e-4])
    assert rates("fnet", 3, (0, 2)) == [1e-3, 1e-3]


def test_what_the_user_chose_is_in_the_place_of_the_preset_s():
    chosen = TrainOptions(
        preset="gt-unet",
        steps=7,
        batch=3,
        learning_rate=1e-2,
        network_options={"classes": 9},
        adversarial=True,
        equalize=True,
    )
    recipe = chosen_recipe(chosen)
    assert (recipe.steps, recipe.batch, recipe.learning_rate) == (7, 3, 1e-2)
    assert (recipe.options, recipe.adversarial) == ({"classes": 9}, True)
    assert recipe.normalization.equalize
    assert recipe.normalization.percentiles == preset("gt-unet").normalization.percentiles
    small = chosen_recipe(TrainOptions("gvtnet-2d-small", network_options={"depth": 3}))
    assert small.options == {"filters": 16, "depth": 3}


def test_equalized_inputs_are_predicted_as_they_were_learned():
    model, _ = trained("virfluonet", equalize=True)
    assert model.spec.normalization.equalize
    source, _ = suited("virfluonet")
    squared = source.replace(data=source.numpy().astype(np.uint32) ** 2)
    # Only the order of grey values counts, but for the bins of wide integers.
    difference = predict(model, source).numpy() - predict(model, squared).numpy()
    assert np.abs(difference).max() < 0.02 * np.ptp(predict(model, source).numpy())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"network_options": {"dropuot": 0}}, "has no option 'dropuot'; it has ndim"),
        ({"network_options": {"window": 20}}, "window must be a multiple of 16, not 20"),
        (
            {"network_options": {"dropout": "much"}},
            "a number from 0 to below 1 for 'dropout'",
        ),
        (
            {"network_options": {"in_channels": 5}},
            "the option .in_channels. follows from the preset and the pairs",
        ),
        ({"learning_rate": 0.0}, "the learning rate is a number above 0, not 0.0"),
        ({"learning_rate": float("nan")}, "the learning rate is a number above 0, not nan"),
        ({"preset": "gtunet"}, "Did you mean 'gt-unet'"),
    ],
)
def test_what_cannot_be_chosen_is_refused_before_anything_is_read(options, sentence):
    events = []
    with pytest.raises(VirtualStainError, match=sentence):
        run(
            train_events([pair()], TrainOptions(**{"preset": "gt-unet", **QUICK, **options})),
            events.append,
        )
    assert not any(isinstance(event, Notice) for event in events)


def test_networks_without_batch_normalization_train_on_a_single_value():
    source, target = pair("ZYX")
    options = {"filters": 2, "depth": 3, "encoder_blocks": 1}
    model = train(
        [(source, target)],
        "gvtnet-denoise",
        **{**QUICK, "batch": 1},
        network_options=options,
        train_crop={"Y": slice(0, 4), "X": slice(0, 4)},
        validation=[pair("ZYX", seed=1)],
    )
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.network.modules())
