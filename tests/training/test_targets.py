"""Targets on the scale of a network: what the whole training set decides, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.normalization import Scaling, Statistics, normalize
from napari_virtual_stain.training import TrainingPair, train
from napari_virtual_stain.training.examples import read_examples
from napari_virtual_stain.training.fields import channels_apart
from napari_virtual_stain.training.lazy import whole
from napari_virtual_stain.training.presets import preset
from napari_virtual_stain.training.specification import draft_spec, in_order
from napari_virtual_stain.training.targets import (
    clip_,
    target_scaling,
    with_ranges,
    with_statistics,
)

UM = {"Y": 0.5, "X": 0.5}


def image(values, name="cells", channel="DNA"):
    return Image(np.asarray(values), "YX", UM, channels=(channel,), name=name)


def field(source, target):
    return channels_apart(TrainingPair(source, target), None, None, 0)


def drafted(name, source, target):
    return draft_spec([field(source, target)], preset(name), "m")


def with_ranges_of(spec, source, *targets):
    return with_ranges(spec, [field(source, target) for target in targets])


def scaled(values, output):
    by = target_scaling(output, None, Scaling(0, 1))
    return clip_(normalize(values, by), output)


def read(spec, source, target, crop):
    (example,) = read_examples(spec, in_order(spec, field(source, target)), crop)
    return whole(example.values), whole(example.target)


def noise(dtype=np.uint16, low=0, high=4096, seed=0, size=(60, 70)):
    return np.random.default_rng(seed).integers(low, high, size).astype(dtype)


def test_one_range_of_percentiles_serves_the_whole_training_set():
    source = image(noise(), channel="phase")
    targets = [noise(seed=1), noise(seed=2, high=900, size=(30, 20))]
    spec = with_ranges_of(
        drafted("gt-unet", source, image(targets[0])), source, *map(image, targets)
    )
    pixels = np.concatenate([target.ravel() for target in targets])
    (output,) = spec.outputs
    assert (output.low, output.high) == pytest.approx(np.percentile(pixels, [0.1, 99.9]))


def test_a_12_bit_target_in_a_16_bit_file_spreads_over_all_classes():
    source, target = image(noise(seed=1), channel="phase"), image(noise(size=(200, 300)))
    spec = with_ranges_of(drafted("gt-unet", source, target), source, target)
    values = scaled(target.numpy(), spec.outputs[0])
    classes = np.rint(values * 255).astype(int)
    assert set(classes.ravel()) == set(range(256))
    # Beyond the percentiles they are clipped, and nothing else is.
    beyond = (values == 0) | (values == 1)
    assert 0.001 < beyond.mean() < 0.004
    assert (values.min(), values.max()) == (0, 1)


def test_a_range_is_minus_one_to_one():
    source, target = image(noise(seed=1), channel="phase"), image(noise())
    spec = with_ranges_of(drafted("virfluonet", source, target), source, target)
    values = scaled(target.numpy(), spec.outputs[0])
    assert (values.min(), values.max()) == (-1, 1)
    assert abs(values.mean()) < 0.05


def test_a_marker_of_rare_cells_keeps_its_whole_range():
    rare = np.zeros((100, 100), np.uint16)
    rare[3, 4:8] = 700
    spec = drafted("gt-unet", image(noise(), channel="phase"), image(rare))
    (output,) = with_ranges_of(spec, image(noise()), image(rare)).outputs
    assert (output.low, output.high) == (0, 700)


def test_a_better_image_of_the_input_is_scaled_as_the_input_is():
    source = Image(noise(size=(4, 20, 30)), "ZYX", channels=("noisy",))
    target = Image(noise(size=(4, 20, 30), seed=5, low=1000), "ZYX", channels=("clean",))
    spec = drafted("gvtnet-denoise", source, target)
    values, expected = read(with_ranges_of(spec, source, target), source, target, {})
    low, high = np.percentile(source.numpy(), [2, 99.8])
    assert np.allclose(values[0], (source.numpy() - low) / (high - low), atol=1e-5)
    assert np.allclose(expected[0], (target.numpy() - low) / (high - low), atol=1e-5)
    assert spec.outputs[0].scaling == "input"


def test_z_scores_are_each_image_s_own_and_what_is_kept_is_the_mean():
    source, target = image(noise(), channel="phase"), image(noise(seed=3))
    spec = with_ranges_of(drafted("gvtnet-2d", source, target), source, target)
    _, scores = read(spec, source, target, {"X": slice(0, 20)})
    values = target.numpy().astype(float)
    expected = ((values - values.mean()) / values.std())[:, :20]
    assert np.allclose(scores[0], expected, atol=1e-4)
    parts = [[Statistics(10.0, 3.0)], [Statistics(30.0, 5.0)]]
    (output,) = with_statistics(spec, parts).outputs
    both = np.concatenate([10 + 3 * np.array([-1, 1.0]), 30 + 5 * np.array([-1, 1.0])])
    assert (output.mean, output.std) == pytest.approx((both.mean(), both.std()))


QUICK = {"steps": 3, "batch": 2, "validate_every": 3, "device": "cpu"}
SMALL = {
    "gt-unet": {"window": 16, "filters": 4, "growth": 2, "classes": 8, "dropout": 0},
    "virfluonet": {"depth": 3, "filters": 4, "dropout": 0},
}


@pytest.mark.parametrize("name", ["gt-unet", "virfluonet"])
def test_what_was_clipped_bounds_the_grey_values_of_predictions(name):
    source, target = image(noise(), channel="phase"), image(noise(seed=4, low=500, high=700))
    model = train([(source, target)], name, **QUICK, network_options=SMALL[name])
    (output,) = model.spec.outputs
    assert (output.low, output.high) == pytest.approx(np.percentile(target.numpy(), [0.1, 99.9]))
    predicted = predict(model, source).numpy()
    assert predicted.min() >= output.low - 1e-2
    assert predicted.max() <= output.high + 1e-2
    assert np.ptp(predicted) > 0


def test_projected_targets_are_one_plane():
    source = Image(noise(size=(6, 40, 50)), "ZYX", {"Z": 1, **UM}, channels=("membrane",))
    target = image(noise(seed=2, size=(40, 50)), channel="surface")
    spec = drafted("gvtnet-projection", source, target)
    assert (spec.spatial_axes, spec.projects) == ("ZYX", True)
    single = target.replace(data=target.numpy()[None], axes="ZYX")
    for one in (target, single):
        values, surface = read(spec, source, one, {"X": slice(0, 30)})
        assert values.shape == (1, 6, 40, 30)
        assert surface.shape == (1, 40, 30)


@pytest.mark.parametrize(
    ("depth", "target_depth"), [(1, 1), (6, 6)], ids=["a plane", "a stack to a stack"]
)
def test_a_projection_needs_a_stack_and_a_plane(depth, target_depth):
    source = Image(noise(size=(depth, 40, 50)), "ZYX", channels=("membrane",), name="wing")
    target = Image(noise(size=(target_depth, 40, 50)), "ZYX", channels=("x",), name="flat")
    sentence = f"turns a z-stack into one plane, and wing .planes: {depth}. and flat"
    with pytest.raises(VirtualStainError, match=sentence):
        drafted("gvtnet-projection", source, target)


def test_a_later_pair_of_a_projection_must_be_one_too():
    stack = Image(noise(size=(6, 40, 50)), "ZYX", channels=("membrane",), name="wing")
    spec = drafted("gvtnet-projection", stack, image(noise(size=(40, 50))))
    with pytest.raises(VirtualStainError, match="is turned into one plane, the target needs 1"):
        in_order(spec, field(stack, stack))
