"""The law of this package: tiles change time and memory, never the result."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.inference.devices import choose_device
from napari_virtual_stain.inference.engine import Engine
from napari_virtual_stain.io import list_models, load_model

TOLERANCE = 1e-4
"""Of the output's standard deviation, in fp32."""

UM = {"Y": 1.0, "X": 1.0}


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return textured noise: every scale matters, and reflection is not an accident."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) + np.cumsum(rng.normal(size=shape), axis=-1) / 4
    return np.float32(values * 100 + 1000)


def difference(model, image, tile: int) -> tuple[float, int]:
    """Return the largest difference in standard deviations, and the number of tiles."""
    whole = predict(model, image, tile=100_000).numpy()
    tiled = predict(model, image, tile=tile).numpy()
    engine = Engine(model.network, sum(i.planes for i in model.spec.inputs), choose_device("cpu"))
    sizes = image.shape[-len(model.spec.spatial_axes) :]
    assert engine.plan(sizes, 100_000).is_whole
    return float(np.abs(whole - tiled).max() / whole.std()), engine.plan(sizes, tile).count


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
@pytest.mark.parametrize(
    ("size", "depth", "tile"),
    [
        ((129, 203), 3, 40),  # divides nothing
        ((129, 203), 3, 1),  # the smallest core
        ((61, 300), 4, 64),
        ((3, 200), 3, 32),  # below the stride: too short to reflect
        ((5, 7), 3, 8),  # below the stride along both axes: one tile
    ],
)
def test_in_2d(make_model, name, size, depth, tile):
    model = make_model(name, depth=depth)
    error, tiles = difference(model, Image(noise(size), "YX", UM), tile)
    assert tiles > 1 or size == (5, 7)
    assert error <= TOLERANCE


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
@pytest.mark.parametrize(("size", "tile"), [((11, 75, 90), 24), ((5, 70, 66), 16), ((2, 3, 90), 8)])
def test_in_3d(make_model, name, size, tile):
    model = make_model(name, axes="ZYX", depth=2, filters=2)
    error, tiles = difference(model, Image(noise(size), "ZYX", {"Z": 1, **UM}), tile)
    assert tiles > 1
    assert error <= TOLERANCE


def test_several_channels_in_and_out(make_model):
    model = make_model(inputs=("phase", "DIC"), outputs=("DNA", "membrane"), depth=3)
    image = Image(noise((2, 90, 131)), "CYX", UM, channels=("phase", "DIC"))
    error, tiles = difference(model, image, 24)
    assert tiles > 1
    assert error <= TOLERANCE


def test_attention_stays_global_under_tiling(make_model):
    """A disturbance far beyond the halo of the convolutions changes the prediction, tiled too."""
    model = make_model("gvtnet", depth=2)
    values = noise((48, 400))
    disturbed = values.copy()
    disturbed[:, -40:] += 500 * np.sin(np.arange(40))
    # The same statistics, so that normalization does not carry the disturbance.
    disturbed = (disturbed - disturbed.mean()) / disturbed.std() * values.std() + values.mean()
    options = {"tile": 32, "units": "z-score"}
    first = predict(model, Image(values, "YX", UM), **options).numpy()
    second = predict(model, Image(disturbed, "YX", UM), **options).numpy()
    whole = predict(model, Image(disturbed, "YX", UM), tile=1000, units="z-score").numpy()
    assert np.abs(first - second)[..., :100].max() > 100 * np.abs(second - whole).max()


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_with_the_checkpoints_that_ship(entry):
    if not entry.built_in:
        pytest.skip("a model of the user's")
    model = load_model(entry.path)
    planes = model.spec.inputs[0].planes
    image = Image(noise((planes, 203, 315)), "ZYX", model.spec.voxel_size or UM)
    error, tiles = difference(model, image, 64)
    assert tiles > 1
    assert error <= TOLERANCE
