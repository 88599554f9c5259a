"""What a prediction does with axes, sizes, voxel sizes, units and kinds of arrays."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
import zarr

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.events import Notice, Progress, Stopped, run, stop_when
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions, predict, predict_events
from napari_virtual_stain.inference.engine import Engine


def grey(*shape: int, seed: int = 0, dtype=np.uint16) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 4000, shape).astype(dtype)


VOXELS = {"Z": 1.0, "Y": 0.5, "X": 0.5}


def image(axes: str, *shape: int, **fields) -> Image:
    voxel_size = {axis: size for axis, size in VOXELS.items() if axis in axes}
    return Image(grey(*shape), axes, voxel_size, **fields)


def test_the_result_lies_on_the_grid_of_the_input(make_model):
    model = make_model(outputs=("DNA", "actin"))
    predicted = predict(model, image("YX", 37, 50, name="well"))
    assert (predicted.axes, predicted.shape, predicted.dtype) == ("CYX", (2, 37, 50), np.float32)
    assert dict(predicted.voxel_size) == {"Y": 0.5, "X": 0.5}
    assert predicted.channels == ("DNA", "actin")
    assert predicted.name == "well predicted"
    assert predicted.provenance["model"] == "random gvtnet"
    assert predicted.provenance["source"] == ["well"]


def test_the_whole_image_result_is_one_forward_of_the_padded_image(make_model):
    """The definition itself, written out: z-score, reflect at the end, forward, crop."""
    model = make_model("gvtnet", depth=3)
    values = grey(30, 43)
    z_scores = ((values - values.mean()) / values.std()).astype(np.float32)
    padded = np.pad(z_scores, ((0, 2), (0, 1)), mode="reflect")
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(padded)[None, None])[0, :, :30, :43].numpy()
    predicted = predict(model, Image(values, "YX", {"Y": 1, "X": 1}), units="z-score").numpy()
    assert np.abs(predicted - expected).max() < 1e-4 * expected.std()


def test_a_2d_model_runs_over_planes_and_time_points(make_model):
    model = make_model()
    movie = image("TZYX", 2, 3, 24, 20)
    predicted = predict(model, movie)
    assert (predicted.axes, predicted.shape) == ("TCZYX", (2, 1, 3, 24, 20))
    assert dict(predicted.voxel_size) == VOXELS
    # Statistics are those of the time point, so each point is predicted as if it were alone.
    alone = predict(model, movie.select("T", 1))
    assert np.allclose(predicted.numpy()[1], alone.numpy(), atol=1e-4)


def test_statistics_of_a_movie_where_the_model_says_so(make_model):
    model = make_model()
    spec = model.spec.model_copy(
        update={"normalization": model.spec.normalization.model_copy(update={"per": "movie"})}
    )
    movie = np.stack([grey(16, 16), 3 * grey(16, 16, seed=1)])
    by_movie = predict(
        type(model)(model.network, spec), Image(movie, "TYX", {"Y": 1, "X": 1})
    ).numpy()
    z_scores = ((movie - movie.mean()) / movie.std()).astype(np.float32)
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(z_scores)[:, None]).numpy()
    assert np.allclose(by_movie, expected, atol=1e-3)


def test_a_3d_model_runs_over_time_points(make_model):
    predicted = predict(make_model("fnet", axes="ZYX", filters=2), image("TZYX", 2, 5, 20, 18))
    assert (predicted.axes, predicted.shape) == ("TCZYX", (2, 1, 5, 20, 18))


def test_planes_as_channels_consume_z(make_model):
    model = make_model(planes=4)
    stack = image("ZYX", 4, 24, 20)
    predicted = predict(model, stack)
    assert (predicted.axes, predicted.shape) == ("CYX", (1, 24, 20))
    assert dict(predicted.voxel_size) == {"Y": 0.5, "X": 0.5}
    values = stack.numpy().astype(float)
    z_scores = ((values - values.mean()) / values.std()).astype(np.float32)
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(z_scores)[None])[0].numpy()
    assert np.allclose(predicted.numpy(), expected, atol=1e-4)


def test_another_number_of_planes_takes_the_nearest_and_says_so(make_model):
    model = make_model(planes=3)
    stack = image("ZYX", 6, 16, 16)
    with pytest.warns(VirtualStainWarning, match="has 6 z planes and the model .* takes 3"):
        predicted = predict(model, stack, units="z-score")
    values = stack.numpy().astype(float)
    z_scores = ((values - values.mean()) / values.std()).astype(np.float32)[[0, 2, 5]]
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(z_scores)[None])[0].numpy()
    assert np.allclose(predicted.numpy(), expected, atol=1e-4)


def test_grey_values_of_the_target_or_z_scores(make_model):
    model = make_model(statistics=(500.0, 20.0))
    source = image("YX", 24, 24)
    z_scores = predict(model, source, units="z-score").numpy()
    assert np.allclose(predict(model, source).numpy(), 500 + 20 * z_scores, rtol=1e-5)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64, bool]
)
def test_any_integer_or_real_type(make_model, dtype):
    values = grey(20, 20) % 120
    values = values > 60 if dtype is bool else values.astype(dtype)
    before = values.copy()
    predicted = predict(make_model(), Image(values, "YX", {"Y": 1, "X": 1}))
    assert np.isfinite(predicted.numpy()).all()
    assert np.array_equal(values, before)


def test_lazy_arrays_are_predicted_as_those_in_memory(make_model, tmp_path):
    model = make_model(planes=3)
    values = grey(3, 50, 60)
    expected = predict(model, Image(values, "ZYX", VOXELS), tile=16).numpy()
    stored = zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(1, 32, 32))
    for lazy in (da.from_array(values, chunks=(2, 16, 16)), stored):
        predicted = predict(model, Image(lazy, "ZYX", VOXELS), tile=16)
        assert np.array_equal(predicted.numpy(), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (17, 5)])
def test_any_size(make_model, size):
    values = grey(2, *size)
    model = make_model("fnet", planes=2, depth=3)
    assert predict(model, Image(values, "ZYX", VOXELS)).shape == (1, *size)


def test_channels_are_matched_by_name_and_chosen_by_name(make_model):
    model = make_model(inputs=("phase", "DIC"))
    values = grey(3, 20, 20)
    source = Image(values, "CYX", {"Y": 1, "X": 1}, channels=("DIC", "other", "Phase"))
    by_name = predict(model, source).numpy()
    swapped = predict(model, source, channels=["Phase", "DIC"]).numpy()
    one_by_one = predict(model, [source.channel(2), source.channel(0)]).numpy()
    assert np.array_equal(by_name, swapped)
    assert np.array_equal(by_name, one_by_one)


def test_channels_in_order_where_names_differ_are_said(make_model):
    model = make_model(inputs=("phase", "DIC"))
    source = Image(grey(2, 20, 20), "CYX", {"Y": 1, "X": 1}, channels=("a", "b"))
    with pytest.warns(VirtualStainWarning, match="taken in this order"):
        predict(model, source)


def test_a_crop_is_scaled_by_the_full_image(make_model):
    model = make_model()
    values = grey(40, 64)
    values[:, 32:] += 2000
    crop = {"X": slice(32, 64)}
    predicted = predict(model, Image(values, "YX", {"Y": 1, "X": 1}), crop=crop).numpy()
    z_scores = ((values - values.mean()) / values.std()).astype(np.float32)[:, 32:]
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(z_scores)[None, None])[0].numpy()
    assert np.allclose(predicted, expected, atol=1e-4)


def test_resampling_to_the_voxel_size_of_the_model_and_back(make_model):
    """A network that is the identity shows what resampling does: little, to smooth images."""
    model = make_model(voxel_size={"Y": 0.5, "X": 0.5})
    identity = Identity(model.network)
    y, x = np.mgrid[0:60, 0:90]
    values = 1000 + 300 * np.sin(y / 9) * np.cos(x / 11)
    source = Image(values, "YX", {"Y": 0.25, "X": 1.0}, name="slide")
    work = predict_events(
        type(model)(identity, model.spec), source, PredictOptions(units="z-score")
    )
    said: list[str] = []
    predicted = run(
        work, lambda e: said.append(e.text) if isinstance(e, Notice) else None
    ).predicted
    assert predicted.shape == (1, 60, 90)
    assert any("from 0.25 × 1 to 0.5 × 0.5 µm" in text for text in said)
    z_scores = (values - values.mean()) / values.std()
    assert np.abs(predicted.numpy()[0] - z_scores)[2:-2, 2:-2].max() < 0.05


class Identity(torch.nn.Module):
    """Returns its input."""

    def __init__(self, like: torch.nn.Module) -> None:
        super().__init__()
        self.geometry, self.head = like.geometry, like.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_voxel_sizes_within_two_percent_are_not_resampled(make_model):
    model = make_model(voxel_size={"Y": 0.5, "X": 0.5})
    values = grey(33, 41)
    near = predict(model, Image(values, "YX", {"Y": 0.509, "X": 0.491})).numpy()
    same = predict(model, Image(values, "YX", {"Y": 0.5, "X": 0.5})).numpy()
    assert np.array_equal(near, same)


def test_an_unknown_voxel_size_is_a_visible_warning(make_model):
    with pytest.warns(VirtualStainWarning, match=r"voxel size of slide along Y, X is unknown"):
        predict(make_model(), Image(grey(16, 16), "YX", name="slide"))


def test_progress_counts_to_its_total(make_model):
    events = []
    work = predict_events(
        make_model("gvtnet"), image("TYX", 2, 40, 40), PredictOptions(tile=16, device="cpu")
    )
    run(work, events.append)
    progress = [e for e in events if isinstance(e, Progress) and e.stage == "Predicting"]
    assert [e.done for e in progress] == list(range(1, progress[-1].total + 1))
    assert progress[-1].total == 2 * 2 * 9  # time points × passes × tiles


def test_the_work_stops_between_two_layers(make_model):
    """Cancel is prompt even where one forward takes long: a stop is seen inside the forward."""
    calls = []

    def requested() -> bool:
        calls.append(1)
        return len(calls) > 30

    model = make_model("fnet", depth=3)
    with stop_when(requested), pytest.raises(Stopped):
        run(predict_events(model, image("YX", 64, 64), PredictOptions(tile=10**6)))
    assert len(calls) == 31
    predict(model, image("YX", 64, 64))  # and nothing is left behind


def test_the_network_is_not_touched(make_model):
    model = make_model("gvtnet")
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    predict(model, image("YX", 40, 40), tile=16)
    after = model.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(getattr(module, "given", None) is None for module in model.network.modules())


def test_memory_that_runs_out_leads_to_smaller_tiles(make_model, monkeypatch):
    model = make_model("fnet", depth=2)
    expected = predict(model, image("YX", 200, 200)).numpy()
    on_device, sizes = Engine.on_device, []

    def scarce(self, staged, raw=None):
        sizes.append(staged.numel())
        if staged.numel() >= 200 * 200:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return on_device(self, staged, raw)

    monkeypatch.setattr(Engine, "on_device", scarce)
    with pytest.warns(VirtualStainWarning, match="smaller parts"):
        predicted = predict(model, image("YX", 200, 200)).numpy()
    assert np.abs(predicted - expected).max() < 1e-4 * expected.std()


@pytest.mark.parametrize(
    ("model", "source", "options", "sentence"),
    [
        ({"axes": "ZYX"}, ("YX", 20, 20), {}, "is a 2D image, and the model .* is a 3D model"),
        ({"axes": "ZYX"}, ("ZYX", 1, 20, 20), {}, "is a 2D image"),
        ({"planes": 3}, ("YX", 20, 20), {}, "takes a z-stack of 3 planes"),
        ({}, ("CYX", 2, 20, 20), {}, r"takes 1 channel \(brightfield\), and .* 2 channels"),
        ({"inputs": ("a", "b")}, ("YX", 20, 20), {}, "takes 2 channels"),
        ({}, ("CYX", 2, 9, 9), {"channels": ["z"]}, "no channel named 'z'; it has 'channel 1'"),
        ({}, ("CYX", 2, 9, 9), {"channels": [0, 1]}, "Name one for each"),
        ({}, ("YX", 20, 20), {"device": "tpu"}, "no device 'tpu'"),
        ({}, ("YX", 20, 20), {"device": "cuda"}, "'cuda' is not available here"),
        ({}, ("YX", 20, 20), {"precision": "fp8"}, "no precision 'fp8'"),
        ({}, ("YX", 20, 20), {"units": "photons"}, "no units 'photons'"),
        ({}, ("YX", 20, 20), {"crop": {"X": slice(10, 30)}}, "does not lie in the image"),
        ({"planes": 2}, ("ZYX", 2, 9, 9), {"crop": {"Z": slice(0, 1)}}, "leave Z uncropped"),
        ({"voxel_size": {"Y": 30.0}}, ("YX", 9, 9), {}, "more than 16 times apart"),
        ({}, ("CYX", 1, 9, 9), {"crop": {"C": slice(0, 1)}}, "not cropped in C"),
        ({}, ("YX", 9, 9), {"crop": {"X": (0, 5)}}, "the crop of X is a slice"),
        ({}, ("YX", 9, 9), {"tile": -5}, "at least 1, not -5"),
        ({}, ("YX", 9, 9), {"tile": "auto"}, "not 'auto'"),
        ({}, ("YX", 9, 9), {"memory": -1.0}, "cannot use -1.0 GiB"),
        ({}, ("YX", 9, 9), {"memory": float("inf")}, "cannot use inf GiB"),
        ({"depth": 4}, ("YX", 99, 99), {"memory": 1e-4}, "the memory is too small: .* GiB"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(make_model, model, source, options, sentence):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    axes, *shape = source
    given = image(axes, *shape, name="slide")
    before = given.numpy().copy()
    with pytest.raises(VirtualStainError, match=sentence):
        predict(make_model(**model), given, **options)
    assert np.array_equal(given.numpy(), before)


@pytest.mark.parametrize("given", [np.zeros((9, 9)), "a.tif", [np.zeros((9, 9))]])
def test_what_is_no_image_is_refused(make_model, given):
    with pytest.raises(VirtualStainError, match="an image is needed, or one image for each input"):
        predict(make_model(), given)


def test_what_is_no_model_is_refused():
    with pytest.raises(VirtualStainError, match=r"a model is needed .* not str"):
        predict("tiny", image("YX", 9, 9))


def test_inputs_of_different_voxel_sizes_are_refused(make_model):
    one, other = image("YX", 9, 9, name="a"), image("YX", 9, 9, name="b")
    other = other.replace(voxel_size={"Y": 0.1, "X": 0.1})
    with pytest.raises(VirtualStainError, match="different voxel sizes along Y"):
        predict(make_model(inputs=("phase", "DIC")), [one, other])


def test_a_network_that_yields_nan_is_not_believed(make_model):
    model = make_model("fnet")
    model.network.output.bias.data.fill_(torch.nan)
    with pytest.raises(VirtualStainError, match="NaN or infinite values for this image"):
        predict(model, image("YX", 20, 20))


def test_provenance_says_what_was_taken(make_model):
    model = make_model(planes=2, voxel_size={"Y": 1.0, "X": 1.0}, statistics=(5.0, 2.0))
    predicted = predict(model, image("ZYX", 2, 30, 40), crop={"X": slice(4, 20)})
    expected = {"crop": {"X": [4, 20]}, "planes": [0, 1], "zooms": [0.5, 0.5], "units": "intensity"}
    assert {key: predicted.provenance[key] for key in expected} == expected


def test_units_that_are_unknown_are_said(make_model):
    said = []
    work = predict_events(make_model(), image("YX", 20, 20))
    predicted = run(
        work, lambda e: said.append(e.text) if isinstance(e, Notice) else None
    ).predicted
    assert predicted.provenance["units"] == "z-score"
    assert any("grey values of DNA" in text for text in said)


def test_resampling_can_be_stopped(make_model):
    big = image("ZYX", 3, 700, 700)
    model = make_model(planes=3, voxel_size={"Y": 0.25, "X": 0.25})
    calls = []

    def requested() -> bool:
        calls.append(1)
        return len(calls) > 8

    with stop_when(requested), pytest.raises(Stopped):
        run(predict_events(model, big, PredictOptions(device="cpu")))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(np.nan, "slide contains NaN or infinite"), (np.inf, "NaN or infinite pixels; replace")],
)
def test_nan_and_infinite_pixels_are_refused(make_model, value, sentence):
    values = grey(20, 20).astype(np.float32)
    values[3, 4] = value
    with pytest.raises(VirtualStainError, match=sentence):
        predict(make_model(), Image(values, "YX", {"Y": 1, "X": 1}, name="slide"))


def test_constant_images_are_refused(make_model):
    with pytest.raises(VirtualStainError, match=r"slide is constant: every pixel is 7\."):
        predict(make_model(), Image(np.full((9, 9), 7), "YX", {"Y": 1, "X": 1}, name="slide"))


def test_uncertainty_is_refused_where_the_model_has_none(make_model):
    with pytest.raises(VirtualStainError, match="yields no uncertainty"):
        predict(make_model(), image("YX", 9, 9), return_uncertainty=True)


def test_what_is_predicted_from_a_simulated_specimen_is_called_simulated(make_model):
    real = image("YX", 16, 16)
    assert "simulated" not in predict(make_model(), real).provenance
    simulated = real.replace(provenance={"simulated": True})
    assert predict(make_model(), simulated).provenance["simulated"] is True
