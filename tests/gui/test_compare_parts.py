"""Small parts of the dock **Compare**: lazy arrays, keys, the grid, profiles, pictures, tables."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from scipy.ndimage import map_coordinates

from napari_virtual_stain import VirtualStainError
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.compare.curtain_drag import CurtainDrag
from napari_virtual_stain.gui.compare.derived import Curtain, Derived
from napari_virtual_stain.gui.compare.form import Form, judge
from napari_virtual_stain.gui.compare.keeping import Grid, Keys
from napari_virtual_stain.gui.compare.profile import drawn_line, profile
from napari_virtual_stain.gui.compare.rendered import CAPTION, flip_pictures
from napari_virtual_stain.gui.compare.scores import SCORES, written
from napari_virtual_stain.gui.compare.state import Run, Stage, panel, shift_line
from napari_virtual_stain.gui.compare.table import score_rows
from napari_virtual_stain.gui.compare.work import Shifted, measured
from napari_virtual_stain.io import write_flip, write_picture, write_table

from .compare_helpers import add_pair, session_of, subjects_of, verdict_of

KEYS = st.tuples(
    *(
        st.one_of(
            st.integers(0, size - 1),
            st.slices(size).filter(lambda s: s.step is None or s.step > 0),
        )
        for size in (3, 5, 6)
    )
)


@given(KEYS)
@settings(max_examples=60, deadline=None)
def test_a_derived_array_is_the_function_of_its_sources(key):
    rng = np.random.default_rng(0)
    a, b = rng.random((3, 5, 6)), rng.random((3, 5, 6))
    derived = Derived((a, b), np.subtract, np.float32)
    expected = (a - b).astype(np.float32)
    np.testing.assert_array_equal(derived[key], expected[key])
    np.testing.assert_array_equal(np.asarray(derived), expected)
    assert (derived.shape, derived.ndim, derived.size, len(derived)) == ((3, 5, 6), 3, 90, 3)


@given(KEYS, st.integers(0, 2), st.integers(0, 6))
@settings(max_examples=100, deadline=None)
def test_a_curtain_is_one_array_before_the_split_and_the_other_after(key, axis, at):
    before, after = np.zeros((3, 5, 6), np.uint8), np.ones((3, 5, 6), np.float32)
    curtain = Curtain(before, after, axis, at)
    expected = (np.indices((3, 5, 6))[axis] >= at).astype(np.float32)
    np.testing.assert_array_equal(curtain[key], expected[key])


def test_keys_do_again_what_they_did(viewer):
    called = []
    viewer.bind_key("w", lambda _: called.append("before"))
    keys = Keys(viewer)
    keys.bind({"w": lambda: called.append("ours"), "Shift-W": lambda: called.append("next")})
    for function in list(viewer.keymap.values()):
        function(viewer)
    assert called == ["ours", "next"]
    viewer.bind_key("q", lambda _: called.append("another's"))
    keys.restore()
    assert len(viewer.keymap) == 2
    called.clear()
    for function in viewer.keymap.values():
        function(viewer)
    assert called == ["before", "another's"]


def test_the_grid_is_as_it_was(viewer):
    grid = viewer.canvas.grid
    grid.stride, grid.shape, grid.enabled = -2, (3, 1), True
    kept = Grid(viewer)
    kept.show(2)
    assert (grid.enabled, tuple(grid.shape), grid.stride) == (True, (1, 2), 1)
    kept.show(3)
    kept.show(1)
    assert not grid.enabled
    kept.restore()
    assert (grid.enabled, tuple(grid.shape), grid.stride) == (True, (3, 1), -2)
    kept.show(2)
    grid.shape = (2, 2)  # somebody else's wish
    kept.restore()
    assert tuple(grid.shape) == (2, 2)


class Event:
    """A mouse that is moved."""

    def __init__(self, position):
        self.position, self.type = position, "mouse_press"


def test_the_curtain_follows_the_mouse_that_takes_hold_of_it(viewer):
    moved, before = [], list(viewer.mouse_drag_callbacks)
    drag = CurtainDrag(viewer, lambda at: at[-1] / 100, lambda: 0.5, lambda: 100.0, moved.append)
    callback = viewer.mouse_drag_callbacks[-1]
    far = Event((0, 20))
    assert list(callback(viewer, far)) == []
    event = Event((0, 55))
    dragging = callback(viewer, event)
    next(dragging)
    assert not viewer.scene.camera.mouse_pan
    event.type = "mouse_move"
    for at in (60, 70):
        event.position = (0, at)
        next(dragging)
    event.type = "mouse_release"
    assert list(dragging) == []
    assert moved == [0.6, 0.7]
    assert viewer.scene.camera.mouse_pan
    drag.close()
    assert viewer.mouse_drag_callbacks == before


def test_a_profile_reads_both_along_the_line():
    y, x = np.mgrid[:20, :30].astype(float)
    found = profile(y, 2 * x, np.array([[2.0, 3.0], [8.0, 11.0]]), (0.5, 0.25))
    assert found.unit == "µm"
    assert found.distance[-1] == pytest.approx(np.hypot(6 * 0.5, 8 * 0.25))
    assert (found.observed[0], found.observed[-1]) == (2, 8)
    assert (found.predicted[0], found.predicted[-1]) == (6, 22)
    bent = profile(y, x, np.array([[0, 0], [0, 10], [5, 10]], float))
    assert bent.unit == "px"
    assert bent.distance[-1] == 15
    expected = map_coordinates(x, [[0], [5]], order=1)[0]
    assert np.interp(5, bent.distance, bent.predicted) == pytest.approx(expected)
    outside = profile(y, x, np.array([[-5.0, 0.0], [5.0, 0.0]]))
    assert np.isnan(outside.observed[0])
    assert outside.observed[-1] == 5
    beyond = profile(y, x, np.array([[50.0, 50.0], [60.0, 70.0]]))
    assert np.isnan(beyond.observed).all()


def test_the_last_line_is_taken(viewer):
    image, _ = add_pair(viewer, scale=(1, 0.5, 0.5))
    shapes = viewer.add_shapes(
        [np.array([[0, 0], [5, 5]]), np.array([[1, 2], [3, 6]])], shape_type=["rectangle", "line"]
    )
    np.testing.assert_allclose(drawn_line(shapes, image), [[2, 4], [6, 12]])
    empty = viewer.add_shapes(ndim=2)
    assert drawn_line(empty, image) is None


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("pearson_r", 0.85749, "0.857"),
        ("pearson_r", -0.5, "−0.500"),
        ("pearson_r", float("nan"), "–"),
        ("peak_signal_to_noise_ratio", 22.449, "22.4 dB"),
        ("peak_signal_to_noise_ratio", float("inf"), "∞"),
        ("root_mean_squared_error", 3905.6, "3906"),
        ("root_mean_squared_error", 0.0123449, "0.01234"),
        ("dice", None, ""),
    ],
)
def test_how_scores_are_written(key, value, text):
    score = next(one for one in SCORES if one.key == key)
    assert written(score, value) == text


def test_rows_of_scores(viewer, tmp_path):
    add_pair(viewer, (2, 3, 24, 32))
    session = session_of(viewer)
    rows = score_rows(session.shown.subject, session.survey, 0.5)
    assert [(row["time_point"], row["plane"]) for row in rows] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 1),
        (2, 2),
        (2, 3),
        ("all", "all"),
    ]
    path = write_table(rows, tmp_path / "scores.csv")
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert float(read[-1]["structural_similarity"]) == 0.5
    whole = session.survey.whole.scores(session.survey.scale)
    assert float(read[-1]["pearson_r"]) == whole["pearson_r"]
    with pytest.raises(VirtualStainError, match="exists already"):
        write_table(rows, path)


@pytest.fixture
def pictures(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    return flip_pictures([session.shown], [session.shown.limits], session.index(), ["gray"])


def test_pictures_of_a_flip(viewer, pictures):
    observed, predicted = pictures
    assert observed.shape == predicted.shape == (48 * 4 + CAPTION, 64 * 4, 3)
    assert observed.dtype == np.uint8
    session = session_of(viewer)
    low, high = session.shown.limits
    plane = viewer.layers[0].data[session.index()["Z"]]
    expected = 255 * np.clip((plane - low) / (high - low), 0, 1)
    np.testing.assert_allclose(observed[CAPTION::4, ::4, 0], expected, atol=1.5)
    assert (observed[:CAPTION] != predicted[:CAPTION]).any()  # the words differ


def test_a_flip_as_gif(pictures, tmp_path):
    path = write_flip(pictures, tmp_path / "films" / "flip.gif", seconds=0.5)
    with Picture.open(path) as film:
        assert (film.n_frames, film.info["duration"], film.info["loop"]) == (2, 500, 0)
        for at, picture in enumerate(pictures):
            film.seek(at)
            np.testing.assert_allclose(
                np.asarray(film.convert("RGB"), int), picture.astype(int), atol=12
            )
    before = path.read_bytes()
    with pytest.raises(VirtualStainError, match="exists already"):
        write_flip(pictures[:1], path)
    assert path.read_bytes() == before
    write_flip(pictures[:1], path, overwrite=True)
    assert list(path.parent.iterdir()) == [path]


def test_a_flip_as_mp4(pictures, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    odd = [picture[:-1, :-1] for picture in pictures]
    path = write_flip(odd, tmp_path / "films" / "flip.mp4", seconds=0.5)
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert frames == 100
    assert seconds == pytest.approx(10, abs=0.5)
    assert list(path.parent.iterdir()) == [path]


def test_other_endings_are_refused(pictures, tmp_path):
    with pytest.raises(VirtualStainError, match=r"let it end in \.gif or \.mp4"):
        write_flip(pictures, tmp_path / "films" / "flip.avi")
    assert not (tmp_path / "films").exists()


def test_a_picture_is_not_replaced_unasked(tmp_path):
    path = write_picture(b"one", tmp_path / "one.png")
    with pytest.raises(VirtualStainError, match="exists already"):
        write_picture(b"two", path)
    write_picture(b"two", path, overwrite=True)
    assert path.read_bytes() == b"two"


def test_a_shift_is_measured_and_said(viewer):
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    image = 100 + 5000 * gaussian_filter((rng.random((96, 128)) < 0.01) * 1.0, 2)
    viewer.add_image(image.astype(np.uint16), name="a", axis_labels="yx")
    moved = np.roll(image, (3, -5), (0, 1)).astype(np.float32)
    viewer.add_image(moved, name="a predicted", axis_labels="yx")
    (one,) = subjects_of(viewer)
    y, x = run(measured(one))
    assert (y, x) == pytest.approx((3, -5), abs=0.3)
    line = shift_line("a", Shifted(0, y, x))
    assert line.text.startswith("a: the prediction lies about 3.0 down and 5.0 left px off")


def test_no_shift_is_said_where_there_is_none(viewer):
    add_pair(viewer, (96, 128))
    (one,) = subjects_of(viewer)
    assert run(measured(one)) is None


def test_what_can_be_pressed(viewer):
    empty = panel(judge(Form()), Run(), False)
    assert (empty.can_compare, empty.is_on, empty.button) == (False, False, "Compare")
    add_pair(viewer)
    ready = panel(verdict_of(viewer), Run(), False)
    assert (ready.can_compare, ready.can_choose, ready.offers) == (True, True, "")
    on = panel(verdict_of(viewer), Run(Stage.ON, works=True), False)
    assert (on.can_compare, on.is_on, on.works, on.button) == (True, True, True, "End comparison")
    assert on.before == ()
    starting = panel(verdict_of(viewer), Run(Stage.STARTING), False)
    assert (starting.can_compare, starting.works) == (False, True)
