"""Numbers as a person reads them."""

from __future__ import annotations

import math
from typing import Any


def number(value: Any) -> str:
    """Return a number with four digits; a dash for one that is not defined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
        return "∞" if math.isinf(value) else text.replace("-", "−")
    return f"{value:,}" if isinstance(value, int) else str(value)
