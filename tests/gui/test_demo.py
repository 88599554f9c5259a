"""The demo: the window opens at once, and then shows what is predicted, ready to flip."""

from __future__ import annotations

import sys

import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui import demo
from napari_virtual_stain.model import InputSpec


@pytest.fixture
def model(save):
    """Return the file of a small model of the simulated specimen."""
    return save(
        "simulated_brightfield",
        inputs=[InputSpec(name="brightfield", planes=7)],
        outputs=["nuclei", "cytoplasm"],
        voxel_size={"Y": 0.325, "X": 0.325},
    )


def text_of(viewer):
    return demo._overlays(viewer)[0].text


def seen(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


@pytest.mark.gui
def test_it_predicts_compares_and_flips(make_napari_viewer, qtbot, model):
    viewer = make_napari_viewer()
    dock = demo.prepare_demo(viewer, model, seed=1)
    assert dock.run.is_on
    assert seen(viewer) == ["simulated cells: brightfield"]
    assert text_of(viewer) == "simulated cells: brightfield"

    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=60_000)
    qtbot.waitUntil(lambda: text_of(viewer).startswith("simulated cells: predicted nuclei"))
    names = [layer.name for layer in viewer.layers]
    assert {"simulated nuclei predicted", "simulated cytoplasm predicted"} < set(names)
    for channel in ("nuclei", "cytoplasm"):
        assert sum(channel in name and "error" in name for name in names) == 1
        assert sum(channel in name and "mask" in name for name in names) == 2
    assert seen(viewer) == ["simulated nuclei predicted"]
    assert "W flips observed and predicted, Shift-W takes the next channel" in text_of(viewer)

    press = viewer.window._qt_viewer.canvas._key_map_handler.press_key
    press("W")
    assert seen(viewer) == ["simulated cells: nuclei"]
    assert text_of(viewer).startswith("simulated cells: observed nuclei")
    press("Shift-W")
    assert seen(viewer) == ["simulated cells: cytoplasm"]
    press("W")
    assert seen(viewer) == ["simulated cytoplasm predicted"]
    press("Shift-W")
    assert seen(viewer) == ["simulated nuclei predicted"]

    viewer.layers.selection.active = viewer.layers["cytoplasm predicted mask"]
    press("W")
    assert seen(viewer) == ["simulated cells: cytoplasm"]

    viewer.layers["simulated nuclei predicted"].contrast_limits = (500, 1500)
    assert viewer.layers["simulated cells: nuclei"].contrast_limits == [500, 1500]

    viewer.layers.remove("simulated cytoplasm predicted")
    press("W")
    assert seen(viewer) == ["simulated cells: cytoplasm"]


@pytest.mark.gui
def test_keys_are_free_whatever_is_selected(make_napari_viewer):
    """A key of a layer goes before one of the viewer."""
    from napari import layers
    from napari.utils.key_bindings import coerce_keybinding

    viewer = make_napari_viewer()
    taken = set(viewer.class_keymap) | set(viewer.keymap)
    for kind in layers.NAMES:
        taken |= set(getattr(layers, kind.capitalize()).class_keymap)
    assert taken.isdisjoint({coerce_keybinding(demo.FLIP), coerce_keybinding(demo.NEXT)})


@pytest.mark.gui
def test_the_window_stays_until_it_is_closed(make_napari_viewer, monkeypatch, model):
    import napari

    viewer = make_napari_viewer()
    calls = []
    monkeypatch.setattr(napari, "Viewer", lambda title: viewer)
    monkeypatch.setattr(napari, "run", lambda: calls.append(len(viewer.layers)))
    demo.run_demo(str(model), seed=1)
    assert calls == [3]


def test_unknown_model_is_refused_before_a_window_opens():
    with pytest.raises(VirtualStainError, match="there is no model named 'nothing'"):
        demo.run_demo("nothing", seed=1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others have a display")
def test_without_a_display_it_says_what_to_do(monkeypatch, model):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(VirtualStainError, match="there is no display for the window; have the"):
        demo.run_demo(str(model), seed=1)


def test_without_qt_it_says_what_to_do(monkeypatch, model):
    import napari

    def fail(title):
        raise ImportError("No Qt bindings could be found")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(napari, "Viewer", fail)
    with pytest.raises(VirtualStainError, match="the window needs Qt, which is not installed"):
        demo.run_demo(str(model), seed=1)
