"""The page of a comparison holds everything it shows, whatever the images and their names."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as Picture

from napari_virtual_stain.evaluation import compare, html, mask_overlap, metrics_table
from napari_virtual_stain.evaluation.colours import FALSE, MISSED, UNMEASURED, rgb
from napari_virtual_stain.evaluation.page import pictures
from napari_virtual_stain.evaluation.page.numbers import number
from napari_virtual_stain.image import Image


def pair(axes="CYX", shape=(2, 24, 32), **fields):
    rng = np.random.default_rng(0)
    observed = rng.integers(0, 1000, shape).astype(np.uint16)
    predicted = (observed + rng.normal(0, 100, shape)).astype(np.float32)
    return [Image(observed, axes, **fields), Image(predicted, axes, **fields)]


class Page(HTMLParser):
    """What a page holds; fails where an element is not closed."""

    EMPTY = ("meta", "img", "i", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data.strip())

    def addresses(self):
        return [attributes["src"] for tag, attributes in self.tags if tag == "img"]


def decoded(address):
    """Return the pixels of a picture of a page."""
    kind, _, data = address.partition(";base64,")
    assert kind == "data:image/webp"
    return np.asarray(Picture.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize(
    ("axes", "shape", "views"),
    [
        ("YX", (24, 32), 1),
        ("CYX", (3, 24, 32), 1),
        ("ZYX", (5, 24, 32), 4),
        ("TCZYX", (2, 2, 9, 24, 32), 4),
        ("ZYX", (1, 3, 4), 1),
    ],
)
def test_it_needs_no_other_file(axes, shape, views):
    observed, predicted = pair(axes, shape)
    comparison = compare(observed, predicted)
    text = html(comparison)
    page = Page(text)
    channels = len(comparison.channels)
    # Five pictures of each view, and four plots; a plane of 3 × 4 pixels has no spectrum.
    plots = 4 if min(shape[-2:]) >= 8 else 3
    assert len(page.addresses()) == channels * (5 * views + plots)
    assert all(address.startswith("data:image/") for address in page.addresses())
    assert all(attributes["alt"] for tag, attributes in page.tags if tag == "img")
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert "@import" not in text
    assert len(text) < 2_000_000


def test_the_same_comparison_gives_the_same_page():
    assert html(compare(*pair())) == html(compare(*pair()))


def test_names_are_text_and_never_markup():
    evil = "<script>alert('x')</script> & \"quoted\""
    observed, predicted = pair(channels=(evil, "中文"), name=evil)
    predicted = predicted.replace(provenance={"model": {"name": evil}, "empty": None})
    text = html(compare(observed, predicted))
    assert "<script>alert" not in text
    page = Page(text)
    assert page.texts.count(evil) >= 3
    assert "中文" in page.texts
    assert "model · name" in page.texts
    assert "empty" not in page.texts


def test_it_tells_the_scores_of_the_comparison():
    comparison = compare(*pair(channels=("DAPI", "ER")))
    page = Page(html(comparison))
    for name, scores in comparison.metrics.items():
        assert name in page.texts
        for score in ("pearson_r", "structural_similarity", "mean_absolute_error"):
            assert number(scores[score]) in page.texts
    masks = [comparison.masks[which].channel("ER").numpy() for which in ("observed", "predicted")]
    assert number(mask_overlap(*masks).dice) in page.texts


@pytest.mark.parametrize("value", [0, 65535])
def test_a_constant_image_has_a_page_with_dashes(value):
    constant = Image(np.full((16, 16), value, np.uint16), "YX")
    page = Page(html(compare(constant, constant)))
    assert "–" in page.texts


def test_numbers_as_a_person_reads_them():
    assert [number(v) for v in (0.12345, -2.5, 12345.6, 1e12, 0.0)] == [
        "0.1235",
        "−2.5",
        "12,346",
        "1e+12",
        "0",
    ]
    assert [number(v) for v in (None, float("nan"), float("inf"), "plane")] == [
        "–",
        "–",
        "∞",
        "plane",
    ]


def test_pictures_show_what_is_there():
    plane = np.tile(np.linspace(0, 100, 64), (48, 1))
    shown = decoded(pictures.picture(pictures.grey((0, 100))(plane)))
    assert shown.shape[:2] == (48, 64)
    np.testing.assert_allclose(shown[24, :, 0], np.linspace(0, 255, 64), atol=12)
    tall = decoded(pictures.picture(np.zeros((10, 40), np.uint8), aspect=3.0))
    assert tall.shape[:2] == (30, 40)
    small = decoded(pictures.picture(np.zeros((3000, 1500), np.uint8)))
    assert small.shape[:2] == (640, 320)


def test_errors_are_orange_where_missed_and_blue_where_made_up():
    painted = pictures.signed((-50.0, 100.0))(np.array([[-50.0, 0.0, 100.0, 500.0]]))
    np.testing.assert_array_equal(painted[0, 1], (0, 0, 0))
    assert tuple(painted[0, 0]) == rgb(FALSE)
    assert tuple(painted[0, 2]) == tuple(painted[0, 3]) == rgb(MISSED)
    merged = pictures.magenta_green(np.uint8([[255, 0]]), np.uint8([[255, 200]]))
    np.testing.assert_array_equal(merged, [[[255, 255, 255], [0, 200, 0]]])


def test_a_stack_is_cut_where_it_is_brightest():
    volume = np.zeros((5, 6, 7))
    volume[3, 2, 4] = 9
    assert pictures.brightest(volume) == (3, 2, 4)
    planes = pictures.orthogonal(volume, (3, 2, 4))
    assert [plane.shape for plane in planes] == [(6, 7), (5, 7), (5, 6)]
    assert [plane.max() for plane in planes] == [9, 9, 9]


def test_the_table_has_a_row_for_each_channel():
    rows = metrics_table(compare(*pair("TCYX", (2, 2, 24, 32), channels=("DAPI", "ER"))))
    assert [row["channel"] for row in rows] == ["DAPI", "ER"]
    assert all(isinstance(row["pearson_r"], float) for row in rows)
    assert not any(isinstance(value, list | dict) for row in rows for value in row.values())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("axes", "shape"), [("CYX", (2, 24, 32)), ("CZYX", (2, 9, 24, 32)), ("TCZYX", (3, 1, 4, 9, 9))]
)
def test_what_does_not_count_has_a_colour_and_is_said(axes, shape):
    observed, predicted = pair(axes, shape)
    data = observed.numpy().astype(np.float32)
    data[..., :8] = np.nan
    text = html(compare(observed.replace(data=data), predicted))
    page = Page(text)
    share = number(100 * 8 / shape[-1])
    assert any(one.startswith(f"{share} % of the pixels were not measured") for one in page.texts)
    shown = [decoded(one) for one in page.addresses() if one.startswith("data:image/webp")][:5]
    for picture in shown:
        np.testing.assert_allclose(picture[2:-2, 2:6].mean((0, 1)), rgb(UNMEASURED), atol=25)
    # A mask does the same to integers, and pages of whole images say nothing.
    mask = Image(np.isfinite(data[(0,) * (data.ndim - 2)]).astype(np.uint8), "YX")
    assert f"{share} % of the pixels were" in html(compare(observed, predicted, mask=mask))
    assert "were not measured" not in html(compare(observed, predicted))


def test_noise_and_uncertainty_are_told_where_they_were_given():
    observed, predicted = pair(channels=("DAPI", "ER"))
    sigma = np.full((1, 24, 32), 100, np.float32)
    rng = np.random.default_rng(1)
    comparison = compare(
        observed,
        predicted,
        noise=Image(rng.normal(0, 50, (32, 32)), "YX"),
        uncertainty=Image(sigma, "CYX", channels=("ER σ",)),
    )
    page = Page(html(comparison))
    ceiling = number(comparison.metrics["DAPI"]["noise_ceiling"])
    assert f"Pearson r, of at most {ceiling}" in page.texts
    assert page.texts.count("σ: should be multiplied by") == 1
    assert comparison.details["DAPI"].calibration is None
    assert comparison.details["ER"].calibration.scale == pytest.approx(1, abs=0.1)
