"""Measurements as a picture: bars of time with their spread, and the error beside them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from napari_virtual_stain.bench.table import Row, rows_by_case

_OURS, _FLOOR, _PEERS = "#0072b2", "#999999", "#d55e00"  # told apart by colour-blind people too
_LEAST_ERROR = 1e-7  # a logarithm has no place for 0


def plot(records: Sequence[dict[str, Any]]) -> str:
    """Return an SVG with two panels for each case.

    Parameters
    ----------
    records : sequence of dict
        As ``bench_events`` returns them.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = [
        (case, done)
        for case, rows in rows_by_case(records).values()
        if (done := [row for row in rows if row.seconds])
    ]
    heights = [1.2 + 0.32 * len(rows) for _, rows in found]
    # The same measurements give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "vstain bench", "font.size": 9}):
        figure = Figure(figsize=(10, sum(heights)), layout="constrained")
        panels = figure.subplots(
            len(found), 2, squeeze=False, sharey="row", height_ratios=heights, width_ratios=[3, 2]
        )
        for (case, rows), (times, errors) in zip(found, panels, strict=True):
            _times(times, rows)
            times.set_title(case.title, loc="left", fontweight="bold")
            _errors(errors, rows)
        content = io.StringIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _times(axes: Any, rows: Sequence[Row]) -> None:
    medians = [row.median for row in rows]
    spread = [
        [row.median - min(row.seconds) for row in rows],
        [max(row.seconds) - row.median for row in rows],
    ]
    places = range(len(rows))
    axes.barh(places, medians, xerr=spread, color=[_colour(row) for row in rows], capsize=2)
    for place, row in zip(places, rows, strict=True):
        axes.text(max(row.seconds), place, f"  {row.median:.3g} s", va="center", fontsize=8)
    axes.set_yticks(places, [_label(row) for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("time (s), median and range")


def _errors(axes: Any, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    colours = [_colour(row) for row in rows]
    rms = [max(row.rms, _LEAST_ERROR) for row in rows]
    largest = [max(row.largest, _LEAST_ERROR) for row in rows]
    axes.hlines(places, rms, largest, colors=colours, linewidth=1)
    axes.scatter(rms, places, c=colours, marker="o", s=24, label="RMS")
    axes.scatter(largest, places, c=colours, marker="|", s=60, label="largest")
    axes.set_xscale("log")
    axes.set_xlim(left=_LEAST_ERROR / 2)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower left", fontsize=7)
    axes.set_xlabel("difference from the whole image (σ)")


def _label(row: Row) -> str:
    return f"{row.contender.name} ({row.contender.precision})"


def _colour(row: Row) -> str:
    return {"engine": _OURS, "whole": _FLOOR}.get(row.contender.way, _PEERS)
