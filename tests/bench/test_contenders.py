"""Every contender that is installed predicts the image; the whole image and the engine exactly."""

from __future__ import annotations

import json

import pytest

from napari_virtual_stain.bench import CONTENDERS, Case
from napari_virtual_stain.bench.contender_process import (
    machine,
    measure_contender,
    write_reference,
)
from napari_virtual_stain.bench.contenders import chosen
from napari_virtual_stain.errors import VirtualStainError

CASES = {
    ndim: {"network": f"gvtnet-{ndim}d", "sizes": sizes, "options": {"filters": 4, "depth": 2}}
    for ndim, sizes in ((2, [300, 276]), (3, [16, 150, 132]))
}
NAMES = [contender.name for contender in CONTENDERS]


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    paths = {ndim: str(folder / f"{ndim}d.ome.tif") for ndim in CASES}
    return {
        ndim: (paths[ndim], write_reference(case, "cpu", paths[ndim])["checksum"])
        for ndim, case in CASES.items()
    }


@pytest.mark.parametrize("ndim", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_a_contender_predicts_the_image(references, name, ndim):
    if not chosen([name])[0].is_installed:
        pytest.skip(f"{name} is not installed")
    found = measure_contender(name, CASES[ndim], "cpu", 2, *references[ndim])
    assert json.loads(json.dumps(found)) == found
    assert len(found["seconds"]) == 2
    assert min(found["seconds"]) > 0
    assert found["peak"] >= 0
    assert 0 <= found["rms"] <= found["largest"]
    if name in ("whole", "whole-tuned", "engine-fp32"):
        assert found["largest"] < 1e-4
    elif "bf16" in name:
        assert 1e-4 < found["rms"] < 2
    elif name != "engine-auto":
        # Tiles that do not know of each other: near the whole-image result, and not it.
        assert 1e-4 < found["rms"] < 2
    assert ("precision" in found) == name.startswith("engine")


def test_other_weights_than_those_of_the_reference_are_refused(references):
    path, checksum = references[2]
    case = CASES[2] | {"options": {"filters": 2, "depth": 2}}
    with pytest.raises(ValueError, match="weights or image differ"):
        measure_contender("whole", case, "cpu", 1, path, checksum)


def test_the_machine_is_described():
    found = machine("cpu")
    assert found["device"] == "cpu"
    assert found["description"].startswith("CPU")


def test_an_unknown_contender_is_said():
    with pytest.raises(VirtualStainError, match="no contender 'tiler'; choose from whole"):
        chosen(["whole", "tiler"])


@pytest.mark.parametrize("name", NAMES)
def test_what_a_contender_is_given(name):
    contender = chosen([name])[0]
    case = Case("fnet-2d", (2048, 2048))
    given = contender.given(case, "cpu", "bf16")
    assert all(given.values())
    good = contender.tuned or contender.way == "engine"
    assert (given["folding"], given["allocator"]) == (
        ("folded", "keeps blocks") if good else ("no", "default")
    )
    assert given["precision"] == (
        "auto: bf16" if contender.precision == "auto" else contender.precision
    )
    assert ("TF32" in contender.given(case, "cuda")["precision"]) == (
        not good and contender.precision == "fp32"
    )
