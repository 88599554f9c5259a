"""The options of networks: which values each takes, checked before anything is built.

A model file names a network and its options; here is decided which of them are accepted, so
that a file can neither reach other code nor ask for a network that no memory holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_virtual_stain.errors import VirtualStainError


class Rule:
    """Which values an option takes."""

    @property
    def words(self) -> str:
        """The values in words, as they follow "takes"."""
        raise NotImplementedError

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Whole(Rule):
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def words(self) -> str:
        """The values in words, as they follow "takes"."""
        if self.low == self.high:
            return f"nothing but {self.low}"
        return f"a whole number from {self.low} to {self.high}"

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of them."""
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Share(Rule):
    """A number from 0 up to, but not including, 1."""

    @property
    def words(self) -> str:
        """The values in words, as they follow "takes"."""
        return "a number from 0 to below 1"

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of them."""
        return type(value) in (int, float) and 0 <= value < 1  # type: ignore[operator]


@dataclass(frozen=True)
class Flag(Rule):
    """True or False."""

    @property
    def words(self) -> str:
        """The values in words, as they follow "takes"."""
        return "true or false"

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of them."""
        return type(value) is bool


class OneOf(Rule):
    """One of a few words, or of a few numbers."""

    def __init__(self, *choices: str | int) -> None:
        self.choices = choices

    @property
    def words(self) -> str:
        """The values in words, as they follow "takes"."""
        return f"one of {', '.join(map(repr, self.choices))}"

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of them."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)


@dataclass(frozen=True)
class PerLevel(Rule):
    """One value for all levels of a network, or a sequence with a value for each.

    Whether the sequence is as long as it must be, the network says.
    """

    rule: Rule

    @property
    def words(self) -> str:
        """The values in words, as they follow "takes"."""
        return f"{self.rule.words}, or a list of them, one for each level"

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of them."""
        if isinstance(value, (list, tuple)):
            return len(value) <= 16 and all(self.rule.accepts(one) for one in value)
        return self.rule.accepts(value)


CHANNELS: dict[str, Rule] = {"in_channels": Whole(1, 1024), "out_channels": Whole(1, 1024)}
"""The options that every network has."""


def check_options(network: str, rules: Mapping[str, Rule], chosen: Mapping[str, Any]) -> None:
    """Raise a VirtualStainError unless every chosen option is known and in range."""
    for option, value in chosen.items():
        if option not in rules:
            raise VirtualStainError(
                f"the network {network!r} has no option {option!r}; it has {', '.join(rules)}."
            )
        if not rules[option].accepts(value):
            raise VirtualStainError(
                f"the network {network!r} takes {rules[option].words} for {option!r}, not "
                f"{value!r}."
            )
