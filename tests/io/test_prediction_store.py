"""Predictions on disk: what is where, when, and what is said."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io import TiffTarget, ZarrTarget, read_image
from napari_virtual_stain.io.ome_zarr import ZarrWriter
from napari_virtual_stain.io.prediction import writers
from napari_virtual_stain.target import placeholder

SHAPE = (2, 300, 260)
CORE = (128, 128)
KEY = {"model": "a", "crop": [0, 300]}
SETTLED = {"precision": "fp32", "core": [128, 128], "scale": 0.1}
LIKE = Image(
    placeholder(SHAPE),
    "CYX",
    voxel_size={"Y": 0.5, "X": 0.5},
    channels=("DAPI", "CMFDA"),
    name="well",
    provenance={"model": "a"},
)
SIGMA = LIKE.replace(channels=("DAPI σ", "CMFDA σ"))
PIXELS = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
UNITS = {
    f"{y} {x}": (slice(0, 2), slice(y, min(y + 128, 300)), slice(x, min(x + 128, 260)))
    for y in range(0, 300, 128)
    for x in range(0, 260, 128)
}


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def zarr_target(folder, **options):
    return ZarrTarget(folder / "well.predicted.ome.zarr", **options)


def both(folder, kind=ZarrTarget, ending=".ome.zarr", **options):
    return kind(folder / f"well.predicted{ending}", folder / f"well.uncertainty{ending}", **options)


def work(session, units=None, pixels=PIXELS, sigma=False):
    """Do the units that are not done yet; return them."""
    session.start(session.earlier or SETTLED, CORE)
    todo = [unit for unit in units or UNITS if not session.is_done(unit)]
    for unit in todo:
        session.write("predicted", UNITS[unit], pixels[UNITS[unit]].copy())
        if sigma:
            session.write("uncertainty", UNITS[unit], -pixels[UNITS[unit]])
        session.finished(unit)
    return todo


def predicted(target, pixels=PIXELS, key=KEY):
    session = target.open(LIKE, None, key)
    work(session, pixels=pixels)
    return session.finish({"device": "cpu"})[0]


def interrupted(target, count=2, key=KEY, like=LIKE):
    """Leave an unfinished prediction of which `count` units are done."""
    session = target.open(like, None, key)
    work(session, list(UNITS)[:count])
    session.close()


@pytest.mark.parametrize(("kind", "ending"), [(ZarrTarget, ".ome.zarr"), (TiffTarget, ".ome.tif")])
def test_what_was_written_is_read_back_and_nothing_else_is_left(tmp_path, kind, ending):
    session = both(tmp_path / "new", kind, ending).open(LIKE, SIGMA, KEY)
    work(session, sigma=True)
    assert names(tmp_path / "new") == [f"well.predicted{ending}.partial"]
    results = session.finish({"device": "cpu"})
    assert names(tmp_path / "new") == [f"well.predicted{ending}", f"well.uncertainty{ending}"]
    for result, like, pixels in zip(results, (LIKE, SIGMA), (PIXELS, -PIXELS), strict=True):
        np.testing.assert_array_equal(result.numpy(), pixels)
        assert not isinstance(result.data, np.ndarray)
        assert (result.axes, result.channels, result.name) == ("CYX", like.channels, "well")
        assert dict(result.provenance) == {"model": "a", "device": "cpu"}
    again = read_image(tmp_path / "new" / f"well.predicted{ending}")
    assert dict(again.voxel_size) == {"Y": 0.5, "X": 0.5}
    np.testing.assert_array_equal(again.numpy(), PIXELS)


def test_a_result_keeps_axes_of_length_1(tmp_path):
    like = LIKE.replace(data=placeholder((1, 1, 40, 30)), axes="CZYX", channels=("DAPI",))
    session = TiffTarget(tmp_path / "a.tif").open(like, None, KEY)
    session.start(SETTLED, (40, 30))
    session.write("predicted", (0, 0, slice(0, 40), slice(0, 30)), np.ones((40, 30), np.float32))
    result, nothing = session.finish({})
    assert (result.axes, result.shape, nothing) == ("CZYX", (1, 1, 40, 30), None)
    assert result.numpy().min() == 1


def test_an_unfinished_prediction_is_gone_on_with(tmp_path):
    interrupted(zarr_target(tmp_path), 2)
    assert names(tmp_path) == ["well.predicted.ome.zarr.partial"]
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert session.earlier == SETTLED
    assert "2 parts of the work are done" in session.notice
    assert work(session) == list(UNITS)[2:]
    np.testing.assert_array_equal(session.finish({})[0].numpy(), PIXELS)


def test_the_first_run_has_nothing_to_go_on_with(tmp_path):
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert (session.earlier, session.notice) == (None, None)
    assert not session.is_done("0 0")
    assert session.kept("sums") is None
    session.close()
    session.close()
    assert names(tmp_path) == []


def test_arrays_are_kept_for_a_later_run(tmp_path):
    sums = {"file": np.arange(6.0).reshape(2, 3), "n/count": np.array(7)}
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    session.start(SETTLED, CORE)
    session.keep("pass 1/frame 0", {"file": np.zeros(1)})
    session.keep("pass 1/frame 0", sums)
    session.close()
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    kept = session.kept("pass 1/frame 0")
    assert kept.keys() == sums.keys()
    assert all(np.array_equal(kept[name], sums[name]) for name in sums)
    assert session.kept("pass 1/frame 1") is None
    session.close()


@pytest.mark.parametrize(
    "other", [{"key": {"model": "b"}}, {"like": LIKE.replace(data=placeholder((2, 300, 261)))}]
)
def test_what_another_prediction_left_is_dropped_and_said(tmp_path, other):
    interrupted(zarr_target(tmp_path), **other)
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert session.earlier is None
    assert "another model, image or options" in session.notice
    assert not session.is_done("0 0")
    assert work(session) == list(UNITS)
    np.testing.assert_array_equal(session.finish({})[0].numpy(), PIXELS)


def test_another_version_of_the_format_is_another_prediction(tmp_path):
    interrupted(zarr_target(tmp_path, version="0.4"))
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert session.earlier is None
    session.close()


@pytest.mark.parametrize("name", ["job.json", "settled.json"])
@pytest.mark.parametrize("content", [b"", b"\xff", b"[1, 2", b'["settled"]'])
def test_a_damaged_folder_is_begun_anew(tmp_path, name, content):
    interrupted(zarr_target(tmp_path))
    (tmp_path / "well.predicted.ome.zarr.partial" / name).write_bytes(content)
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert session.earlier is None
    assert "damaged" in session.notice
    assert work(session) == list(UNITS)
    session.close()


def test_units_count_only_with_what_was_settled(tmp_path):
    interrupted(zarr_target(tmp_path))
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    session.keep("sums", {"a": np.zeros(1)})
    session.start({**SETTLED, "precision": "bf16"}, CORE)
    assert not any(session.is_done(unit) for unit in UNITS)
    assert session.kept("sums") is None
    session.close()


def test_a_finished_prediction_is_not_made_again(tmp_path):
    predicted(zarr_target(tmp_path))
    before = contents(tmp_path)
    with pytest.raises(VirtualStainError, match=r"well\.predicted\.ome\.zarr exists .*--overwrite"):
        zarr_target(tmp_path).open(LIKE, None, KEY)
    with pytest.raises(VirtualStainError, match=r"--overwrite"):
        zarr_target(tmp_path).check()
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("kind", "ending"), [(ZarrTarget, ".ome.zarr"), (TiffTarget, ".ome.tif")])
def test_an_old_result_stays_until_the_new_one_is_complete(tmp_path, kind, ending):
    target = kind(tmp_path / f"a{ending}", overwrite=True)
    predicted(target)
    session = target.open(LIKE, None, {"model": "b"})
    work(session, pixels=PIXELS + 1)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{ending}").numpy(), PIXELS)
    session.finish({})
    np.testing.assert_array_equal(read_image(tmp_path / f"a{ending}").numpy(), PIXELS + 1)
    assert names(tmp_path) == [f"a{ending}"]


def test_a_result_that_appears_meanwhile_is_not_replaced(tmp_path):
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    work(session)
    place = tmp_path / "well.predicted.ome.zarr"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    with pytest.raises(VirtualStainError, match="no OME-Zarr, and is left as it is"):
        session.finish({})
    session.close()
    assert (place / "notes.txt").read_text() == "mine"
    (place / "notes.txt").unlink()
    place.rmdir()
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert "only brought to its place" in session.notice
    assert work(session) == []
    np.testing.assert_array_equal(session.finish({})[0].numpy(), PIXELS)


def test_where_the_prediction_is_its_uncertainty_is_too(tmp_path):
    session = both(tmp_path).open(LIKE, SIGMA, KEY)
    work(session, sigma=True)
    (tmp_path / "well.uncertainty.ome.zarr").write_text("in the way")
    with pytest.raises(VirtualStainError, match=r"well\.uncertainty\.ome\.zarr is a file"):
        session.finish({})
    session.close()
    assert "well.predicted.ome.zarr" not in names(tmp_path)


def killed_while_placing(folder, **options):
    """Leave what a kill between the renames of the two results leaves."""
    session = both(folder, **options).open(LIKE, SIGMA, KEY)
    work(session, sigma=True)
    session._complete({})
    session._end()
    session._folder.place(session._made("uncertainty"), session._finals["uncertainty"])
    session._folder.release()


def test_a_kill_between_the_two_places_is_made_good(tmp_path):
    killed_while_placing(tmp_path)
    assert (tmp_path / "well.uncertainty.ome.zarr").exists()
    both(tmp_path).check()
    session = both(tmp_path).open(LIKE, SIGMA, KEY)
    assert work(session, sigma=True) == []
    results = session.finish({})
    np.testing.assert_array_equal(results[0].numpy(), PIXELS)
    np.testing.assert_array_equal(results[1].numpy(), -PIXELS)
    assert names(tmp_path) == ["well.predicted.ome.zarr", "well.uncertainty.ome.zarr"]


def test_a_result_of_another_key_at_its_place_is_not_replaced_either(tmp_path):
    killed_while_placing(tmp_path)
    with pytest.raises(VirtualStainError, match=r"uncertainty\.ome\.zarr exists already"):
        both(tmp_path).open(LIKE, SIGMA, {"model": "b"})
    assert "well.predicted.ome.zarr.partial" in names(tmp_path)


def killed_while_replacing(folder):
    """Leave what a kill leaves between renaming the old result and the new one."""
    predicted(zarr_target(folder))
    session = zarr_target(folder, overwrite=True).open(LIKE, None, KEY)
    work(session, pixels=PIXELS + 1)
    session._complete({})
    session._end()
    aside = session._folder.path / "replaced"
    aside.mkdir()
    os.rename(session._finals["predicted"], aside / "well.predicted.ome.zarr")
    session._folder.release()


def test_a_kill_while_the_old_result_is_replaced_is_made_good(tmp_path):
    killed_while_replacing(tmp_path)
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert work(session) == []
    np.testing.assert_array_equal(session.finish({})[0].numpy(), PIXELS + 1)
    assert names(tmp_path) == ["well.predicted.ome.zarr"]


def test_another_prediction_brings_the_old_result_back_first(tmp_path):
    killed_while_replacing(tmp_path)
    with pytest.raises(VirtualStainError, match="exists already"):
        zarr_target(tmp_path).open(LIKE, None, {"model": "b"})
    assert names(tmp_path) == ["well.predicted.ome.zarr"]
    np.testing.assert_array_equal(read_image(tmp_path / "well.predicted.ome.zarr").numpy(), PIXELS)


def killed_at_the_end(folder, cleared):
    """Leave what a kill leaves while the work folder is removed."""
    session = zarr_target(folder).open(LIKE, None, KEY)
    work(session)
    session._complete({})
    session._end()
    session._folder.place(session._made("predicted"), session._finals["predicted"])
    for name in cleared:
        (session._folder.path / name).unlink()
    session._folder.release()


@pytest.mark.parametrize("cleared", [(), ("job.json",), ("job.json", "complete")])
@pytest.mark.parametrize("act", ["open", "check"])
def test_what_a_kill_left_of_a_finished_prediction_is_cleared(tmp_path, cleared, act):
    killed_at_the_end(tmp_path, cleared)
    assert len(names(tmp_path)) == 2
    target = zarr_target(tmp_path)
    acts = {"open": lambda: target.open(LIKE, None, KEY), "check": target.check}
    with pytest.raises(VirtualStainError, match="exists already"):
        acts[act]()
    assert names(tmp_path) == ["well.predicted.ome.zarr"]


def test_unfinished_work_outlives_a_refusal(tmp_path):
    predicted(zarr_target(tmp_path))
    interrupted(zarr_target(tmp_path, overwrite=True), 3)
    for act in (zarr_target(tmp_path).check, lambda: zarr_target(tmp_path).open(LIKE, None, {})):
        with pytest.raises(VirtualStainError, match="exists already"):
            act()
    session = zarr_target(tmp_path, overwrite=True).open(LIKE, None, KEY)
    assert work(session) == list(UNITS)[3:]
    session.close()


def test_two_predictions_at_once_do_not_mix(tmp_path):
    first = zarr_target(tmp_path).open(LIKE, None, KEY)
    work(first, list(UNITS)[:2])
    with pytest.raises(
        VirtualStainError,
        match=rf"well\.predicted\.ome\.zarr is being written .*process {os.getpid()} on the",
    ):
        zarr_target(tmp_path).open(LIKE, None, KEY)
    work_left = [unit for unit in UNITS if not first.is_done(unit)]
    for unit in work_left:
        first.write("predicted", UNITS[unit], PIXELS[UNITS[unit]])
    np.testing.assert_array_equal(first.finish({})[0].numpy(), PIXELS)


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path):
    lock = tmp_path / "well.predicted.ome.zarr.partial" / "vstain.lock"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from napari_virtual_stain.io.prediction.lock import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1]), 'x'); print('locked', flush=True); time.sleep(60)"
    )
    lock.parent.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(VirtualStainError, match=f"process {other.pid} on"):
            zarr_target(tmp_path).open(LIKE, None, KEY)
        other.kill()
        other.wait()
    np.testing.assert_array_equal(predicted(zarr_target(tmp_path)).numpy(), PIXELS)


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    folder = tmp_path / "well.predicted.ome.zarr.partial"
    folder.mkdir()
    (folder / "job.json").write_text("{}")
    with pytest.raises(VirtualStainError, match="not left by a prediction; move it"):
        zarr_target(tmp_path).open(LIKE, None, KEY)
    assert contents(folder) == {"job.json": b"{}"}


def test_names_are_checked_at_once(tmp_path):
    with pytest.raises(VirtualStainError, match=r"a\.tif: choose a name .*\.ome\.zarr or \.zarr"):
        ZarrTarget(tmp_path / "a.tif")
    with pytest.raises(VirtualStainError, match=r"a\.ome\.zarr: choose a name .*\.tif or \.tiff"):
        TiffTarget(tmp_path / "a.ome.zarr")
    with pytest.raises(VirtualStainError, match="beside the prediction, under another name"):
        ZarrTarget(tmp_path / "a.zarr", tmp_path / "a.zarr")
    with pytest.raises(VirtualStainError, match="beside the prediction"):
        ZarrTarget(tmp_path / "a.zarr", tmp_path / "b" / "u.zarr")
    with pytest.raises(VirtualStainError, match=r"has no place; name one .*uncertainty\.ome\.zarr"):
        ZarrTarget(tmp_path / "a.zarr").open(LIKE, SIGMA, KEY)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    target = ZarrTarget(tmp_path / "file" / "a.zarr")
    for act in (target.check, lambda: target.open(LIKE, None, KEY)):
        with pytest.raises(VirtualStainError, match="a part of the folder's path is a file"):
            act()


def test_a_full_disk_is_said_at_the_next_call_and_what_is_done_stays(tmp_path, monkeypatch):
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    work(session, list(UNITS)[:2])
    session._writers.wait()
    failed = threading.Event()

    def full(self, key, values):
        failed.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(ZarrWriter, "write", full)
        unit = list(UNITS)[2]
        session.write("predicted", UNITS[unit], PIXELS[UNITS[unit]])
        failed.wait()
        with pytest.raises(VirtualStainError, match=r"ome\.zarr could not be .*the disk is full"):
            session.finish({})
        for act in (
            lambda: session.finished(unit),
            lambda: session.write("predicted", UNITS[unit], PIXELS[UNITS[unit]]),
        ):
            with pytest.raises(VirtualStainError, match="the disk is full"):
                act()
        session.close()
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    assert work(session) == list(UNITS)[2:]
    np.testing.assert_array_equal(session.finish({})[0].numpy(), PIXELS)


def test_blocks_that_wait_are_bounded(tmp_path, monkeypatch):
    block = PIXELS[:, :128, :128]
    monkeypatch.setattr(writers, "IN_FLIGHT_BYTES", 3 * block.nbytes)
    under_way, most, lock = [0], [0], threading.Lock()
    real = ZarrWriter.write

    def counting(self, key, values):
        real(self, key, values)
        with lock:
            under_way[0] -= 1

    monkeypatch.setattr(ZarrWriter, "write", counting)
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    session.start(SETTLED, CORE)
    for _ in range(20):
        session.write("predicted", UNITS["0 0"], block)
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
    session.close()
    assert 1 <= most[0] <= 3


def test_scratch_room_is_on_the_disk_and_goes_with_the_work(tmp_path):
    session = zarr_target(tmp_path).open(LIKE, None, KEY)
    session.start(SETTLED, CORE)
    rooms = [session.scratch((3, 50, 40)) for _ in range(2)]
    for value, room in enumerate(rooms):
        assert (room.shape, room.dtype) == ((3, 50, 40), np.float32)
        room[:] = value
    assert isinstance(rooms[0], np.memmap)
    assert rooms[0].max() == 0
    assert rooms[1].min() == 1
    work(session)
    session.finish({})
    assert names(tmp_path) == ["well.predicted.ome.zarr"]


def test_the_key_is_compared_as_json(tmp_path):
    interrupted(zarr_target(tmp_path), key={"b": (1, 2.5), "a": None})
    session = zarr_target(tmp_path).open(LIKE, None, {"a": None, "b": [1, 2.5]})
    assert session.earlier == SETTLED
    job = json.loads((tmp_path / "well.predicted.ome.zarr.partial" / "job.json").read_text())
    assert job["key"] == {"a": None, "b": [1, 2.5]}
    session.close()


def test_a_link_to_the_place_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk", target_is_directory=True)
    predicted(ZarrTarget(Path(tmp_path / "link" / "a.zarr")))
    assert names(tmp_path / "disk") == ["a.zarr"]
