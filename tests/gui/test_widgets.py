"""Small widgets that docks are made of."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QPoint
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip

from napari_virtual_stain.gui.widgets import Choice

pytestmark = pytest.mark.gui

NAMES = [f"2026-03-14 plate 7 HeLa well B0{number} DAPI" for number in (1, 2)]


@pytest.fixture
def choice(qtbot):
    made = Choice()
    qtbot.addWidget(made)
    made.setToolTip("The layer that the model takes.")
    made.offer([1, 2], NAMES)
    made.resize(150, 26)
    made.show()
    return made


def test_long_names_are_told_apart_by_their_ends(choice):
    choice.choose(1)
    first, picture = choice.shown_text(), choice.grab().toImage()
    assert len(first) < len(NAMES[0])
    assert first.endswith("1 DAPI")
    choice.choose(2)
    assert choice.shown_text().endswith("2 DAPI")
    assert choice.grab().toImage() != picture
    choice.resize(600, 26)
    assert choice.shown_text() == NAMES[1]


def test_the_whole_of_a_long_name_is_in_the_tooltip(choice):
    def hover():
        place = QPoint(5, 5)
        QApplication.sendEvent(
            choice, QHelpEvent(QEvent.Type.ToolTip, place, choice.mapToGlobal(place))
        )
        return QToolTip.text()

    assert hover() == f"{NAMES[0]}\n\nThe layer that the model takes."
    choice.resize(600, 26)
    assert hover() == "The layer that the model takes."


def test_the_list_of_choices_is_as_wide_as_its_texts(choice, qtbot):
    choice.showPopup()
    try:
        assert choice.view().width() > choice.fontMetrics().horizontalAdvance(NAMES[0])
    finally:
        choice.hidePopup()
