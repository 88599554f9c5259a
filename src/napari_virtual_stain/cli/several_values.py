"""Options that take several values at once: ``--models A B``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

SEVERAL = ("--models", "--input")
"""Options of that kind, whatever the command."""


class SeveralValues(TyperCommand):
    """A command some of whose options take all values up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``--models A B`` as ``--models A --models B``."""
        return super().parse_args(ctx, repeated(args, SEVERAL))


def repeated(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return arguments with such an option repeated before each of its values."""
    result: list[str] = []
    current, is_first = "", False
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[place:]]
        if argument.startswith("-") and argument != "-":
            current, is_first = (argument, True) if argument in options else ("", False)
            result.append(argument)
        elif current and not is_first:
            result += [current, argument]
        else:
            is_first = False
            result.append(argument)
    return result
