"""The one dock of a window, however it is opened."""

from __future__ import annotations

import pytest

from napari_virtual_stain.gui.commands import open_predict_dock

pytestmark = pytest.mark.gui

COMMAND = "napari-virtual-stain.predict_fluorescence"


def test_it_is_opened_once(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = open_predict_dock(viewer)
    assert open_predict_dock(viewer) is dock
    assert len(viewer.window.dock_widgets) == 1


def test_the_menu_opens_the_same_one(make_napari_viewer):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer(show=True)
    dock = open_predict_dock(viewer)
    assert dock.isVisible()
    get_app_model().commands.execute_command(COMMAND).result()  # a second time hides it
    assert not dock.isVisible()
    assert open_predict_dock(viewer) is dock
    assert dock.isVisible()
    assert len(viewer.window.dock_widgets) == 1


def test_the_one_of_the_menu_is_found(make_napari_viewer):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    get_app_model().commands.execute_command(COMMAND).result()
    (dock,) = viewer.window.dock_widgets.values()
    assert open_predict_dock(viewer) is dock


def test_dropped_model_is_chosen_in_it(make_napari_viewer, save):
    model = save("dropped")
    viewer = make_napari_viewer()
    viewer.open(model, plugin="napari-virtual-stain")
    (dock,) = viewer.window.dock_widgets.values()
    assert dock.model.entry().path == model
    assert len(viewer.layers) == 0
