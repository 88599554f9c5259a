"""train_options.json: parsed, never evaluated."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_stain.io.importing.train_options import parse_transform, read_preparation


def prepared(folder, content, name="train_options.json"):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return read_preparation(folder / "model.p")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fnet.transforms.normalize", ("normalize", [])),
        (" normalize ", ("normalize", [])),
        ("fnet.transforms.Resizer((1, 0.5, 0.5))", ("Resizer", [(1, 0.5, 0.5)])),
        ("fnet.transforms.Resizer(factors=[1, 2])", ("Resizer", [[1, 2]])),
        ("Capper(low=-1, high=None)", ("Capper", [-1, None])),
        ("a.b(c())", None),
        ("a().b", None),
        ("a.b(c)", None),
        ("__import__('os').system('x')", None),
        ("(lambda: 1)()", None),
        ("[x for x in y]", None),
        ("a + b", None),
        ("a(", None),
        ("a\0", None),
        ("(" * 900, None),
        ("-" * 999 + "1", None),
        ("a" * 2000, None),
        ("f(*x)", None),
        (5, None),
        ({"a": 1}, None),
    ],
)
def test_expressions(text, expected):
    assert parse_transform(text) == expected


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_not(text):
    found = parse_transform(text)
    assert found is None or isinstance(found[0], str)


def test_nothing_is_evaluated(tmp_path):
    mark = tmp_path / "executed"
    hostile = f"__import__('os').mkdir({str(mark)!r})"
    found = prepared(tmp_path, {"transform_signal": [hostile, f"f({hostile})"]})
    assert not mark.exists()
    assert "The training also applied __import__" in found.notes[0]


@pytest.mark.parametrize("lateral", ["0.372410", "0.37241", "0.5931", "0.29655"])
def test_the_factors_of_the_published_models_give_a_voxel_size(tmp_path, lateral):
    found = prepared(
        tmp_path,
        {
            "transform_signal": [
                "fnet.transforms.normalize",
                f"fnet.transforms.Resizer((1, {lateral}, {lateral}))",
            ]
        },
    )
    assert found.voxel_size == {"Z": 0.29, "Y": 0.29, "X": 0.29}
    assert "that is the voxel size" in found.notes[0]
    assert found.normalization == {}


@pytest.mark.parametrize(
    "factors", ["(1, 0.5, 0.5)", "(1, 0.37241, 0.5931)", "(2, 0.37241, 0.37241)", "(1,)", "2"]
)
def test_other_factors_are_noted_and_nothing_is_invented(tmp_path, factors):
    found = prepared(tmp_path, {"transform_signal": [f"fnet.transforms.Resizer({factors})"]})
    assert found.voxel_size == {}
    assert f"resized its images by {factors}" in found.notes[0]
    assert "not known" in found.notes[0]


def test_the_second_generation(tmp_path):
    found = prepared(
        tmp_path,
        {
            "dataset_train": "fnet.data.MultiChTiffDataset",
            "dataset_train_kwargs": {
                "path_csv": "train.csv",
                "col_signal": "brightfield",
                "col_target": "path_dna",
                "transform_signal": ["fnet.transforms.norm_around_center"],
                "transform_target": ["fnet.transforms.norm_around_center"],
            },
        },
    )
    assert found.normalization == {"central_planes": 32}
    assert (found.signal, found.target) == (("brightfield",), ("dna",))
    assert found.notes == []


@pytest.mark.parametrize("column", ["path_signal", "channel_signal", None, 5, ""])
def test_columns_that_say_nothing_give_no_names(tmp_path, column):
    assert prepared(tmp_path, {"col_signal": column, "transform_signal": []}).signal == ()


def test_no_normalization_is_none(tmp_path):
    for transforms in ([], None, ["fnet.transforms.do_nothing"]):
        found = prepared(tmp_path, {"transform_signal": transforms})
        assert found.normalization == {"method": "none"}
        assert "no normalization" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ({}, "names no transforms; inputs are taken to be z-scores"),
        ({"transform_signal": ["mine.scale"]}, "inputs are taken to be z-scores"),
        ("[1, 2]", "could not be read; inputs are taken to be z-scores"),
        ("{", "could not be read"),
        ("[" * 100_000, "could not be read"),
    ],
)
def test_what_is_not_known_is_assumed_and_said(tmp_path, content, note):
    found = prepared(tmp_path, content)
    assert found.normalization == {}
    assert note in " ".join(found.notes)


def test_there_may_be_none(tmp_path):
    assert "no train_options.json" in read_preparation(tmp_path / "model.p").notes[0]


def test_a_byte_order_mark_is_no_damage(tmp_path):
    text = "\ufeff" + json.dumps({"transform_signal": ["fnet.transforms.normalize"]})
    assert "could not be read" not in prepared(tmp_path, text).notes[0]


def test_normalization_after_resizing_is_noted(tmp_path):
    steps = ["fnet.transforms.Resizer((1, 0.5, 0.5))", "fnet.transforms.normalize"]
    note = "resized its images before it normalized them"
    assert note in " ".join(prepared(tmp_path, {"transform_signal": steps}).notes)
    assert note not in " ".join(prepared(tmp_path, {"transform_signal": steps[::-1]}).notes)


@pytest.mark.parametrize(
    ("target", "units", "note"),
    [
        (["fnet.transforms.normalize"], None, ""),
        (["fnet.transforms.norm_around_center"], None, ""),
        (["fnet.transforms.do_nothing"], {"scaling": "z-score", "mean": 0, "std": 1}, "grey"),
        (None, {"scaling": "z-score", "mean": 0, "std": 1}, "outputs are their grey values"),
        (["mine.log", {"a": 1}], None, "applied mine.log, a dict to its targets"),
    ],
)
def test_how_targets_were_scaled(tmp_path, target, units, note):
    content = {"transform_signal": ["fnet.transforms.normalize"], "transform_target": target}
    found = prepared(tmp_path, content)
    assert found.units == units
    assert note in " ".join(found.notes)
    assert bool(found.notes) is bool(note)


def test_targets_of_which_nothing_is_said_are_assumed_and_said(tmp_path):
    found = prepared(tmp_path, {"transform_signal": ["fnet.transforms.normalize"]})
    assert found.notes == ["How targets were scaled is not said; outputs are taken to be z-scores."]
    assert found.notes[-1] in read_preparation(tmp_path / "none" / "model.p").notes


@pytest.mark.parametrize("factors", ["(1, 1e999, 0.3)", f"(1, {'9' * 900}, 0.3)", "(1, 1j, 'a')"])
def test_factors_that_are_none_are_only_quoted(tmp_path, factors):
    found = prepared(tmp_path, {"transform_signal": [f"fnet.transforms.Resizer({factors})"]})
    assert found.voxel_size == {}
    assert len(found.notes[0]) < 300
