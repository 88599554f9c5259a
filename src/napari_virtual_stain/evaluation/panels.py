"""The picture of a comparison, drawn with matplotlib's objects; pyplot's state stays untouched."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from napari_virtual_stain.evaluation.colours import FALSE, HIT, MISSED, NEITHER, UNMEASURED, rgb
from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.errors import ERROR_TITLES
from napari_virtual_stain.image import Image

# All lengths in inches.
DPI = 150
PANEL = 2.55
GAP, GROUP_GAP, MARGIN = 0.08, 0.3, 0.25
HEADER, ROW_HEADER, FOOT = 0.75, 0.55, 0.5

INK, FAINT = "#1a1a1a", "#666666"
EAST_ASIAN_FONTS = (
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""For characters of names that matplotlib's own font lacks, where one of them is installed."""

SIGNED = LinearSegmentedColormap.from_list(
    "signed error", ["#b5e2ff", FALSE, "#000000", MISSED, "#fff0cc"]
).with_extremes(bad=UNMEASURED)
GREY = colormaps["gray"].with_extremes(bad=UNMEASURED)


def draw(comparison: Comparison) -> bytes:
    """Return the picture as PNG; ``evaluation.figure`` says what is on it."""
    observed = comparison.observed
    sizes = observed.sizes
    aspect = _aspect(observed)
    panel_height = PANEL * min(1.5, max(0.15, aspect * sizes["Y"] / sizes["X"]))
    row_height = ROW_HEADER + panel_height + FOOT
    lefts = [MARGIN + i * (PANEL + GAP) + (GROUP_GAP - GAP) * (i >= 2) for i in range(6)]
    lefts[5] += GROUP_GAP - GAP
    width = lefts[-1] + PANEL + MARGIN
    height = HEADER + len(comparison.channels) * row_height
    canvas = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(canvas)

    def place(left: float, top: float, wide: float, high: float) -> Axes:
        box = (left / width, 1 - (top + high) / height, wide / width, high / height)
        axes = canvas.add_axes(box)
        axes.set_axis_off()
        return axes

    _page_header(place(MARGIN, 0, width - 2 * MARGIN, HEADER), comparison)
    for index, name in enumerate(comparison.channels):
        top = HEADER + index * row_height
        _row_header(place(MARGIN, top, width - 2 * MARGIN, 0.3), comparison, name)
        top += ROW_HEADER
        panels = [place(left, top, PANEL, panel_height) for left in lefts]
        _fill(panels, comparison, index, aspect)
        top += panel_height + 0.08
        grey = Normalize(*comparison.display_limits[name])
        signed = _zero_is_black(comparison, name)
        _colour_bar(place(lefts[0], top, 2 * PANEL + GAP, 0.09), grey, GREY)
        _colour_bar(place(lefts[2], top, 3 * PANEL + 2 * GAP, 0.09), signed, SIGNED)
        _legend(place(lefts[5], top, PANEL, 0.12))
    png = io.BytesIO()
    with warnings.catch_warnings():
        # A character of a name that no font has is drawn as a box; it is nobody's mistake.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        canvas.savefig(png, format="png")
    return png.getvalue()


def _fill(panels: Sequence[Axes], comparison: Comparison, index: int, aspect: float) -> None:
    name = comparison.channels[index]
    grey, signed = Normalize(*comparison.display_limits[name]), _zero_is_black(comparison, name)
    images = {"observed": comparison.observed, "predicted": comparison.predicted}
    errors = {ERROR_TITLES[kind]: image for kind, image in comparison.errors.items()}
    masks = {which: _flat(mask, index) > 0 for which, mask in comparison.masks.items()}
    for axes, (title, image) in zip(panels, (images | errors).items(), strict=False):
        norm, cmap = (grey, GREY) if title in images else (signed, SIGNED)
        axes.imshow(_flat(image, index), aspect=aspect, norm=norm, cmap=cmap)
        axes.set_title(title, fontsize=9, color=INK, pad=4)
    overlap = _overlap(masks["observed"], masks["predicted"])
    panels[-1].imshow(overlap, aspect=aspect)
    panels[-1].set_title("Otsu masks", fontsize=9, color=INK, pad=4)
    _scale_bar(panels[0], comparison.observed)


