"""Everything that is chosen: channels, pairs, regions, recipe, and what the model is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.sentences import Line, Tone
from napari_virtual_stain.gui.tab_order import TabOrder
from napari_virtual_stain.gui.train.about import About
from napari_virtual_stain.gui.train.advanced import AdvancedOptions
from napari_virtual_stain.gui.train.batch_view import BatchView
from napari_virtual_stain.gui.train.channel_rows import ChannelRows
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.matching import further_pairs
from napari_virtual_stain.gui.train.naming import model_name
from napari_virtual_stain.gui.train.offers import (
    input_offers,
    is_labels,
    shapes_layers,
    target_offers,
)
from napari_virtual_stain.gui.train.pair_box import PairList
from napari_virtual_stain.gui.train.picks import PairPicks
from napari_virtual_stain.gui.train.recipe_picker import RecipePicker
from napari_virtual_stain.gui.train.regions_picker import RegionsPicker
from napari_virtual_stain.gui.train.thumbnails import Thumbnail
from napari_virtual_stain.gui.train.verdict import suited
from napari_virtual_stain.gui.widgets import Messages, WrappedLabel, heading

NO_MATCH = "No further layers are named like those of pair 1."
INCOMPLETE = "Choose the layers of pair 1 first; others are then found by their names."


class Choices(QWidget):  # type: ignore[misc]
    """The form of the dock.

    Parameters
    ----------
    folder : callable
        Returns the model folder.
    """

    changed = Signal()
    batch_wanted = Signal()

    def __init__(self, folder: Callable[[], Path]) -> None:
        super().__init__()
        self._axes: dict[Layer, str] = {}
        self._layers: list[Layer] = []
        self.channels = ChannelRows()
        self.pairs = PairList()
        self.add_pair = QPushButton("Add a pair")
        self.add_pair.setToolTip("One more field of view.")
        self.add_matching = QPushButton("Add all that match")
        self.add_matching.setToolTip(
            "A pair for every field of view whose layers are named like those of pair 1,\n"
            "such as “phase 02” and “DAPI 02” after “phase 01” and “DAPI 01”."
        )
        self.said = Messages()
        self.regions = RegionsPicker()
        self.recipe = RecipePicker(folder)
        self.look = QPushButton("Look at a batch")
        self.batch = BatchView()
        self.about = About()
        self.advanced = AdvancedOptions()
        self._arrange()
        self._tab_order = TabOrder(self)
        self.pairs.add()
        self.channels.channel_removed.connect(self.pairs.remove_channel)
        self.add_pair.clicked.connect(self._add_pair)
        self.add_matching.clicked.connect(self._add_matching)
        self.look.clicked.connect(lambda: self.batch_wanted.emit())
        self.pairs.axes_chosen.connect(self._on_axes)
        self.batch_is_made(False)
        for part in (
            self.channels,
            self.pairs,
            self.regions,
            self.recipe,
            self.about,
            self.advanced,
        ):
            part.changed.connect(self._tell)

    def form(self) -> Form:
        """Return what is chosen."""
        inputs, targets = self.channels.channels()
        learn_in, score_in = self.regions.chosen()
        name, licence, notes = self.about.chosen()
        return Form(
            inputs=inputs,
            targets=targets,
            pairs=self.pairs.picks(),
            axes=self._axes,
            learn_in=learn_in,
            score_in=score_in,
            preset=self.recipe.chosen().name,
            start=self.recipe.start_path(),
            steps=self.advanced.chosen_steps(),
            batch=self.advanced.chosen_batch(),
            learning_rate=self.advanced.chosen_rate(),
            turns=self.advanced.wants_turns(),
            device=self.advanced.chosen_device(),
            precision=self.advanced.chosen_precision(),
            seed=self.advanced.chosen_seed(),
            name=name,
            licence=licence,
            notes=notes,
            layers=self._layers,
        )

    def offer(self, layers: Sequence[Layer]) -> None:
        """Offer the layers of a viewer, and suggest some for the first pair."""
        self._layers = list(layers)
        self._axes = {layer: axes for layer, axes in self._axes.items() if layer in self._layers}
        images = input_offers(self._layers, self._axes)
        targets = target_offers(self._layers, self._axes)
        for box in self.pairs.boxes:
            box.take_channels(len(self.channels.inputs), len(self.channels.targets))
            box.offer(images, targets, suggest=box is self.pairs.boxes[0])
        scored = any(box.picks().validates for box in self.pairs.boxes)
        self.regions.offer(shapes_layers(self._layers), pairs_are_scored=scored)
        self.advanced.show_preset(self.recipe.chosen())
        self._tab_order.follow()

    def suggest_preset(self) -> None:
        """Choose the first preset that suits the pairs, unless a person has chosen one."""
        if not self.recipe.is_touched:
            self.recipe.suggest(suited(self.form(), self.recipe.names()))
            self.advanced.show_preset(self.recipe.chosen())

    def show_names(self, inputs: Sequence[str], targets: Sequence[str]) -> None:
        """Show what channels and model are called where nothing was typed."""
        picks = self.pairs.picks()
        painted = [
            any(is_labels(pair.targets[position].layer) for pair in picks)
            for position in range(len(targets))
        ]
        self.channels.show_names(inputs, targets, painted)
        for box in self.pairs.boxes:
            box.show_names(inputs, targets)
        self.about.suggest_name(model_name(inputs, targets) if all((*inputs, *targets)) else "")

    def wants_held_out(self) -> bool:
        """Whether what is held out is to be shown."""
        return self.regions.wants_held_out()

    def show_batch(self, rows: Sequence[Sequence[Thumbnail]]) -> None:
        """Show what a batch looks like; without any, take no room."""
        self.batch.show_rows(rows)

    def batch_is_made(self, is_made: bool) -> None:
        """Show whether a batch is being made."""
        self.look.setEnabled(not is_made)
        self.look.setText("Making a batch…" if is_made else "Look at a batch")
        self.look.setToolTip(
            "Shows some patches as the network gets them: turned, scaled and changed at random\n"
            "as the preset says."
        )

    def _arrange(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.add_pair)
        buttons.addWidget(self.add_matching)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(
            WrappedLabel("Train a model to predict stains, or painted labels, from other images.")
        )
        layout.addWidget(heading("Inputs and targets"))
        layout.addWidget(self.channels)
        layout.addWidget(heading("Pairs"))
        layout.addWidget(self.pairs)
        layout.addLayout(buttons)
        layout.addWidget(self.said)
        layout.addWidget(heading("Training and scoring"))
        layout.addWidget(self.regions)
        layout.addWidget(heading("Recipe"))
        layout.addWidget(self.recipe)
        layout.addWidget(self.look)
        layout.addWidget(self.batch)
        layout.addWidget(heading("The model"))
        layout.addWidget(self.about)
        layout.addWidget(self.advanced)

    def _matches(self) -> list[PairPicks]:
        first, *_ = picks = self.pairs.picks()
        if not first.is_complete:
            return []
        taken = [layer for pair in picks for layer in pair.layers]
        return further_pairs(first, taken, target_offers(self._layers, self._axes))

    def _add_pair(self) -> None:
        found = self._matches()
        self.pairs.add(found[0] if found else None)
        self._tell()

    def _add_matching(self) -> None:
        found = self._matches()
        for picks in found:
            self.pairs.add(picks)
        self._tell()
        if not found:
            complete = self.pairs.picks()[0].is_complete
            self.said.show_lines([Line(Tone.HINT, NO_MATCH if complete else INCOMPLETE)])

    def _on_axes(self, layer: Layer, axes: str) -> None:
        self._axes[layer] = axes
        self._tell()

    def _tell(self) -> None:
        self.said.show_lines([])
        self.changed.emit()
