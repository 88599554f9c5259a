"""The order in which the Tab key goes through what is made, and made anew, while it is used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLayout, QLayoutItem, QScrollArea, QWidget


class TabOrder:
    """Lets the Tab key go through a widget as a person reads it.

    By itself Qt goes in the order in which widgets were made, so that what is added comes last.

    Parameters
    ----------
    root : QWidget
        What is before and after it stays there.
    """

    def __init__(self, root: QWidget) -> None:
        self._root = root
        self._known: list[QWidget] = []

    def follow(self) -> None:
        """Follow the layout, if it holds other widgets than before."""
        found = [one for one in in_layout_order(self._root) if _takes_tab(one)]
        if found == self._known:
            return
        self._known = found
        for before, after in pairwise([self._root, *found]):
            QWidget.setTabOrder(before, after)


def in_layout_order(widget: QWidget) -> Iterator[QWidget]:
    """Yield the widgets without a layout of their own that a widget holds, as they are read."""
    if isinstance(widget, QScrollArea):
        content = widget.widget()
        if content is not None:
            yield from in_layout_order(content)
    elif widget.layout() is not None:
        yield from _of_layout(widget.layout())
    else:
        yield widget


def _of_layout(layout: QLayout) -> Iterator[QWidget]:
    for item in _items(layout):
        if item.widget() is not None:
            yield from in_layout_order(item.widget())
        elif item.layout() is not None:
            yield from _of_layout(item.layout())


def _items(layout: QLayout) -> list[QLayoutItem]:
    order = list(range(layout.count()))
    if isinstance(layout, QGridLayout):
        order.sort(key=lambda index: tuple(layout.getItemPosition(index))[:2])
    return [layout.itemAt(index) for index in order]


def _takes_tab(widget: QWidget) -> bool:
    return bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
