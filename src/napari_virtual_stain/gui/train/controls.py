"""The buttons, what is said above and below them, and the progress."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_stain.events import Progress
from napari_virtual_stain.gui.theme import PrimaryButton
from napari_virtual_stain.gui.train.state import Panel
from napari_virtual_stain.gui.widgets import Messages, WrappedLabel, heading, show_progress


class Controls(QWidget):  # type: ignore[misc]
    """What is pressed and what is said."""

    train_pressed = Signal()
    correct_pressed = Signal()
    ignore_pressed = Signal()
    back_pressed = Signal()
    pause_pressed = Signal()
    stop_pressed = Signal()
    cancel_pressed = Signal()
    predict_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.before = Messages()
        self.estimate = WrappedLabel()
        self.button = PrimaryButton("Train")
        self.stage = QLabel()
        self.stage.setIndent(0)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.stop = PrimaryButton("Stop and keep the best")
        self.pause = _button(
            "Pause", "Wait, and let other programs have the machine. Nothing is lost."
        )
        self.cancel = _button("Cancel", "Stop, and keep no model.")
        self.found = heading("Before training")
        self.after = Messages()
        self.correct = PrimaryButton("Correct and train")
        self.correct.setToolTip(
            "Shifted images are cut to what they share, moved by whole pixels.\n"
            "Pixels that show nothing of the specimen are not learned.\n"
            "The layers stay as they are."
        )
        self.ignore = _button("Train all the same", "Train on the pairs as they are.")
        self.back = _button("Back", "Choose other layers.")
        self.predict = _button("Predict with it", "Open the dock Predict fluorescence with it.")

        self._progress = QWidget()
        progress = QVBoxLayout(self._progress)
        progress.setContentsMargins(0, 0, 0, 0)
        progress.setSpacing(3)
        progress.addWidget(self.stage)
        progress.addWidget(self.bar)
        self._running = _row(self.pause, self.cancel)
        self._asking = _row(self.ignore, self.back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (
            self._progress,
            self.before,
            self.estimate,
            self.button,
            self.stop,
            self._running,
            self.found,
            self.after,
            self.correct,
            self._asking,
            self.predict,
        ):
            layout.addWidget(widget)
        self.estimate.hide()
        self.predict.hide()
        for button, signal in (
            (self.button, self.train_pressed),
            (self.correct, self.correct_pressed),
            (self.ignore, self.ignore_pressed),
            (self.back, self.back_pressed),
            (self.pause, self.pause_pressed),
            (self.stop, self.stop_pressed),
            (self.cancel, self.cancel_pressed),
            (self.predict, self.predict_pressed),
        ):
            button.clicked.connect(lambda _=False, signal=signal: signal.emit())

    def show_panel(self, panel: Panel, train: str) -> None:
        """Show what can be pressed and what is said.

        Parameters
        ----------
        panel : Panel
        train : str
            Text of the main button.
        """
        # Where the window is not the active one, this has the focus when it is again.
        focused = self.window().focusWidget()
        self.before.show_lines(panel.before)
        self.after.show_lines(panel.after)
        self.button.setText(train)
        self.button.setVisible(panel.shows_form)
        self.button.setEnabled(panel.can_train)
        self.button.setToolTip(
            "Check the pairs, then train. napari stays usable meanwhile."
            if panel.can_train
            else "\n".join(line.text for line in panel.before[:1])
        )
        self._progress.setVisible(panel.shows_progress)
        self.stop.setVisible(panel.shows_live and panel.shows_progress)
        self.stop.setEnabled(panel.can_stop)
        self.stop.setText(panel.stop)
        self.stop.setToolTip(
            "End here; the weights of the best score so far become the model."
            if panel.can_stop
            else "As soon as it has learned anything."
        )
        self._running.setVisible(panel.shows_progress)
        self.pause.setVisible(panel.shows_live)
        self.pause.setText(panel.pause)
        self.pause.setEnabled(panel.can_pause)
        self.cancel.setText(panel.cancel)
        self.cancel.setEnabled(panel.can_cancel)
        self.correct.setText(panel.correct)
        self.correct.setVisible(panel.asks and panel.can_correct)
        self._asking.setVisible(panel.asks)
        self.found.setVisible(panel.asks)
        self.ignore.setVisible(panel.can_ignore)
        self._keep_focus(focused)

    def show_estimate(self, text: str) -> None:
        """Show how long it will take; nothing where that is not known."""
        self.estimate.setText(text)
        self.estimate.setVisible(bool(text))

    def show_progress(self, progress: Progress, left: str = "") -> None:
        """Show how far the work is, and how long it still takes."""
        show_progress(self.stage, self.bar, progress, left)

    def follow_theme(self, event: Any = None) -> None:
        """Take the colours of the current theme."""
        for button in (self.button, self.stop, self.correct):
            button.follow_theme()

    def _keep_focus(self, focused: QWidget | None) -> None:
        """Pass on the focus that one of these had and that cannot be pressed any more.

        Qt gives it to whatever comes next, such as the button of the frame that hides the dock.
        Where nothing harmless can be pressed, it waits here. What has it elsewhere keeps it.
        """
        if focused is None or not (focused is self or self.isAncestorOf(focused)):
            return
        if focused is not self and focused.isVisibleTo(self) and focused.isEnabled():
            return
        for button in (self.correct, self.ignore, self.back, self.pause, self.stop, self.button):
            if button.isVisibleTo(self) and button.isEnabled():
                button.setFocus()
                return
        self.setFocus()


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget, 1)
    return row
