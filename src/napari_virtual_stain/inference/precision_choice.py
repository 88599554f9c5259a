"""Which precision a network runs in, if that is left open: measured, not assumed.

Reduced precision is faster on devices with arithmetic of their own for it, and slower on others;
how far its result strays depends on the weights. Both are measured on a part of the real
image, once for each network and device.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_virtual_stain.inference.remembered import recall, remember

if TYPE_CHECKING:
    import numpy as np
    import torch

Reduced = Literal["bf16", "fp16"]

MIN_GAIN = 1.3
"""Below this, the time saved is not worth any difference."""

TOLERANCE = 0.03
"""RMS difference from fp32, in σ of its result. It lowers a correlation with anything by less than
0.0005. bf16 keeps 8 bits of each number, which leaves 0.006 to 0.017 σ in the networks of this
package, trained or random."""

_CLEARLY_FASTER = 1.1
_TIMED = 3


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision, and what the reduced one was measured to do.

    Parameters
    ----------
    precision : {"fp32", "bf16", "fp16"}
        To run in.
    gain : float
        How many times as fast as fp32 the reduced precision is; 1 where none was tried.
    difference, largest : float
        How far its result is from that of fp32, RMS and at most, in σ of the latter; infinite
        where it is no number.
    tried : {"bf16", "fp16"} or None
        The reduced precision that the figures are of: the one chosen, or the last refused.
    """

    precision: Literal["fp32", "bf16", "fp16"]
    gain: float = 1.0
    difference: float = 0.0
    largest: float = 0.0
    tried: Reduced | None = None

    @property
    def reason(self) -> str:
        """Why, as part of a sentence for the user."""
        if self.tried is None:
            return "fp32: this device has no other precision to offer"
        if self.precision != "fp32":
            return (
                f"{self.precision}: {self.gain:.1f} times as fast as fp32 on this device, and "
                f"differs by {self.difference:.2g} σ"
            )
        if self.gain < MIN_GAIN:
            return f"fp32: {self.tried} is only {self.gain:.1f} times as fast on this device"
        if not math.isfinite(self.difference):
            return f"fp32: with this model, {self.tried} does not yield numbers throughout"
        return f"fp32: {self.tried} differs by {self.difference:.2g} σ, more than {TOLERANCE} σ"


def choose_precision(
    run: Callable[[str], np.ndarray], device: torch.device, key: str
) -> PrecisionChoice:
    """Return the fastest precision whose result stays near that of fp32.

    A reduced one has to be :data:`MIN_GAIN` times as fast as fp32, and its result finite
    and within :data:`TOLERANCE`. bf16 goes before fp16, which is more
    exact but has a smaller range: that one tile stays within it promises nothing for others.

    Parameters
    ----------
    run : callable
        Computes one real tile in the precision that it is called with, and returns its result
        as an array of float32. It is called a few times for each.
    device : torch.device
    key : str
        What the choice is remembered by, in this process and on disk.
    """
    known = _recalled(key)
    if known is not None:
        return known
    choice = _measured(run, _candidates(device))
    remember("precision", key, asdict(choice))
    return choice


def _measured(run: Callable[[str], np.ndarray], candidates: tuple[Reduced, ...]) -> PrecisionChoice:
    if not candidates:
        return PrecisionChoice("fp32")
    exact, seconds = _timed(run, "fp32", math.inf)
    choice = PrecisionChoice("fp32")
    for candidate in candidates:
        result, own_seconds = _timed(run, candidate, seconds)
        gain = seconds / own_seconds
        difference, largest = _differences(result, exact)
        near = difference <= TOLERANCE
        if choice.precision == "fp32":
            precision = candidate if near and gain >= MIN_GAIN else "fp32"
            choice = PrecisionChoice(precision, gain, difference, largest, candidate)
        elif near and gain >= _CLEARLY_FASTER * choice.gain:
            choice = PrecisionChoice(candidate, gain, difference, largest, candidate)
    return choice


def _timed(
    run: Callable[[str], np.ndarray], precision: str, slowest: float
) -> tuple[np.ndarray, float]:
    """Return a result and its seconds, the median of a few; of one, where it is slow already."""
    started = time.perf_counter()
    result = run(precision)
    first = time.perf_counter() - started
    if first > max(3 * slowest, 1.0):  # emulated; setting up kernels takes less than that
        return result, first
    seconds = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        run(precision)
        seconds.append(time.perf_counter() - started)
    return result, statistics.median(seconds)


def _differences(result: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Return RMS and largest difference in σ of `exact`; infinite where they are no numbers."""
    import numpy as np

    wide = exact.astype(np.float64)
    sigma = float(wide.std())
    if not np.isfinite(result).all() or not 0 < sigma < math.inf:
        return math.inf, math.inf
    off = np.abs(result - wide)
    return float(np.sqrt(np.mean(off**2))) / sigma, float(off.max()) / sigma


def _candidates(device: torch.device) -> tuple[Reduced, ...]:
    import torch

    if device.type == "cpu":
        return ("bf16",)
    if device.type == "cuda":
        here = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16", "fp16") if here else ("fp16",)
    return ("fp16",) if torch.amp.is_autocast_available(device.type) else ()


def _recalled(key: str) -> PrecisionChoice | None:
    known = recall("precision", key)
    if known is None:
        return None
    try:
        choice = {name: float(known[name]) for name in ("gain", "difference", "largest")}
    except (KeyError, TypeError, ValueError):
        return None
    precision: Any = known.get("precision")
    tried: Any = known.get("tried")
    if (
        tried not in (None, *get_args(Reduced))
        or precision is None
        or precision not in ("fp32", tried)
    ):
        return None
    return PrecisionChoice(precision=precision, tried=tried, **choice)
