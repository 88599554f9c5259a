from __future__ import annotations

import errno
import os

import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def write(target, content, overwrite=False, then=None):
    """Write `content` to `target`, and do or raise `then` before the end."""
    with atomic_path(target, overwrite) as beside:
        beside.write_bytes(content)
        if isinstance(then, BaseException):
            raise then
        if then is not None:
            then()


def test_the_file_appears_at_the_end_under_its_name(tmp_path):
    target = tmp_path / "a.tif"
    with atomic_path(target) as beside:
        assert beside.parent == tmp_path
        assert beside.suffix == ".tif"
        beside.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_whatever_ends_the_writing_leaves_the_old_file_and_nothing_else(tmp_path, end):
    target = tmp_path / "a.tif"
    target.write_bytes(b"old")
    with pytest.raises(end):
        write(target, b"half", overwrite=True, then=end())
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.tif"]


def test_an_existing_file_is_refused_before_anything_is_written(tmp_path):
    target = tmp_path / "a.tif"
    target.write_bytes(b"old")
    with (
        pytest.raises(VirtualStainError, match=r"a\.tif exists already .* --overwrite"),
        atomic_path(target),
    ):
        pytest.fail("the block must not run")
    assert target.read_bytes() == b"old"


def test_a_file_that_appears_meanwhile_is_refused(tmp_path):
    target = tmp_path / "a.tif"
    with pytest.raises(VirtualStainError, match="exists already"):
        write(target, b"new", then=lambda: target.write_bytes(b"other"))
    assert target.read_bytes() == b"other"
    assert names(tmp_path) == ["a.tif"]


def test_overwriting_replaces_on_request(tmp_path):
    target = tmp_path / "a.tif"
    target.write_bytes(b"old")
    write(target, b"new", overwrite=True)
    assert target.read_bytes() == b"new"


def test_missing_folders_are_created(tmp_path):
    target = tmp_path / "übersicht" / "b" / "a.tif"
    write(target, b"x")
    assert target.exists()


def test_a_folder_of_that_name_is_refused(tmp_path):
    with pytest.raises(VirtualStainError, match="is a folder"), atomic_path(tmp_path, True):
        pytest.fail("the block must not run")


def test_a_parent_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(VirtualStainError, match="a part of the folder's path is a file"),
        atomic_path(tmp_path / "file" / "a.tif"),
    ):
        pytest.fail("the block must not run")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission to write in that folder"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_errors_of_the_disk_are_sentences(tmp_path, code, said):
    target = tmp_path / "a.tif"
    with pytest.raises(VirtualStainError, match=rf"a\.tif could not be written: .*{said}"):
        write(target, b"half", then=OSError(code, os.strerror(code)))
    assert names(tmp_path) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder_is_said(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(VirtualStainError, match="no permission"):
            write(tmp_path / "a.tif", b"x")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_is_followed(tmp_path):
    real, link = tmp_path / "real.tif", tmp_path / "link.tif"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write(link, b"new", overwrite=True)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_name_as_long_as_the_disk_allows_works(tmp_path):
    target = tmp_path / ("n" * 251 + ".tif")
    write(target, b"x")
    assert target.exists()
