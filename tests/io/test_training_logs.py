"""What a training tells, as a table and for TensorBoard."""

from __future__ import annotations

import importlib.util
import math

import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Losses, Notice
from napari_virtual_stain.io.training_logs import TrainingLog

BOARD = importlib.util.find_spec("tensorboard") is not None


def write(folder, events, kind="csv", outputs=("DNA", "actin, F"), **options):
    log = TrainingLog(folder, kind, outputs, **options)
    for event in events:
        log.add(event)
    log.close()


def table(folder):
    return (folder / "losses.csv").read_text().splitlines()


def test_a_table_of_losses(tmp_path):
    folder = tmp_path / "new" / "logs"
    events = [
        Notice("begins"),
        Losses(1, 1.5),
        Losses(2, 1 / 3, (0.25, math.nan)),
        Losses(3, math.nan),
    ]
    write(folder, events)
    assert table(folder) == [
        'step,training_loss,validation_r DNA,"validation_r actin, F"',
        "1,1.5,,",
        "2,0.333333,0.25,",
        "3,,,",
    ]


def test_each_step_is_on_the_disk_at_once(tmp_path):
    log = TrainingLog(tmp_path, "csv", ["DNA"])
    log.add(Losses(1, 1.0))
    assert len(table(tmp_path)) == 2
    log.add(Losses(2, 1.0, (0.5,)))
    log.add(Losses(3, 1.0))
    assert len(table(tmp_path)) == 4
    again = TrainingLog(tmp_path, "csv", ["DNA"], resumes=True)  # The first was killed.
    again.add(Losses(3, 2.0))
    again.close()
    assert table(tmp_path)[1:] == ["1,1,", "2,1,0.5", "3,2,"]
    log.close()


def test_a_training_that_goes_on_replaces_what_it_does_again(tmp_path):
    write(tmp_path, [Losses(step, 1.0) for step in range(1, 6)])
    with (tmp_path / "losses.csv").open("a") as file:
        file.write("6,1.")  # killed while it wrote
    write(tmp_path, [Losses(step, 2.0) for step in (4, 5, 6, 7)], resumes=True)
    assert [row.split(",")[:2] for row in table(tmp_path)[1:]] == [
        ["1", "1"],
        ["2", "1"],
        ["3", "1"],
        ["4", "2"],
        ["5", "2"],
        ["6", "2"],
        ["7", "2"],
    ]


def test_a_training_that_goes_on_may_have_had_no_log(tmp_path):
    write(tmp_path, [Losses(8, 1.0)], resumes=True)
    assert len(table(tmp_path)) == 2


def test_an_earlier_log_is_not_lost(tmp_path):
    write(tmp_path, [Losses(1, 1.0)])
    with pytest.raises(VirtualStainError, match=r"losses\.csv exists already"):
        TrainingLog(tmp_path, "csv", [])
    write(tmp_path, [Losses(1, 2.0)], overwrite=True)
    assert table(tmp_path)[1:] == ["1,2,,"]


def test_a_training_that_ends_before_its_first_step_leaves_the_earlier_log(tmp_path):
    write(tmp_path, [Losses(1, 1.0)])
    write(tmp_path, [], overwrite=True)
    assert table(tmp_path)[1:] == ["1,1,,"]


def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VirtualStainError, match="could not be written"):
        TrainingLog(tmp_path / "file" / "logs", "csv", [])


@pytest.mark.skipif(BOARD, reason="TensorBoard is installed")
def test_without_tensorboard_one_sentence(tmp_path):
    with pytest.raises(VirtualStainError, match=r"TensorBoard is not installed.*\[logs\]"):
        TrainingLog(tmp_path, "both", [])


@pytest.mark.skipif(not BOARD, reason="TensorBoard is not installed")
def test_tensorboard_reads_the_losses(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scored = Losses(2, 0.5, (0.25, math.nan))
    write(tmp_path, [Losses(1, 1.5), scored, Losses(3, 9.0)], "both")
    write(tmp_path, [Losses(3, 0.25)], "tensorboard", resumes=True)
    board = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(board.Tags()["scalars"]) == ["loss/training", "validation r/DNA"]
    assert [(s.step, s.value) for s in board.Scalars("loss/training")] == [
        (1, 1.5),
        (2, 0.5),
        (3, 0.25),
    ]
    assert len(table(tmp_path)) == 4
    with pytest.raises(VirtualStainError, match=r"tfevents.* exists already"):
        TrainingLog(tmp_path, "tensorboard", [])
    write(tmp_path, [Losses(1, 2.0)], "tensorboard", overwrite=True)
    board = EventAccumulator(str(tmp_path)).Reload()
    assert len(board.Scalars("loss/training")) == 1
