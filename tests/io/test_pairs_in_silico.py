"""PNG files whose names are those of in silico labeling."""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.io.pairs import read_pairs, sides
from napari_virtual_stain.io.pairs.in_silico import well_files

RANDOM = np.random.default_rng(0)


def write(folder, well, channel, z=None, *, size=(8, 6), dtype=np.uint16, more="", time=0):
    """Write one file as the published ones are named; return its pixels."""
    depth = "depth_computation-MAXPROJECT" if z is None else f"z_depth-{z}"
    name = (
        f"lab-FINKBEINER,condition-KEVAN_0_8,acquisition_date,year-2015,month-10,day-5,"
        f"minute-{time},well-{well},tile_computation-STITCHED,{depth},channel-{channel},"
        f"is_mask-false{more}.png"
    )
    pixels = RANDOM.integers(0, np.iinfo(dtype).max, size).astype(dtype)
    folder.mkdir(exist_ok=True)
    iio.imwrite(folder / name, pixels)
    return pixels


def write_well(folder, well, *targets, planes=12, light="PHASE_CONTRAST", **changes):
    stack = [write(folder, well, light, z, **changes) for z in range(planes)]
    return np.stack(stack), {name: write(folder, well, name, **changes) for name in targets}


@pytest.mark.parametrize("held", [0, 2**31])
def test_planes_are_a_stack_and_projections_are_targets(tmp_path, monkeypatch, held):
    monkeypatch.setattr(sides, "HELD", held)
    stack, stains = write_well(tmp_path, "A4", "DAPI_CONFOCAL", "NFH_CONFOCAL")
    write(tmp_path, "A4", "DAPI_CONFOCAL", more=",PREDICTED")
    (tmp_path / "figure,1.png").write_bytes(b"")
    [(source, target)] = read_pairs(tmp_path)
    assert (source.name, source.axes, source.channels) == ("A4", "ZYX", ("PHASE_CONTRAST",))
    assert (target.axes, target.channels) == ("CYX", ("DAPI_CONFOCAL", "NFH_CONFOCAL"))
    assert isinstance(source.data, np.ndarray) == isinstance(target.data, np.ndarray) == bool(held)
    # Ten planes and more: in the order of their numbers, not of their names.
    np.testing.assert_array_equal(source.numpy(), stack)
    np.testing.assert_array_equal(target.numpy()[1], stains["NFH_CONFOCAL"])


def test_a_well_may_lack_labels(tmp_path):
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", "NFH_CONFOCAL", planes=2)
    write_well(tmp_path, "A2", "NFH_CONFOCAL", planes=2)
    write_well(tmp_path, "A3", planes=2)
    with pytest.warns(VirtualStainWarning) as said:
        read = read_pairs(tmp_path)
    assert [target.channels for _, target in read] == [
        ("DAPI_CONFOCAL", "NFH_CONFOCAL"),
        ("NFH_CONFOCAL",),
    ]
    assert [str(one.message) for one in said] == [
        "1 of 3 wells have none of the targets and are left out (A3).",
        "1 of 2 images lack the target 'DAPI_CONFOCAL' (A2); it is learned from the others.",
    ]


def test_channels_are_chosen_by_name(tmp_path):
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", "MAP2_CONFOCAL", "NFH_CONFOCAL", planes=2)
    [(source, target)] = read_pairs(
        tmp_path, inputs=["MAP2_CONFOCAL"], targets=["NFH_CONFOCAL", "DAPI_CONFOCAL"]
    )
    assert (source.axes, source.channels) == ("YX", ("MAP2_CONFOCAL",))
    assert target.channels == ("NFH_CONFOCAL", "DAPI_CONFOCAL")
    with pytest.raises(VirtualStainError, match=r"no well has the channel 'DAPI'.*'DAPI_CONFOCAL'"):
        read_pairs(tmp_path, targets=["DAPI"])


def test_wells_of_different_light_and_folders(tmp_path):
    write_well(tmp_path / "b", "A1", "DAPI_CONFOCAL", planes=2, light="DIC")
    write_well(tmp_path / "a", "A1", "DAPI_CONFOCAL", planes=2, light="BRIGHTFIELD")
    read = read_pairs(tmp_path)
    assert [source.channels for source, _ in read] == [("TRANSMISSION",)] * 2
    assert read[0][0].name.startswith("a,lab-FINKBEINER")
    [(source, _)] = read_pairs(tmp_path / "b")
    assert source.channels == ("DIC",)


def test_what_tells_wells_apart_is_all_else_in_the_name(tmp_path):
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", planes=2)
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", planes=2, time=30)
    assert len(well_files(tmp_path)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: next(f.glob("*z_depth-1,*")).unlink(), "lacks the plane z_depth-1 of 'PHASE"),
        (lambda f: write(f, "A1", "PHASE_CONTRAST", 2, size=(9, 6)), "differ in size or type"),
        (lambda f: write(f, "A1", "PHASE_CONTRAST", 2, dtype=np.uint8), "differ in size or type"),
        (lambda f: write(f, "A1", "DIC", 0), "has 'PHASE_CONTRAST', 'DIC' of"),
        (lambda f: write(f, "A1", "DAPI_CONFOCAL", size=(9, 6)), "are no pair: they differ"),
        (
            lambda f: write(f, "A1", "DAPI_CONFOCAL", size=(8, 6, 3), dtype=np.uint8),
            "not a grey PNG",
        ),
        (lambda f: next(f.glob("*MAX*")).write_bytes(b"\x89PNG"), "not a grey PNG"),
        (
            lambda f: (p := next(f.glob("*MAX*"))).write_bytes(p.read_bytes()[:60]),
            "is damaged and cannot be read",
        ),
        (lambda f: write(f, "A1", "DAPI_CONFOCAL", more=",x"), "has no transmitted light of"),
        (lambda f: next(f.glob("*MAX*")).unlink(), "none of the wells has a target"),
    ],
)
def test_wells_that_are_wrong(tmp_path, change, said):
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", planes=3)
    change(tmp_path)
    with pytest.raises(VirtualStainError, match=said):
        read_pairs(tmp_path)


def test_two_files_of_one_plane(tmp_path):
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", planes=2)
    first = next(tmp_path.glob("*z_depth-1,*"))
    first.with_name(first.name.replace("z_depth-1", "z_depth-01")).write_bytes(first.read_bytes())
    with pytest.raises(VirtualStainError, match="same well, channel and depth"):
        read_pairs(tmp_path)


def test_an_input_that_a_well_lacks(tmp_path):
    write_well(tmp_path, "A1", "DAPI_CONFOCAL", planes=2, light="DIC")
    write_well(tmp_path, "A2", "DAPI_CONFOCAL", planes=2)
    with pytest.raises(VirtualStainError, match="the well A2 lacks the input 'DIC'"):
        read_pairs(tmp_path, inputs=["DIC"])


@pytest.mark.data
def test_the_published_names(tmp_path, data_folder):
    lines = (data_folder / "isl_condition_b" / "registry.txt").read_text().splitlines()
    for line in lines:
        iio.imwrite(tmp_path / line.rsplit(" ", 1)[0], np.ones((4, 5), np.uint16))
    [well] = well_files(tmp_path)
    assert well.name == "A4"
    assert sorted(well.planes["PHASE_CONTRAST"]) == list(range(13))
    assert sorted(well.projected) == ["DAPI_CONFOCAL", "MAP2_CONFOCAL", "NFH_CONFOCAL"]
