"""The plots of features: how well each of them follows the observed one."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from napari_virtual_stain.evaluation.features.measuring import GROUPS
from napari_virtual_stain.evaluation.features.result import FeatureComparison, FeatureCorrelation
from napari_virtual_stain.evaluation.panels import fonts

INK, FAINT, UNKNOWN = "#1a1a1a", "#666666", "#d9d9d9"
COLOURS = dict(zip(GROUPS, ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"), strict=True))
"""Of the groups; told apart with any common colour vision (Okabe and Ito)."""

# All lengths in inches.
ROW, COLUMN, GAP = 0.125, 0.34, 0.25
NAMES, ABOVE, BAR, MARGIN = 1.8, 1.05, 0.75, 0.1


def heat_map(features: FeatureComparison) -> Figure:
    """Draw r of each feature: rows by group, columns by channel and compartment."""
    found = features.correlations
    parts = [
        [one for one in found if (one.group == "correlation") is of_pairs]
        for of_pairs in (False, True)
    ]
    tables = [_Table(part) for part in parts if part]
    if not tables:
        return _empty("no cell was measured")
    width = NAMES + COLUMN * max(len(table.columns) for table in tables) + BAR
    heights = [ABOVE + ROW * len(table.rows) for table in tables]
    height = sum(heights) + MARGIN + GAP * (len(tables) - 1)
    figure = _figure(width, height)
    top = 0.0
    for table, tall in zip(tables, heights, strict=True):
        box = (
            NAMES / width,
            1 - (top + tall) / height,
            COLUMN * len(table.columns) / width,
            (tall - ABOVE) / height,
        )
        axes = figure.add_axes(box)
        shown = table.draw(axes)
        if not top:
            bar = (1 - (BAR - 0.2) / width, box[1] + 0.25 * box[3], 0.1 / width, 0.5 * box[3])
            legend = figure.colorbar(shown, cax=figure.add_axes(bar))
            legend.ax.tick_params(labelsize=7, colors=FAINT, length=2)
            legend.ax.set_title("r", fontsize=8, color=INK)
        top += tall + GAP
    return figure


def histogram(features: FeatureComparison) -> Figure:
    """Draw how many features, of all channels and compartments, have which r."""
    figure = _figure(4.2, 3.1)
    axes = figure.add_axes((0.11, 0.14, 0.85, 0.83))
    known = {
        group: [
            one.r for one in features.correlations if one.group == group and not math.isnan(one.r)
        ]
        for group in GROUPS
    }
    known = {group: values for group, values in known.items() if values}
    if not known:
        return _empty("no correlation is defined")
    everything = [r for values in known.values() for r in values]
    low = min(0.0, math.floor(10 * min(everything)) / 10)
    axes.hist(
        list(known.values()),
        bins=[step / 20 for step in range(round(20 * low), 21)],
        stacked=True,
        histtype="stepfilled",
        color=[COLOURS[group] for group in known],
        label=list(known),
    )
    median = features.median_r()
    axes.axvline(median, color=INK, linewidth=1, linestyle="--", label=f"median {median:.2f}")
    axes.set_xlim(low, 1)
    axes.set_xlabel("Pearson r of a feature, observed and predicted", fontsize=8, color=INK)
    axes.set_ylabel("features", fontsize=8, color=INK)
    axes.legend(frameon=False, fontsize=7, loc="upper left")
    axes.tick_params(labelsize=7)
    _quiet(axes)
    return figure


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, on white."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A character of a name that no font has is drawn as a box; it is nobody's mistake.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.savefig(file, format="png", dpi=150, facecolor="white")
    return file.getvalue()


class _Table:
    """Correlations by feature (rows) and by channel and compartment (columns)."""

    def __init__(self, found: Sequence[FeatureCorrelation]) -> None:
        ordered = sorted(found, key=lambda one: GROUPS.index(one.group))
        self.rows = list(dict.fromkeys((one.group, one.feature) for one in ordered))
        self.columns = list(dict.fromkeys((one.channel, one.compartment) for one in found))
        self.values = np.full((len(self.rows), len(self.columns)), np.nan)
        for one in found:
            row = self.rows.index((one.group, one.feature))
            self.values[row, self.columns.index((one.channel, one.compartment))] = one.r

    def draw(self, axes: Axes) -> AxesImage:
        axes.set_facecolor(UNKNOWN)
        shown = axes.imshow(
            np.ma.masked_invalid(self.values),
            cmap="RdBu",
            vmin=-1,
            vmax=1,
            aspect="auto",
            interpolation="nearest",
        )
        names = [feature.split("_", 1)[1].replace("_", " ") for _, feature in self.rows]
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.xaxis.tick_top()
        axes.set_xticks(
            range(len(self.columns)), [of for _, of in self.columns], fontsize=7, rotation=90
        )
        self._groups(axes)
        self._channels(axes)
        _quiet(axes)
        axes.tick_params(length=0)
        return shown

    def _groups(self, axes: Axes) -> None:
        across = axes.get_yaxis_transform()
        for group, first, last in _runs([group for group, _ in self.rows]):
            middle = (first + last) / 2
            left = -(NAMES - 0.2) / (COLUMN * len(self.columns))
            axes.text(
                left,
                middle,
                group.replace(" ", "\n"),
                linespacing=1,
                transform=across,
                fontsize=7,
                rotation=90,
                ha="center",
                va="center",
                color=COLOURS[group],
                fontweight="bold",
            )
            if last < len(self.rows) - 1:
                axes.axhline(last + 0.5, color="white", linewidth=2)

    def _channels(self, axes: Axes) -> None:
        above = axes.get_xaxis_transform()
        up = 1 + 0.72 / (ROW * len(self.rows))
        for channel, first, last in _runs([channel for channel, _ in self.columns]):
            lines = channel.split(" × ")
            text = " ×\n".join(name[:10] for name in lines)
            # Names are the user's: a dollar sign in one is no formula.
            axes.text(
                (first + last) / 2,
                up,
                text,
                transform=above,
                fontsize=7,
                ha="center",
                va="bottom",
                color=INK,
                parse_math=False,
                family=fonts(),
            )
            if last < len(self.columns) - 1:
                axes.axvline(last + 0.5, color="white", linewidth=2)


def _runs(names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return each name that stands in a row, with its first and last position."""
    found: list[tuple[str, int, int]] = []
    for position, name in enumerate(names):
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1], position)
        else:
            found.append((name, position, position))
    return found


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="none")
    FigureCanvasAgg(figure)
    return figure


def _empty(text: str) -> Figure:
    figure = _figure(3.1, 0.6)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, color=FAINT)
    return figure


def _quiet(axes: Axes) -> None:
    axes.tick_params(colors=FAINT)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
