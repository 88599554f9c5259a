"""Rounds of measurements: in each, every contender predicts once, in a process of its own.

Rounds are interleaved, so that what else the machine does meets all contenders alike. Every
measurement is kept as soon as it is made, and a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_virtual_stain.bench.cases import Case, Sizes, cases
from napari_virtual_stain.bench.contenders import Contender, chosen
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress, Work
from napari_virtual_stain.io.records import append_record, read_records

PROCESS = "napari_virtual_stain.bench.contender_process"

Record = dict[str, Any]


class Failed(Exception):
    """A process ended without an answer; the message says how, in a few words."""


def bench_events(
    folder: Path,
    *,
    networks: Sequence[str] = (),
    sizes: Sequence[Sizes] = (),
    only: Sequence[str] = (),
    device: str = "auto",
    rounds: int = 5,
    repeats: int = 1,
    time_limit: float = 900,
    overwrite: bool = False,
) -> Work[tuple[str, list[Record]]]:
    """Measure contenders, as a generator of events.

    Parameters
    ----------
    folder : Path
        Where measurements are kept, as JSON lines. Those that are there are not made again.
    networks, sizes : sequences
        As for :func:`cases`.
    only : sequence of str
        Names of the contenders; by default all that are installed.
    device : {"auto", "cpu", "cuda", "mps"}
    rounds : int
        Processes for each contender and case.
    repeats : int
        Predictions timed in each process.
    time_limit : float
        Seconds after which a process is ended.
    overwrite : bool
        Make all measurements anew.

    Returns
    -------
    device : str
        ``cpu``, ``cuda`` or ``mps``, the name of the file in `folder`.
    records : list of dict
        The machine, then one for each process: ``case``, ``contender``, ``round`` and what
        it measured, or ``error``.

    Raises
    ------
    VirtualStainError
        If a name is unknown, or the folder holds measurements of another machine or version.
    """
    contenders = []
    for contender in chosen(only):
        if contender.is_installed:
            contenders.append(contender)
        else:
            yield Notice(
                f"{contender.name} is left out: {contender.package} is not installed "
                f"(pip install {contender.package}).",
                warning=True,
            )
    try:
        machine = run_process({"task": "machine", "device": device}, time_limit)
    except Failed as failure:
        raise VirtualStainError(f"nothing can be measured on {device!r}: {failure}.") from None
    device = machine["device"]
    found = cases(networks, sizes, device)  # type: ignore[arg-type]
    path = folder / f"{device}.jsonl"
    header = {"machine": machine, "repeats": repeats}
    records = [] if overwrite else read_records(path)
    if records and records[0] != header:
        raise VirtualStainError(
            f"{path} holds measurements of another machine, version or number of repeats, which "
            "cannot be compared; choose another folder, or ask for it to be replaced (--overwrite)."
        )
    if not records:
        append_record(path, header, anew=True)
        records = [header]
    for case in found:
        records += yield from _rounds(
            path, case, contenders, records, device, rounds, repeats, time_limit
        )
    return device, records


def _rounds(
    path: Path,
    case: Case,
    contenders: Sequence[Contender],
    before: Iterable[Record],
    device: str,
    rounds: int,
    repeats: int,
    time_limit: float,
) -> Work[list[Record]]:
    made = {
        (record["contender"], record["round"])
        for record in before
        if record.get("case") == case.key and "error" not in record
    }
    # Round 0 is not counted: what the engine measures once on a machine, and then remembers.
    missing = [
        (number, contender)
        for number in range(rounds + 1)
        for contender in contenders
        if (number or contender.way == "engine") and (contender.name, number) not in made
    ]
    if not missing:
        return []
    reference = path.with_name(f".{device}-{case.key}.reference.ome.tif")
    common = {"case": asdict(case), "device": device, "path": str(reference)}
    records: list[Record] = []
    failed: set[str] = set()
    try:
        yield Progress(f"{case.title}: reference", 0, len(missing) + 1)
        try:
            checksum = run_process({"task": "reference", **common}, time_limit)["checksum"]
        except Failed as failure:
            raise VirtualStainError(
                f"{case.title} cannot be measured: its whole-image result {failure}."
            ) from None
        for done, (number, contender) in enumerate(missing, start=1):
            yield Progress(f"{case.title}: {contender.name}", done, len(missing) + 1)
            if contender.name in failed:
                continue
            record: Record = {"case": case.key, "contender": contender.name, "round": number}
            job = {"contender": contender.name, "repeats": repeats, "checksum": checksum}
            try:
                record |= run_process({"task": "measure", **job, **common}, time_limit)
            except Failed as failure:
                record["error"] = str(failure)
                failed.add(contender.name)
                yield Notice(f"{case.title}: {contender.name} {failure}.", warning=True)
            append_record(path, record)
            records.append(record)
    finally:
        reference.unlink(missing_ok=True)
    return records


def run_process(job: Record, time_limit: float) -> Record:
    """Do a job in a fresh process and return its answer.

    Raises
    ------
    Failed
        If it took too long, was killed, or raised an error.
    """
    command = [sys.executable, "-W", "ignore", "-m", PROCESS, json.dumps(job)]
    try:
        ended = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
            command, capture_output=True, text=True, encoding="utf-8", timeout=time_limit
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {time_limit:g} s") from None
    if ended.returncode < 0:
        raise Failed(f"was killed by signal {-ended.returncode}, as when memory runs out")
    if ended.returncode:
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        raise Failed(f"failed with {said[-1][:300] if said else 'no explanation'}")
    answer: Record = json.loads(ended.stdout.splitlines()[-1])
    return answer