def _flat(image: Image, channel: int) -> np.ndarray:
    """Return the YX picture of a channel: middle time point, maximum over Z."""
    image = image.select("C", channel)
    if "T" in image.axes:
        image = image.select("T", image.sizes["T"] // 2)
    pixels = image.numpy()
    # Of NaN, which was not measured, and a number, fmax takes the number.
    return np.asarray(np.fmax.reduce(pixels, axis=0) if "Z" in image.axes else pixels)


def _overlap(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    colours = np.array([rgb(colour) for colour in (NEITHER, MISSED, FALSE, HIT)], np.uint8)
    overlap: np.ndarray = colours[observed.astype(np.uint8) + 2 * predicted.astype(np.uint8)]
    return overlap


def _zero_is_black(comparison: Comparison, name: str) -> TwoSlopeNorm:
    low, high = comparison.error_limits[name]
    return TwoSlopeNorm(0, low, high)


def _aspect(image: Image) -> float:
    size_y, size_x = image.voxel_size.get("Y"), image.voxel_size.get("X")
    return size_y / size_x if size_y and size_x else 1.0


def _page_header(axes: Axes, comparison: Comparison) -> None:
    title = f"{_short(comparison.predicted.name)}  against  {_short(comparison.observed.name)}"
    _write(axes, 0, 0.62, title, fontsize=14, fontweight="bold", color=INK)
    sizes, parts = comparison.observed.sizes, []
    if sizes.get("Z", 1) > 1:
        parts.append(f"maximum projections over {sizes['Z']} planes")
    if sizes.get("T", 1) > 1:
        parts.append(f"time point {sizes['T'] // 2 + 1} of {sizes['T']}")
    parts.append(
        "intensities as predicted"
        if comparison.match == "none"
        else f"prediction matched by {comparison.match}"
    )
    parts.append("scores over all pixels" + (" and time points" if sizes.get("T", 1) > 1 else ""))
    _write(axes, 0, 0.24, "  ·  ".join(parts), fontsize=9, color=FAINT)


def _row_header(axes: Axes, comparison: Comparison, name: str) -> None:
    scores = comparison.metrics[name]
    r = scores["pearson_r"]
    title = _write(axes, 0, 0.5, _short(name), fontsize=12, fontweight="bold", color=INK)
    numbers = (
        "Pearson r not defined" if math.isnan(r) else f"Pearson r = {r:.3f}".replace("-", "−"),
        f"mean |error| {scores['mean_absolute_error']:.4g}",
        f"RMSE {scores['root_mean_squared_error']:.4g}",
    )
    axes.annotate(
        "      ".join(numbers),
        xy=(1, 0.5),
        xycoords=title,
        xytext=(14, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
        color=INK,
    )


def _colour_bar(axes: Axes, norm: Normalize, cmap: str | Colormap) -> None:
    axes.set_axis_on()
    bar = axes.figure.colorbar(ScalarMappable(norm, cmap), cax=axes, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=7, length=2, width=0.4, pad=2, colors=FAINT)


def _legend(axes: Axes) -> None:
    width, height = PANEL, 0.12
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    entries = (("both", HIT), ("observed only", MISSED), ("predicted only", FALSE))
    for left, (label, colour) in zip((0.0, 0.5, 1.5), entries, strict=True):
        axes.add_patch(Rectangle((left, 0), 0.11, 0.11, facecolor=colour, edgecolor=FAINT, lw=0.4))
        axes.text(left + 0.16, 0.05, label, fontsize=7, va="center", color=INK)


def _scale_bar(axes: Axes, image: Image) -> None:
    voxel = image.voxel_size.get("X")
    if voxel is None:
        return
    wide, high = image.sizes["X"], image.sizes["Y"]
    length = _round_length(voxel * wide / 4)
    label = f"{length:g} µm" if length >= 1 else f"{length * 1000:g} nm"
    ends = [0.95 * wide - length / voxel, 0.95 * wide]
    # Upwards from the lower edge in inches, so that it looks the same on an image of any height.
    above = [
        axes.transData + ScaledTranslation(0, inches, axes.figure.dpi_scale_trans)
        for inches in (0.07, 0.11)
    ]
    edge = high - 0.5
    for colour, thickness in (("black", 4.5), ("white", 2.5)):
        bar = Line2D(ends, [edge] * 2, linewidth=thickness, color=colour, solid_capstyle="butt")
        bar.set_transform(above[0])
        axes.add_artist(bar)
    label_box = {"facecolor": "black", "alpha": 0.5, "pad": 1.0, "linewidth": 0}
    axes.text(
        sum(ends) / 2,
        edge,
        label,
        transform=above[1],
        color="white",
        fontsize=8,
        ha="center",
        va="bottom",
        bbox=label_box,
    )


def _round_length(longest: float) -> float:
    power = 10.0 ** math.floor(math.log10(longest))
    return max((step * power for step in (1, 2, 5) if step * power <= longest), default=power)


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> Any:
    # Names are the user's: a dollar sign in one is no formula.
    return axes.text(x, y, text, va="center", parse_math=False, family=fonts(), **style)


def fonts() -> list[str]:
    """Return the fonts for names of the user's, those of East Asian characters among them."""
    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(font for font in EAST_ASIAN_FONTS if font in installed)]


def _short(name: str, longest: int = 60) -> str:
    name = " ".join(name.split())
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
