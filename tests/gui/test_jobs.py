"""A generator of events as a napari worker: events, result, error, cancel."""

from __future__ import annotations

import threading
import time

import pytest
from qtpy.QtCore import QThread

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress, raise_if_stopped
from napari_virtual_stain.gui.jobs import create_job, explain, report

pytestmark = pytest.mark.gui


class Listener:
    """Notes what a job says, and in which thread it is heard."""

    def __init__(self, job):
        self.heard, self.threads = [], set()
        for name in ("yielded", "returned", "errored"):
            getattr(job, name).connect(self.hear(name))
        job.aborted.connect(lambda: self.note(("aborted",)))
        job.finished.connect(lambda: self.note(("finished",)))

    def hear(self, name):
        return lambda value: self.note((name, value))

    def note(self, what):
        self.heard.append(what)
        self.threads.add(threading.current_thread())

    @property
    def names(self):
        return [what[0] for what in self.heard]


def run(qtbot, job, timeout=5000):
    listener = Listener(job)
    with qtbot.waitSignal(job.finished, timeout=timeout):
        job.start()
    return listener


def test_events_and_the_result_arrive_in_the_gui_thread(qtbot):
    where = []

    def work():
        where.append(QThread.currentThread())
        yield Progress("first", 1, 2)
        yield Notice("by the way")
        yield Progress("first", 2, 2)
        return 42

    job = create_job(work, "Count")
    listener = run(qtbot, job)
    assert listener.names == ["yielded", "yielded", "yielded", "returned", "finished"]
    assert listener.heard[1][1] == Notice("by the way")
    assert listener.heard[3][1] == 42
    assert listener.threads == {threading.main_thread()}
    assert where != [QThread.currentThread()]
    assert not job.is_running


def test_progress_that_comes_too_fast_is_dropped_but_not_the_last(qtbot):
    def work():
        for done in range(1, 1001):
            yield Progress("counting", done, 1000)

    listener = run(qtbot, create_job(work, "Count"))
    shown = [what[1].done for what in listener.heard if what[0] == "yielded"]
    assert len(shown) < 100
    assert shown[-1] == 1000


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no"), KeyError(1)])
def test_an_error_is_heard_and_the_generator_closed(qtbot, error):
    closed = []

    def work():
        try:
            yield Progress("first", 0, 0)
            raise error
        finally:
            closed.append(True)

    listener = run(qtbot, create_job(work, "Fail"))
    assert listener.names == ["yielded", "errored", "finished"]
    assert listener.heard[1][1] is error
    assert closed == [True]


def test_an_error_before_the_first_event_is_heard(qtbot):
    def work():
        raise ImportError("no torch")

    assert run(qtbot, create_job(work, "Fail")).names == ["errored", "finished"]


def cancelled_after(qtbot, job, seconds):
    listener = Listener(job)
    job.start()
    qtbot.waitUntil(lambda: job.is_running)
    qtbot.wait(int(1000 * seconds))
    start = time.monotonic()
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.quit()
    return listener, time.monotonic() - start


def test_cancel_between_events_runs_the_finally(qtbot):
    closed = []

    def work():
        try:
            while True:
                time.sleep(0.01)
                yield Progress("for ever", 0, 0)
        finally:
            closed.append(threading.current_thread())

    listener, seconds = cancelled_after(qtbot, create_job(work, "Endless"), 0.1)
    assert listener.names[-2:] == ["aborted", "finished"]
    assert not {"returned", "errored"} & set(listener.names)
    assert closed[0] is not threading.main_thread()
    assert seconds < 1


def test_cancel_within_a_step_takes_effect_there(qtbot):
    closed = []

    def work():
        yield Progress("a long step", 0, 0)
        try:
            while True:
                time.sleep(0.01)
                raise_if_stopped()
        finally:
            closed.append(True)

    listener, seconds = cancelled_after(qtbot, create_job(work, "Endless"), 0.1)
    assert listener.names == ["yielded", "aborted", "finished"]
    assert closed == [True]
    assert seconds < 1


def test_a_result_that_comes_after_cancel_is_dropped(qtbot):
    def work():
        time.sleep(0.3)
        return 42
        yield

    listener, _ = cancelled_after(qtbot, create_job(work, "Deaf"), 0.1)
    assert listener.names == ["aborted", "finished"]


def test_the_window_knows_of_the_job_by_its_name_until_it_ends(qtbot, make_napari_viewer):
    viewer = make_napari_viewer()
    manager = viewer.window._task_status_manager

    def work():
        while True:
            time.sleep(0.01)
            yield Progress("for ever", 0, 0)

    job = create_job(work, "Predict fluorescence")
    job.start()
    qtbot.waitUntil(lambda: job.is_running)
    qtbot.waitUntil(
        lambda: manager.get_status() == ["napari-worker: Executing Predict fluorescence"]
    )
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.quit()
    qtbot.waitUntil(lambda: not manager.is_busy())
    assert manager.get_status() == []


def test_errors_for_a_person_are_sentences():
    assert explain(VirtualStainError("the model is old.")) == "The model is old."
    assert explain(VirtualStainError("phase is RGB.")) == "phase is RGB."
    assert "memory did not suffice" in explain(RuntimeError("CUDA out of memory. Tried to"))
    assert "memory did not suffice" in explain(MemoryError())
    assert explain(RuntimeError("shape mismatch")) is None


def test_a_sentence_is_a_notification_and_a_bug_has_its_traceback():
    from napari.utils.notifications import ErrorNotification, notification_manager

    notification_manager.records.clear()
    assert report(VirtualStainError("the model is old.")) == "The model is old."
    (shown,) = notification_manager.records
    assert shown.message == "The model is old."
    assert not isinstance(shown, ErrorNotification)
    text = report(RuntimeError("shapes differ"))
    assert text == "An error inside the program: RuntimeError: shapes differ"
    assert isinstance(notification_manager.records[-1], ErrorNotification)
