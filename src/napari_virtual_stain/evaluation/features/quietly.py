"""A measurement that an object may not have: no warning, no failure, just nothing found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Values = dict[str, np.ndarray]
"""By feature, float64, one value for each object."""

UNMEASURABLE = (ArithmeticError, LookupError, ValueError)
"""What an object that is too small, or empty, may raise."""


def quietly(function: Callable[..., Mapping[str, Any]], *arguments: Any) -> Mapping[str, Any]:
    """Return what a function of `cp_measure` returns; nothing where it fails."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*arguments)
        except UNMEASURABLE:
            return {}
