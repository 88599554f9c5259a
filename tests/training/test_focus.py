"""Pairs of planes out of focus and the plane in focus."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.training.focus import focus_pairs, sharpness


def planes(focus=5, count=11, noise=3.0, seed=0):
    """Return a simulated z-stack of dots that is blurred with the distance from `focus`."""
    random = np.random.default_rng(seed)
    dots = np.zeros((48, 40))
    dots[random.integers(0, 48, 30), random.integers(0, 40, 30)] = 4000
    stack = [ndimage.gaussian_filter(dots, 1 + 0.6 * abs(z - focus)) for z in range(count)]
    return (np.stack(stack) + 100 + random.normal(0, noise, (count, 48, 40))).astype(np.float32)


def stack(data=None, axes="ZYX", z=1.0, **changes):
    return Image(planes() if data is None else data, axes, voxel_size={"Z": z}, **changes)


def test_planes_further_than_two_micrometres_are_paired_with_the_focused_one():
    data = planes()
    pairs = focus_pairs(stack(data, channels=["DNA"], name="cells"))
    assert [source.name for source, _ in pairs] == [f"cells z {z}" for z in (0, 1, 2, 8, 9, 10)]
    for (source, target), z in zip(pairs, (0, 1, 2, 8, 9, 10), strict=True):
        assert (source.axes, source.channels, target.channels) == ("YX", ("DNA",), ("DNA",))
        np.testing.assert_array_equal(source.numpy(), data[z])
        np.testing.assert_array_equal(target.numpy(), data[5])


@pytest.mark.parametrize(
    ("z", "leave_out", "count"), [(1.0, 0, 10), (1.0, 3.5, 4), (0.4, 2.0, 0), (2.0, 2.0, 8)]
)
def test_how_many_are_left_depends_on_the_distance(z, leave_out, count):
    if count:
        assert len(focus_pairs(stack(z=z), leave_out)) == count
    else:
        with pytest.raises(VirtualStainError, match=r"no plane is more than 2 µm .*plane 5 of 11"):
            focus_pairs(stack(z=z), leave_out)


@pytest.mark.parametrize("focus", [2, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_the_sharpest_plane_is_found_in_noise(focus, seed):
    scores = sharpness(stack(planes(focus, noise=15, seed=seed)))
    assert scores.argmax() == focus
    assert scores.shape == (11,)


def test_brightness_and_offset_do_not_matter():
    data = planes()
    expected = sharpness(stack(data))
    np.testing.assert_allclose(sharpness(stack(data * 7 + 30_000)), expected, atol=2e-3)


def test_uneven_light_does_not_matter():
    data = planes()
    data[9] += np.linspace(0, 2000, 40, dtype=np.float32)
    assert sharpness(stack(data)).argmax() == 5


def test_channels_count_alike():
    one, other = planes(4, noise=0.5), planes(6, noise=0.5, seed=1)
    both = sharpness(stack(np.stack([one * 1000, other]), "CZYX"))
    assert both.argmax() in (4, 5, 6)
    assert both[4] == pytest.approx(both[6], rel=0.2)


def test_the_plane_may_be_named():
    pairs = focus_pairs(stack(), focused=0)
    assert len(pairs) == 8
    np.testing.assert_array_equal(pairs[0][1].numpy(), planes()[0])
    with pytest.raises(VirtualStainError, match="has no plane 11; its planes are 0 to 10"):
        focus_pairs(stack(), focused=11)


def test_each_time_point_has_its_own_focus():
    movie = np.stack([planes(4), planes(6)])
    pairs = focus_pairs(stack(movie, "TZYX", name="m"))
    assert {source.name.rsplit(" z", 1)[0] for source, _ in pairs} == {"m t 0", "m t 1"}
    np.testing.assert_array_equal(pairs[0][1].numpy(), movie[0, 4])
    np.testing.assert_array_equal(pairs[-1][1].numpy(), movie[1, 6])


def test_what_is_lazy_stays_lazy():
    lazy = da.from_array(planes(), chunks=(1, -1, -1))
    [(source, target), *_] = focus_pairs(stack(lazy))
    assert not isinstance(source.data, np.ndarray)
    assert not isinstance(target.data, np.ndarray)


def test_a_focus_at_the_end_is_warned_of():
    with pytest.warns(VirtualStainWarning, match="sharpest plane is the last, so the focus may"):
        focus_pairs(stack(planes(10)))
    with pytest.warns(VirtualStainWarning, match="sharpest plane is the first"):
        focus_pairs(stack(planes(0)))


@pytest.mark.parametrize(
    ("image", "leave_out", "said"),
    [
        (Image(planes()[0], "YX"), 2, "is no z-stack"),
        (Image(planes(), "ZYX"), 2, "distance of the planes is unknown"),
        (stack(np.ones((5, 8, 8))), 2, "no plane is sharper"),
        (stack(np.full((5, 8, 8), np.nan)), 2, "no plane is sharper"),
        (stack(), -1, "0 µm or more"),
        (stack(), float("nan"), "0 µm or more"),
    ],
)
def test_stacks_that_give_no_pairs(image, leave_out, said):
    with pytest.raises(VirtualStainError, match=said):
        focus_pairs(image, leave_out)


@pytest.mark.data
def test_a_real_stack(data_folder):
    from napari_virtual_stain.io import read_image

    image = read_image(data_folder / "neubias_widefield_confocal_3d" / "nucleus.ome.tif")
    pairs = focus_pairs(image.channel(0))
    assert 0 < len(pairs) < image.sizes["Z"]
