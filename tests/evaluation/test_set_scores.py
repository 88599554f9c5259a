"""Scores of a set: what images lack, names that are markup, and pages without anything else."""

from __future__ import annotations

import json
import math

import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation import SetScores, set_html, set_json, set_table

from .test_page import Page


def scores(r, **more):
    return {
        "pearson_r": r,
        "structural_similarity": 0.5,
        "structural_similarity_per": "plane",
    } | more


FIRST = SetScores(
    "first",
    ("a", "b", "c"),
    (
        {"DAPI": scores(0.9), "ER": scores(0.5)},
        {"DAPI": scores(0.8)},
        {"DAPI": scores(math.nan), "ER": scores(0.7)},
    ),
)


def test_what_an_image_lacks_is_left_out_of_the_means():
    found = set_json([FIRST])
    dapi, er = (found["models"]["first"][name]["pearson_r"] for name in ("DAPI", "ER"))
    assert (dapi["mean"], dapi["images"]) == (pytest.approx(0.85), 2)
    assert (er["mean"], er["images"]) == (pytest.approx(0.6), 2)
    assert "structural_similarity_per" not in found["models"]["first"]["DAPI"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    rows = set_table([FIRST])
    assert len(rows) == 5
    assert rows[3] == {"model": "first", "image": "c", "channel": "DAPI"} | scores(None)


def test_models_are_tested_where_both_have_a_score():
    second = SetScores(
        "second",
        FIRST.images,
        ({"DAPI": scores(0.8)}, {"DAPI": scores(0.75)}, {"DAPI": scores(0.1)}),
    )
    (test,) = set_json([FIRST, second])["tests"]
    assert (test["channel"], test["degrees_of_freedom"]) == ("DAPI", 1)
    assert test["mean_difference"] == pytest.approx(0.075)
    other = SetScores("second", ("a", "b", "d"), second.metrics)
    with pytest.raises(VirtualStainError, match="predictions of different images"):
        set_json([FIRST, other])
    single = SetScores("second", FIRST.images, ({"DAPI": scores(0.8)}, {}, {}))
    assert set_json([FIRST, single])["tests"] == []


@pytest.mark.filterwarnings("error")
def test_the_page_of_a_set_needs_no_other_file_and_names_are_text():
    evil = "<script>alert(1)</script>$x"
    sets = [FIRST, SetScores(evil, FIRST.images, FIRST.metrics)]
    text = set_html(sets, {("first", "a"): "first/a/report.html"})
    page = Page(text)
    assert "<script>" not in text
    assert evil in page.texts
    assert len(page.addresses()) == 3
    assert all(address.startswith("data:image/svg") for address in page.addresses())
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["first/a/report.html"]
    assert set_html(sets, {("first", "a"): "first/a/report.html"}) == text


def test_a_set_of_one_image_has_no_interval():
    one = SetScores("first", ("a",), ({"DAPI": scores(0.9)},))
    found = set_json([one])["models"]["first"]["DAPI"]["pearson_r"]
    assert found == {"mean": 0.9, "spread": None, "interval": [None, None], "images": 1}
    page = set_html([one])
    assert "first: 1 image<" in page
    assert '<td class="value">0.9<small></small></td>' in page
