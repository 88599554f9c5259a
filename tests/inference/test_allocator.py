"""While a network runs on the CPU, blocks that are freed are used again."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import time

import psutil
import pytest
import torch

from napari_virtual_stain.inference.allocator import return_free_blocks, steady_allocator

resource = pytest.importorskip("resource")

CPU = torch.device("cpu")
BLOCK = 40 * 2**20
PAGES = BLOCK // 4096

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"),
    reason="the thresholds are those of glibc",
)


def is_steady() -> bool:
    """Whether a large block comes from the heap and not from the kernel; it is never filled."""
    return not is_mapped(2**28)


def is_usual() -> bool:
    """Whether a block larger than anything that is free in the heap comes from the kernel."""
    return is_mapped(1_900 * 2**20)


def is_mapped(size: int) -> bool:
    before = mapped_blocks()
    block = torch.empty(size, dtype=torch.uint8)
    after = mapped_blocks()
    del block
    return after > before


def mapped_blocks() -> int:
    """Return how many blocks glibc has from the kernel: ``hblks``, the fourth of ten numbers."""

    class Mallinfo(ctypes.Structure):
        _fields_ = [(f"field_{i}", ctypes.c_int) for i in range(10)]

    library = ctypes.CDLL(None)
    library.mallinfo.restype = Mallinfo
    return library.mallinfo().field_3


def test_it_lasts_as_long_as_the_context():
    assert is_usual()
    with steady_allocator(CPU):
        assert is_steady()
    assert is_usual()


def test_it_nests():
    with steady_allocator(CPU):
        with steady_allocator(CPU):
            assert is_steady()
        assert is_steady()
    assert is_usual()


def test_an_error_ends_it():
    with pytest.raises(ValueError, match="stop"), steady_allocator(CPU):
        raise ValueError("stop")
    assert is_usual()


def test_it_lasts_until_the_last_thread_leaves():
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with steady_allocator(CPU):
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=other)
    with steady_allocator(CPU):
        thread.start()
        entered.wait(20)
    assert is_steady()
    leave.set()
    thread.join()
    assert is_usual()


def test_many_threads_may_enter_it():
    def enter() -> None:
        for _ in range(20):
            with steady_allocator(CPU):
                pass

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_usual()
    with steady_allocator(CPU):
        assert is_steady()


def test_pages_are_not_faulted_in_again():
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.empty(BLOCK, dtype=torch.uint8).fill_(1)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    # The fewest of many: what is small and lies down in a freed block leaves the next one no
    # room, until there are gaps enough for it.
    with steady_allocator(CPU):
        assert min(faults() for _ in range(30)) < PAGES // 100


def test_memory_goes_back_at_the_end():
    process = psutil.Process()
    before = process.memory_info().rss
    with steady_allocator(CPU):
        blocks = [torch.ones(BLOCK, dtype=torch.uint8) for _ in range(4)]
        last = torch.ones(2**16, dtype=torch.uint8)  # lies behind them
        del blocks
        assert process.memory_info().rss > before + 3 * BLOCK
    deadline = time.monotonic() + 20
    while process.memory_info().rss >= before + BLOCK // 2:  # a thread gives it back
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert last.all()


def test_memory_can_be_given_back_within_it():
    process = psutil.Process()
    before = process.memory_info().rss
    with steady_allocator(CPU):
        blocks = [torch.ones(BLOCK, dtype=torch.uint8) for _ in range(4)]
        last = torch.ones(2**16, dtype=torch.uint8)
        del blocks
        return_free_blocks()
        assert process.memory_info().rss < before + BLOCK // 2
        assert is_steady()
    assert last.all()


def test_it_does_nothing_for_other_devices():
    with steady_allocator(torch.device("meta")):
        assert is_usual()


def test_it_needs_no_torch():
    code = "import sys, napari_virtual_stain.inference.allocator; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
