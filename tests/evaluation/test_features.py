"""Features of cells: the same objects in both images, measured and correlated."""

from __future__ import annotations

import io
import itertools
import json
import math
import re

import numpy as np
import pytest
from PIL import Image as Picture
from scipy import ndimage

pytest.importorskip("cp_measure", reason="there is none for this version of Python")

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.evaluation.features import (
    FeatureComparison,
    compare_features,
    compare_features_events,
    feature_correlations_table,
    feature_figures,
    features_from_tables,
    features_json,
    features_table,
    joint_limits,
    observed_limits,
    pool_features,
)
from napari_virtual_stain.evaluation.features.granularity import granularity
from napari_virtual_stain.evaluation.features.measuring import GROUPS, Channel, Steps, measure
from napari_virtual_stain.evaluation.page.feature_section import features_html
from napari_virtual_stain.events import Progress, run
from napari_virtual_stain.image import Image

SHAPE = (120, 140)


def field(seed=0, shape=SHAPE):
    """Return labels of six nuclei in the plane and one at its border, and a noisy stain of them."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    centres = [(32, 30), (32, 70), (32, 110), (84, 30), (84, 70), (84, 110), (58, 0)]
    for number, (y, x) in enumerate(centres, 1):
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        labels[(rows - y) ** 2 + (columns - x) ** 2 < rng.uniform(6, 9) ** 2] = number
    bright = np.concatenate([[0], rng.uniform(300, 900, len(centres))])[labels]
    stain = ndimage.gaussian_filter(bright, 1) + rng.normal(100, 8, shape)
    return labels, stain + ndimage.gaussian_filter(rng.normal(0, 100, shape), 1.5) * (labels > 0)


def pair(noise=0.0, channels=("DAPI", "ER"), seed=0):
    labels, stain = field(seed)
    rng = np.random.default_rng(seed + 100)
    other = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 3) * 2000 + 500 + stain / 2
    values = np.stack([stain, other][: len(channels)])
    made = values + noise * rng.normal(0, values.std(), values.shape)
    fields = {"axes": "CYX", "channels": channels, "name": f"field {seed}"}
    return labels, Image(values, **fields), Image(made, **fields)


@pytest.fixture(scope="module")
def compared():
    labels, observed, predicted = pair(noise=0.1)
    return compare_features(observed, predicted, labels)


def block(features, channel="DAPI", compartment="nuclei"):
    return next(
        one for one in features.blocks if (one.channel, one.compartment) == (channel, compartment)
    )


def column(block, feature, which="observed"):
    return getattr(block, which)[:, block.features.index(feature)]


def test_all_compartments_of_all_channels_and_pairs_are_measured(compared):
    assert compared.objects == {"cells": 6, "nuclei": 6, "cytoplasm": 6}
    assert compared.channels == ("DAPI", "ER", "DAPI × ER")
    assert {one.group for one in compared.correlations} == set(GROUPS)
    assert [one.compartment for one in compared.blocks] == ["cells", "nuclei", "cytoplasm"] * 3
    # Neither shapes nor places: they are those of the labels.
    names = {one.feature for one in compared.correlations}
    assert not [name for name in names if "Location" in name or "Area" in name]
    assert {"Intensity_MeanIntensity", "Texture_Contrast", "Granularity_1"} <= names
    assert [one.label for one in block(compared).objects] == [1, 2, 3, 4, 5, 6]


def test_intensities_are_those_of_the_grey_values():
    labels, observed, predicted = pair(noise=0.3)
    found = compare_features(observed, predicted, labels)
    for which, image in (("observed", observed), ("predicted", predicted)):
        stain = image.channel("DAPI").numpy()
        mean = ndimage.mean(stain, labels, range(1, 7))
        np.testing.assert_allclose(
            column(block(found), "Intensity_MeanIntensity", which), mean, rtol=1e-12
        )
        cells = found.labels["cells"][0]
        largest = ndimage.maximum(stain, np.where(labels, 0, cells), range(1, 7))
        np.testing.assert_allclose(
            column(block(found, compartment="cytoplasm"), "Intensity_MaxIntensity", which), largest
        )


def test_a_correlation_worked_by_hand():
    # Flat nuclei of 1, 2, 3 and 5 that are predicted as 2, 2, 4 and 4.
    labels = np.kron(
        np.array([[0, 0, 0, 0, 0], [0, 7, 0, 3, 0], [0, 0, 0, 0, 0]] * 2), np.ones((8, 8))
    )
    labels[24:, 8:] *= 10
    labels = labels.astype(int)
    seen, made = np.zeros(labels.shape), np.zeros(labels.shape)
    for number, o, p in ((7, 1, 2), (3, 2, 2), (70, 3, 4), (30, 5, 4)):
        seen[labels == number], made[labels == number] = o, p
    found = compare_features(Image(seen, "YX"), Image(made, "YX"), labels, labels)
    (r,) = [
        one
        for one in found.correlations
        if one.feature == "Intensity_MeanIntensity" and one.compartment == "nuclei"
    ]
    # Deviations −1.75, −0.75, 0.25, 2.25 and −1, −1, 1, 1: 5 over the roots of 8.75 and of 4.
    assert r.r == pytest.approx(5 / math.sqrt(8.75 * 4))
    assert r.objects == 4
    # Of flat objects that is 0 for all, and no correlation.
    flat = [one for one in found.correlations if one.feature == "Intensity_StdIntensity"]
    assert all(math.isnan(one.r) for one in flat)
    # Cells that are nothing but nuclei have no cytoplasm.
    assert found.objects["cytoplasm"] == 0


def test_an_image_is_like_itself_and_noise_is_not():
    labels, observed, _ = pair()
    same = compare_features(observed, observed, labels)
    known = [one.r for one in same.correlations if not math.isnan(one.r)]
    assert len(known) > 300
    np.testing.assert_allclose(known, 1, atol=1e-9)
    noise = np.random.default_rng(5).normal(500, 200, observed.shape)
    other = compare_features(observed, observed.replace(data=noise), labels)
    assert abs(other.median_r()) < 0.3


def test_r_does_not_depend_on_a_gain_and_an_offset_of_intensities():
    labels, observed, predicted = pair(noise=0.5, channels=("DAPI",))
    shifted = predicted.replace(data=3 * predicted.numpy() + 50)
    rs = [
        [
            one.r
            for one in compare_features(observed, made, labels).correlations
            if one.feature == "Intensity_MeanIntensity"
        ]
        for made in (predicted, shifted)
    ]
    np.testing.assert_allclose(*rs, rtol=1e-9)


def test_objects_are_measured_as_in_the_whole_plane():
    from cp_measure.bulk import get_core_measurements

    labels, stain = field()
    scaled = ((stain - stain.min()) / np.ptp(stain)).clip(0, 1)
    found = run(measure({"nuclei": labels}, [Channel(stain, scaled)], Steps("x", 1)))["nuclei"]
    core = get_core_measurements()
    with np.errstate(all="ignore"):
        whole = {
            **core["intensity"](labels, stain),
            **core["radial_distribution"](labels, scaled),
            **core["granularity"](labels, scaled),
        }
    within = slice(0, 6)  # at the border, the cut is an edge
    for name in set(whole) & set(found):
        np.testing.assert_allclose(found[name][within], whole[name][within], atol=1e-9)


def test_the_contrast_of_a_texture_worked_out():
    labels, stain = field()
    scaled = ((stain - stain.min()) / np.ptp(stain)).clip(0, 1)
    found = run(measure({"nuclei": labels}, [Channel(stain, scaled)], Steps("x", 1)))["nuclei"]
    # 31 levels of equal width; pairs of pixels of one object that lie 3 apart.
    levels = np.minimum((31 * scaled).astype(int), 30)
    expected = []
    for number in range(1, 8):
        contrasts = []
        for down, across in ((0, 3), (3, 3), (3, 0), (3, -3)):
            values = np.where(labels == number, levels, -1)
            values = np.pad(values, 3, constant_values=-1)
            other = np.roll(values, (down, across), (0, 1))
            both = (values >= 0) & (other >= 0)
            contrasts.append(((values - other)[both] ** 2).mean())
        expected.append(np.mean(contrasts))
    np.testing.assert_allclose(found["Texture_Contrast"], expected, rtol=1e-9)


def test_granularity_of_overlapping_compartments_is_that_of_each():
    from cp_measure.bulk import get_core_measurements

    labels, stain = field(1)
    function = get_core_measurements(sanitize=False)["granularity"]
    plane = (stain / stain.max()).clip(0, 1)
    inner = np.where(ndimage.grey_erosion(labels, 5) > 0, labels, 0)
    inner[labels == 2] = 0
    inner = np.where(inner > 2, inner - 1, inner).astype(np.int32)
    together = granularity(function, {"cells": labels, "nuclei": inner}, plane)
    for compartment, alone in (("cells", labels), ("nuclei", inner)):
        for name, values in function(alone, plane).items():
            np.testing.assert_allclose(together[compartment][name], values, atol=1e-9)


def test_what_an_object_does_not_have_is_not_known():
    labels, observed, predicted = pair(channels=("DAPI",))
    seen, made = observed.numpy().copy(), predicted.numpy().copy()
    labels = np.where(labels == 7, 0, labels)
    labels[58, 50] = 8  # one pixel
    labels[58, 90:92] = 9
    seen[:, labels == 1] = made[:, labels == 1] = 0  # empty
    made[:, labels == 2] = 400  # flat
    found = compare_features(observed.replace(data=seen), predicted.replace(data=made), labels)
    nuclei = block(found)
    assert [one.label for one in nuclei.objects] == [1, 2, 3, 4, 5, 6, 8, 9]
    assert not np.isinf(nuclei.observed).any()
    assert np.isnan(column(nuclei, "Texture_Contrast")[6:]).all()
    assert np.isnan(column(nuclei, "Granularity_1")[0])
    assert column(nuclei, "Intensity_MeanIntensity")[0] == 0
    of_texture = next(one for one in nuclei.correlations if one.feature == "Texture_Contrast")
    assert of_texture.objects == 6
    assert all(-1 <= one.r <= 1 for one in found.correlations if not math.isnan(one.r))


def test_fewer_than_three_objects_have_no_correlation():
    labels, observed, predicted = pair(noise=0.1, channels=("DAPI",))
    found = compare_features(observed, predicted, np.where(labels > 2, 0, labels))
    assert found.objects["nuclei"] == 2
    assert all(math.isnan(one.r) for one in found.correlations)
    assert math.isnan(found.median_r())


def test_no_object_is_said_and_no_failure():
    labels, observed, predicted = pair()
    with pytest.warns(VirtualStainWarning, match="no object to measure"):
        found = compare_features(observed, predicted, labels * 0)
    assert found.objects == {"cells": 0, "nuclei": 0, "cytoplasm": 0}
    assert features_table(found) == []


def test_objects_at_the_border_count_only_if_it_is_asked_for():
    labels, observed, predicted = pair(channels=("DAPI",))
    found = compare_features(observed, predicted, labels, border=True)
    assert found.objects["nuclei"] == 7
    assert found.objects["cells"] == found.objects["cytoplasm"] == 7


def test_pixels_that_do_not_count_take_their_objects_with_them():
    labels, observed, predicted = pair(channels=("DAPI",))
    seen = observed.numpy().copy()
    seen[0, labels == 3] = np.nan
    unmeasured = observed.replace(data=seen)
    mask = np.ones(SHAPE, np.uint8)
    mask[labels == 5] = 0
    found = compare_features(unmeasured, predicted, labels, mask=Image(mask, "YX"))
    assert [one.label for one in block(found).objects] == [1, 2, 4, 6]
    nuclei = compare_features(unmeasured, predicted)
    assert nuclei.objects["nuclei"] == 5


def test_nuclei_are_found_in_the_observed_image():
    labels, observed, predicted = pair(noise=0.1)
    found = compare_features(observed, predicted)
    assert found.nuclear_channel == "DAPI"
    assert found.objects["nuclei"] == 6
    # A channel without a prediction will do.
    alone = compare_features(observed, predicted.crop({"C": slice(1, 2)}))
    assert alone.channels == ("ER",)
    assert alone.objects == found.objects
    other = [image.replace(channels=("a", "b")) for image in (observed, predicted)]
    with pytest.raises(VirtualStainError, match="cannot be told which channel shows nuclei"):
        compare_features(*other)
    assert compare_features(*other, nuclear_channel="A").objects == found.objects
    with pytest.raises(VirtualStainError, match="there is no channel 'c'"):
        compare_features(*other, nuclear_channel="c")
    # Cells alone are cells without compartments.
    assert compare_features(*other, cells=labels).objects == {"cells": 6}


def test_a_stack_is_measured_in_its_projection_and_a_movie_as_a_whole():
    labels, observed, predicted = pair(noise=0.1, channels=("DAPI",))
    flat = compare_features(observed, predicted, labels)
    stacks = [
        Image(np.stack([image.numpy()[0] - 50, image.numpy()[0]]), "ZYX", channels=("DAPI",))
        for image in (observed, predicted)
    ]
    events = []
    projected = run(compare_features_events(*stacks, labels), events.append)
    assert projected.projected
    assert [event.text for event in events if not isinstance(event, Progress)] == [
        "features are measured in the maximum projections of the stacks."
    ]
    for one, other in zip(flat.blocks, projected.blocks, strict=True):
        np.testing.assert_array_equal(one.observed, other.observed)
    movies = [
        Image(np.stack([image.numpy()[0]] * 2), "TYX", channels=("DAPI",))
        for image in (observed, predicted)
    ]
    movie = compare_features(*movies, np.stack([labels, np.where(labels == 1, 0, labels)]))
    assert [(one.time, one.label) for one in block(movie).objects][5:8] == [(0, 6), (1, 2), (1, 3)]


def test_images_of_a_set_are_pooled_over_their_objects():
    found = [compare_features(*pair(noise=0.2, seed=seed)[1:]) for seed in range(2)]
    pooled = pool_features(found)
    assert pooled.images == ("field 0", "field 1")
    assert pooled.objects == {
        name: sum(one.objects[name] for one in found) for name in pooled.objects
    }
    columns = [
        np.concatenate([column(block(one), "Intensity_MeanIntensity", which) for one in found])
        for which in ("observed", "predicted")
    ]
    r = next(
        one
        for one in pooled.correlations
        if one[3] == "Intensity_MeanIntensity" and one[1] == "nuclei"
    )
    assert r.r == pytest.approx(np.corrcoef(*columns)[0, 1])
    with pytest.raises(VirtualStainError, match="no image"):
        pool_features([])


def test_images_of_a_set_share_their_grey_limits():
    one, other = (
        Image(np.linspace(*ends, 10_001)[None], "YX", channels=("a",))
        for ends in ((0, 10), (5, 20))
    )
    limits = joint_limits(map(observed_limits, (one, other)))
    assert limits["a"] == pytest.approx((0.01, 19.985), rel=1e-3)


def test_tables_and_json(compared):
    rows = features_table(compared)
    assert len(rows) == 9 * 6
    assert (
        rows[0] | {"image": "field 0", "time": 1, "compartment": "cells", "channel": "DAPI"}
        == rows[0]
    )
    assert isinstance(rows[0]["predicted:Intensity_MeanIntensity"], float)
    assert not any(isinstance(v, float) and math.isnan(v) for row in rows for v in row.values())
    correlations = feature_correlations_table(compared)
    assert list(correlations[0]) == ["channel", "compartment", "group", "feature", "r", "objects"]
    values = features_json(compared)
    assert values["objects"] == {"cells": 6, "nuclei": 6, "cytoplasm": 6}
    of_nuclei = values["channels"]["DAPI"]["nuclei"]["Intensity_MeanIntensity"]
    assert of_nuclei["group"] == "intensity"
    assert 0.9 < of_nuclei["pearson_r"] <= 1
    assert values["median_r"]["DAPI"]["nuclei"] == compared.median_r("DAPI", "nuclei")


def test_tables_hold_all_of_it():
    labels, observed, predicted = pair(noise=0.2)
    labels = labels.copy()
    labels[58, 50] = 8
    first = compare_features(observed, predicted, labels)
    texts = [
        {key: "" if value is None else str(value) for key, value in row.items()}
        for row in features_table(first)
    ]
    again = features_from_tables(texts, json.loads(json.dumps(features_json(first))))
    assert features_json(again) == features_json(first)
    for one, other in zip(first.blocks, again.blocks, strict=True):
        assert (one.objects, one.features) == (other.objects, other.features)
        np.testing.assert_array_equal(one.observed, other.observed)
        np.testing.assert_array_equal(one.predicted, other.predicted)


def test_it_can_be_stopped_after_a_few_objects():
    labels, observed, predicted = pair()
    work = compare_features_events(observed, predicted, labels)
    stages = {}
    for event in itertools.islice(work, 12):
        stages[event.stage] = event
    assert 0 < stages["measuring cells"].done < stages["measuring cells"].total
    work.close()
    last = None
    for event in compare_features_events(observed, predicted, labels):
        last = event
    assert (last.done, last.total) == (last.total, 2 * (3 * 2 + 3) * 18)


def test_labels_that_do_not_fit_are_refused():
    labels, observed, predicted = pair()
    for bad, said in (
        (labels[1:], "the labels of the nuclei have 119 × 140 pixels and the image 120 × 140"),
        (labels.astype(float), "float64, and labels are integers"),
        (labels > 0, "bool, and labels are integers"),
        (-labels, "run from -7 to 0"),
    ):
        with pytest.raises(VirtualStainError, match=said):
            compare_features(observed, predicted, bad)
    with pytest.raises(VirtualStainError, match="labels of the cells"):
        compare_features(observed, predicted, labels, labels[:, 1:])
    with pytest.raises(VirtualStainError, match="-3 is no diameter"):
        compare_features(observed, predicted, nucleus_diameter=-3)


def test_labels_may_be_any_numbers():
    labels, observed, predicted = pair(noise=0.1, channels=("DAPI",))
    huge = np.where(labels > 0, 2_000_000_000 - labels, 0)
    one, other = (compare_features(observed, predicted, given) for given in (labels, huge))
    assert [o.label for o in block(other).objects] == sorted(
        set(huge.ravel()) - {0, 2_000_000_000 - 7}
    )
    assert one.median_r("DAPI", "nuclei") == pytest.approx(other.median_r("DAPI", "nuclei"))


def test_pictures_are_drawn_of_what_there_is(compared):
    pictures = feature_figures(compared)
    assert list(pictures) == ["heat_map", "histogram"]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    heat_map = np.asarray(Picture.open(io.BytesIO(pictures["heat_map"])).convert("RGB"))
    # Dark blue is r near 1, grey what is not defined.
    assert (np.abs(heat_map.astype(int) - (5, 48, 97)).sum(-1) < 60).mean() > 0.02
    nothing = pool_features([FeatureComparison(("a",), ())])
    assert all(picture.startswith(b"\x89PNG") for picture in feature_figures(nothing).values())


def test_the_page_says_what_was_measured(compared):
    text = features_html(compared)
    assert "Measured in 6 cells, 6 nuclei, cytoplasm of 6 cells." in text
    assert "DAPI × ER" in text
    assert text.count('<img src="data:image/') == 3
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    pooled = features_html(pool_features([compared, compared]))
    assert "12 nuclei, cytoplasm of 12 cells of 2 images" in pooled
    assert pooled.count('<img src="data:image/') == 2


def test_names_of_channels_are_no_formulas_and_no_markup():
    labels, observed, predicted = pair(channels=("$x_{$ <u>", "中"))
    found = compare_features(observed, predicted, labels)
    assert "<u>" not in features_html(found)
    assert feature_figures(found)["heat_map"].startswith(b"\x89PNG")
