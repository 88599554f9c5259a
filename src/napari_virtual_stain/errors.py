"""What the package says to a person: one kind of error, one kind of warning.

Every message is a sentence in the user's words: what is wrong, with which
input, and what to do. The command line prints it, napari shows it, and neither
shows a traceback, because nothing has gone wrong inside the program.
"""

from __future__ import annotations


class VirtualStainError(ValueError):
    """An input, a model or a setting cannot be used; the message says why and what to do."""


class ConstantImageError(VirtualStainError):
    """All pixels of an image have one value; of several images, the others may do without it."""


class ResultTooLargeError(VirtualStainError):
    """A result does not fit into memory; whoever asked for it knows where else it can go."""


class VirtualStainWarning(UserWarning):
    """Something was assumed or adapted on the user's behalf; the message says what."""
