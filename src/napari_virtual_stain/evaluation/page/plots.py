"""The plots of a page: grey values and bins against each other, errors over the tolerance."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from napari_virtual_stain.evaluation.calibration import Calibration
from napari_virtual_stain.evaluation.confusion import Confusion
from napari_virtual_stain.evaluation.moments import counted
from napari_virtual_stain.evaluation.spectrum import RingCorrelation
from napari_virtual_stain.evaluation.tolerance import Tolerance

SIDE = 3.1
"""Of a plot, in inches."""

BINS = 64
MODELS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of models, told apart by people with any common colour vision."""

INK, FAINT, ACCENT, SECOND = "#1a1a1a", "#666666", "#0072b2", "#d55e00"


class Plot:
    """A plot that is being drawn; in the end, the address of an ``img`` that holds it."""

    address = ""


def against(
    observed: np.ndarray,
    predicted: np.ndarray,
    limits: tuple[float, float],
    mask: np.ndarray | None = None,
) -> str:
    """Draw how often each observed grey value was predicted as which."""
    edges = np.linspace(*limits, BINS + 1)
    counts = np.zeros((BINS, BINS))
    for o, p in counted(observed, predicted, mask):
        if np.isnan(p).any():
            o, p = o[~np.isnan(p)], p[~np.isnan(p)]
        counts += np.histogram2d(p.clip(*limits), o.clip(*limits), bins=(edges, edges))[0]
    with _plot("observed", "predicted") as (plot, axes):
        axes.pcolormesh(
            edges,
            edges,
            counts,
            norm=LogNorm(1, max(2, counts.max())),
            cmap="viridis",
            rasterized=True,
        )
        axes.plot(limits, limits, color=SECOND, linewidth=1)
        axes.set_aspect("equal")
    return plot.address


def bins(confusion: Confusion) -> str:
    """Draw a confusion matrix, each observed bin a row that adds up to 100 %."""
    shares = 100 * confusion.shares
    count = len(shares)
    with _plot("predicted bin", "observed bin") as (plot, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, origin="lower", rasterized=True)
        for row, column in np.ndindex(shares.shape):
            share = shares[row, column]
            if share >= 0.5:
                colour = "white" if share > 55 else INK
                text = f"{share:.0f}"
                # Within the axes, so that no room has to be found for it, which takes long.
                axes.text(
                    column, row, text, ha="center", va="center", fontsize=6, color=colour
                ).set_in_layout(False)
        axes.set_xticks(range(count), [f"{n / count:.1f}" for n in range(count)])
        axes.set_yticks(range(count), [f"{n / count:.1f}" for n in range(count)])
    return plot.address


def tolerances(found: Tolerance) -> str:
    """Draw the errors of intensity and of place over the tolerance."""
    percent = 100 * found.levels
    with _plot("tolerance, % of the range", "error, % of the whole") as (plot, axes):
        axes.plot(percent, 100 * found.intensity_error, color=ACCENT, label="intensity")
        axes.plot(percent, 100 * found.spatial_error, color=SECOND, label="place")
        axes.plot(percent, 100 * found.total, color=INK, label="both")
        if np.isfinite(found.index):
            axes.plot(100 * found.level, 100 * found.index, "o", color=INK, markersize=4)
        axes.set_xlim(0, 100)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=7)
    return plot.address


def spectrum(found: RingCorrelation, unit: str) -> str:
    """Draw the correlation of the spectra over the fineness of structures."""
    with _plot(f"fineness, 1/{unit}", "correlation") as (plot, axes):
        axes.plot(found.frequencies, found.correlation, color=ACCENT)
        axes.axhline(1 / 7, color=FAINT, linewidth=0.8, linestyle="--")
        resolution = found.resolution()
        if np.isfinite(resolution):
            axes.axvline(1 / resolution, color=SECOND, linewidth=0.8)
        axes.set_xlim(left=0)
        axes.set_ylim(min(0.0, float(np.nanmin([0.0, *found.correlation]))), 1.02)
    return plot.address


def coverage(found: Calibration) -> str:
    """Draw how many pixels lie within the intervals that σ promises."""
    with _plot("promised, % of the pixels", "true, % of the pixels") as (plot, axes):
        axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle="--")
        axes.plot(
            100 * np.array(found.nominal),
            100 * np.array(found.observed),
            "o-",
            color=ACCENT,
            markersize=3,
        )
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.set_aspect("equal")
    return plot.address


