"""The matrix of models × data sets, and its page."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from napari_virtual_stain import io
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation import (
    SetScores,
    bootstrap_interval,
    transfer_html,
    transfer_json,
    transfer_matrix,
    transfer_table,
)

from .test_page import Page


def scored(model, *values, channel="DAPI"):
    images = tuple(f"image {n}" for n in range(len(values)))
    metrics = tuple({channel: {"pearson_r": one, "structural_similarity": 0.5}} for one in values)
    return SetScores(model, images, metrics)


SETS = {
    "left": [scored("a", 0.9, 0.8, math.nan), scored("b", 0.5, 0.6, 0.7)],
    "right": [scored("b", 0.3, 0.2)],
}


def test_cells_are_means_with_their_intervals_and_gaps_stay():
    found = transfer_matrix(SETS)
    assert (found.models, found.data_sets, found.channels) == (
        ("a", "b"),
        ("left", "right"),
        ("DAPI",),
    )
    np.testing.assert_allclose(found.means("DAPI"), [[0.85, np.nan], [0.6, 0.25]])
    cell = found.cells["DAPI", "b", "left"]
    assert cell["interval"] == pytest.approx(bootstrap_interval([0.5, 0.6, 0.7]))
    assert cell["spread"] == pytest.approx(0.1)
    assert found.cells["DAPI", "a", "left"]["images"] == 2
    assert ("DAPI", "a", "right") not in found.cells


def test_channels_that_only_some_have():
    sets = {"left": [scored("a", 0.9)], "right": [scored("a", 0.5, channel="ER")]}
    found = transfer_matrix(sets)
    assert found.channels == ("DAPI", "ER")
    np.testing.assert_allclose(found.means("ER"), [[np.nan, 0.5]])


def test_a_score_that_nobody_has_is_refused():
    with pytest.raises(VirtualStainError, match="no data set has the score 'dice' of any model"):
        transfer_matrix(SETS, "dice")
    with pytest.raises(VirtualStainError, match="no data set"):
        transfer_matrix({})


def test_it_is_written_as_json_and_as_a_table(tmp_path):
    matrices = [transfer_matrix(SETS, score) for score in ("pearson_r", "structural_similarity")]
    found = transfer_json(matrices)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["scores"]["pearson_r"]["DAPI"]["a"].keys() == {"left"}
    rows = transfer_table(matrices)
    assert len(rows) == 6
    assert rows[2]["mean"] == pytest.approx(0.25)
    paths = io.write_transfer_report(matrices, tmp_path, made_from={"models": ["a", "b"]})
    assert {path.name for path in tmp_path.iterdir()} == {
        "transfer.html",
        "transfer.json",
        "transfer.csv",
    }
    kept = json.loads(paths["summary"].read_text(encoding="utf-8"))
    assert kept == {**found, "made_from": {"models": ["a", "b"]}}
    with pytest.raises(VirtualStainError, match=r"already holds transfer.html, transfer.json"):
        io.write_transfer_report(matrices, tmp_path)


@pytest.mark.filterwarnings("error")
def test_the_page_needs_no_other_file_and_names_are_text():
    evil = "<script>alert(1)</script>$x"
    sets = {evil: [scored(evil, 0.9, 0.8)], "right": SETS["right"]}
    scores = ("pearson_r", "structural_similarity")
    text = transfer_html(
        [transfer_matrix(sets, score) for score in scores], {"right": "r/set.html"}
    )
    page = Page(text)
    assert "<script>" not in text
    assert evil in page.texts
    assert len(page.addresses()) == 2
    assert all(address.startswith("data:image/svg") for address in page.addresses())
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == ["r/set.html"]
    assert "0.85" in page.texts
    assert any(" … " in one for one in page.texts)
    assert "–" in page.texts
