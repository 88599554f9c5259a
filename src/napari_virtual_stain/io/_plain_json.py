"""Values of ours as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(content: Mapping[str, Any]) -> str:
    """Return a mapping as JSON: NumPy scalars as numbers, what JSON lacks as its text."""
    return json.dumps(dict(content), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return dict(value) if isinstance(value, Mapping) else str(value)
