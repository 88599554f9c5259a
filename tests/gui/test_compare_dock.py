"""The dock **Compare**: what a person does, and what comes of it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

from napari_virtual_stain import compare, read_image
from napari_virtual_stain.gui.compare.export_box import free_folder
from napari_virtual_stain.gui.compare.form import Readiness
from napari_virtual_stain.gui.compare.modes import Mode
from napari_virtual_stain.gui.compare.state import Stage
from napari_virtual_stain.gui.compare_dock import CompareDock

from .compare_helpers import TIMEOUT, add_pair, begin, idle, own, pick, settings_of, stains

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(qtbot, viewer):
    made = CompareDock(viewer)
    qtbot.addWidget(made)
    made.resize(320, 900)
    made.show()
    yield made
    made.end()
    QThreadPool.globalInstance().waitForDone(5000)


@pytest.fixture
def on(qtbot, dock, viewer):
    """Return the dock with a comparison of a stack that is on."""
    add_pair(viewer)
    begin(qtbot, dock)
    return dock


def shown(dock, column="shown"):
    return dict(dock.board.table.values(column))


def scored(qtbot, dock, column="shown"):
    idle(qtbot, dock)
    return shown(dock, column)


def said(dock):
    return dock.controls.before.text(), dock.controls.after.text()


def test_empty(dock):
    assert not dock.controls.button.isEnabled()
    assert said(dock)[0].startswith("Open an observed image and its prediction")
    assert not dock.board.isVisible()


def test_ready_as_soon_as_there_is_a_pair(dock, viewer, qtbot):
    add_pair(viewer)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    assert said(dock)[0] == "Compares DAPI (Z 4 × Y 48 × X 64)."
    (row,) = dock.rows.pairs
    assert row.observed.pick().layer.name == "DAPI"
    assert row.predicted.pick().layer.name == "DAPI predicted"


def test_it_shows_and_scores(on, viewer):
    assert own(viewer) == ["DAPI observed"]
    assert on.controls.button.text() == "End comparison"
    assert not on._form_part.isVisible()
    observed, predicted = (layer.data.astype(float) for layer in list(viewer.layers)[:2])
    plane = viewer.dims.current_step[0]
    values = shown(on)
    assert values["pearson_r"] == pytest.approx(
        np.corrcoef(observed[plane].ravel(), predicted[plane].ravel())[0, 1]
    )
    whole = shown(on, "whole")
    assert whole["pearson_r"] == pytest.approx(
        np.corrcoef(observed.ravel(), predicted.ravel())[0, 1]
    )
    assert 0 < whole["structural_similarity"] < 1
    assert on.board.where.text() == f"Of plane {plane + 1} of 4."


def test_the_whole_is_scored_as_the_library_does(on):
    (one,) = on.running.session.subjects
    (expected,) = compare(one.observed, one.predicted).metrics.values()
    whole = shown(on, "whole")
    for name in ("pearson_r", "mean_absolute_error", "r_squared"):
        assert whole[name] == pytest.approx(expected[name], rel=1e-6)


def test_scores_follow_the_slider(on, viewer, qtbot):
    before = shown(on)
    step = (viewer.dims.current_step[0] + 1) % 4
    viewer.dims.set_current_step(0, step)
    after = scored(qtbot, on)
    assert after != before
    assert on.board.where.text() == f"Of plane {step + 1} of 4."
    observed, predicted = (layer.data[step].astype(float) for layer in list(viewer.layers)[:2])
    assert after["mean_absolute_error"] == pytest.approx(np.abs(observed - predicted).mean())


def test_ending_leaves_everything_as_it_was(dock, viewer, qtbot):
    add_pair(viewer)
    viewer.layers[1].visible = False
    viewer.canvas.grid.shape = (2, 2)
    before = settings_of(viewer)
    begin(qtbot, dock)
    for mode in Mode:
        dock.board.view.modes[mode].click()
    pick(dock.board.view.map, "absolute_error")
    dock.controls.button.click()
    assert settings_of(viewer) == before
    assert dock.run.stage is Stage.IDLE
    assert dock.controls.button.text() == "Compare"
    assert dock.controls.button.isEnabled()


def test_hiding_the_dock_ends_it(on, viewer, qtbot):
    on.hide()
    qtbot.waitUntil(lambda: own(viewer) == [])
    assert on.run.stage is Stage.IDLE
    on.show()
    assert on.controls.button.isEnabled()


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_has_its_button(on, viewer, mode):
    on.board.view.modes[mode].click()
    assert on.running.session.view.mode is mode
    assert on.board.view.modes[mode].isChecked()
    assert own(viewer)
    assert on.board.view.split.isVisible() == (mode is Mode.CURTAIN)
    assert on.board.view.flip.isVisible() == (mode in (Mode.FLIP, Mode.MERGED))


def test_flip_by_button_and_by_key(on, viewer):
    on.board.view.flip.click()
    assert own(viewer) == ["DAPI predicted"]
    (key,) = [key for key in viewer.keymap if str(key) == "W"]
    viewer.keymap[key](viewer)
    assert own(viewer) == ["DAPI observed"]


def test_blinking_flips_by_itself(on, viewer, qtbot):
    on.board.view.rate.setValue(0.1)
    on.board.view.blink.setChecked(True)
    qtbot.waitUntil(lambda: own(viewer) == ["DAPI predicted"])
    qtbot.waitUntil(lambda: own(viewer) == ["DAPI observed"])
    on.board.view.modes[Mode.CURTAIN].click()
    assert not on.board.view.blink.isChecked()


def test_the_curtain_has_a_slider(on):
    on.board.view.modes[Mode.CURTAIN].click()
    on.board.view.split.setValue(250)
    session = on.running.session
    assert session.view.split == 0.25
    assert session.scene.layer(("curtain", session.shown.key)).data.at == 16


def test_the_tolerance_has_a_slider(on):
    pick(on.board.view.map, "tolerance")
    assert on.board.view.tolerance.isVisible()
    on.board.view.tolerance.setValue(25)
    low, high = on.running.session.shown.limits
    assert on.board.view.tolerance_text.text() == f"25 % = {0.25 * (high - low):.4g}"
    pick(on.board.view.map, "")
    assert not on.board.view.tolerance.isVisible()


def test_a_match_is_followed_by_everything(on, qtbot):
    before = shown(on, "whole")
    pick(on.board.view.match, "least-squares")
    after = scored(qtbot, on, "whole")
    assert after["pearson_r"] == pytest.approx(before["pearson_r"])
    assert after["root_mean_squared_error"] < before["root_mean_squared_error"]
    on.controls.button.click()
    assert on.board.view.match.value() == "least-squares"


def test_maximum_projections(on, viewer, qtbot):
    on.board.view.projection.setChecked(True)
    whole = scored(qtbot, on, "whole")
    observed, predicted = (layer.data.max(0).astype(float) for layer in list(viewer.layers)[:2])
    expected = np.corrcoef(observed.ravel(), predicted.ravel())[0, 1]
    assert whole["pearson_r"] == pytest.approx(expected)
    assert shown(on)["pearson_r"] == pytest.approx(expected)
    on.board.view.projection.setChecked(False)
    idle(qtbot, on)
    assert shown(on, "whole")["pearson_r"] != pytest.approx(expected)


def test_an_image_without_planes_is_not_projected(dock, viewer, qtbot):
    add_pair(viewer, (48, 64))
    begin(qtbot, dock)
    assert not dock.board.view.projection.isVisible()
    kinds = [dock.board.plots.kind.itemText(i) for i in range(dock.board.plots.kind.count())]
    assert kinds == ["histogram of both", "along a line"]


def test_several_channels(dock, viewer, qtbot):
    for seed, name in enumerate(("DAPI", "MAP2")):
        add_pair(viewer, name=name, seed=seed)
    begin(qtbot, dock)
    assert dock.board.view.channel.isVisible()
    first = shown(dock, "whole")
    name = dock.board.view.channel.currentText()
    pick(dock.board.view.channel, 1)
    assert scored(qtbot, dock, "whole") != first
    assert own(viewer) == [f"{dock.board.view.channel.currentText()} observed"]
    (key,) = [key for key in viewer.keymap if str(key) == "Shift+W"]
    viewer.keymap[key](viewer)
    assert dock.board.view.channel.currentText() == name
    assert scored(qtbot, dock, "whole") == first


def test_merged_over_transmitted_light(dock, viewer, qtbot):
    phase = viewer.add_image(stains()[0], name="phase", axis_labels="zyx")
    add_pair(viewer)
    begin(qtbot, dock)
    dock.board.view.modes[Mode.MERGED].click()
    pick(dock.board.view.under, phase)
    assert own(viewer) == ["DAPI observed", "phase"]
    pick(dock.board.view.under, None)
    assert own(viewer) == ["DAPI observed"]


def test_a_region_is_scored(on, viewer, qtbot):
    on.board.draw_region.click()
    shapes = viewer.layers.selection.active
    assert (shapes.name, shapes.mode) == ("region", "add_rectangle")
    shapes.add(np.array([[5, 10], [5, 29], [24, 29], [24, 10]]), shape_type="rectangle")
    qtbot.waitUntil(lambda: bool(shown(on, "region")), timeout=TIMEOUT)
    values = scored(qtbot, on, "region")
    plane = viewer.dims.current_step[0]
    observed, predicted = (
        layer.data[plane, 5:25, 10:30].astype(float) for layer in list(viewer.layers)[:2]
    )
    assert values["pearson_r"] == pytest.approx(
        np.corrcoef(observed.ravel(), predicted.ravel())[0, 1], abs=0.02
    )
    on.controls.button.click()
    assert [layer.name for layer in viewer.layers] == ["DAPI", "DAPI predicted", "region"]


def test_a_layer_in_which_nothing_was_drawn_goes(on, viewer):
    on.board.draw_region.click()
    on.controls.button.click()
    assert [layer.name for layer in viewer.layers] == ["DAPI", "DAPI predicted"]


def test_the_curve_leads_to_its_planes(on, viewer, qtbot):
    pick(on.board.plots.kind, "curve")
    xs, ys = on.board.plots._curve.getData()
    assert list(xs) == [1, 2, 3, 4]
    survey = on.running.session.survey
    assert list(ys) == [plane.scores(survey.scale)["pearson_r"] for plane in survey.planes[0]]
    on.board.plots.place_picked.emit("Z", 3)
    assert viewer.dims.current_step[0] == 3
    idle(qtbot, on)


def test_the_histogram_counts_what_is_shown(on, qtbot):
    pick(on.board.plots.kind, "histogram")
    image = on.board.plots._image.image
    assert image.shape == (64, 64)
    assert np.expm1(image).sum() == pytest.approx(48 * 64)


def test_a_line_profile(on, viewer, qtbot):
    pick(on.board.plots.kind, "profile")
    assert on.board.plots.caption.text() == "Draw a line to see both along it."
    on.board.plots.draw.click()
    shapes = viewer.layers.selection.active
    assert (shapes.name, shapes.mode) == ("line profile", "add_line")
    shapes.add(np.array([[10, 5], [10, 45]]), shape_type="line")
    on.running.look()
    idle(qtbot, on)
    xs, ys = on.board.plots._curve.getData()
    assert (xs[0], xs[-1]) == (0, 40)
    plane = viewer.dims.current_step[0]
    np.testing.assert_allclose(ys, viewer.layers[0].data[plane, 10, 5:46])


def test_the_table_is_copied(on):
    on.board.copy.click()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0] == "score\tshown\twhole"
    assert lines[1].startswith("Pearson r\t0.")


def test_the_report_is_written(on, tmp_path, qtbot):
    on.board.exports.wanted.emit("report", tmp_path / "report")
    idle(qtbot, on)
    assert "Wrote the report" in said(on)[1]
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert list(metrics["channels"]) == ["DAPI"]
    assert metrics["channels"]["DAPI"]["pearson_r"] == pytest.approx(
        shown(on, "whole")["pearson_r"]
    )
    assert read_image(tmp_path / "report" / "absolute_error.ome.tif").shape == (4, 48, 64)
    on.board.exports.wanted.emit("report", tmp_path / "report")
    idle(qtbot, on)
    assert "already holds" in said(on)[1]
    assert free_folder(tmp_path / "report") == tmp_path / "report 2"


def test_features_are_measured_in_the_cells_of_a_labels_layer(dock, viewer, tmp_path, qtbot):
    pytest.importorskip("cp_measure")
    rng = np.random.default_rng(0)
    labels = np.zeros((96, 120), np.uint8)
    for number, (y, x) in enumerate(np.ndindex(3, 4), 1):
        labels[12 + 26 * y : 28 + 26 * y, 10 + 28 * x : 28 + 28 * x] = number
    brightness = np.append(100, rng.integers(500, 3000, 12))
    stain = rng.normal(brightness[labels], 20).astype(np.float32)
    viewer.add_image(stain, name="DAPI", axis_labels="yx")
    viewer.add_image(0.5 * stain, name="DAPI predicted", axis_labels="yx")
    nuclei = viewer.add_labels(labels, name="my nuclei")
    begin(qtbot, dock)
    pick(dock.board.cells.nuclei, nuclei)
    dock.board.exports.wanted.emit("features", tmp_path / "features")
    idle(qtbot, dock)
    assert "12 nuclei" in said(dock)[1]
    with (tmp_path / "features" / "feature_correlations.csv").open(encoding="utf-8") as file:
        rows = {
            row["feature"]: row for row in csv.DictReader(file) if row["compartment"] == "nuclei"
        }
    means = next(row for name, row in rows.items() if name.endswith("MeanIntensity"))
    assert float(means["r"]) == pytest.approx(1)
    small = viewer.add_labels(labels[:50], name="of another part")
    dock.refresh()
    pick(dock.board.cells.nuclei, small)
    dock.board.exports.wanted.emit("features", tmp_path / "others")
    idle(qtbot, dock)
    assert "of another part have Y 50 × X 120 pixels" in said(dock)[1]
    assert not (tmp_path / "others").exists()


def test_flip_picture_and_scores_are_saved(on, tmp_path, qtbot):
    for kind, name in (("flip", "a.gif"), ("picture", "b.png"), ("scores", "c.csv")):
        on.board.exports.wanted.emit(kind, tmp_path / name)
        idle(qtbot, on)
    with Picture.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 2
    with Picture.open(tmp_path / "b.png") as picture:
        assert picture.width > 1000
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["plane"] for row in rows] == ["1", "2", "3", "4", "all"]
    assert float(rows[-1]["structural_similarity"]) == pytest.approx(
        shown(on, "whole")["structural_similarity"]
    )


def test_layers_may_be_renamed_and_removed_meanwhile(on, viewer, qtbot):
    first, second = list(viewer.layers)[:2]
    first.name = "another name"
    viewer.layers.remove(second)
    qtbot.waitUntil(lambda: "DAPI predicted was removed" in said(on)[1])
    viewer.dims.set_current_step(0, 0)
    assert scored(qtbot, on)["pearson_r"] > 0
    on.board.view.flip.click()
    assert own(viewer) == ["DAPI predicted"]
    on.controls.button.click()
    assert list(viewer.layers) == [first]


def test_a_layer_that_gets_other_pixels_is_compared_anew(on, viewer, qtbot):
    observed, predicted = list(viewer.layers)[:2]
    predicted.data = observed.data.astype(np.float32)
    qtbot.waitUntil(
        lambda: shown(on, "whole").get("pearson_r") == pytest.approx(1), timeout=TIMEOUT
    )
    idle(qtbot, on)
    assert shown(on)["mean_absolute_error"] == 0


def test_a_layer_that_is_moved_is_compared_anew(on, viewer, qtbot):
    before = on.running
    for layer in list(viewer.layers)[:2]:
        layer.scale = (1, 0.5, 0.5)
    qtbot.waitUntil(lambda: on.running not in (None, before), timeout=TIMEOUT)
    idle(qtbot, on)
    session = on.running.session
    np.testing.assert_allclose(session.scene.layers()[0].scale, (1, 0.5, 0.5))


def test_a_crop_is_agreed_to(dock, viewer, qtbot):
    observed, predicted = stains((48, 64))
    viewer.add_image(observed, name="DAPI", axis_labels="yx")
    viewer.add_image(predicted[:40], name="DAPI predicted", axis_labels="yx")
    qtbot.waitUntil(lambda: dock.verdict.readiness is Readiness.OFFERED)
    assert dock.controls.agree.isVisible()
    assert dock.controls.agree.text() == "Compare the part that both show"
    assert not dock.controls.button.isEnabled()
    dock.controls.agree.click()
    begin(qtbot, dock)
    assert dock.running.session.subjects[0].observed.shape == (40, 64)


def test_a_bug_is_said_and_the_dock_goes_on(dock, viewer, qtbot, monkeypatch):
    from napari_virtual_stain.gui.compare import work

    def broken(request):
        raise RuntimeError("broken")
        yield

    add_pair(viewer)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    shown_errors = []
    monkeypatch.setattr(
        "napari.utils.notifications.notification_manager.receive_error",
        lambda *args: shown_errors.append(args[1]),
    )
    with monkeypatch.context() as patch:
        patch.setattr(work, "begin", broken)
        dock.controls.button.click()
        qtbot.waitUntil(lambda: "An error inside the program" in said(dock)[1], timeout=TIMEOUT)
    assert [str(error) for error in shown_errors] == ["broken"]
    begin(qtbot, dock)
    assert own(viewer) == ["DAPI observed"]


def test_a_constant_prediction_cannot_be_matched(dock, viewer, qtbot):
    observed, predicted = stains((48, 64))
    viewer.add_image(observed, name="DAPI", axis_labels="yx")
    viewer.add_image(predicted * 0, name="DAPI predicted", axis_labels="yx", contrast_limits=(0, 1))
    begin(qtbot, dock)
    assert np.isnan(shown(dock, "whole")["pearson_r"])
    pick(dock.board.view.match, "z-score")
    idle(qtbot, dock)
    assert "is constant and has no standard deviation" in said(dock)[1]


def test_what_was_not_measured_is_left_out(dock, viewer, qtbot):
    observed, predicted = stains((48, 64))
    observed = observed.astype(np.float32)
    observed[:10] = np.nan
    viewer.add_image(observed, name="DAPI", axis_labels="yx", contrast_limits=(0, 4000))
    viewer.add_image(predicted, name="DAPI predicted", axis_labels="yx")
    begin(qtbot, dock)
    assert shown(dock)["pearson_r"] == pytest.approx(
        np.corrcoef(observed[10:].ravel(), predicted[10:].ravel())[0, 1], rel=1e-5
    )


def test_its_layers_are_offered_nowhere(on, viewer):
    from napari_virtual_stain.gui.predict.offers import look_at

    assert [offer.layer.name for offer in look_at(list(viewer.layers), {})] == [
        "DAPI predicted",
        "DAPI",
    ]


def test_channels_are_added_and_removed(dock, viewer, qtbot):
    add_pair(viewer)
    others = [
        viewer.add_image(one, name=name, axis_labels="zyx")
        for name, one in zip("ab", stains(seed=3), strict=True)
    ]
    qtbot.waitUntil(dock.controls.button.isEnabled)
    qtbot.waitUntil(lambda: dock.rows.pairs[0].observed.layer.count() == 4)
    dock.rows.add.click()
    row = dock.rows.pairs[1]
    pick(row.observed.layer, others[0])
    pick(row.predicted.layer, others[1])
    assert said(dock)[0] == "Compares DAPI and a (Z 4 × Y 48 × X 64)."
    dock.rows.pairs[0].remove.click()
    assert said(dock)[0] == "Compares a (Z 4 × Y 48 × X 64)."


def test_everything_can_be_reached_by_keyboard(on):
    from qtpy.QtCore import Qt

    view, board = on.board.view, on.board
    for widget in (
        *view.modes.values(),
        view.flip,
        view.blink,
        view.rate,
        view.split,
        view.map,
        view.match,
        view.tolerance,
        view.projection,
        view.under,
        board.region,
        board.draw_region,
        board.copy,
        *board.exports.buttons.values(),
        board.plots.kind,
        board.plots.score,
        board.plots.draw,
        on.controls.button,
    ):
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget


def test_it_is_as_wide_as_a_dock(on):
    assert on.minimumSizeHint().width() <= 330
