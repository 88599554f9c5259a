import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.evaluation import METRICS, compare, compare_events, pearson_r
from napari_virtual_stain.evaluation.display import display_limits, error_limits
from napari_virtual_stain.events import Notice, Progress, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.io import read_image

VOXEL_SIZE = {"Z": 1.5, "Y": 0.5, "X": 0.5}


@pytest.fixture
def movie() -> tuple[Image, Image]:
    """Return a TCZYX movie of two channels and its prediction, channels in the other order."""
    rng = np.random.default_rng(0)
    cells = 500 * (rng.random((3, 2, 4, 12, 10)) < 0.3)
    observed = (rng.normal(200, 20, cells.shape) + cells).astype(np.uint16)
    predicted = (0.01 * (cells + rng.normal(0, 50, cells.shape)) - 3).astype(np.float32)
    predicted[1] *= 2
    return (
        Image(observed, "TCZYX", VOXEL_SIZE, ("DAPI", "ER"), time_step=60.0, name="well"),
        Image(
            predicted[:, ::-1],
            "TCZYX",
            channels=("er", "dapi"),
            name="guess",
            provenance={"model": "m"},
        ),
    )


def test_every_result_follows_the_procedure_frame_by_frame(movie):
    observed, predicted = movie
    result = compare(observed, predicted)
    o, p = observed.numpy(), predicted.numpy()[:, ::-1]
    assert result.channels == ("DAPI", "ER")
    assert_array_equal(result.observed.numpy(), o)
    assert_array_equal(result.predicted.numpy(), p)
    assert_array_equal(result.errors["observed_minus_predicted"].numpy(), o - p)
    assert_array_equal(result.errors["predicted_minus_observed"].numpy(), p - o)
    assert_array_equal(result.errors["absolute_error"].numpy(), abs(o - p))
    for c, name in enumerate(result.channels):
        scores = result.metrics[name]
        assert scores["pearson_r"] == pytest.approx(pearson_r(o[:, c], p[:, c]))
        assert scores["pearson_r_per_time"] == [pearson_r(o[t, c], p[t, c]) for t in range(3)]
        assert scores.keys() >= METRICS.keys()
        assert result.display_limits[name] == display_limits(o[:, c])
        assert result.error_limits[name] == error_limits(abs(o - p)[:, c])
        assert result.coefficients[name] == [(1, 0)] * 3
        for t in range(3):
            thresholds = {"observed": threshold_otsu(o[t, c]), "predicted": threshold_otsu(p[t, c])}
            for (which, threshold), frames in zip(thresholds.items(), (o, p), strict=True):
                assert scores["otsu_thresholds"][which][t] == [threshold]
                mask = result.masks[which].numpy()[t, c]
                assert_array_equal(mask, (frames[t, c] > threshold).astype(np.uint8))
            clipped = np.where(p[t, c] > thresholds["predicted"], o[t, c], o[t, c].min())
            assert_array_equal(result.clipped.numpy()[t, c], clipped)


def test_every_image_carries_the_observed_grid_and_a_name(movie):
    observed, predicted = movie
    result = compare(observed, predicted, match="z-score")
    images = [
        result.observed,
        result.predicted,
        result.clipped,
        *result.errors.values(),
        *result.masks.values(),
    ]
    for image in images:
        assert (image.axes, image.shape) == ("TCZYX", observed.shape)
        assert image.voxel_size == VOXEL_SIZE
        assert image.channels == ("DAPI", "ER")
        assert image.time_step == 60
    assert [(image.name, image.dtype.name) for image in images] == [
        ("well", "uint16"),
        ("guess", "float32"),
        ("well: observed in the predicted mask", "uint16"),
        ("well: observed − predicted", "float32"),
        ("well: predicted − observed", "float32"),
        ("well: absolute error", "float32"),
        ("well: Otsu mask of observed", "uint8"),
        ("well: Otsu mask of predicted", "uint8"),
    ]
    assert result.predicted.provenance["model"] == "m"
    assert result.predicted.provenance["match"]["method"] == "z-score"
    assert result.errors["absolute_error"].provenance["prediction"] == {"model": "m"}


