"""``scripts/kill_and_resume.py`` tells stores that differ from stores that do not."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "scripts" / "kill_and_resume.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("kill_and_resume", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def store(folder, **changes):
    files = {"zarr.json": b"{}", "0/c/0/0": b"abc", "0/c/0/1": b"def", **changes}
    for name, content in files.items():
        if content is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"0/c/0/1": b"deF"}, ["different: 0/c/0/1"]),
        ({"0/c/0/1": None}, ["missing: 0/c/0/1"]),
        ({"0/c/0/1.new": b""}, ["left over: 0/c/0/1.new"]),
        ({"zarr.json": b"{} "}, ["different: zarr.json"]),
    ],
)
def test_every_file_counts(script, tmp_path, changes, found):
    assert script.compare(store(tmp_path / "a"), store(tmp_path / "b", **changes)) == found


COMMAND = """
import sys, time
from pathlib import Path
result = Path(sys.argv[1], "stack.predicted.ome.zarr")
if result.exists():
    sys.exit(f"{result} exists already and is left as it is")
partial = result.with_name(result.name + ".partial")
partial.mkdir(parents=True, exist_ok=True)
journal = partial / "done"
done = journal.read_text() if journal.exists() else ""
for number in range(done.count("unit"), 8):
    time.sleep(0.1)
    with journal.open("a") as file:
        file.write(f"unit {number}{KILLED}\\n")
partial.rename(result)
"""


class Late(random.Random):
    """Moments in the second half, when the command is at work."""

    def uniform(self, a, b):
        return a + (b - a) * self.choice([0.5, 0.6, 0.7])


@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_a_command_is_killed_resumed_and_compared(script, tmp_path, kind, monkeypatch, capsys):
    # The wrong one starts counting anew after a kill, which its result shows.
    killed = "" if kind == "right" else " {bool(done)}"
    code = COMMAND.replace("{KILLED}", killed)
    monkeypatch.setattr(script, "command_of", lambda *_: [sys.executable, "-c", code])
    monkeypatch.setattr(script, "write_stack", lambda folder: folder)
    outcomes = script.run_all(tmp_path, 4, Late())
    assert len(outcomes) == 4
    cut_short = [o for o in outcomes if "units done" in o.state and o.state != "0 units done"]
    assert cut_short
    different = [o for o in outcomes if o.differences]
    assert different == ([] if kind == "right" else cut_short)
    script.print_table(outcomes)
    table = capsys.readouterr().out
    assert f"{4 - len(different)} of 4 have the same files" in table
    assert table.count("| fnet |") == 2
