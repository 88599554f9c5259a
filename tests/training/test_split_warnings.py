"""Splits that would flatter are warned of, and others are not."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_virtual_stain.image import Image
from napari_virtual_stain.training.pairs import TrainingPair
from napari_virtual_stain.training.split_warnings import split_warnings


def pair(axes="YX", name="field", **regions):
    """Return a pair of zeros."""
    shape = tuple({"T": 6, "Z": 20, "Y": 32, "X": 64}[axis] for axis in axes)
    source, target = (Image(np.zeros(shape, np.uint8), axes, name=name) for _ in range(2))
    return TrainingPair(source, target, **regions)


def texts(*args, **kwargs):
    found = split_warnings(*args, **kwargs)
    assert all(notice.warning for notice in found)
    return [notice.text for notice in found]


def test_a_split_that_is_left_to_the_program_is_one_of_space():
    assert texts([pair("TZYX")], {}, {}) == []


@pytest.mark.parametrize("crop", [{"X": slice(0, 40)}, {"Y": slice(0, 9)}])
def test_a_split_in_space_is_fine_whatever_else_is_cut(crop):
    rest = {axis: slice(part.stop, None) for axis, part in crop.items()}
    assert texts([pair("TZYX")], crop, rest) == []
    assert texts([pair("TZYX")], {**crop, "T": slice(0, 3)}, {**rest, "T": slice(3, 6)}) == []


@pytest.mark.parametrize("train", [{}, {"T": slice(0, 4)}, {"T": slice(0, 2)}])
def test_frames_of_one_movie_on_both_sides_are_warned_of(train):
    (text,) = texts([pair("TYX", name="movie")], train, {"T": slice(4, 6)})
    assert text == (
        "movie is trained on and scored on neighbouring frames of the same movie, at the same "
        "places in X and Y. They are near-copies of each other, so the score would flatter. Split "
        "it in X or Y."
    )


def test_planes_are_warned_of_unless_some_lie_between():
    def of(train, held_out):
        return texts([pair("ZYX")], {"Z": slice(*train)}, {"Z": slice(*held_out)})

    assert "neighbouring planes of the same stack" in of((0, 10), (10, 20))[0]
    assert of((0, 10), (11, 20))
    assert of((10, 20), (0, 9))
    assert of((0, 10), (12, 20)) == []


def test_each_pair_is_named_once():
    found = texts([pair("TYX", "a"), pair("TYX", "b"), pair("TYX", "b")], {}, {"T": slice(4, 6)})
    assert [text.split(" ")[0] for text in found] == ["a", "b"]


def test_the_same_image_on_both_sides_is_warned_of_unless_the_parts_differ():
    one = pair(name="field")
    (text,) = texts([one], {}, {}, [TrainingPair(one.source, one.target)])
    assert text.startswith("field is among the pairs to train on and to score on")
    assert texts([one], {}, {"X": slice(40, 64)}, [one])
    assert texts([one], {"X": slice(0, 40)}, {"X": slice(40, 64)}, [one]) == []
    movie = pair("TYX", "movie")
    (text,) = texts([movie], {"T": slice(0, 3)}, {"T": slice(3, 6)}, [movie])
    assert "neighbouring frames" in text


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("well_t003_phase", "well_t017_phase", "frames of one movie"),
        ("well-frame 3", "well-frame 4", "frames of one movie"),
        ("A1_z01", "A1_z02", "planes of one stack"),
        ("t1_z3", "t1_z4", "planes of one stack"),
    ],
)
def test_names_tell_frames_and_planes_of_one_recording(one, other, what):
    (text,) = texts([pair(name=one)], {}, {}, [pair(name=other)])
    assert text.startswith(f"{one} and {other} look like {what}")
    split = {"X": slice(0, 40)}, {"X": slice(40, 64)}
    assert texts([pair(name=one)], *split, [pair(name=other)]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("field_01", "field_02"),
        ("A1_t01", "B1_t01"),
        ("A1_t01", "B1_t02"),
        ("well_1", "well_2"),
        ("HeLa_train2", "HeLa_train3"),
        ("cut3", "cut4"),
        ("well_t003", "well_t003"),
        ("image", "image"),
    ],
)
def test_names_of_different_places_do_not(one, other):
    assert texts([pair(name=one)], {}, {}, [pair(name=other)]) == []


def test_regions_that_were_drawn_apart_are_fine():
    left = np.zeros((32, 64), bool)
    left[:, :30] = True
    one = pair("TYX", learn=left, score=~left)
    assert texts([one], {}, {}, [one]) == []
    assert texts([one], {}, {"T": slice(4, 6)}) == []


def noise(seed, shape=(32, 64), dtype=np.uint16):
    return np.random.default_rng(seed).integers(0, 999, shape).astype(dtype)


def noisy(values, name="field", axes="YX"):
    return Image(values, axes, name=name), Image(values, axes)


@pytest.mark.parametrize("lazy", [False, True])
def test_an_image_that_was_read_twice_is_the_same(lazy):
    def read(seed):
        values = noise(seed, (3, 32, 64))
        return da.from_array(values, chunks=(1, 32, 64)) if lazy else values

    one, again, another = (noisy(read(seed), axes="ZYX") for seed in (0, 0, 1))
    (text,) = texts([one], {}, {}, [again])
    assert text.startswith("field is among the pairs to train on and to score on")
    assert texts([one], {}, {}, [another]) == []
    assert texts([one], {"X": slice(0, 40)}, {"X": slice(40, 64)}, [again]) == []


def test_images_that_differ_in_a_pixel_are_not_the_same():
    values = noise(0)
    values[0, 0] += 1
    assert texts([noisy(noise(0))], {}, {}, [noisy(values)]) == []
    assert texts([noisy(noise(0))], {}, {}, [noisy(noise(0, dtype=np.int32))]) == []


def test_planes_of_a_stack_are_warned_of_in_one_line():
    planes = [noisy(noise(z), f"s z {z}") for z in range(6)]
    (text,) = texts(planes[:4], {}, {}, planes[4:])
    assert text.startswith("s z 0 and s z 4 look like planes of one stack")
    assert "(and 7 more pairs of them)" in text
    again = [noisy(noise(z), f"s z {z}") for z in range(6)]
    (text,) = texts(planes, {}, {}, again)
    assert text.startswith("s z 0 and 5 more are among the pairs to train on and to")
    others = [noisy(noise(9 + z), f"r z {z}") for z in range(3)]
    assert len(texts([*planes[:4], *others[:2]], {}, {}, [*planes[4:], *others[2:]])) == 2
