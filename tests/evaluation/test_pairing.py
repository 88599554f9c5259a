import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.pairing import (
    Pairing,
    check_grids,
    describe,
    pair_channels,
)
from napari_virtual_stain.image import Image


def channels(*names: str, name: str = "image", count: int | None = None) -> Image:
    return Image(np.zeros((count or len(names), 2, 2)), "CYX", channels=names, name=name)


def test_channels_are_paired_by_name_whatever_their_case_and_order():
    pairing = pair_channels(channels("DAPI", "MAP2", "NFH"), channels("nfh", "Dapi", "map2"))
    assert pairing == Pairing(("DAPI", "MAP2", "NFH"), (0, 1, 2), (1, 2, 0))


def test_channels_without_a_partner_are_left_out_and_named():
    pairing = pair_channels(channels("DAPI", "ER", name="well"), channels("Mito", "DAPI", name="p"))
    assert (pairing.observed, pairing.predicted) == ((0,), (1,))
    assert [(n.text, n.warning) for n in pairing.notices] == [
        ("well: 'ER' has no partner of the same name and was left out.", False),
        ("p: 'Mito' has no partner of the same name and was left out.", False),
    ]


def test_unnamed_channels_are_paired_by_position_without_a_word():
    pairing = pair_channels(channels("DAPI", "MAP2"), channels(count=2))
    assert pairing == Pairing(("DAPI", "MAP2"), (0, 1), (0, 1))
    pairing = pair_channels(Image(np.zeros((2, 2)), "YX"), channels("DAPI"))
    assert pairing == Pairing(("DAPI",), (0,), (0,))


def test_an_image_without_any_names_gets_one():
    plane = Image(np.zeros((2, 2)), "YX")
    assert pair_channels(plane, plane).names == ("channel 1",)


def test_other_names_are_paired_by_position_with_a_warning():
    (notice,) = pair_channels(channels("a", "b", name="o"), channels("c", "d", name="p")).notices
    assert notice.warning
    assert notice.text == (
        "no channel of p has the name of one of o, so they were compared in their order: "
        "'a' with 'c', 'b' with 'd'."
    )


def test_a_single_channel_of_another_name_is_only_mentioned():
    pairing = pair_channels(channels("Hoechst"), channels("DAPI"))
    assert pairing.names == ("Hoechst",)
    assert [notice.warning for notice in pairing.notices] == [False]


def test_default_names_pair_nothing_by_name():
    with pytest.raises(
        VirtualStainError, match="o has 3 channels and p has 1 channel, and no name"
    ):
        pair_channels(channels(count=3, name="o"), channels(count=1, name="p"))


def test_channels_that_cannot_be_told_apart_are_refused():
    with pytest.raises(VirtualStainError, match=r"3 channels \('a', 'b', 'c'\) and p has 1 chan"):
        pair_channels(channels("a", "b", "c"), channels("d", name="p"))


@pytest.mark.parametrize(
    ("observed", "predicted", "culprit"),
    [
        (("DAPI", "dapi"), ("DAPI", "MAP2"), "o"),
        (("DAPI", "MAP2"), ("DAPI", "DAPI"), "p"),
        (("GFP", "GFP"), ("a", "b"), "o"),
    ],
)
def test_two_channels_of_one_name_are_refused(observed, predicted, culprit):
    with pytest.raises(VirtualStainError, match=f"^{culprit}: two channels are named"):
        pair_channels(channels(*observed, name="o"), channels(*predicted, name="p"))


def test_a_name_that_repeats_among_channels_left_out_harms_nothing():
    pairing = pair_channels(channels("DAPI", "x", "x"), channels("DAPI"))
    assert pairing.observed == (0,)


def test_sizes_must_agree_and_absent_axes_have_one_position():
    check_grids(Image(np.zeros((1, 3, 4)), "ZYX"), Image(np.zeros((1, 2, 3, 4)), "TCYX"))
    with pytest.raises(VirtualStainError) as caught:
        check_grids(
            Image(np.zeros((3, 800)), "YX", name="well"),
            Image(np.zeros((3, 160)), "YX", name="guess"),
        )
    assert str(caught.value) == (
        "well and guess cannot be compared pixel by pixel: along X the one has 800 positions and "
        "the other 160 (Y 3 × X 800 and Y 3 × X 160); crop them to the same region, or resample "
        "one to the grid of the other."
    )


@pytest.mark.parametrize("axis", "TZYX")
def test_a_size_that_differs_is_refused_along_any_axis(axis):
    sizes = {"T": 2, "Z": 3, "Y": 4, "X": 5}
    other = {**sizes, axis: 7}
    with pytest.raises(VirtualStainError, match=f"along {axis} the one has {sizes[axis]}"):
        check_grids(
            Image(np.zeros(tuple(sizes.values())), "TZYX"),
            Image(np.zeros(tuple(other.values())), "TZYX"),
        )


def test_voxel_sizes_must_agree_within_two_percent_where_both_are_known():
    pixels = np.zeros((3, 4))
    known = Image(pixels, "YX", {"Y": 0.5, "X": 0.5}, name="well")
    check_grids(known, Image(pixels, "YX", {"Y": 0.5, "X": 0.509}))
    check_grids(known, Image(pixels, "YX", {"Y": 0.5}))
    with pytest.raises(VirtualStainError, match=r"along X a voxel is 0\.5 µm .* 0\.511 µm .* resa"):
        check_grids(known, Image(pixels, "YX", {"Y": 0.5, "X": 0.511}, name="guess"))


def test_how_a_channel_is_named_in_a_sentence():
    assert describe(channels("DAPI", name="well"), 0) == "well, channel 'DAPI'"
    assert describe(channels(count=2, name="well"), 1) == "well, channel 2"
    assert describe(Image(np.zeros((2, 2)), "YX", name="well"), 0) == "well"
