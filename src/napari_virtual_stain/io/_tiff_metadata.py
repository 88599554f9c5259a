"""What TIFF files say of their pixels: voxel size, channel names, time step, provenance.

OME-XML is read without validation. Files in the wild are often not quite valid
(``PhysicalSizeZ="0"``, a missing ID), and a strict reader would lose the rest of what
they say. What we write is valid: see :mod:`.ome_tiff`.
"""

from __future__ import annotations

import json
import math
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROVENANCE = "napari-virtual-stain/provenance"
"""Namespace of the OME annotation that holds :attr:`Image.provenance` as JSON."""

PLAUSIBLE = (1e-4, 1e4)
"""Voxel sizes in µm that a microscope can have."""

FINEST_PRINT = 10.0
"""µm per pixel. Resolution in inches and centimetres is as a rule that of screens, cameras and
printers (72 to 2400 dpi, that is 353 to 10.6 µm) and has nothing to do with the specimen. Only
what is finer than any of them is believed."""

MICROMETRES = {
    "pm": 1e-6, "\u00c5": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3, "\u03bcm": 1.0,
    "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "mm": 1e3,
    "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4, "in": 25400.0, "inch": 25400.0,
    "inches": 25400.0, "dm": 1e5, "m": 1e6, "meter": 1e6,
}  # fmt: skip
PRINT_UNITS = ("cm", "centimeter", "in", "inch", "inches")
SECONDS = {
    "ns": 1e-9, "\u03bcs": 1e-6, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0,
    "second": 1.0, "seconds": 1.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0,
    "hr": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0,
}  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """What a file says, not yet checked against the axes of its image."""

    voxel_size: Mapping[str, float] = field(default_factory=dict)
    channels: Sequence[str] = ()
    time_step: float | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def plausible(size: float) -> bool:
    """Whether a voxel of `size` µm can be one of a microscope."""
    return PLAUSIBLE[0] <= size <= PLAUSIBLE[1]


def from_ome(xml: str, index: int, n_series: int, series_name: str) -> Metadata:
    """Return what OME-XML says of the image that tifffile reads as series `index`.

    Parameters
    ----------
    xml : str
        Well-formed XML; it need not be valid OME-XML.
    index, n_series : int
        Position and number of tifffile's series.
    series_name : str
        The series' name, by which its image is found where tifffile has left out others.
    """
    # tifffile has parsed the same text, and expat neither opens other files nor lets entities grow.
    root = ET.fromstring(xml)  # noqa: S314
    images = list(_children(root, "Image"))
    if len(images) != n_series:
        images = [image for image in images if image.get("Name", "") == series_name]
        index = 0
    pixels = next(_children(images[index], "Pixels"), None) if index < len(images) else None
    if pixels is None:
        return Metadata()

    names = [channel.get("Name", "") for channel in _children(pixels, "Channel")]
    return Metadata(
        voxel_size={
            axis: size
            for axis in "ZYX"
            if (size := _quantity(pixels, f"PhysicalSize{axis}", MICROMETRES, "µm")) is not None
        },
        channels=tuple(n or f"channel {i}" for i, n in enumerate(names, 1)) if any(names) else (),
        time_step=_positive(_quantity(pixels, "TimeIncrement", SECONDS, "s")),
        provenance=_provenance(root, images[index]),
    )


def from_imagej(meta: Mapping[str, Any], tags: Any) -> Metadata:
    r"""Return what ImageJ's description and resolution tags say.

    ImageJ counts resolution in pixels per ``unit``; that is a word such as ``micron``,
    ``\u00B5m``, ``inch`` or ``pixel``.
    """
    unit = _word(meta.get("unit"))
    voxel_size = from_resolution(tags, unit or None)
    z_unit = _word(meta.get("zunit")) or unit
    spacing, scale = _number(meta.get("spacing")), in_units(z_unit, MICROMETRES)
    # Where the unit is that of a print, the spacing is no better than the resolution.
    if spacing is not None and scale and (voxel_size or z_unit.lower() not in PRINT_UNITS):
        voxel_size["Z"] = spacing * scale

    interval = _number(meta.get("finterval"))
    seconds = in_units(meta.get("tunit", "s"), SECONDS)
    return Metadata(
        voxel_size=voxel_size,
        channels=_label_names(meta),
        time_step=_positive(interval * seconds) if interval and seconds else None,
    )


def from_resolution(tags: Any, unit: str | None = None) -> dict[str, float]:
    """Return the pixel size in µm that the TIFF resolution tags give, for X and Y.

    Parameters
    ----------
    tags : tifffile.TiffTags
    unit : str, optional
        The unit, where another place names it; else the ResolutionUnit tag does, which knows
        only inch (2) and centimetre (3).
    """
    if unit is None:
        unit = {2: "inch", 3: "cm"}.get(int(tags.valueof(296, 1)), "")
    scale = in_units(unit, MICROMETRES)
    sizes: dict[str, float] = {}
    for axis, code in (("X", 282), ("Y", 283)):
        pixels, units = tags.valueof(code, (0, 1))
        if pixels and scale:
            size = units / pixels * scale
            if unit.lower() not in PRINT_UNITS or size <= FINEST_PRINT:
                sizes[axis] = size
    return sizes


def _label_names(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """Slice labels as channel names: where each channel has one label in all its planes."""
    count = int(meta.get("channels", 1))
    labels = meta.get("Labels")
    if count < 2 or not isinstance(labels, Sequence) or isinstance(labels, str):
        return ()
    of_channel = [{str(label).strip() for label in labels[i::count]} for i in range(count)]
    if len(labels) % count or not all(len(names) == 1 for names in of_channel):
        return ()
    names = tuple(names.pop() for names in of_channel)
    return names if all(names) and len(set(names)) == count else ()


def _provenance(root: ET.Element, image: ET.Element) -> dict[str, Any]:
    wanted = {reference.get("ID") for reference in _children(image, "AnnotationRef")}
    for structured in _children(root, "StructuredAnnotations"):
        for annotation in _children(structured, "CommentAnnotation"):
            if annotation.get("Namespace") == PROVENANCE and annotation.get("ID") in wanted:
                value = next(_children(annotation, "Value"), None)
                try:
                    content = json.loads(value.text or "") if value is not None else None
                except json.JSONDecodeError:
                    content = None
                return content if isinstance(content, dict) else {}
    return {}


def _children(element: ET.Element, name: str) -> Iterator[ET.Element]:
    # The namespace carries the year of the schema, which differs between files.
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def _quantity(
    element: ET.Element, attribute: str, units: Mapping[str, float], default: str
) -> float | None:
    number = _number(element.get(attribute))
    scale = in_units(element.get(f"{attribute}Unit", default), units)
    return None if number is None or scale is None else number * scale


def in_units(unit: Any, units: Mapping[str, float]) -> float | None:
    """Return what a unit is in the unit of the table `units`, None where it is not in it."""
    word = _word(unit)
    return units.get(word, units.get(word.lower()))


def _word(unit: Any) -> str:
    # ImageJ escapes the micro sign. Of micro and angstrom there are two signs each: NFKC makes one.
    text = unit.replace(r"\u00B5", "µ") if isinstance(unit, str) else ""
    return unicodedata.normalize("NFKC", text).strip()


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _positive(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value > 0 else None
