"""How long somebody who moves a slider waits for the scores of the plane that comes.

    python benchmarks/live_scores.py [--side 2048] [--planes 4] [--repeats 7]

A plane of uint16 and its prediction, float32, as the dock **Compare** scores them: the first scores
(all but structural similarity), the histogram, and structural similarity, each from the moment it
is asked for. In the dock a thread does so, and the window does not wait. The figures stand in
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from napari_virtual_stain.evaluation.survey import survey_events
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.compare.live import score_shown
from napari_virtual_stain.gui.compare.subject import Subject
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.image import Image

STAGES = ("scores", "histogram", "structural similarity")


def main() -> None:
    """Print the median of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--planes", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (asked.planes, asked.side, asked.side)
    observed = rng.gamma(2, 400, shape).astype(np.uint16)
    predicted = (0.8 * observed + rng.normal(0, 60, shape)).astype(np.float32)
    one = Subject("stain", Image(observed, "ZYX"), Image(predicted, "ZYX"), _place(shape))
    print("| match | stage | milliseconds |\n|---|---|---|")
    for match in ("none", "least-squares"):
        survey = run(survey_events(one.observed, one.predicted, match=match))
        found: dict[str, list[float]] = {stage: [] for stage in STAGES}
        for repeat in range(asked.repeats * asked.planes):
            work = score_shown(one, survey, {"Z": repeat % asked.planes})
            start = time.perf_counter()
            for stage in STAGES:
                next(work, None)
                found[stage].append(1e3 * (time.perf_counter() - start))
        for stage, times in found.items():
            print(
                f"| {match} | {stage} | {statistics.median(times):.0f} "
                f"[{min(times):.0f}–{max(times):.0f}] |"
            )


def _place(shape: tuple[int, ...]) -> Geometry:
    count = len(shape)
    return Geometry("ZYX", shape, np.eye(count), np.zeros(count), np.eye(count + 1), (), ())


if __name__ == "__main__":
    main()