@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "CZYX", "TYX", "TCYX", "TZYX"])
def test_any_axes_are_compared(movie, axes):
    observed, predicted = movie
    for axis in set("TCZYX") - set(axes):
        observed = observed.select(axis, 0)
        predicted = predicted.select(axis, 1 if axis == "C" else 0)
    result = compare(observed, predicted)
    assert result.clipped.axes == "".join(axis for axis in "TCZYX" if axis in "C" + axes)
    r = pearson_r(observed.channel("DAPI").numpy(), predicted.channel("dapi").numpy())
    assert result.metrics["DAPI"]["pearson_r"] == pytest.approx(r)
    assert ("pearson_r_per_time" in result.metrics["DAPI"]) == ("T" in axes)


def test_an_axis_of_one_position_may_be_absent_on_either_side():
    plane = np.arange(12.0).reshape(3, 4)
    result = compare(Image(plane[None], "ZYX", VOXEL_SIZE), Image(plane[None], "TYX"))
    assert result.clipped.axes == "CZYX"
    result = compare(Image(plane, "YX"), Image(plane[None], "ZYX", VOXEL_SIZE))
    assert result.clipped.axes == "CYX"
    assert result.clipped.voxel_size == {"Y": 0.5, "X": 0.5}


@pytest.mark.parametrize("match", ["none", "z-score", "least-squares"])
def test_a_match_is_made_for_each_channel_and_time_point_and_recorded(movie, match):
    observed, predicted = movie
    result = compare(observed, predicted, match=match)
    given = predicted.numpy()[:, ::-1]
    for c, name in enumerate(result.channels):
        for t, (gain, offset) in enumerate(result.coefficients[name]):
            matched = result.predicted.numpy()[t, c]
            assert_allclose(matched, gain * given[t, c] + offset, rtol=1e-4)
            if match == "z-score":
                o = observed.numpy()[t, c]
                assert_allclose((matched.mean(), matched.std()), (o.mean(), o.std()), rtol=1e-5)
        # The r of the images as given: two of its time points have another gain.
        r = pearson_r(observed.numpy()[:, c], given[:, c])
        assert result.metrics[name]["pearson_r"] == pytest.approx(r)
    unmatched = compare(observed, predicted)
    for name in METRICS.keys() - {"pearson_r"} if match != "none" else ():
        before, after = (each.metrics["ER"][name] for each in (unmatched, result))
        assert after < before if name.endswith("error") else after > before


def test_least_squares_that_turns_a_prediction_over_is_said_and_keeps_r_negative():
    observed = Image(np.arange(12.0).reshape(3, 4), "YX", channels=("DAPI",))
    inverted = Image(-observed.numpy(), "YX", channels=("DAPI",), name="guess")
    with pytest.warns(VirtualStainWarning, match=r"guess, channel 'DAPI': .* turned it over"):
        result = compare(observed, inverted, match="least-squares")
    assert result.metrics["DAPI"]["pearson_r"] == pytest.approx(-1)
    assert result.metrics["DAPI"]["mean_absolute_error"] == pytest.approx(0, abs=1e-6)


def test_masks_for_each_plane(movie):
    result = compare(*movie, mask_per="plane")
    plane = movie[0].numpy()[1, 0, 2]
    assert result.mask_per == "plane"
    assert result.metrics["DAPI"]["otsu_thresholds"]["observed"][1][2] == threshold_otsu(plane)
    assert_array_equal(result.masks["observed"].numpy()[1, 0, 2], plane > threshold_otsu(plane))


@pytest.mark.parametrize("lazy", [da.from_array, zarr.array])
def test_lazy_images_are_compared_like_arrays(movie, lazy):
    observed, predicted = movie
    expected = compare(observed, predicted)
    result = compare(
        observed.replace(data=lazy(observed.numpy())),
        predicted.replace(data=lazy(np.ascontiguousarray(predicted.numpy()))),
    )
    assert result.metrics == expected.metrics
    assert_array_equal(result.clipped.numpy(), expected.clipped.numpy())


def test_lazy_images_are_read_a_frame_at_a_time_and_once():
    class Slow:
        def __init__(self, data: np.ndarray) -> None:
            self.data, self.shape, self.dtype, self.read = data, data.shape, data.dtype, []

        def __getitem__(self, key: tuple[int | slice, ...]) -> np.ndarray:
            self.read.append(key[:2])
            return self.data[key]

    slow = Slow(np.random.default_rng(0).random((2, 3, 4, 5)))
    image = Image(slow, "TCYX", channels=("a", "b", "c"))
    compare(image, Image(slow.data[:, 1:], "TCYX", channels=("b", "c")))
    assert slow.read == [(0, 1), (0, 2), (1, 1), (1, 2)]


