"""What napari is told of the plugin, and that it costs nothing to tell."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManifest

import napari_virtual_stain

FILE = Path(napari_virtual_stain.__file__).with_name("napari.yaml")
NAME = "napari-virtual-stain"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(FILE)


def test_npe2_finds_it_valid():
    run = [sys.executable, "-m", "npe2", "validate", NAME]
    validated = subprocess.run(run, capture_output=True, text=True, check=False)
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "valid" in validated.stdout + validated.stderr


def test_the_root_links_to_it():
    assert FILE.parents[2].joinpath("napari.yaml").resolve() == FILE.resolve()


def test_listing_it_imports_nothing_of_the_package():
    code = f"""
import sys
from napari.plugins import _npe2
from npe2 import PluginManager
manager = PluginManager.instance()
manager.discover()
assert {NAME!r} in manager
list(manager.iter_widgets())
list(manager.iter_compatible_writers(["image"]))
list(manager.iter_compatible_readers(["a.ome.tif"]))
list(_npe2.sample_iterator())
list(manager.iter_menu("napari/layers/filter"))
try:
    from napari.settings._plugin_config_generator import plugin_configuration_generator
except ImportError:
    pass
else:
    plugin_configuration_generator()
print([name for name in sys.modules if name.startswith("napari_virtual_stain.")])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "[]", run.stderr


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        module, _, attribute = command.python_name.partition(":")
        assert callable(getattr(import_module(module), attribute)), command.id


def test_every_command_is_contributed():
    contributions = yaml.safe_load(FILE.read_text(encoding="utf-8"))["contributions"]
    commands = {command["id"] for command in contributions.pop("commands")}
    del contributions["menus"], contributions["configurations"]
    used = {item["command"] for items in contributions.values() for item in items}
    assert used == commands


def test_readers_leave_plain_tiff_to_napari(manifest):
    patterns = [p for reader in manifest.contributions.readers for p in reader.filename_patterns]
    assert patterns == ["*.ome.tif", "*.ome.tiff", "*.zarr", "*.safetensors"]


def test_the_icon_is_in_the_package(manifest):
    module, _, name = manifest.icon.partition(":")
    assert Path(import_module(module).__file__).with_name(name).is_file()


@pytest.mark.gui
def test_the_menus_hold_it(make_napari_viewer):
    """Only contributable menus take a plugin's items; napari drops the others without a word."""
    from napari._app_model import get_app_model

    make_napari_viewer()
    app = get_app_model()
    in_filter = [item.command.id for item in app.menus.get_menu("napari/layers/filter")]
    assert f"{NAME}.predict_fluorescence" in in_filter
    samples = app.menus.get_menu(f"napari/file/samples/{NAME}")
    assert [item.command.title for item in samples] == [
        "Simulated cells",
        "ISL well: phase contrast and DAPI, MAP2, NFH (download)",
        "Cells (3D)",
    ]
