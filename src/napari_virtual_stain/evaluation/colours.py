"""Colours of what was hit, missed and made up, in every picture alike.

Told apart by people with any common colour vision (Okabe and Ito's orange and sky blue).
"""

from __future__ import annotations

NEITHER, HIT, MISSED, FALSE = "#000000", "#e8e8e8", "#f5a623", "#3f9be8"

UNMEASURED = "#63507a"
"""Where a pixel does not count, or was predicted as no number: no grey value, and no error."""


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of ``#rrggbb``, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
