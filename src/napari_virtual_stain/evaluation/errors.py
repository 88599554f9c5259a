"""Error maps: where, and in which direction, a prediction is wrong.

Every map takes the observed and the predicted image as arrays of one shape and
any real dtype, and returns a new float32 array in intensity units. `ERRORS`
names them all.

References
----------
.. [1] Allen Institute for Cell Science, "Fluorescence images without fluorescent markers",
   section "Visualizing the difference".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ErrorMap = Callable[[np.ndarray, np.ndarray], np.ndarray]


def observed_minus_predicted(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Positive where the prediction is too dark: structure that was missed."""
    # Integers beyond 16 bits are not exact in float32, so they are subtracted in float64.
    exact = np.result_type(observed, predicted, np.float32)
    difference: np.ndarray = np.subtract(observed, predicted, dtype=exact)
    return difference.astype(np.float32, copy=False)


def predicted_minus_observed(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Positive where the prediction is too bright: structure (or noise) that was made up."""
    return observed_minus_predicted(predicted, observed)


def absolute_error(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Size of the error, whatever its direction; never negative."""
    difference = observed_minus_predicted(observed, predicted)
    np.abs(difference, out=difference)
    return difference


def relative_error(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Size of the error as a part of the observed value: abs(o − p) / abs(o), without a unit.

    Infinite where the observed value is 0 and the prediction is not; 0 where both are.
    """
    error = absolute_error(observed, predicted)
    size = np.abs(observed.astype(np.float32))
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(error, size, out=error, where=(error != 0) | (size != 0))
    return error


ERRORS: dict[str, ErrorMap] = {
    "observed_minus_predicted": observed_minus_predicted,
    "predicted_minus_observed": predicted_minus_observed,
    "absolute_error": absolute_error,
}
"""All error maps of a comparison, by the name under which they are reported."""

ERROR_TITLES = {
    "observed_minus_predicted": "observed − predicted",
    "predicted_minus_observed": "predicted − observed",
    "absolute_error": "absolute error",
}
"""What a person calls them."""
