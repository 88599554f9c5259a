"""Findings name image and channel, what is wrong and what to do; corrections do it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Progress, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import TrainOptions
from napari_virtual_stain.training.checks import (
    check_pairs_events,
    corrected,
    corrected_as_found,
    counted,
)
from napari_virtual_stain.training.defects import blanked
from napari_virtual_stain.training.fields import channels_apart
from napari_virtual_stain.training.pairs import TrainingPair

UM = {"Y": 0.5, "X": 0.5}
SIZE = (128, 160)


def blobs(seed=0, shape=SIZE):
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=shape), 2)
    return np.maximum(values / values.std(), 0)


def stained(values, seed=1):
    return np.random.default_rng(seed).poisson(100 + 200 * values).astype(np.uint16)


def image(data, axes="YX", channels=("phase",), name="field", **kwargs):
    return Image(data, axes, UM, channels=channels, name=name, **kwargs)


def pair(source, *targets, names=("DNA",), **kwargs):
    target = image(np.stack(targets), "CYX", names, "field stained")
    return TrainingPair(image(source), target, **kwargs)


def findings(*pairs, **options):
    return run(check_pairs_events(pairs, TrainOptions(**options)))


def test_pairs_as_they_should_be_have_no_findings():
    values = blobs()
    events = []
    work = check_pairs_events([pair(stained(values), stained(values, 2))], TrainOptions())
    assert run(work, events.append) == []
    assert Progress("Checking pairs", 1, 1) in events


def test_a_constant_target_cannot_be_trained_with_and_is_named():
    (found,) = findings(pair(stained(blobs()), np.full(SIZE, 9, np.uint16)))
    assert (found.pair, found.warning, found.shift) == (0, False, None)
    assert found.text.startswith("the target field stained (DNA) is constant: every pixel is 9.")


def test_a_constant_or_nan_input_cannot_be_trained_with():
    good = pair(stained(blobs()), stained(blobs(), 2))
    nan = blobs().astype(np.float32)
    nan[3, 4] = np.nan
    bad = [pair(values, stained(blobs())) for values in (np.zeros(SIZE), nan)]
    found = findings(good, *bad)
    assert [(one.pair, one.warning) for one in found] == [(1, False), (2, False)]
    assert "the input field is constant" in found[0].text
    assert "NaN or infinite" in found[1].text


def test_an_empty_target_is_named_with_its_share():
    nothing = np.zeros(SIZE, np.uint16)
    nothing[5, 5:10] = 300
    (found,) = findings(pair(stained(blobs()), nothing))
    assert found.warning
    assert "the target field stained (DNA) is as good as empty: 100 % of its pixels" in found.text


@pytest.mark.parametrize(("top", "dtype"), [(255, np.uint8), (65535, np.uint16), (700, np.uint16)])
def test_a_saturated_target_is_named_with_share_and_value(top, dtype):
    values = blobs()
    bright = np.minimum(stained(values) * (top / 500), top).astype(dtype)
    (found,) = findings(pair(stained(values), bright))
    assert found.warning
    share = 100 * np.mean(bright == top)
    assert f"(DNA) is saturated: {share:.3g} % of its pixels have its highest grey" in found.text
    assert f"value, {top}." in found.text


def test_a_few_bright_pixels_a_mask_and_a_drawing_are_not_saturated():
    values = blobs()
    hot = stained(values)
    hot.flat[:3] = 60000
    mask = (values > 1).astype(np.uint8)
    assert findings(pair(stained(values), hot)) == []
    assert findings(pair(stained(values), mask, masks=("DNA",))) == []
    assert findings(pair(stained(values), mask)) == []
    # Its top value is as common as all others, and nothing was cut off.
    ramp = np.random.default_rng(0).integers(0, 200, SIZE).astype(np.uint8)
    assert findings(pair(stained(values), ramp)) == []


def test_a_blanked_block_is_named():
    values = blobs()
    target = stained(values)
    target[40:80, 30:90] = 0
    (found,) = findings(pair(stained(values), target))
    assert found.warning
    assert found.text.startswith("a block of the target field stained (DNA), 11.7 % of the image,")
    assert findings(counted(pair(stained(values), target))) == []


def test_what_was_found_is_corrected_and_all_else_is_left_alone():
    values, by = blobs(), (5, -6)
    spoilt = stained(values, 2)
    spoilt[40:80, 30:90] = 0
    good = pair(stained(values), stained(values, 3))
    given = [good, pair(stained(np.roll(values, by, (0, 1))), spoilt), good]
    found = findings(*given)
    assert [one.pair for one in found] == [1, 1]
    assert all(one.can_be_corrected for one in found)
    first, mended, last = corrected_as_found(given, found)
    assert (first, last) == (good, good)
    assert findings(mended) == []
    assert mended.target.shape[1:] == (SIZE[0] - 5, SIZE[1] - 6)
    assert not mended.counts.numpy()[:, 45:75, 40:80].any()
    assert corrected_as_found(given, ()) == tuple(given)


def test_what_does_not_count_is_not_held_against_a_target():
    values = blobs()
    target = stained(values).astype(np.float32)
    target[:20] = np.nan
    counts = image(np.isfinite(target)[np.newaxis], "CYX", ("DNA",))
    assert findings(pair(stained(values), target, counts=counts)) == []
    nowhere = image(np.zeros(SIZE, bool), channels=())
    (found,) = findings(pair(stained(values), target, counts=nowhere))
    assert "no pixel of the target field stained (DNA) counts" in found.text


def test_only_chosen_channels_are_checked():
    both = pair(stained(blobs()), stained(blobs(), 2), np.ones(SIZE), names=("DNA", "junk"))
    assert findings(both, targets=["DNA"]) == []
    (found,) = findings(both)
    assert "(junk)" in found.text
    (found,) = findings(both, targets=["actin"])
    assert not found.warning
    assert "no channel named 'actin'" in found.text


@pytest.mark.parametrize("by", [(5, 0), (-4, 7)])
def test_a_shift_is_named_and_corrected_with_its_sign(by):
    values = blobs()
    given = pair(stained(np.roll(values, by, (0, 1))), stained(values, 2))
    (found,) = findings(given)
    assert found.warning
    assert found.shift == pytest.approx({"Y": by[0], "X": by[1]}, abs=0.4)
    assert "field: the input lies off its target (for DNA, " in found.text
    assert f"{by[0]:+d} px along Y" in found.text
    mended = corrected(given, found.shift)
    sizes = {"Y": SIZE[0] - abs(by[0]), "X": SIZE[1] - abs(by[1])}
    assert mended.source.sizes == sizes
    assert mended.target.sizes == {"C": 1, **sizes}
    assert findings(mended) == []
    r = np.corrcoef(mended.source.numpy().ravel(), mended.target.numpy().ravel())[0, 1]
    assert r > 0.9


def test_targets_of_different_shifts_are_told_apart():
    values = blobs(shape=(160, 160))
    source = stained(np.roll(values, (0, 6), (0, 1)))
    given = pair(source, stained(values, 2), stained(np.roll(values, (0, -4), (0, 1)), 3),
                 names=("DNA", "actin"))  # fmt: skip
    (found,) = findings(given)
    assert found.shift is None
    assert "for DNA, +6 px along X; for actin, +10 px along X" in found.text
    assert "give each in a pair of its own" in found.text


def test_stacks_are_measured_in_three_axes_and_planes_against_one():
    values = blobs(shape=(12, 96, 96))
    source, target = stained(np.roll(values, (0, 4), (1, 2))), stained(values, 2)
    stack = TrainingPair(image(source, "ZYX"), image(target, "ZYX", ("DNA",)))
    (found,) = findings(stack)
    assert found.shift == pytest.approx({"Z": 0, "Y": 0, "X": 4}, abs=0.5)
    one = TrainingPair(image(source, "ZYX"), image(target[6], channels=("DNA",)))
    (found,) = findings(one)
    assert found.shift == pytest.approx({"Y": 0, "X": 4}, abs=0.7)


def test_a_correction_moves_everything_along_and_keeps_what_is_known():
    da = pytest.importorskip("dask.array")
    values = np.arange(2 * 20 * 30, dtype=np.uint16).reshape(2, 20, 30)
    regions = np.arange(600).reshape(20, 30) % 2 == 0
    lazy = da.from_array(values, chunks=(1, 7, 7))
    given = TrainingPair(
        image(lazy, "CYX", ("a", "b"), provenance={"from": "here"}),
        image(lazy, "CYX", ("c", "d")),
        counts=image(values[0] % 2 == 0, channels=()),
        learn=regions,
        score=~regions,
    )
    mended = corrected(given, {"Y": 3.2, "X": -4.4})
    assert isinstance(mended.source.data, da.Array)
    assert np.array_equal(mended.source.numpy(), values[:, 3:, :26])
    assert np.array_equal(mended.target.numpy(), values[:, :17, 4:])
    assert np.array_equal(mended.counts.numpy(), (values[0] % 2 == 0)[:17, 4:])
    assert np.array_equal(mended.learn, regions[:17, 4:])
    assert np.array_equal(mended.score, ~regions[:17, 4:])
    assert mended.source.voxel_size == UM
    assert mended.source.provenance == {"from": "here"}
    assert corrected(given, {}).source.shape == given.source.shape
    # A crop is one of the images as they were.
    field = channels_apart(mended, None, None, 0)
    part = field.part({"X": slice(10, 30), "Y": slice(0, 5)})
    assert part == {"X": slice(6, 26), "Y": slice(0, 5)}
    assert field.part({"X": slice(0, 31)}) == {"X": slice(0, 31)}  # to be refused
    twice = channels_apart(corrected(mended, {"X": -2}), None, None, 0)
    assert twice.part({"X": slice(10, None)}) == {"X": slice(4, None)}


def test_corrections_that_cannot_be_are_refused():
    given = pair(stained(blobs()), stained(blobs()))
    with pytest.raises(VirtualStainError, match="share nothing after a shift of -160 px along X"):
        corrected(given, {"X": -160})
    with pytest.raises(VirtualStainError, match="cannot be moved along Z onto field stained"):
        corrected(given, {"Z": 1})


def test_saturated_pixels_and_blocks_do_not_count():
    values = blobs()
    bright = np.minimum(stained(values), 600).astype(np.uint16)
    block = stained(values, 3)
    block[:30, 100:] = 0
    given = pair(stained(values), bright, block, names=("bright", "block"))
    counts = counted(given).counts
    assert (counts.axes, counts.shape, counts.dtype) == ("CYX", (2, *SIZE), np.dtype(bool))
    assert np.array_equal(counts.numpy()[0], bright != 600)
    expected = np.ones(SIZE, bool)
    expected[:30, 100:] = False
    assert np.array_equal(counts.numpy()[1], expected)


def test_what_did_not_count_before_does_not_count_after():
    values = blobs()
    before = np.ones(SIZE, np.uint8)
    before[:, :9] = 0
    block = stained(values)
    block[50:90, 50:90] = 7
    given = pair(stained(values), block, counts=image(before, channels=()))
    counts = counted(given).counts.numpy()
    assert not counts[0, :, :9].any()
    assert not counts[0, 50:90, 50:90].any()
    assert counts.sum() == SIZE[0] * (SIZE[1] - 9) - 1600


def test_a_pair_in_which_everything_counts_stays_what_it_is():
    values = blobs()
    mask = (values > 1).astype(np.uint8)
    for given in (
        pair(stained(values), stained(values, 2)),
        pair(stained(values), mask, masks=("DNA",)),
        pair(stained(values), np.ones(SIZE)),
    ):
        assert counted(given) is given


def test_where_a_lazy_target_counts_is_lazy():
    da = pytest.importorskip("dask.array")
    values = np.stack([stained(blobs(seed)) for seed in range(3)])
    values[1, 20:50, 20:50] = 0
    lazy = image(da.from_array(values, chunks=(1, 50, 50)), "TYX", ("DNA",))
    given = TrainingPair(image(values, "TYX"), lazy)
    counts = counted(given).counts
    assert isinstance(counts.data, da.Array)
    expected = np.ones(values.shape, bool)
    expected[1, 20:50, 20:50] = False
    assert np.array_equal(counts.numpy(), expected)
    part = counts.crop({"T": slice(1, 2), "Y": slice(30, 70)})
    assert np.array_equal(part.numpy(), expected[1:2, 30:70])


def test_a_background_of_one_value_is_no_block():
    values = blobs()
    clipped = np.where(values > 0.4, stained(values), 0)
    assert not blanked(clipped).any()
    segmented = np.zeros(SIZE, np.uint16)
    segmented[40:80, 40:100] = stained(values)[40:80, 40:100]
    assert not blanked(segmented).any()


@pytest.mark.data
def test_the_real_block_and_the_real_shift_are_found(data_folder):
    from napari_virtual_stain.io import read_image

    fov = read_image(data_folder / "maicrobe_saureus_misregistered" / "fov.ome.tif")
    source = fov.channel("phase")
    dna = TrainingPair(source, fov.channel("DNA"))
    texts = [finding.text for finding in findings(dna)]
    assert any("a block of the target" in text for text in texts)
    assert any("the input lies off its target (for DNA, +2 px along Y" in text for text in texts)
    counts = counted(dna).counts.numpy()
    assert 0 < (~counts).mean() < 0.2
    assert (fov.channel("DNA").numpy()[~counts] == 0).all()
    both = TrainingPair(source, fov.crop({"C": slice(1, 3)}))
    (shift,) = (finding.shift for finding in findings(both) if finding.shift)
    assert shift == pytest.approx({"Y": 1.3, "X": 5}, abs=0.6)
    rest = [finding for finding in findings(corrected(both, shift)) if finding.shift]
    assert rest == []
