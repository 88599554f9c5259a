"""The dock as napari docks it from the manifest, with the viewer that plugins are given."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QThreadPool

from napari_virtual_stain.gui.compare.maps import MAPS
from napari_virtual_stain.gui.compare.modes import Mode
from napari_virtual_stain.gui.compare.state import Stage

from .compare_helpers import TIMEOUT, add_pair, own, pick, settings_of

pytestmark = pytest.mark.gui

PLUGIN, WIDGET = "napari-virtual-stain", "Compare"


@pytest.fixture
def window(make_napari_viewer_proxy, qtbot):
    """Return a viewer with a pair, and the dock, comparing."""
    viewer = make_napari_viewer_proxy(show=True)
    frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    add_pair(viewer, scale=(1, 0.5, 0.5), units=("um", "um", "um"))
    qtbot.waitUntil(dock.controls.button.isEnabled)
    dock.before = settings_of(viewer)
    dock.controls.button.click()
    qtbot.waitUntil(lambda: dock.running is not None and not dock.running.is_busy, timeout=TIMEOUT)
    return viewer, frame, dock


def test_every_view_is_drawn(window, qtbot):
    viewer, _, dock = window
    views = [*zip(Mode, MAPS, strict=False), (Mode.SIDE, MAPS[-2])]
    for mode, one in views:
        dock.board.view.modes[mode].click()
        pick(dock.board.view.map, one.name)
        qtbot.wait(1)
        assert viewer.screenshot(flash=False)[..., :3].std() > 1, (mode, one.name)
    dock.controls.button.click()
    assert settings_of(viewer) == dock.before


def test_closing_the_dock_ends_the_comparison(window, qtbot):
    viewer, frame, dock = window
    frame.close()
    qtbot.waitUntil(lambda: dock.run.stage is Stage.IDLE)
    assert own(viewer) == []
    assert settings_of(viewer) == dock.before


def test_another_dock_in_front_does_not_end_it(window, qtbot):
    viewer, _, dock = window
    other, _ = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict fluorescence", tabify=True)
    other.raise_()
    qtbot.wait(50)
    assert dock.run.stage is Stage.ON
    assert own(viewer)


def test_taking_the_dock_out_of_the_window_does_not_end_it(window, qtbot):
    viewer, frame, dock = window
    for floating in (True, False):
        frame.setFloating(floating)
        qtbot.wait(50)
        assert dock.run.stage is Stage.ON
        assert own(viewer)


def test_in_three_dimensions(window, qtbot):
    viewer, _, dock = window
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: dock.board.where.text() == "Of the volume.")
    qtbot.waitUntil(lambda: not dock.running.is_busy, timeout=TIMEOUT)
    shown, whole = (dict(dock.board.table.values(column)) for column in ("shown", "whole"))
    assert shown["pearson_r"] == pytest.approx(whole["pearson_r"])
    pick(dock.board.view.map, "absolute_error")
    viewer.dims.ndisplay = 2


def test_closing_the_window_ends_it(window):
    viewer, _, dock = window
    dock.board.view.blink.setChecked(True)
    viewer.dims.set_current_step(0, 0)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(5000)
