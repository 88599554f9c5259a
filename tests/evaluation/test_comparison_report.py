import json
import math
import struct

import numpy as np
import pytest

from napari_virtual_stain.evaluation import compare, figure, metrics_json
from napari_virtual_stain.evaluation.colours import FALSE, HIT, MISSED
from napari_virtual_stain.evaluation.panels import _overlap, _round_length
from napari_virtual_stain.image import Image


def pair(axes: str = "CYX", shape: tuple[int, ...] = (2, 12, 16), **fields: object) -> list[Image]:
    rng = np.random.default_rng(0)
    observed = rng.integers(0, 1000, shape).astype(np.uint16)
    predicted = (observed + rng.normal(0, 100, shape)).astype(np.float32)
    return [Image(observed, axes, **fields), Image(predicted, axes, name="guess", **fields)]


def size_of_png(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_numbers_survive_strict_json():
    comparison = compare(*pair(voxel_size={"Y": 0.5, "X": 0.5}), match="least-squares")
    values = metrics_json(comparison)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["format"] == 1
    assert (values["observed"], values["predicted"]) == ("image", "guess")
    assert (values["axes"], values["shape"]) == ("CYX", [2, 12, 16])
    assert values["voxel_size"] == {"Y": 0.5, "X": 0.5}
    assert (values["match"], values["mask_per"]) == ("least-squares", "volume")
    assert list(values["channels"]) == ["channel 1", "channel 2"]
    channel = values["channels"]["channel 2"]
    assert channel["pearson_r"] == comparison.metrics["channel 2"]["pearson_r"]
    gain, offset = comparison.coefficients["channel 2"][0]
    assert channel["match_coefficients"] == [{"gain": gain, "offset": offset}]
    assert channel["display_limits"] == list(comparison.display_limits["channel 2"])
    assert channel["error_limits"] == list(comparison.error_limits["channel 2"])
    assert "pearson_r_per_time" not in channel


def test_a_score_that_is_not_defined_is_null():
    constant = Image(np.zeros((2, 3, 4)), "TYX")
    comparison = compare(constant, constant)
    assert math.isnan(comparison.metrics["channel 1"]["pearson_r"])
    channel = metrics_json(comparison)["channels"]["channel 1"]
    assert channel["pearson_r"] is None
    assert channel["pearson_r_per_time"] == [None, None]


def test_a_picture_has_a_row_for_each_channel():
    one, two, three = (
        size_of_png(figure(compare(*pair("CYX", (count, 12, 16))))) for count in (1, 2, 3)
    )
    assert one[0] == two[0] == three[0]
    assert three[1] - two[1] == pytest.approx(two[1] - one[1], abs=1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (3, 90)), ("YX", (90, 3)), ("TZYX", (2, 3, 8, 8)), ("YX", (1, 1))]
)
def test_any_image_can_be_drawn(axes, shape):
    names = {
        "name": "a $\\frac$ _ name\n顕微鏡" * 9,
        "channels": ("$x",),
        "voxel_size": {"X": 0.001},
    }
    observed, predicted = (image.replace(**names) for image in pair(axes, shape))
    assert size_of_png(figure(compare(observed, predicted)))[0] > 1000


@pytest.mark.filterwarnings("error")
def test_what_was_not_measured_can_be_drawn():
    observed, predicted = pair("ZYX", (3, 20, 30))
    data = observed.numpy().astype(np.float32)
    data[:, :5], data[0, 9] = np.nan, np.inf
    assert size_of_png(figure(compare(observed.replace(data=data), predicted)))[0] > 1000


def test_drawing_leaves_pyplot_alone():
    import matplotlib.pyplot as plt

    before = plt.get_fignums(), dict(plt.rcParams)
    figure(compare(*pair()))
    assert (plt.get_fignums(), dict(plt.rcParams)) == before


def test_the_overlap_of_masks_has_four_colours():
    observed, predicted = np.array([[True, True, False, False], [True, False, True, False]])
    colours = ["#" + bytes(pixel).hex() for pixel in _overlap(observed, predicted)]
    assert colours == [HIT, MISSED, FALSE, "#000000"]


@pytest.mark.parametrize(
    ("longest", "length"), [(130, 100), (99, 50), (49.9, 20), (1, 1), (0.06, 0.05), (1e-3, 1e-3)]
)
def test_a_scale_bar_is_a_round_length_that_fits(longest, length):
    assert _round_length(longest) == pytest.approx(length)
