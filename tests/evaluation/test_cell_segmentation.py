"""Nuclei are found, touching ones cut apart, and cells grow around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.features import find_nuclei, grow_cells
from napari_virtual_stain.evaluation.features.compartments import compartments
from napari_virtual_stain.evaluation.features.nuclear_channel import find_nuclear_channel
from napari_virtual_stain.evaluation.features.segmentation import typical_diameter
from napari_virtual_stain.image import Image


def discs(*centres, radius=8, shape=(80, 120), noise=5.0):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for y, x in centres:
        mask |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    return mask, 100 + 400 * mask + np.random.default_rng(0).normal(0, noise, shape)


def test_each_disc_is_a_nucleus():
    mask, plane = discs((20, 20), (20, 60), (60, 20), (60, 100))
    found = find_nuclei(plane)
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}
    assert ((found > 0) != mask).mean() < 0.01


def test_nuclei_that_touch_are_cut_apart():
    mask, plane = discs((30, 20), (30, 34), (60, 90))
    found = find_nuclei(plane)
    assert found.max() == 3
    assert found[30, 20] != found[30, 34]
    # The cut lies in the middle.
    assert abs((found == found[30, 20]).sum() - (found == found[30, 34]).sum()) < 20
    assert typical_diameter(mask) == pytest.approx(16, abs=1.5)


def test_specks_and_holes_are_none():
    _, plane = discs((30, 30), (50, 80))
    plane[5:8, 5:8] = 500
    plane[30, 30] = 100
    found = find_nuclei(plane)
    assert found.max() == 2
    assert found[30, 30] > 0
    # With so large a nucleus in mind, both are specks.
    assert find_nuclei(plane, diameter=60).max() == 0
    assert find_nuclei(np.full((20, 20), 7)).max() == 0
    assert find_nuclei(np.full((20, 20), np.nan)).max() == 0


def test_cells_grow_around_nuclei_and_meet_in_the_middle():
    nuclei = np.zeros((60, 100), np.int32)
    nuclei[25:35, 20:30], nuclei[25:35, 50:60] = 4, 9
    cells = grow_cells(nuclei)
    assert set(np.unique(cells)) == {0, 4, 9}
    assert ((cells == nuclei) | (nuclei == 0)).all()
    assert (cells[30, 39], cells[30, 40]) == (4, 9)
    # As far as a nucleus is wide: a disc of 100 pixels has a diameter of 11.3.
    assert (cells[30, 20 - 11], cells[30, 20 - 12]) == (4, 0)
    assert (grow_cells(nuclei, 3)[30] == 4).sum() == 16
    with pytest.raises(VirtualStainError, match="cannot be grown by 0"):
        grow_cells(nuclei, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50)), max_size=12), st.booleans())
@settings(max_examples=40, deadline=None)
def test_compartments_are_parts_of_each_other(centres, border):
    nuclei = np.zeros((41, 51), np.int32)
    for number, (y, x) in enumerate(centres, 1):
        nuclei[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = number
    found = compartments(None, nuclei, border=border)
    cells, inner, cytoplasm = (found[name] for name in ("cells", "nuclei", "cytoplasm"))
    # A cell is its cytoplasm and the nuclei in it, and nothing is in two objects.
    whole = cells > 0
    np.testing.assert_array_equal(cytoplasm[whole & (nuclei == 0)], cells[whole & (nuclei == 0)])
    assert not (cytoplasm > 0)[nuclei > 0].any()
    assert set(np.unique(inner)) <= set(np.unique(nuclei))
    if border:
        np.testing.assert_array_equal(inner, nuclei)
    else:
        for labels in found.values():
            edges = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
            assert not any(edge.any() for edge in edges)


def test_nuclei_within_given_cells_bear_their_labels():
    _, plane = discs((30, 30), (50, 80))
    cells = np.zeros(plane.shape, np.int32)
    cells[15:45, 15:45], cells[35:65, 65:95], cells[5:12, 100:110] = 5, 2, 9
    found = compartments(plane, cells=cells)
    assert set(np.unique(found["nuclei"])) == {0, 2, 5}
    assert (found["nuclei"] > 0).sum() == pytest.approx(2 * np.pi * 64, rel=0.1)
    assert set(np.unique(found["cytoplasm"])) == {0, 2, 5, 9}


@pytest.mark.parametrize(
    ("names", "position"),
    [
        (("MAP2", "DAPI"), 1),
        (("brightfield", "Hoechst 33342"), 1),
        (("Nuclei", "DNA"), 0),
        (("nucleoli", "ER"), None),
        (("GFP", "actin"), None),
    ],
)
def test_the_nuclear_channel_is_known_by_its_name(names, position):
    image = Image(np.zeros((2, 4, 4)), "CYX", channels=names)
    assert find_nuclear_channel(image) == position