@pytest.mark.parametrize("match", ["none", "z-score"])
def test_the_images_that_are_compared_stay_as_they_were(movie, match):
    before = [image.numpy().tobytes() for image in movie]
    for image in movie:
        image.data.flags.writeable = False
    compare(*movie, match=match)
    assert [image.numpy().tobytes() for image in movie] == before


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float16, np.float64, ">u2"])
def test_any_real_dtype_is_compared_and_kept(dtype):
    data = (np.arange(24).reshape(4, 6) * 9 % 23).astype(dtype)
    result = compare(Image(data, "YX"), Image(data, "YX"), match="least-squares")
    assert result.clipped.dtype == data.dtype
    assert result.predicted.dtype == np.float32
    assert result.metrics["channel 1"]["pearson_r"] == pytest.approx(1)
    assert_allclose(result.errors["absolute_error"].numpy(), 0, atol=1e-5)


def test_a_constant_prediction_is_refused_by_z_score_in_its_name(movie):
    observed, predicted = movie
    data = predicted.numpy().copy()
    data[2, 0] = 4
    with pytest.raises(VirtualStainError, match=r"^guess, channel 'er' at time point 3: the p"):
        compare(observed, predicted.replace(data=data), match="z-score")


def test_bad_channels_that_are_not_compared_harm_nothing(movie):
    observed, predicted = movie
    data = observed.numpy().astype(np.float32)
    data[:, 1] = np.nan
    result = compare(observed.replace(data=data), predicted.channel("dapi"))
    assert result.channels == ("DAPI",)


def test_other_grids_and_options_are_refused(movie):
    observed, predicted = movie
    with pytest.raises(VirtualStainError, match="along X the one has 5 positions and the other 10"):
        compare(observed.crop({"X": slice(0, 5)}), predicted)
    with pytest.raises(VirtualStainError, match="there is no match 'zscore'"):
        compare(observed, predicted, match="zscore")
    with pytest.raises(VirtualStainError, match="cannot be cut per 'slice'"):
        compare(observed, predicted, mask_per="slice")


def test_channels_paired_by_position_warn(movie):
    observed, predicted = movie
    with pytest.warns(VirtualStainWarning, match="'DAPI' with 'x', 'ER' with 'y'"):
        result = compare(observed, predicted.replace(channels=("x", "y")))
    assert result.channels == ("DAPI", "ER")


def test_every_stage_tells_its_progress_to_the_end(movie):
    events = []
    run(compare_events(*movie, match="z-score"), events.append)
    assert not [event for event in events if isinstance(event, Notice)]
    stages = dict.fromkeys(event.stage for event in events)
    assert list(stages) == [
        "reading observed",
        "reading predicted",
        "matching",
        "error maps",
        "masks",
        "clipping",
        "scores",
        "display limits",
    ]
    for stage in stages:
        told = [event for event in events if isinstance(event, Progress) and event.stage == stage]
        assert [event.done for event in told] == list(range(1, told[-1].total + 1))


def test_importing_the_room_loads_nothing_heavy():
    heavy = "torch", "matplotlib", "skimage", "scipy", "napari", "tifffile"
    code = (
        "import sys, napari_virtual_stain.evaluation; "
        f"print([module for module in {heavy} if module in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.data
def test_a_blurred_well_is_scored_as_numpy_scores_it(data_folder):
    observed = read_image(data_folder / "isl_condition_b" / "fluorescence.ome.tif")
    pixels = observed.numpy().astype(np.float32)
    blurred = np.stack([gaussian_filter(channel, 3) for channel in pixels])
    result = compare(observed, observed.replace(data=blurred), match="z-score")
    for c, name in enumerate(("DAPI", "MAP2", "NFH")):
        r = np.corrcoef(pixels[c].ravel(), blurred[c].ravel())[0, 1]
        assert result.metrics[name]["pearson_r"] == pytest.approx(r, abs=1e-5)
        assert r > 0.9
    overlap = [mask.numpy().astype(bool) for mask in result.masks.values()]
    assert (overlap[0] & overlap[1]).sum() > 0.7 * (overlap[0] | overlap[1]).sum()
