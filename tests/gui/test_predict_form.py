"""Whether what is chosen can be predicted, and the sentences that say why not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_virtual_stain.gui.predict.form import Form, Pick, Readiness, judge
from napari_virtual_stain.gui.predict.models import (
    details,
    model_groups,
    open_entry,
    same_file,
)
from napari_virtual_stain.io import ModelEntry, save_model
from napari_virtual_stain.model import InputSpec, Provenance

from .conftest import small_model, small_spec


def entry(**fields):
    return ModelEntry("small", Path("small.safetensors"), small_spec(**fields), False)


def verdict(viewer, model, *picks, observed=(), **fields):
    outputs = len(model.spec.outputs) if model.spec else 0
    form = Form(
        model=model,
        inputs=picks,
        observed=[*observed, *[Pick()] * (outputs - len(observed))],
        **fields,
    )
    return judge(form, viewer.layers)


@pytest.fixture
def plane(viewer, pixels):
    return viewer.add_image(
        pixels(32, 40), name="cells", axis_labels="yx", scale=(0.5, 0.5), units="um"
    )


def test_nothing_is_chosen(viewer):
    found = judge(Form(), viewer.layers)
    assert (found.readiness, found.text) == (Readiness.EMPTY, "Choose a model.")


def test_nothing_is_open(viewer):
    found = verdict(viewer, entry(), Pick())
    assert (found.readiness, found.text) == (Readiness.EMPTY, "Open an image to predict from.")


def test_what_is_open_is_no_image(viewer):
    viewer.add_labels(np.zeros((20, 30), int), name="nuclei")
    found = verdict(viewer, entry(), Pick())
    assert found.readiness is Readiness.EMPTY
    assert found.text.endswith("nuclei is a labels layer and not an image; choose an image layer.")


def test_one_of_two_layers_is_missing(viewer, plane):
    two = entry(inputs=[InputSpec(name="bf", modality="brightfield"), InputSpec(name="phase")])
    found = verdict(viewer, two, Pick(plane), Pick())
    assert (found.readiness, found.text) == (Readiness.EMPTY, "Choose a layer for phase.")


def test_an_image_that_fits(viewer, plane):
    found = verdict(viewer, entry(voxel_size={"Y": 0.5, "X": 0.5}), Pick(plane), masks=True)
    assert found.readiness is Readiness.READY
    assert found.text == "The image fits the model (Y 32 × X 40)."
    assert found.notices == ()
    request = found.request
    assert request.input_layers == (plane,)
    assert request.masks
    assert request.geometry.axes == "YX"
    assert request.options.channels == [0]


def test_how_planes_and_time_points_are_taken_is_said(viewer, pixels):
    movie = viewer.add_image(pixels(3, 4, 32, 40), axis_labels="tzyx")
    text = verdict(viewer, entry(), Pick(movie)).text
    assert text.endswith("(T 3 × Z 4 × Y 32 × X 40, time point by time point, plane by plane).")


def test_a_file_that_is_no_model(viewer, plane, tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("hello")
    found = verdict(viewer, open_entry(path), Pick(plane))
    assert found.readiness is Readiness.REFUSED
    assert "notes.safetensors is" in found.text


@pytest.mark.parametrize(
    ("shape", "fields", "sentence"),
    [
        ((32, 40), {"spatial_axes": "ZYX"}, "cells is a 2D image, and the model 'small' is a 3D"),
        ((32, 40), {"inputs": [InputSpec(name="bf", planes=5)]}, "cells is a single plane, and"),
    ],
)
def test_images_of_other_dimensions_are_refused(viewer, pixels, shape, fields, sentence):
    layer = viewer.add_image(pixels(*shape), name="cells")
    found = verdict(viewer, entry(**fields), Pick(layer))
    assert found.readiness is Readiness.REFUSED
    assert found.text.startswith(sentence)
    assert found.request is None


def test_rgb_is_refused(viewer):
    photo = viewer.add_image(np.zeros((32, 40, 3), np.uint8), rgb=True, name="photo")
    found = verdict(viewer, entry(), Pick(photo))
    assert found.readiness is Readiness.REFUSED
    assert found.text.startswith("photo is an RGB image")


def test_axes_that_cannot_be_told_apart_are_refused_until_they_are_chosen(viewer, pixels):
    movie = viewer.add_image(pixels(2, 3, 32, 40), name="movie")
    found = verdict(viewer, entry(), Pick(movie))
    assert found.readiness is Readiness.REFUSED
    assert found.text.startswith("Which axes of movie are time, channels and z planes")
    assert verdict(viewer, entry(), Pick(movie), axes={movie: "TZYX"}).readiness is Readiness.READY


def test_what_is_adapted_is_said(viewer, pixels):
    layer = viewer.add_image(pixels(9, 32, 40), name="cells", scale=(1, 0.25, 0.25))
    model = entry(inputs=[InputSpec(name="bf", planes=5)], voxel_size={"Y": 0.5, "X": 0.5})
    notices = verdict(viewer, model, Pick(layer)).notices
    text = " ".join(notice.text for notice in notices)
    assert "cells have no names: it is taken as a z-stack of 9 planes" in text
    assert "cells along Y, X (0.25 × 0.25) has no unit and is taken as µm" in text
    assert "cells has 9 z planes and the model 'small' takes 5" in text
    assert "cells is resampled along Y, X from 0.25 × 0.25 to 0.5 × 0.5 µm" in text
    assert [notice.warning for notice in notices] == [True, False, False, False]


def test_an_unknown_voxel_size_is_a_warning(viewer, pixels):
    layer = viewer.add_image(pixels(32, 40), name="cells")
    (notice,) = verdict(viewer, entry(voxel_size={"Y": 0.5, "X": 0.5}), Pick(layer)).notices
    assert notice.warning
    assert notice.text.startswith("The voxel size of cells along Y, X is unknown")


def test_an_observed_channel_goes_by_the_name_of_the_output(viewer, plane, pixels):
    stain = viewer.add_image(pixels(2, 32, 40), axis_labels="cyx")
    found = verdict(viewer, entry(), Pick(plane), observed=[Pick(stain, 1)])
    observed = found.request.observed["nuclei"]
    assert observed.channels == ("nuclei",)
    np.testing.assert_array_equal(observed.data, stain.data[1])
    assert found.request.observed_layers == {"nuclei": stain}


def test_an_observed_image_of_another_size_is_refused(viewer, plane, pixels):
    other = viewer.add_image(pixels(16, 40), name="stain")
    found = verdict(viewer, entry(), Pick(plane), observed=[Pick(other)])
    assert found.readiness is Readiness.REFUSED
    assert "stain and the prediction cannot be compared pixel by pixel" in found.text


def test_planes_that_are_consumed_are_not_compared(viewer, pixels):
    stack = viewer.add_image(pixels(5, 32, 40), axis_labels="zyx")
    stain = viewer.add_image(pixels(32, 40))
    model = entry(inputs=[InputSpec(name="bf", planes=5)])
    found = verdict(viewer, model, Pick(stack), observed=[Pick(stain)])
    assert found.readiness is Readiness.READY
    refused = verdict(viewer, model, Pick(stack), observed=[Pick(stack)])
    assert refused.readiness is Readiness.REFUSED


def test_errors_of_z_scores_want_a_match(viewer, plane):
    chosen = {"observed": [Pick(plane)], "errors": True, "units": "z-score"}
    texts = [n.text for n in verdict(viewer, entry(), Pick(plane), **chosen).notices]
    assert any("not in grey values: match it" in text for text in texts)
    texts = [
        n.text for n in verdict(viewer, entry(), Pick(plane), match="z-score", **chosen).notices
    ]
    assert not any("not in grey values: match it" in text for text in texts)


def test_verdicts_are_the_same_if_they_say_the_same(viewer, plane):
    one = verdict(viewer, entry(), Pick(plane))
    assert one == verdict(viewer, entry(), Pick(plane), masks=True)
    assert one != verdict(viewer, entry(), Pick())


def test_models_are_listed_by_where_they_are(tmp_path, save):
    (tmp_path / "folder").mkdir()
    save_model(small_model("mine"), tmp_path / "folder" / "mine")
    opened = open_entry(save("elsewhere"))
    groups = model_groups(tmp_path / "folder", [opened])
    by_title = {group.title: [entry.name for entry in group.entries] for group in groups}
    assert by_title.pop("Built-in", [])
    assert by_title == {"Model folder": ["mine"], "Opened": ["elsewhere"]}


def test_without_a_model_folder_there_are_the_others(tmp_path):
    assert all(group.title == "Built-in" for group in model_groups(tmp_path / "none", []))


def test_what_there_is_to_know_about_a_model():
    origin = Provenance(data="well 3", licence="CC0", scores={"nuclei": {"pearson_r": 0.912}})
    text = details(entry(description="Nuclei of cells.", provenance=origin))
    for part in ("Nuclei of cells.", "2D: brightfield", "Licence: CC0", "nuclei pearson_r 0.91"):
        assert part in text


def test_files_are_the_same_however_they_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert same_file(Path("a.safetensors"), tmp_path / "b" / ".." / "a.safetensors")


def test_judging_loads_no_torch():
    code = (
        "import sys\n"
        "import napari_virtual_stain.gui.predict.form, napari_virtual_stain.gui.predict.work\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
