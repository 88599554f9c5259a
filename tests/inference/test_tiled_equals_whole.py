"""The law of this package: tiles change time and memory, never the result."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain import networks
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.inference.devices import choose_device
from napari_virtual_stain.inference.engine import Engine
from napari_virtual_stain.inference.memory import KEPT_BLOCKS
from napari_virtual_stain.io import list_models, load_model

TOLERANCE = 1e-4
"""Of the output's standard deviation, in fp32."""

WITH_A_WINDOW = {"gt-unet", "virfluonet"}  # see test_windows.py

UM = {"Y": 1.0, "X": 1.0}


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return textured noise: every scale matters, and reflection is not an accident."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) + np.cumsum(rng.normal(size=shape), axis=-1) / 4
    return np.float32(values * 100 + 1000)


def difference(model, image, tile: int) -> tuple[float, int]:
    """Return the largest difference in standard deviations, and the number of tiles."""
    return compare(model, image, tile, lambda tile: predict(model, image, tile=tile).numpy())


def compare(model, image, tile: int, predicted) -> tuple[float, int]:
    """Return how far ``predicted(tile)`` is from the whole-image result, and how many tiles."""
    whole, tiled = predicted(100_000), predicted(tile)
    engine = Engine(model.network, sum(i.planes for i in model.spec.inputs), choose_device("cpu"))
    sizes = image.shape[-len(model.spec.spatial_axes) :]
    assert engine.plan(sizes, 100_000).is_whole
    return float(np.abs(whole - tiled).max() / whole.std()), engine.plan(sizes, tile).count


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
@pytest.mark.parametrize(
    ("size", "depth", "tile"),
    [
        ((129, 203), 3, 40),  # divides nothing
        ((45, 99), 3, 1),  # the smallest core
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


VARIANTS = {
    "unet": ("unet", {"depth": 3}),
    "squares of pixels": ("subpixel-unet", {"widths": [4, 8, 8]}),
    "fnet, gaussian": ("fnet", {"depth": 3, "likelihood": "gaussian"}),
    "denoise": ("gvtnet-denoise", {"depth": 3, "encoder_blocks": [1, 1, 0]}),
    "denoise, softmax": ("gvtnet-denoise", {"attention": "softmax"}),
    "gvtnet, softmax": ("gvtnet", {"depth": 3, "attention": "softmax", "heads": 2}),
    "down v1, up v1": ("gvtnet", {"depth": 3, "down": "gvto-v1", "up": "gvto-v1"}),
    "down v2, up v2": ("gvtnet", {"depth": 3, "down": "gvto-v2", "up": "gvto-v2"}),
    "a mix": (
        "gvtnet",
        {
            "depth": 3,
            "down": ["gvto-v1", "convolution"],
            "bottom": "residual",
            "up": ["transposed", "gvto-v2"],
            "skip": "concat",
            "attention": "softmax",
            "likelihood": "gaussian",
        },
    ),
}


@pytest.mark.parametrize(("name", "options"), VARIANTS.values(), ids=VARIANTS)
def test_every_network_without_a_window(make_model, name, options):
    """Those with several global operators too, of either attention, and their σ."""
    model = make_model(name, large_weights=False, **options)
    image = Image(noise((61, 118)), "YX", UM)
    error, tiles = difference(model, image, 24)
    assert tiles > 4
    assert error <= TOLERANCE
    if model.network.geometry.has_global_operators:
        assert attention_matters(model, image)
    if model.network.head.uncertainties:
        error, _ = compare(
            model,
            image,
            24,
            lambda tile: predict(model, image, tile=tile, return_uncertainty=True)[1].numpy(),
        )
        assert error <= TOLERANCE


def attention_matters(model, image) -> bool:
    """Whether the law would see attention that is not global."""
    whole = predict(model, image).numpy()
    local = predict(model, image, context=16).numpy()
    return np.abs(whole - local).max() > 100 * TOLERANCE * whole.std()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {}),
        ("subpixel-unet", {}),
        ("gvtnet-denoise", {}),
        ("gvtnet", {"down": "gvto-v2", "attention": "softmax"}),
        ("gvtnet-projection", {}),
        ("gvtnet-projection", {"depth": 3, "likelihood": "laplace"}),
        ("gvtnet-projection", {"attention": "softmax"}),
    ],
)
def test_every_network_in_3d(make_model, name, options):
    model = make_model(name, axes="ZYX", large_weights=False, **options)
    size, tile = ((2, 15, 230), 32) if model.spec.projects else ((7, 30, 70), 16)
    image = Image(noise(size), "ZYX", {"Z": 1, **UM})
    error, tiles = difference(model, image, tile)
    assert tiles > 4
    assert error <= TOLERANCE
    if model.network.geometry.has_global_operators:
        assert attention_matters(model, image)


def test_all_networks_are_covered():
    covered = {"fnet", "gvtnet", "gvtnet-projection", *(name for name, _ in VARIANTS.values())}
    assert covered == set(networks.names()) - WITH_A_WINDOW


def test_what_would_run_again_is_not_tiled_where_the_image_fits(make_model, monkeypatch):
    """Tiles wait at operators where there is room; without it, each operator takes a pass."""
    network = make_model("gvtnet-denoise").network
    engine = Engine(network, 1, choose_device("cpu"), memory=16.0, tta=True)
    monkeypatch.setattr(engine.budget, "speed", lambda sizes: 1e5)
    assert not engine.plan((1000, 1000)).is_whole
    need = engine.budget.need((1000, 1000), 1000 * 1000)
    engine.budget.memory = int(1.5 * need.times(KEPT_BLOCKS).bytes(1000 * 1000))
    assert engine.plan((1000, 1000)).is_whole
    engine.budget.memory = int(1e8)
    assert not engine.plan((1000, 1000)).is_whole


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
    if model.network.geometry.window is not None:
        pytest.skip("windows are what it is predicted by; no tiling is chosen for it")
    planes = model.spec.inputs[0].planes
    image = Image(noise((planes, 203, 315)), "ZYX", model.spec.voxel_size or UM)
    error, tiles = difference(model, image, 64)
    assert tiles > 1
    assert error <= TOLERANCE
