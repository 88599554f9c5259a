"""What the library says of a file, shown where the user of a window looks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.gui.sentences import sentence


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Show every :class:`VirtualStainWarning` of the block as a notification of napari.

    Left to themselves they would be lost: napari records the warnings of a writer and drops
    them, and shows one of the same text only once in a session. For the GUI thread.
    """
    from napari.utils.notifications import show_warning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VirtualStainWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, VirtualStainWarning):
            show_warning(sentence(str(warning.message)))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show the sentence of a :class:`VirtualStainError` that leaves the block, if in a window.

    Of a reader's error the window itself says first of all that a plugin has failed, and asks
    for another one. So the sentence is shown after that, and stands on top.
    """
    import napari
    from napari.utils.notifications import show_error

    try:
        yield
    except VirtualStainError as error:
        if napari.current_viewer() is not None:
            from qtpy.QtCore import QTimer

            QTimer.singleShot(0, partial(show_error, sentence(str(error))))
        raise