def boxes(values: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> str:
    """Draw a score of each image as boxes and dots, by channel and model."""
    models = list(next(iter(values.values()), {}))
    step = min(0.36, 0.84 / max(1, len(models)))
    colours = MODELS
    with _plot("", title) as (plot, axes):
        for place, of_models in enumerate(values.values()):
            for which, scores in enumerate(of_models.values()):
                at = place + step * (which - (len(models) - 1) / 2)
                colour = colours[which % len(colours)]
                if scores:
                    axes.boxplot(
                        [scores],
                        positions=[at],
                        widths=0.78 * step,
                        showfliers=False,
                        medianprops={"color": colour},
                        boxprops={"color": FAINT},
                    )
                across = (
                    at + 0.28 * step * np.linspace(-1, 1, len(scores)) if len(scores) > 1 else [at]
                )
                axes.plot(across[: len(scores)], scores, "o", markersize=2.5, color=colour)
        for which, model in enumerate(models):
            axes.plot([], [], "o", color=colours[which % len(colours)], label=model)
        names = axes.set_xticks(range(len(values)), [name[:16] for name in values])
        texts = [tick.label1 for tick in names]
        if len(models) > 1:
            texts += axes.legend(frameon=False, fontsize=7).get_texts()
        for text in texts:
            # Names are the user's: a dollar sign in one is no formula.
            text.set_parse_math(False)
    return plot.address


def tolerances_of_models(found: Mapping[str, Tolerance]) -> str:
    """Draw the errors of several models over the tolerance, with their lowest points."""
    with _plot("tolerance, % of the range", "error, % of the whole") as (plot, axes):
        for which, (model, one) in enumerate(found.items()):
            colour = MODELS[which % len(MODELS)]
            axes.plot(100 * one.levels, 100 * one.total, color=colour, label=model)
            if np.isfinite(one.index):
                axes.plot(100 * one.level, 100 * one.index, "o", color=colour, markersize=4)
        axes.set_xlim(0, 100)
        # Without any tolerance every pixel is wrong, for any model; what follows tells them apart.
        later = [one.total[2:].max() for one in found.values() if np.isfinite(one.index)]
        axes.set_ylim(0, 115 * max(later, default=1.0))
        for text in axes.legend(frameon=False, fontsize=7).get_texts():
            text.set_parse_math(False)
    return plot.address


def matrix(means: np.ndarray, models: Sequence[str], data_sets: Sequence[str], better: str) -> str:
    """Draw the mean score of each model (row) on each data set (column); darker is better."""
    cmap = "Blues_r" if better.startswith("lower") else "Blues"
    known = means[np.isfinite(means)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    # Room, so that nearly equal means do not look like opposites.
    room = 1.3 * max(0.2 * max(abs(low), abs(high)), high - low) or 1.0
    ends = (high - room, high) if better.startswith("higher") else (low, low + room)
    with _plot("tested on", "model") as (plot, axes):
        axes.imshow(means, cmap=cmap, vmin=ends[0], vmax=ends[1], rasterized=True)
        for row, column in np.ndindex(means.shape):
            mean = means[row, column]
            share = (mean - ends[0]) / (ends[1] - ends[0])
            dark = share > 0.6 if better.startswith("higher") else share < 0.4
            text = f"{mean:.3g}" if np.isfinite(mean) else "–"
            colour = "white" if dark else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(len(data_sets)), [name[:16] for name in data_sets], rotation=30)
        axes.set_yticks(range(len(models)), [name[:16] for name in models])
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            # Names are the user's: a dollar sign in one is no formula.
            label.set_parse_math(False)
    return plot.address


@contextmanager
def _plot(across: str, upwards: str) -> Iterator[tuple[Plot, Axes]]:
    """Yield axes with their labels, and what holds the picture afterwards."""
    figure = Figure(figsize=(SIDE, SIDE), layout="constrained", facecolor="none")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(across, fontsize=8, color=INK)
    axes.set_ylabel(upwards, fontsize=8, color=INK)
    axes.tick_params(labelsize=7, colors=FAINT)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
    plot = Plot()
    yield plot, axes
    file = io.BytesIO()
    # No date and no random names, so that the same comparison gives the same page.
    with rc_context({"svg.hashsalt": "plot"}):
        figure.savefig(file, format="svg", dpi=110, metadata={"Date": None})
    encoded = base64.b64encode(file.getvalue()).decode()
    plot.address = f"data:image/svg+xml;base64,{encoded}"
