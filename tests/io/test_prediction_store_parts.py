"""The parts of predictions on disk: the journal, the writers, the arrays that are kept."""

from __future__ import annotations

import threading
import time
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_virtual_stain.io.prediction.journal import DOUBTFUL, Journal
from napari_virtual_stain.io.prediction.kept_arrays import load_arrays, save_arrays
from napari_virtual_stain.io.prediction.writers import OrderedWriters

BLOCK = np.zeros(4, np.float32)


def journal_of(path, units, booted=0.0):
    journal = Journal(path, booted)
    for unit in units:
        journal.add(unit)
    journal.close()
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units=st.lists(st.text(max_size=8), unique=True, max_size=5), data=st.data())
def test_a_journal_cut_anywhere_holds_the_units_before_the_cut(tmp_path, units, data):
    path = tmp_path / "done"
    path.unlink(missing_ok=True)
    whole = journal_of(path, units).read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    before = units[: whole[:cut].count(b"\n")]
    journal = Journal(path, 0.0)
    assert journal.done == set(before)
    journal.add("new")
    journal.close()
    assert Journal(path, 0.0).done == {*before, "new"}


@pytest.mark.parametrize("damage", [b"\0\0\0\0", b"[1, 2.0]", b'"a"', b'["a", null]', b"\xff"])
def test_damaged_lines_do_not_count(tmp_path, damage):
    path = journal_of(tmp_path / "done", ["a", "b"])
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + b"\n" + second)
    assert Journal(path, 0.0).done == {"a", "b"}


def test_after_the_machine_went_down_the_last_minutes_do_not_count(tmp_path):
    now = time.time()
    lines = [("old", 10 * DOUBTFUL), ("doubtful", DOUBTFUL / 2), ("last", 0.0)]
    text = "".join(f'["{unit}", {now - 1000 - age}]\n' for unit, age in lines)
    path = tmp_path / "done"
    path.write_text(text)
    same_session = Journal(path, now - 5000)
    assert same_session.done == {"old", "doubtful", "last"}
    same_session.close()
    started_anew = Journal(path, now - 500)
    assert started_anew.done == {"old"}
    started_anew.add("last")
    started_anew.close()
    # What was dropped is not believed later either, when newer lines stand behind it.
    assert Journal(path, now - 500).done == {"old", "last"}


def test_a_unit_is_recorded_only_when_all_before_it_is_written():
    gates = {number: threading.Event() for number in range(4)}
    recorded = []

    def write(which, key, values):
        assert gates[key[0]].wait(10)

    writers = OrderedWriters(write, recorded.append)
    writers.unit("nothing before")
    for number in range(2):
        writers.block("predicted", (number,), BLOCK)
    writers.unit("after 0 and 1")
    writers.unit("too")
    assert recorded == ["nothing before"]
    gates[1].set()
    time.sleep(0.05)
    assert recorded == ["nothing before"]
    gates[0].set()
    writers.wait()
    assert recorded == ["nothing before", "after 0 and 1", "too"]
    writers.stop()


def test_nothing_behind_a_failed_block_is_recorded():
    recorded = []

    def write(which, key, values):
        if key == (1,):
            raise OSError("gone")

    writers = OrderedWriters(write, recorded.append)
    writers.block("predicted", (0,), BLOCK)
    writers.unit("good")
    writers.wait()
    writers.block("predicted", (1,), BLOCK)
    with pytest.raises(OSError, match="gone"):
        writers.wait()
    with pytest.raises(OSError, match="gone"):
        writers.block("predicted", (2,), BLOCK)
    with pytest.raises(OSError, match="gone"):
        writers.unit("behind")
    writers.stop()
    assert recorded == ["good"]


def test_a_unit_that_cannot_be_recorded_is_an_error():
    def full(unit):
        raise OSError("full")

    writers = OrderedWriters(lambda which, key, values: None, full)
    with pytest.raises(OSError, match="full"):
        writers.unit("a")
    with pytest.raises(OSError, match="full"):
        writers.wait()
    writers.stop()


def test_what_was_given_is_written_before_the_threads_end():
    written = []
    writers = OrderedWriters(lambda which, key, values: written.append(key), written.append)
    for number in range(20):
        writers.block("predicted", (number,), BLOCK)
    writers.unit("all")
    writers.stop()
    assert {(number,) for number in range(20)} < set(written)
    assert written[-1] == "all"


@pytest.mark.parametrize("cut", [0, 1, 100, 200, -1])
def test_arrays_of_a_cut_file_were_never_kept(tmp_path, cut):
    save_arrays(tmp_path, "a", {"x": np.arange(100.0)})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:cut])
    assert load_arrays(tmp_path, "a") is None


def test_arrays_with_a_changed_byte_were_never_kept(tmp_path):
    save_arrays(tmp_path, "a", {"x": np.arange(100.0)})
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[400] ^= 1
    file.write_bytes(content)
    assert load_arrays(tmp_path, "a") is None


def test_arrays_that_unpack_to_more_than_their_file_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("array x.npy", bytes(10**6))
    assert load_arrays(tmp_path, "a") is None


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", **{"array x": np.array([{}], object)})
    assert load_arrays(tmp_path, "a") is None


def test_names_of_arrays_do_not_leave_the_folder(tmp_path):
    folder = tmp_path / "kept"
    for name in ("../out", "a/b", "ü", "..", "C:\\x"):
        save_arrays(folder, name, {"x": np.array([len(name)])})
        assert load_arrays(folder, name)["x"] == [len(name)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
    assert len(list(folder.iterdir())) == 5
