"""A process that gives no answer says why."""

from __future__ import annotations

import pytest

from napari_virtual_stain.bench.rounds import Failed, run_process


def test_a_process_that_takes_too_long_is_ended():
    with pytest.raises(Failed, match=r"took longer than 0\.05 s"):
        run_process({"task": "machine", "device": "cpu"}, 0.05)


def test_the_last_line_of_an_error_is_kept():
    with pytest.raises(Failed, match=r"failed with .*there is no device 'abacus'"):
        run_process({"task": "machine", "device": "abacus"}, 60)
