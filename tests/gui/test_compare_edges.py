"""The dock **Compare** where layers are unusual, and where things happen at the wrong moment."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_virtual_stain.evaluation.survey import survey_events
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.compare import work
from napari_virtual_stain.gui.compare.form import Form, PairPick, Readiness, judge
from napari_virtual_stain.gui.compare.live import region_mask, score_shown
from napari_virtual_stain.gui.compare.modes import Mode
from napari_virtual_stain.gui.compare.session import Session
from napari_virtual_stain.gui.compare.viewpoint import words
from napari_virtual_stain.gui.compare_dock import CompareDock
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.image import Image

from .compare_helpers import (
    TIMEOUT,
    add_pair,
    begin,
    idle,
    own,
    pick,
    session_of,
    stains,
    subjects_of,
    verdict_of,
)


@pytest.fixture
def dock(qtbot, viewer):
    made = CompareDock(viewer)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.end()
    QThreadPool.globalInstance().waitForDone(5000)


def r_of(observed, predicted):
    return np.corrcoef(observed.ravel().astype(float), predicted.ravel().astype(float))[0, 1]


def test_scores_come_whatever_is_chosen_in_whichever_order(dock, viewer, qtbot):
    observed, predicted = add_pair(viewer)
    begin(qtbot, dock)
    view, table = dock.board.view, dock.board.table
    flat = r_of(observed.data.max(0), predicted.data.max(0))
    whole = r_of(observed.data, predicted.data)
    for match in ("z-score", "least-squares"):
        view.projection.setChecked(True)
        pick(view.match, match)
        view.projection.setChecked(False)
        idle(qtbot, dock)
        assert table.values("whole")["pearson_r"] == pytest.approx(whole)
        view.projection.setChecked(True)
        idle(qtbot, dock)
        assert table.values("whole")["pearson_r"] == pytest.approx(flat)
        assert table.values("shown")["pearson_r"] == pytest.approx(flat)
        view.projection.setChecked(False)
        idle(qtbot, dock)


def test_a_channel_that_fails_stops_no_other(dock, viewer, qtbot):
    for seed, name in enumerate(("a", "b", "c")):
        _, predicted = add_pair(viewer, (48, 64), name=name, seed=seed)
        if name == "b":
            predicted.data = np.zeros((48, 64), np.float32)
    pick(dock.board.view.match, "z-score")
    begin(qtbot, dock)
    assert "b: the predicted image is constant" in dock.controls.after.text()
    names = [dock.board.view.channel.itemText(i) for i in range(3)]
    for position, name in enumerate(names):
        pick(dock.board.view.channel, position)
        idle(qtbot, dock)
        known = dict(dock.board.table.values("shown"))
        assert bool(known) == (name != "b")
        assert bool(dock.board.table.values("whole")) == (name != "b")


def test_a_second_comparison_begins_with_what_it_shows(dock, viewer, qtbot):
    for seed, name in enumerate(("a", "b")):
        add_pair(viewer, (48, 64), name=name, seed=seed)
    begin(qtbot, dock)
    pick(dock.board.view.channel, 1)
    dock.board.view.tolerance.setValue(40)
    dock.end()
    begin(qtbot, dock)
    assert dock.board.view.channel.value() == dock.running.session.channel == 0
    assert dock.board.view.tolerance.value() == round(100 * dock.running.session.view.tolerance)


def test_saving_is_not_cancelled_by_another_match(dock, viewer, qtbot, tmp_path):
    add_pair(viewer)
    begin(qtbot, dock)
    dock.board.exports.wanted.emit("scores", tmp_path / "scores.csv")
    pick(dock.board.view.match, "z-score")
    idle(qtbot, dock)
    assert (tmp_path / "scores.csv").exists()


def test_an_edited_layer_is_compared_again_in_the_same_view(dock, viewer, qtbot):
    _, predicted = add_pair(viewer)
    begin(qtbot, dock)
    dock.board.view.modes[Mode.CURTAIN].click()
    pick(dock.board.view.map, "absolute_error")
    before = dock.running
    predicted.data[:] = predicted.data[..., ::-1].copy()
    predicted.data = predicted.data  # the same array, with other pixels
    qtbot.waitUntil(lambda: dock.running not in (None, before), timeout=TIMEOUT)
    idle(qtbot, dock)
    assert dock.running.session.view.mode is Mode.CURTAIN
    assert own(viewer)[0] == "DAPI absolute error"
    assert "it was compared again" in dock.controls.after.text()
    observed = viewer.layers["DAPI"].data
    expected = r_of(observed, predicted.data)
    assert dock.board.table.values("whole")["pearson_r"] == pytest.approx(expected)


def test_nothing_is_kept_alive_after_the_end(dock, viewer, qtbot):
    add_pair(viewer)
    begin(qtbot, dock)
    subject = weakref.ref(dock.running.session.subjects[0])
    dock.end()
    qtbot.wait(50)
    gc.collect()
    assert subject() is None


def test_cancel_says_so_and_shows_on(dock, viewer, qtbot):
    add_pair(viewer)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    dock.controls.button.click()
    qtbot.waitUntil(lambda: dock.running is not None, timeout=TIMEOUT)
    dock.cancel()
    idle(qtbot, dock)
    if "Stopped." in dock.controls.after.text():  # it was not done before
        pick(dock.board.view.match, "z-score")
        idle(qtbot, dock)
    assert dock.board.table.values("whole")
    assert own(viewer) == ["DAPI observed"]


def test_zarr_stays_lazy(viewer, tmp_path):
    zarr = pytest.importorskip("zarr")
    for name, pixels in zip(("DAPI", "DAPI predicted"), stains((6, 48, 64)), strict=True):
        stored = zarr.create_array(
            tmp_path / f"{name}.zarr", shape=pixels.shape, dtype=pixels.dtype, chunks=(1, 48, 64)
        )
        stored[:] = pixels
        viewer.add_image(stored, name=name, axis_labels="zyx", contrast_limits=(0, 4000))
    (one,) = subjects_of(viewer)
    assert all(hasattr(pixels, "dask") for pixels in one.pixels)
    session = session_of(viewer)
    assert not isinstance(session.scene.layers()[0].data, np.ndarray)


def test_a_crop_of_nearly_the_same_pixel_size(viewer):
    common = {"axis_labels": "yx", "units": ("um", "um")}
    observed, predicted = stains((128, 128))
    viewer.add_image(observed, name="a", scale=(0.108, 0.108), **common)
    viewer.add_image(predicted[:100, :100], name="a predicted", scale=(0.1095, 0.1095), **common)
    (one,) = subjects_of(viewer, agreed=True)
    assert one.observed.shape == one.predicted.shape == (100, 100)
    notices = verdict_of(viewer, agreed=True).notices
    assert any("their pixel sizes differ by 1.4%" in text for text in notices)


def test_resampling_where_one_has_a_single_plane(viewer):
    observed, predicted = stains((1, 60, 80))
    um = ("um", "um", "um")
    viewer.add_image(observed, name="a", axis_labels="zyx", scale=(1, 0.5, 0.5), units=um)
    coarse = predicted[0].reshape(30, 2, 40, 2).mean((1, 3))
    place = {"scale": (1, 1), "translate": (0.25, 0.25), "units": ("um", "um")}
    viewer.add_image(coarse, name="a predicted", axis_labels="yx", **place)
    (one,) = subjects_of(viewer, agreed=True)
    assert one.predicted.shape == (1, 60, 80)
    assert r_of(one.predicted.numpy()[0, 2:-2, 2:-2], predicted[0, 2:-2, 2:-2]) > 0.98


def test_pairs_of_several_sizes_are_refused(viewer):
    add_pair(viewer, (48, 48), name="a")
    add_pair(viewer, (64, 64), name="b")
    layers = {layer.name: layer for layer in viewer.layers}
    verdict = judge(Form([PairPick(Pick(layers[n]), Pick(layers[f"{n} predicted"])) for n in "ab"]))
    assert verdict.readiness is Readiness.REFUSED
    assert verdict.text.startswith("a and b have other sizes")


def test_one_place_in_two_units_is_one_place(viewer):
    observed, predicted = stains((48, 64))
    common = {"axis_labels": "yx"}
    viewer.add_image(observed, name="a", scale=(0.5, 0.5), units=("um", "um"), **common)
    viewer.add_image(predicted, name="a predicted", scale=(500, 500), units=("nm", "nm"), **common)
    first, second = viewer.layers
    verdict = judge(Form([PairPick(Pick(first), Pick(second))]))
    assert (verdict.readiness, verdict.notices) == (Readiness.READY, ())


def test_axes_that_are_rolled(viewer):
    add_pair(viewer, (48, 64))
    viewer.add_image(np.zeros((5, 48, 64)), name="stack")
    viewer.dims.order = (1, 2, 0)
    session = session_of(viewer)
    for mode in Mode:
        session.show(mode=mode)
        session.flip()


@pytest.mark.parametrize(
    "transform",
    [{"rotate": 90}, {"affine": np.diag([0.1, 0.1, 1])}, {"scale": (0.1, 0.1)}],
    ids=["rotated", "affine", "scaled"],
)
def test_the_line_of_the_curtain_is_thin_however_a_layer_lies(viewer, transform):
    add_pair(viewer, (48, 64), **transform)
    viewer.scene.camera.zoom = 10
    session = session_of(viewer)
    session.show(mode=Mode.CURTAIN)
    data = session.scene.layer(("curtain", session.shown.key)).data
    assert 1 <= data.line <= 3


def test_a_movie_as_a_volume_is_matched_time_point_by_time_point(viewer):
    _, predicted = add_pair(viewer, (5, 1, 48, 64))
    predicted.data = predicted.data * np.linspace(0.5, 2, 5, dtype=np.float32)[:, None, None, None]
    session = session_of(viewer, match="least-squares")
    subject, survey = session.shown.subject, session.survey
    whole = survey.whole.scores(survey.scale)
    *_, found = _events(score_shown(subject, survey, {}))
    for name, value in whole.items():
        assert found.scores[name] == pytest.approx(value), name
    assert found.counts.sum() == predicted.data.size
    assert words({}, subject.place) == "all time points"


def _events(work_):
    while True:
        try:
            yield next(work_)
        except StopIteration as end:
            yield end.value
            return


def test_a_region_and_a_line_on_layers_of_columns_first(dock, viewer, qtbot):
    observed, predicted = stains((48, 64))
    for name, pixels in (("a", observed), ("a predicted", predicted)):
        viewer.add_image(pixels.T, name=name, axis_labels="xy")
    session = session_of(viewer)
    shapes = viewer.add_shapes(
        [np.array([[10, 4], [10, 20], [30, 20], [30, 4]], float)], shape_type="rectangle"
    )
    region = region_mask(session.shown.subject, session.index(), session.outlines(shapes))
    assert region.shape == (48, 64)
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (4, 20, 10, 30)
    session.close()
    begin(qtbot, dock)
    pick(dock.board.plots.kind, "profile")
    viewer.add_shapes([np.array([[5, 7], [45, 7]])], shape_type="line", name="line")
    dock.running.look()
    idle(qtbot, dock)
    _, ys = dock.board.plots._curve.getData()
    np.testing.assert_allclose(ys, observed[7, 5:46])


def test_limits_of_a_movie_are_those_of_pixels_at_random(monkeypatch):
    from napari_virtual_stain.evaluation import survey

    monkeypatch.setattr(survey, "SAMPLE", 8 * 64)
    rng = np.random.default_rng(0)
    observed = rng.integers(500, 1500, (8, 64, 64)).astype(np.uint16)
    observed[:, :, 0] = 0  # what every 64th pixel would be
    pair = Image(observed, "TYX"), Image(observed.astype(np.float32), "TYX")
    found = run(survey_events(*pair))
    assert found.display_limits[1] > 1300


def test_several_selected_layers_stay_selected(viewer):
    layers = add_pair(viewer)
    viewer.layers.selection = set(layers)
    session = Session(viewer, subjects_of(viewer))
    session.show()
    assert set(viewer.layers.selection) == set(layers)
    session.show(mode=Mode.SIDE)
    session.close()
    assert set(viewer.layers.selection) == set(layers)


def test_masks_cannot_be_painted_on(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    session.show(map_name="overlap")
    layer = session.scene.layer(("overlap", "", session.shown.key))
    assert not layer.editable


def test_the_flip_is_saved_as_it_is_shown(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    session.scene.layer(("observed", session.shown.key)).contrast_limits = (300, 400)
    assert session.limits_of(session.shown) == (300, 400)


def test_the_picture_is_matched_as_the_stack_is(viewer):
    add_pair(viewer)
    session = session_of(viewer, match="z-score")
    ((gain, offset),) = session.survey.coefficients
    observed, predicted = work.joined(session.subjects, {"Z": 1}, [session.survey])
    given = session.subjects[0].predicted.numpy()[1]
    np.testing.assert_allclose(predicted.numpy()[0], gain * given + offset, rtol=1e-5)
    assert observed.shape == (1, 48, 64)
