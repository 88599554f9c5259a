"""What a command prints: results on stdout, everything else on stderr, bars on a terminal only."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

from napari_virtual_stain.events import Event, Losses, Notice, Progress, Result, Work, run


def say(text: str) -> None:
    """Print one line for a person, on stderr."""
    print(f"vstain: {text}", file=sys.stderr, flush=True)


def finish(result: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Print the result of a command: JSON, or its lines for a person."""
    if as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
    else:
        print("\n".join(lines))


def drive(work: Work[Result], title: str) -> Result:
    """Drive `work` to its end, with a bar where stderr is a terminal."""
    with contextlib.ExitStack() as stack:
        return run(work, _listener(title, stack))


def _listener(title: str, stack: contextlib.ExitStack) -> Callable[[Event], None]:
    if not sys.stderr.isatty():
        return _say_notice
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = stack.enter_context(Bar(*columns, console=Console(stderr=True), transient=True))
    task = bar.add_task(title, total=None)

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            bar.update(
                task,
                description=f"{title}: {event.stage}",
                completed=event.done,
                total=event.total or None,
            )
        elif isinstance(event, Losses) and event.validation:
            scores = ", ".join(f"{score:.3f}" for score in event.validation)
            bar.console.print(
                f"step {event.step}: loss {event.training:.4f}, validation r {scores}"
            )
        else:
            _say_notice(event)

    return listen


def _say_notice(event: Event) -> None:
    if isinstance(event, Notice):
        say(f"note: {event.text}" if event.warning else event.text)
    elif isinstance(event, Losses) and event.validation:
        say(_scores(event))


def _scores(event: Losses) -> str:
    scores = ", ".join(f"{score:.3f}" for score in event.validation)
    return f"step {event.step}: loss {event.training:.4f}, validation r {scores}"
