"""A specification that contradicts itself is refused; a good one says what it expects."""

from __future__ import annotations

import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.model import ModelSpec, parse_spec

GOOD = {
    "format_version": 1,
    "name": "m",
    "network": {"name": "gvtnet", "options": {"filters": 4, "depth": 2}},
    "inputs": [{"name": "phase", "planes": 13}],
    "outputs": [{"name": "DAPI", "mean": 100.0, "std": 5.0}],
}


def test_what_it_expects_in_one_line():
    spec = ModelSpec.model_validate({**GOOD, "voxel_size": {"Y": 0.5, "X": 0.25}})
    assert spec.expects == "2D: phase (13 z planes) → DAPI at 0.5 × 0.25 µm"
    assert spec.takes_planes


def test_it_survives_json():
    spec = ModelSpec.model_validate(GOOD)
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


def test_the_network_has_the_channels_of_the_model():
    network = ModelSpec.model_validate(GOOD).build_network()
    assert network.in_channels == 13


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": 2}, "model format 2, and this version .* reads format 1"),
        ({"format_version": None}, "model format None"),
        ({"name": ""}, "name"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{"name": "a", "planes": 0}]}, "planes"),
        ({"inputs": [{"name": "a"}, {"name": "a"}]}, "not unique"),
        ({"inputs": [{"name": "a", "planes": 2}, {"name": "b"}]}, "either all inputs"),
        ({"spatial_axes": "XY"}, "spatial_axes"),
        ({"spatial_axes": "ZYX"}, "3D model cannot take z planes"),
        ({"voxel_size": {"Y": 0}}, "voxel_size"),
        ({"voxel_size": {"Z": 1}}, "must belong to the axes"),
        ({"outputs": [{"name": "a", "mean": float("nan"), "std": 1}]}, "mean"),
        ({"outputs": [{"name": "a", "std": -1}]}, "std"),
        ({"network": {"name": "gvtnet", "options": {"in_channels": 3}}}, "in_channels is 3"),
        ({"outputs": [{"name": "a", "mean": 1}]}, "given together"),
        ({"outputs": [{"name": "a", "mean": 1, "std": 1e300}]}, "below 1e30"),
        ({"name": "a\x1b[31m"}, "name"),
        ({"description": "\x1b[31m"}, "description"),
        ({"network": {"name": "gvtnet", "options": {"depth": {"a": 1}}}}, "depth"),
        ({"format_version": True}, "model format True"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_specification_is_refused_in_a_sentence(change, sentence):
    with pytest.raises(VirtualStainError, match=rf"m\.safetensors .*{sentence}"):
        parse_spec({**GOOD, **change}, "m.safetensors")
