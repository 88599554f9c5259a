"""Long work is driven to its end, stopped, and closed."""

from __future__ import annotations

import pytest

from napari_virtual_stain.errors import VirtualStainWarning
from napari_virtual_stain.events import Notice, Progress, Stopped, raise_if_stopped, run, stop_when


def work(log):
    try:
        yield Progress("a", 1, 2)
        yield Notice("mind this", warning=True)
        yield Notice("by the way")
        return 42
    finally:
        log.append("closed")


def test_run_returns_the_result_and_warns():
    log: list[str] = []
    with pytest.warns(VirtualStainWarning, match="mind this") as warned:
        assert run(work(log)) == 42
    assert len(warned) == 1
    assert log == ["closed"]


def test_an_error_in_the_listener_closes_the_work():
    log: list[str] = []

    def listen(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(work(log), listen)
    assert log == ["closed"]


def test_a_stop_is_seen_only_where_it_was_asked_for():
    raise_if_stopped()
    with stop_when(lambda: True), pytest.raises(Stopped):
        raise_if_stopped()
    raise_if_stopped()
