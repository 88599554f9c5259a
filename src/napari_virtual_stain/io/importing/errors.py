"""What can be wrong inside a file, before it is known how that is to be said."""

from __future__ import annotations


class Malformed(ValueError):
    """Bytes that are not what their format says; the message says what is wrong with them."""


class Forbidden(ValueError):
    """A pickle that calls for a name that weights do not need; the message is the name."""
