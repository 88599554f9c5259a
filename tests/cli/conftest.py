"""What the tests of all commands share."""

from __future__ import annotations

import sys

import pytest

from napari_virtual_stain.cli import main


@pytest.fixture
def vstain(monkeypatch, capsys):
    """Run a command; returns (status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vstain", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        output = capsys.readouterr()
        return exit_.value.code or 0, output.out, output.err

    return run
