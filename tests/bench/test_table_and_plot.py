"""Measurements become a table and a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from napari_virtual_stain.bench.plot import plot
from napari_virtual_stain.bench.table import rows_by_case, table

MACHINE = {
    "device": "cpu",
    "description": "CPU (2 threads)",
    "vector_unit": "AVX512",
    "processor": "x86_64",
    "torch": "2.13.0",
}
KEY = "fnet-2d-2048x2048"


def record(contender, number, seconds, **more):
    measured = {"seconds": seconds, "peak": 2**30, "largest": 2e-6, "rms": 1e-7}
    return {"case": KEY, "contender": contender, "round": number, **measured, **more}


@pytest.fixture
def records():
    return [
        {"machine": MACHINE, "repeats": 1},
        record("engine-auto", 0, [9.0]),
        *(record("whole-tuned", i, [s]) for i, s in enumerate((4.0, 5.0, 4.5), 1)),
        *(
            record("engine-auto", i, [s], rms=i * 1e-3, precision="bf16", peak=i * 2**30)
            for i, s in enumerate((2.0, 2.5, 0.5), 1)
        ),
        {"case": KEY, "contender": "monai", "round": 1, "error": "took longer than 9 s"},
    ]


def lines_of(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_a_line_holds_median_range_and_errors(records):
    text = table(records, "cpu.svg")
    (engine,) = lines_of(text, "| this engine")
    cells = [cell.strip() for cell in engine.split("|")][1:-1]
    assert cells[4:] == [
        "auto: bf16", "keeps blocks", "2.00 s [0.50–2.50]", "0.44", "2.00 GiB",
        "2.0e-06 σ", "3.0e-03 σ",
    ]  # fmt: skip
    (floor,) = lines_of(text, "| whole image, tuned (the floor)")
    assert "| 4.50 s [4.00–5.00] | 1.00 |" in floor
    head = lines_of(text, "| contender")[0]
    assert {line.count("|") for line in (head, engine, floor)} == {12}
    assert "## fnet 2D, 2048 × 2048" in text
    assert "![time and error of each contender](cpu.svg)" in text


def test_the_first_prediction_is_not_counted_and_is_said(records):
    assert "not counted above: engine-auto 9.00 s." in table(records, "cpu.svg")


def test_what_stopped_a_contender_is_in_the_table(records):
    text = table(records, "cpu.svg")
    (failed,) = lines_of(text, "| MONAI")
    assert "| took longer than 9 s |" in failed
    # An error is forgotten once it was measured.
    (measured,) = lines_of(table([*records, record("monai", 1, [7.0])], "cpu.svg"), "| MONAI")
    assert "7.00 s" in measured


def test_contenders_stand_in_their_order(records):
    _, rows = rows_by_case(records)[KEY]
    assert [row.contender.name for row in rows] == ["whole-tuned", "engine-auto", "monai"]


def test_the_picture_is_svg_and_the_same_each_time(records):
    picture = plot(records)
    assert ET.fromstring(picture).tag.endswith("svg")
    assert picture == plot(records)
