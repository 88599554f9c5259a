"""Sees to it that what is looked at has been surveyed, and knows what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.gui.compare import work
from napari_virtual_stain.gui.compare.session import Session
from napari_virtual_stain.gui.jobs import Job

TITLE = "Comparing"

Start = Callable[[Callable[[], Generator[Any, None, Any]], str], Job]
"""Runs work in a thread, under a title, and returns the job."""


class Surveying:
    """Surveys the pairs of a session, as planes or projections, by the match that is chosen.

    Parameters
    ----------
    session : Session
    match : {"none", "z-score", "least-squares"}
    start : callable
        See `Start`.

    Attributes
    ----------
    match : str
    similar : dict of (int, bool) to float
        Structural similarity of the whole, by channel and whether it is projected.
    """

    def __init__(self, session: Session, match: Match, start: Start) -> None:
        self._session, self._start = session, start
        self.match: Match = match
        self.similar: dict[tuple[int, bool], float] = {}
        self._job: Job | None = None
        self._wanted: tuple[Match, bool] | None = None
        self._given_up: set[tuple[Match, bool, int]] = set()

    def choose(self, match: Match) -> bool:
        """Take another match; returns whether it is another."""
        if match == self.match:
            return False
        self.match = match
        self.similar.clear()
        self._given_up.clear()
        self._session.forget_surveys()
        return True

    def ensure(self) -> None:
        """Survey what is looked at, unless that is known, under way, or cannot be had."""
        session = self._session
        wanted, channel = (self.match, session.is_flat), session.channel
        if session.survey is not None and (channel, session.is_flat) in self.similar:
            return
        if (*wanted, channel) in self._given_up:
            return
        if self.is_on:
            if self._wanted == wanted:
                return
            self._quit()
        self._wanted = wanted
        subjects, flat = session.subjects, session.is_flat
        make = partial(work.survey_all, subjects, self.match, flat=flat, first=channel)
        self._job = self._start(make, TITLE)

    def give_up(self) -> bool:
        """Stop, and do not begin again by itself; returns whether anything was under way."""
        if not self.is_on:
            return False
        channels = range(len(self._session.subjects))
        self._given_up |= {(self.match, self._session.is_flat, one) for one in channels}
        self._quit()
        return True

    def take(self, event: work.Projected | work.Surveyed | work.Failed | work.Similar) -> None:
        """Take what the survey has found."""
        if isinstance(event, work.Projected):
            self._session.add_projection(event.channel, event.subject)
        elif isinstance(event, work.Surveyed):
            self._session.add_survey(event.channel, event.survey, flat=event.flat)
        elif isinstance(event, work.Failed):
            self._given_up.add((self.match, event.flat, event.channel))
        else:
            self.similar[event.channel, event.flat] = event.value

    @property
    def is_on(self) -> bool:
        """Whether a survey is under way."""
        return self._job is not None and not self._job.abort_requested

    def over(self, job: Job) -> None:
        """Forget a job that is over."""
        if job is self._job:
            self._job = None

    def _quit(self) -> None:
        if self._job is not None:
            self._job.quit()
            self._job = None
