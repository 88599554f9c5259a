"""``vstain bench``: one tiny measurement, kept, gone on with, and refused on another machine."""

from __future__ import annotations

import json

import pytest

ONE = ("--network", "fnet-2d", "--size", "128x128", "--device", "cpu", "--only", "whole")


def test_a_run_is_measured_kept_and_not_repeated(vstain, tmp_path):
    folder = tmp_path / "new µ"
    command = ("bench", "--output", folder, *ONE, "--rounds", "1")
    status, stdout, _ = vstain(*command)
    assert status == 0
    assert "## fnet 2D, 128 × 128" in stdout
    assert (folder / "cpu.md").read_text(encoding="utf-8").strip() == stdout.strip()
    assert "<svg" in (folder / "cpu.svg").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == ["cpu.jsonl", "cpu.md", "cpu.svg"]

    kept = (folder / "cpu.jsonl").read_bytes()
    header, measured = map(json.loads, kept.splitlines())
    assert header["machine"]["device"] == "cpu"
    assert (measured["contender"], measured["round"]) == ("whole", 1)
    assert measured["largest"] < 1e-6
    assert measured["peak"] > 10 * 2**20

    # A line that was cut off is no measurement; what was measured is not measured again.
    (folder / "cpu.jsonl").write_bytes(kept + kept[:50])
    status, stdout, _ = vstain(*command, "--json")
    assert status == 0
    assert json.loads(stdout)["records"] == [header, measured]

    header["machine"]["torch"] = "0.1"
    (folder / "cpu.jsonl").write_text(json.dumps(header) + "\n", encoding="utf-8")
    status, _, stderr = vstain(*command)
    assert status == 1
    assert "measurements of another machine" in stderr


@pytest.mark.parametrize("size", ["2048", "2048x", "x", "0x5", "1x2x3x4", "big"])
def test_a_size_that_is_none_is_a_bad_argument(vstain, tmp_path, size):
    status, _, stderr = vstain("bench", "--output", tmp_path / "a", "--size", size)
    assert status == 2
    assert "--size" in stderr


def test_an_unknown_contender_is_one_sentence(vstain, tmp_path):
    status, _, stderr = vstain("bench", "--output", tmp_path / "a", "--only", "tiler")
    assert status == 1
    assert "there is no contender 'tiler'; choose from whole, whole-tuned" in stderr
    assert not (tmp_path / "a").exists()
