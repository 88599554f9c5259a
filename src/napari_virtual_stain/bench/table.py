"""Measurements as a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_virtual_stain.bench.cases import NETWORKS, Case
from napari_virtual_stain.bench.contenders import CONTENDERS, Contender

FLOOR = "whole-tuned"
"""The contender that times are compared with."""


@dataclass(frozen=True)
class Row:
    """What was measured of one contender on one case.

    Parameters
    ----------
    contender : Contender
    seconds : tuple of float
        Of all predictions; empty where it failed.
    peak : float
        Bytes, the median over processes.
    largest, rms : float
        Differences from the whole-image result in its standard deviations, the largest of
        all processes.
    first : float or None
        Seconds of the first prediction of the engine on a machine, which is not among `seconds`.
    precision : str
        That the engine settled on.
    error : str
        Why it failed, if it did.
    """

    contender: Contender
    seconds: tuple[float, ...] = ()
    peak: float = 0.0
    largest: float = 0.0
    rms: float = 0.0
    first: float | None = None
    precision: str = ""
    error: str = ""

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)


def rows_by_case(records: Iterable[dict[str, Any]]) -> dict[str, tuple[Case, list[Row]]]:
    """Return the rows of each case, keyed by its name in files, in the order of the contenders."""
    measured = [record for record in records if "case" in record]
    found = {}
    for key in dict.fromkeys(record["case"] for record in measured):
        of_case = [record for record in measured if record["case"] == key]
        rows = [
            _row(contender, own)
            for contender in CONTENDERS
            if (own := [r for r in of_case if r["contender"] == contender.name])
        ]
        found[key] = (_case(key), rows)
    return found


def table(records: Sequence[dict[str, Any]], plot: str) -> str:
    """Return a Markdown page with a table for each case.

    Parameters
    ----------
    records : sequence of dict
        As ``bench_events`` returns them; the first describes the machine.
    plot : str
        Name of the file that shows the same.
    """
    machine, repeats = records[0]["machine"], records[0]["repeats"]
    device = machine["device"]
    lines = [
        f"# Engines compared: {machine['description']}",
        "",
        "Made by `vstain bench`: " + _circumstances(machine, repeats),
        "",
        f"![time and error of each contender]({plot})",
    ]
    for case, rows in rows_by_case(records).values():
        floor = next((r.median for r in rows if r.contender.name == FLOOR and r.seconds), None)
        lines += ["", f"## {case.title}", "", *_head()]
        lines += [_line(row, case, device, floor) for row in rows]
        firsts = [f"{r.contender.name} {r.first:.2f} s" for r in rows if r.first is not None]
        if firsts:
            lines += ["", f"The engine's first prediction, not counted above: {', '.join(firsts)}."]
    return "\n".join(lines) + "\n"


def _circumstances(machine: dict[str, Any], repeats: int) -> str:
    where = f"{machine['processor']}, {machine['vector_unit']}, PyTorch {machine['torch']}"
    times = "one prediction" if repeats == 1 else f"{repeats} predictions"
    warm = (
        "after a prediction of a small image (kernels are set up then, while the memory of the "
        "prediction is touched for the first time by it, as in a command that predicts one image)"
        if machine["device"] == "cpu"
        else "after one of the same image"
    )
    return (
        f"{where}. Random weights and an image of random grey values, the same for all; each round "
        f"takes a fresh process for each contender, in turn, and times {times}, {warm}. "
        "*Time* is the median [lowest–highest], from array to array. This engine is called as "
        "`predict`, with the raw uint16 image: its time includes statistics, normalization and "
        "preparing the network; all others are given the normalized image and a network that is "
        "ready. *Memory* is the highest above what the imported libraries take (image, network and "
        "result included). *Differences* are from one forward of the whole image in float32, in "
        "standard deviations of that."
    )


def _head() -> list[str]:
    names = (
        "contender", "tiles", "BatchNorm", "layout", "precision", "allocator",
        "time", "÷ floor", "memory", "max difference", "RMS difference",
    )  # fmt: skip
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


def _line(row: Row, case: Case, device: str, floor: float | None) -> str:
    cells = [row.contender.title, *row.contender.given(case, device, row.precision).values()]
    if not row.seconds:
        return f"| {' | '.join(cells)} | {row.error.replace('|', ' ')} | | | | |"
    return "| " + " | ".join([*cells, *_figures(row, floor)]) + " |"


def _figures(row: Row, floor: float | None) -> list[str]:
    digits = 2 if row.median >= 1 else 3
    low, high = min(row.seconds), max(row.seconds)
    return [
        f"{row.median:.{digits}f} s [{low:.{digits}f}–{high:.{digits}f}]",
        f"{row.median / floor:.2f}" if floor else "",
        f"{row.peak / 2**30:.2f} GiB",
        f"{row.largest:.1e} σ",
        f"{row.rms:.1e} σ",
    ]


def _row(contender: Contender, records: Sequence[dict[str, Any]]) -> Row:
    good = [r for r in records if "error" not in r and r["round"] > 0]
    first = next((r["seconds"][0] for r in records if not r["round"] and "error" not in r), None)
    if not good:
        return Row(contender, first=first, error=records[-1].get("error", ""))
    return Row(
        contender,
        tuple(second for record in good for second in record["seconds"]),
        statistics.median(record["peak"] for record in good),
        max(record["largest"] for record in good),
        max(record["rms"] for record in good),
        first,
        good[-1].get("precision", ""),
    )


def _case(key: str) -> Case:
    network = next(name for name in NETWORKS if key.startswith(f"{name}-"))
    return Case(network, tuple(map(int, key.removeprefix(f"{network}-").split("x"))))
