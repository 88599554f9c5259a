"""What the user has chosen in napari's preferences."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_virtual_stain
from napari_virtual_stain.gui import settings
from napari_virtual_stain.inference.options import Device

FILE = Path(napari_virtual_stain.__file__).with_name("napari.yaml")


@pytest.fixture
def preferences(request, monkeypatch):
    """Return the plugin's page of napari's preferences, as by default."""
    pytest.importorskip("napari.settings", reason="napari")
    napari_settings = pytest.importorskip("napari.settings")
    if not hasattr(napari_settings, "get_plugin_settings"):
        pytest.skip("this napari has no preferences for plugins")
    for variable in ("DEVICE", "MEMORY", "MODEL_FOLDER"):
        monkeypatch.delenv(f"NAPARI_PREDICTION_{variable}", raising=False)
    request.getfixturevalue("plugin_settings")
    request.getfixturevalue("npe2pm").register(PluginManifest.from_file(FILE))
    return napari_settings.get_plugin_settings(settings.PLUGIN)


def test_by_default_the_library_decides(preferences, monkeypatch, tmp_path):
    monkeypatch.setenv("VSTAIN_MODELS", str(tmp_path))
    assert settings.device() == "auto"
    assert settings.memory() is None
    assert settings.model_folder() == tmp_path


def test_what_is_chosen_holds_and_is_kept(preferences, tmp_path):
    preferences.prediction.device = "cpu"
    preferences.prediction.memory = 2.5
    preferences.prediction.model_folder = f" {tmp_path} "
    assert settings.device() == "cpu"
    assert settings.memory() == 2.5
    assert settings.model_folder() == tmp_path
    assert "memory: 2.5" in Path(preferences.config_path).read_text(encoding="utf-8")


def test_home_folder_is_understood(preferences):
    preferences.prediction.model_folder = "~/models"
    assert settings.model_folder() == Path.home() / "models"


def test_only_known_devices_can_be_chosen(preferences):
    from typing import get_args

    for device in get_args(Device):
        preferences.prediction.device = device
    with pytest.raises(ValueError, match="allowed enum values"):
        preferences.prediction.device = "tpu"
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        preferences.prediction.memory = -1


def test_napari_without_preferences_has_the_defaults(monkeypatch, tmp_path):
    import napari.settings

    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)
    monkeypatch.setenv("VSTAIN_MODELS", str(tmp_path))
    assert (settings.device(), settings.memory(), settings.model_folder()) == (
        "auto",
        None,
        tmp_path,
    )


def test_package_that_is_no_plugin_has_the_defaults(monkeypatch):
    import napari.settings

    def unknown(plugin):
        raise KeyError(plugin)

    monkeypatch.setattr(napari.settings, "get_plugin_settings", unknown, raising=False)
    assert (settings.device(), settings.memory()) == ("auto", None)
