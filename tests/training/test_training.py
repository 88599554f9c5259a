"""Training learns, repeats itself, scales by the full image, and says what it held out."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Losses, Notice, Progress, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.networks import Geometry, Head
from napari_virtual_stain.training import TrainingPair, TrainOptions, train, train_events
from napari_virtual_stain.training.examples import Example, read_examples
from napari_virtual_stain.training.fields import channels_apart
from napari_virtual_stain.training.lazy import whole
from napari_virtual_stain.training.patches import Patches, PatchPlan, patch_plan
from napari_virtual_stain.training.presets import preset
from napari_virtual_stain.training.specification import draft_spec, in_order
from napari_virtual_stain.training.splitting import parts, split_in_space
from napari_virtual_stain.training.validation import settled, validate

UM = {"Y": 0.5, "X": 0.5}


def pair(seed: int = 0, size=(64, 96), planes: int = 0, targets=("DNA", "actin"), name="field"):
    """Return blobs as the input, and what a small network can make of them as the target."""
    rng = np.random.default_rng(seed)
    shape = (planes, *size) if planes else size
    blobs = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    source = np.uint16(2000 + 800 * blobs / blobs.std())
    middle = blobs[planes // 2] if planes else blobs
    kinds = [np.abs(middle), ndimage.gaussian_filter(middle, 2)]
    target = np.stack([np.uint16(100 + 50 * k / k.std() * (1 + k.min() * 0)) for k in kinds])
    target = target[: len(targets)]
    axes = "ZYX" if planes else "YX"
    return (
        Image(source, axes, {"Z": 1, **UM} if planes else UM, channels=("phase",), name=name),
        Image(target, "CYX", UM, channels=targets, name=f"{name} stained"),
    )


QUICK = {
    "preset": "gvtnet-2d-small",
    "steps": 30,
    "batch": 4,
    "validate_every": 15,
    "device": "cpu",
}


def test_it_learns_and_the_model_says_where_it_comes_from():
    source, target = pair()
    model = train(
        [(source, target)],
        **QUICK,
        name="blobs",
        licence="CC0",
        attribution="us",
        command="vstain train",
    )
    spec = model.spec
    assert (spec.name, spec.network.name, spec.network.options["filters"]) == (
        "blobs",
        "gvtnet",
        16,
    )
    assert [channel.name for channel in spec.inputs] == ["phase"]
    assert [output.name for output in spec.outputs] == ["DNA", "actin"]
    assert spec.voxel_size == UM
    origin = spec.provenance
    assert (origin.licence, origin.preset, origin.seed) == ("CC0", "gvtnet-2d-small", 0)
    assert origin.steps in (15, 30)
    assert origin.versions["torch"] == importlib.metadata.version("torch")
    predicted = predict(model, source)
    held_out = slice(77, 96)
    for channel, name in enumerate(target.channels):
        r = np.corrcoef(
            predicted.numpy()[channel, :, held_out].ravel(),
            target.numpy()[channel, :, held_out].ravel(),
        )[0, 1]
        assert r > 0.5
        assert abs(r - origin.scores[name]["validation_pearson_r"]) < 0.1
        # In grey values of the target, not in z-scores.
        observed = target.numpy()[channel]
        off = abs(predicted.numpy()[channel].mean() - observed.mean())
        assert off < 0.1 * observed.std() < observed.mean() - 1


def test_the_same_call_gives_the_same_model_and_another_seed_another():
    pairs = [pair(planes=3, targets=("DNA",))]
    options = {**QUICK, "steps": 3, "validate_every": 3}
    one, same, other = (train(pairs, **options, seed=seed) for seed in (1, 1, 2))
    weights = [model.network.state_dict()["output.weight"] for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one.spec.inputs[0].planes == 3


def test_global_random_state_is_left_alone():
    state = torch.random.get_rng_state()
    train([pair()], **{**QUICK, "steps": 1})
    assert torch.equal(state, torch.random.get_rng_state())


def test_events_tell_the_progress_the_losses_and_what_is_held_out():
    events = []
    run(train_events([pair()], TrainOptions(**QUICK)), events.append)
    losses = [event for event in events if isinstance(event, Losses)]
    assert [event.step for event in losses] == list(range(1, 31))
    assert [event.step for event in losses if event.validation] == [15, 30]
    assert losses[-1].training < losses[0].training
    assert Progress("Training", 30, 30) in events
    assert any(isinstance(e, Notice) and "last fifth of the columns" in e.text for e in events)


def test_3d_pairs_train_a_3d_model():
    source, target = pair(planes=8, size=(32, 64), targets=("DNA",))
    stack = Image(
        np.repeat(target.numpy(), 8, axis=0)[None], "CZYX", {"Z": 1, **UM}, channels=("DNA",)
    )
    model = train([(source, stack)], **{**QUICK, "preset": "gvtnet", "steps": 1, "batch": 1})
    assert model.spec.spatial_axes == "ZYX"
    assert predict(model, source).shape == (1, 8, 32, 64)


def test_half_precision_is_what_is_scored():
    model = train([pair()], **{**QUICK, "steps": 2}, half=True)
    for name, tensor in model.network.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.half().float()), name


def test_statistics_are_those_of_the_full_image_even_of_a_crop():
    source, target = pair()
    values = source.numpy().copy()
    values[:, 48:] += 3000
    source = source.replace(data=values)
    field = channels_apart(TrainingPair(source, target.channel(0)), None, None, 0)
    spec = draft_spec([field], preset("gvtnet-2d"), "m")
    (example,) = read_examples(spec, field, {"X": slice(0, 48)})
    expected = (values - values.mean()) / values.std()
    assert np.allclose(whole(example.values)[0], expected[:, :48], atol=1e-4)


def test_crops_of_training_and_validation_are_kept_apart():
    source, target = pair()
    events = []
    options = TrainOptions(
        **{**QUICK, "steps": 1},
        train_crop={"X": slice(0, 48)},
        validation_crop={"X": slice(48, 96)},
    )
    run(train_events([(source, target)], options), events.append)
    assert not any(isinstance(e, Notice) and "held out" in e.text for e in events)


@pytest.mark.parametrize(
    ("train_crop", "validation_crop", "expected"),
    [
        ({}, {}, (slice(0, 80), slice(80, 100))),
        ({"X": slice(0, 50)}, {}, (slice(0, 34), slice(34, 50))),
        ({}, {"X": slice(60, 100)}, (slice(0, 60), slice(60, 100))),
        ({}, {"X": slice(0, 30)}, (slice(30, 100), slice(0, 30))),
        ({"X": slice(0, 60)}, {"X": slice(60, None)}, (slice(0, 60), slice(60, None))),
    ],
)
def test_training_and_validation_never_overlap(train_crop, validation_crop, expected):
    source, _ = pair(size=(40, 100))
    training, validation = parts(source, train_crop, validation_crop)
    assert (training["X"], validation["X"]) == expected


@pytest.mark.parametrize(
    ("train_crop", "validation_crop"),
    [
        ({"X": slice(0, 61)}, {"X": slice(60, 100)}),
        ({"Y": slice(0, 20)}, {"X": slice(60, 100)}),
        ({}, {"X": slice(60, 100), "Y": slice(0, 10)}),
    ],
)
def test_parts_that_overlap_are_refused(train_crop, validation_crop):
    source, _ = pair(size=(40, 100))
    with pytest.raises(VirtualStainError, match="overlap, so the score"):
        parts(source, train_crop, validation_crop)


def test_images_of_different_widths_are_each_split(capsys):
    narrow, wide = pair(size=(64, 64)), pair(size=(64, 120), name="wide")
    model = train([wide, narrow], **{**QUICK, "steps": 1})
    assert model.spec.provenance.steps == 1


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_any_number_of_steps(steps):
    model = train([pair(targets=("DNA",))], **{**QUICK, "steps": steps, "batch": 1})
    means = [v for n, v in model.network.state_dict().items() if n.endswith("running_mean")]
    assert all(mean.abs().max() > 0 for mean in means)


def test_channels_of_later_pairs_are_taken_by_name():
    source, target = pair()
    turned = target.replace(data=target.numpy()[::-1], channels=target.channels[::-1])
    first, second = (
        channels_apart(TrainingPair(source, one), None, None, 0) for one in (target, turned)
    )
    spec = draft_spec([first], preset("gvtnet-2d"), "m")
    assert [one.name for one in in_order(spec, second).targets] == ["DNA", "actin"]


def square(size):
    return PatchPlan((size, size), (size, size), (0, 0))


def test_batches_follow_from_seed_and_step():
    rng = np.random.default_rng(0)
    examples = [
        Example(
            rng.normal(size=(2, 40, 50)).astype(np.float32), np.zeros((1, 40, 50), np.float32), ()
        )
    ]
    patches = Patches(examples, square(16), 7)
    one, again, next_one = (patches.draw(step, range(3)).values for step in (4, 4, 5))
    assert one.shape == (3, 2, 16, 16)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, next_one)


def test_every_position_can_be_drawn_and_input_and_target_stay_together():
    values = np.arange(10 * 12, dtype=np.float32).reshape(1, 10, 12)
    patches = Patches([Example(values, 2 * values, ())], square(8), 0)
    seen = set()
    for step in range(200):
        drawn = patches.draw(step, range(4))
        assert np.array_equal(drawn.targets, 2 * drawn.values)
        seen |= {float(patch.min()) for patch in drawn.values}
    assert seen == {12.0 * y + x for y in range(3) for x in range(5)}


def test_patches_of_small_images_are_reflected_to_the_stride():
    examples = [Example(np.ones((1, 5, 30), np.float32), np.ones((1, 5, 30), np.float32), ())]
    plan = patch_plan(examples, (64, 64), Geometry((8, 8), (0, 0)))
    assert plan.target == plan.source == (8, 24)
    assert Patches(examples, plan, 0).draw(0, range(2)).values.shape == (2, 1, 8, 24)


def test_settled_statistics_are_those_of_the_batches():
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1, momentum=0.003))
    batches = [torch.randn(4, 1, 8, 8) * 3 + 5 for _ in range(3)]
    norm = settled(network, batches)[0]
    assert torch.allclose(norm.running_mean, torch.cat(batches).mean(), atol=1e-4)
    assert norm.momentum == 0.003
    assert network[0].running_mean == 0


def test_statistics_settle_without_dropout_as_they_will_be_in_inference():
    network = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.BatchNorm2d(1))
    batches = [torch.randn(4, 1, 8, 8) + 5 for _ in range(2)]
    norm = settled(network, batches)[1]
    assert torch.allclose(norm.running_mean, torch.cat(batches).mean(), atol=1e-4)
    assert not norm.training


def test_a_network_without_batch_normalization_has_nothing_to_settle():
    network = torch.nn.Conv2d(1, 1, 1)
    copied = settled(network, (pytest.fail("a batch was drawn") for _ in range(1)))
    assert copied is not network
    assert torch.equal(copied.weight, network.weight)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_network_that_predicts_no_number_scores_no_number(broken):
    class Diverged(torch.nn.Module):
        geometry, head = Geometry((1, 1), (0, 0)), Head()

        def forward(self, x):
            return torch.where(x > 2, broken, x)

    values = np.random.default_rng(0).normal(size=(1, 20, 20)).astype(np.float32)
    examples = [Example(values, values, ())]
    (score,) = validate(Diverged(), examples, torch.device("cpu")).scores
    assert np.isnan(score)


def test_a_training_that_diverges_is_said():
    with pytest.raises(VirtualStainError, match=r"diverged: no score .* learning rate"):
        train([pair()], **{**QUICK, "steps": 2}, learning_rate=1e30)


def test_validation_scores_a_perfect_network_with_one():
    class Perfect(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.geometry, self.head = Geometry((1, 1), (0, 0)), Head()

        def forward(self, x):
            return 2 * x + 1

    values = np.random.default_rng(0).normal(size=(1, 20, 20)).astype(np.float32)
    found = validate(Perfect(), [Example(values, values, ())], torch.device("cpu"))
    assert np.allclose(found.scores, 1)
    assert np.allclose(found.first, 2 * values + 1, atol=1e-6)


def test_a_narrow_image_cannot_be_split():
    source, _ = pair(size=(40, 30))
    with pytest.raises(VirtualStainError, match=r"too narrow \(30 columns\)"):
        split_in_space(source, {})


def dark_right(target: Image) -> Image:
    values = target.numpy().copy()
    values[0, :, 70:] = 7
    return target.replace(data=values)


def unnamed(one):
    """Return a pair whose targets are told by their order alone."""
    source, target = one
    if target.n_channels == 1:
        return source, target.channel(0).replace(channels=())
    return source, target.replace(channels=())


def stacked(image: Image, planes: int) -> Image:
    return Image(np.stack([image.numpy()] * planes), "ZYX", UM, name=image.name)


@pytest.mark.parametrize(
    ("pairs", "options", "sentence"),
    [
        (lambda: [], {}, "no pairs"),
        (lambda: [pair()], {"preset": "resnet"}, "no preset named 'resnet'; known: fnet"),
        (lambda: [pair()], {"preset": "fnet"}, "3D, and field .* choose a 2D preset"),
        (lambda: [pair()], {"targets": ["lamin"]}, "no channel named 'lamin'"),
        (
            lambda: [(pair()[0], pair(size=(64, 90))[1])],
            {},
            "field has 96 pixels along X and its target field stained has 90",
        ),
        (
            lambda: [(pair()[0].replace(data=np.full((64, 96), 3)), pair()[1])],
            {},
            "field .* is constant",
        ),
        (
            lambda: [(pair()[0], pair()[1].replace(data=np.zeros((2, 64, 96))))],
            {},
            "the target field stained .*is constant",
        ),
        (
            lambda: [(stacked(pair()[0], 3), stacked(pair()[1].channel(0), 2))],
            {},
            "has 3 planes and its target field stained has 2",
        ),
        (lambda: [pair()], {"train_crop": {"X": slice(0, 500)}}, "does not lie in the image"),
        (
            lambda: [pair(planes=3), (stacked(pair()[0], 3), stacked(pair()[1].channel(0), 3))],
            {"targets": ["DNA"]},
            "has 3; as the input takes its planes as channels, the target needs 1",
        ),
        (
            lambda: [unnamed(pair()), unnamed(pair(targets=("DNA",)))],
            {},
            r"1 target channels and the first pair has 2 \(channel 1, channel 2\).*no names",
        ),
        (
            lambda: [(pair()[0], dark_right(pair()[1]))],
            {},
            r"field stained \(DNA\) is constant in the validation part",
        ),
        (lambda: [pair()], {"name": "a\nb"}, "the model to be trained .* name"),
        (lambda: [pair()], {"inputs": ["nonsense"]}, "no channel named 'nonsense'"),
        (
            lambda: [pair(size=(8, 32))],
            {"batch": 1, "train_crop": {"X": slice(0, 8)}, "validation_crop": {"X": slice(8, 32)}},
            "too little for a step",
        ),
        (lambda: [pair()], {"precision": "x"}, "no precision 'x'"),
        (lambda: [pair()], {"precision": "fp16"}, "does not train on the CPU"),
        (lambda: [pair()], {"seed": 2**70}, "must not be huge"),
        (lambda: [pair()], {"steps": 0}, "the option steps is a whole number, at least 1, not 0"),
        (lambda: [pair()], {"seed": -1}, "the seed is a whole number, at least 0, not -1"),
        (lambda: [pair()], {"batch": 2.5}, "the option batch is a whole number, .* not 2.5"),
        (lambda: [pair()], {"steps": "x"}, "not 'x'"),
        (lambda: [pair()], {"learning_rate": "a"}, "the learning rate is a number above 0, not a"),
        (lambda: [pair()], {"train_crop": {"X": slice(0.5, 9)}}, "the crop of X is a slice"),
        (lambda: [(1, 2)], {}, "a pair is an input image and a target image .* not tuple"),
        (lambda: [pair()[0]], {}, "a pair is .* not Image"),
        (
            lambda: [pair()],
            {"network_options": {"ndim": 3}},
            "the option 'ndim' follows from the preset and the pairs",
        ),
        (
            lambda: [pair()],
            {"network_options": {"filters": None}},
            "takes a whole number from 1 to 1024 for 'filters', not None",
        ),
        (
            lambda: [pair()],
            {"network_options": {"up": ["transposed"] * 17}},
            "the network 'gvtnet' takes one of .* for 'up'",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(pairs, options, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        train(pairs(), **{**QUICK, **options})


@pytest.mark.parametrize("preset", ["gvtnet-2d", "unet-2d"])
def test_narrow_networks_train_without_bringing_python_down(preset):
    """In a process of its own: what it guards against is memory written beyond its end."""
    program = f"""
import numpy as np
from napari_virtual_stain import Image, train
values = np.random.default_rng(0).normal(size=(64, 120))
pair = Image(values, "YX"), Image(np.abs(values), "YX")
options = dict(network_options={{"filters": 4}}, steps=4, batch=2, validate_every=4, device="cpu")
train([pair], "{preset}", **options)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
