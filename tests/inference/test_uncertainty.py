"""Uncertainty maps of one model: which there are, in which units, under which names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import Prediction, PredictOptions, predict, predict_events
from napari_virtual_stain.model import OutputSpec
from napari_virtual_stain.networks import Geometry, Head

UM = {"Y": 1.0, "X": 1.0}
PIXELS = np.random.default_rng(0).integers(100, 4000, (30, 41)).astype(np.uint16)
IMAGE = Image(PIXELS, "YX", UM, name="slide")


class Raw(torch.nn.Module):
    """Puts out its input and, as scale of a Gaussian, half the input's square."""

    def __init__(self) -> None:
        super().__init__()
        self.geometry, self.head = Geometry((4, 4), (0, 0)), Head("gaussian")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x**2 / 2], dim=1)


def raw_model(make_model, output: OutputSpec, **normalization):
    like = make_model("fnet")
    how = like.spec.normalization.model_copy(update=normalization)
    spec = like.spec.model_copy(update={"outputs": [output], "normalization": how})
    return type(like)(Raw(), spec)


Z_SCORES = (PIXELS - PIXELS.mean()) / PIXELS.std()
SCALES = {
    "z-score": (OutputSpec(name="DNA", mean=500, std=20), {}, Z_SCORES, 500, 20),
    "unit": (OutputSpec(name="DNA", scaling="unit", low=100, high=900), {}, Z_SCORES, 100, 800),
    "range": (OutputSpec(name="DNA", scaling="range", low=100, high=900), {}, Z_SCORES, 500, 400),
    "input": (
        OutputSpec(name="DNA", scaling="input"),
        {"method": "percentile"},
        (PIXELS - PIXELS.min()) / np.ptp(PIXELS).astype(float),
        PIXELS.min(),
        np.ptp(PIXELS),
    ),
}


@pytest.mark.parametrize("scale", SCALES)
def test_sigma_has_the_unit_of_the_prediction_but_no_offset(make_model, scale):
    output, normalization, normalized, offset, unit = SCALES[scale]
    model = raw_model(make_model, output, **normalization)
    predicted, uncertainty = predict(model, IMAGE, return_uncertainty=True)
    np.testing.assert_allclose(
        predicted.numpy()[0], normalized * unit + offset, rtol=1e-4, atol=0.01
    )
    np.testing.assert_allclose(uncertainty.numpy()[0], normalized**2 / 2 * unit, atol=1e-3 * unit)
    assert predicted.provenance["units"] == uncertainty.provenance["units"] == "intensity"
    own, own_sigma = predict(model, IMAGE, return_uncertainty=True, units="z-score")
    np.testing.assert_allclose(own.numpy()[0], normalized, atol=1e-5)
    np.testing.assert_allclose(own_sigma.numpy()[0], normalized**2 / 2, atol=1e-5)
    name = "z-score" if scale == "z-score" else "network units"
    assert own.provenance["units"] == own_sigma.provenance["units"] == name


def test_sigma_of_an_equalized_input_stays_normalized_and_says_so(make_model):
    model = raw_model(
        make_model, OutputSpec(name="DNA", scaling="input"), method="range", equalize=True
    )
    predicted, uncertainty = predict(model, IMAGE, return_uncertainty=True)
    np.testing.assert_allclose(predicted.numpy()[0], PIXELS, atol=1)
    assert predicted.provenance["units"] == "intensity"
    assert uncertainty.provenance["units"] == "network units"
    assert 0 <= uncertainty.numpy().min() <= uncertainty.numpy().max() <= 0.5 + 1e-5


def test_unknown_grey_values_are_said_in_the_words_of_the_scale(make_model):
    said = []
    model = raw_model(make_model, OutputSpec(name="DNA", scaling="range"))
    work = predict_events(model, IMAGE)
    predicted = _drive(work, said).predicted
    assert predicted.provenance["units"] == "network units"
    assert any("is in the network's own units" in text for text in said)


def _drive(work, said) -> Prediction:
    while True:
        try:
            said.append(getattr(next(work), "text", ""))
        except StopIteration as end:
            return end.value


def test_it_lies_on_the_grid_of_the_prediction_and_says_what_it_is(make_model):
    model = make_model(likelihood="laplace", outputs=("DNA", "actin"), voxel_size=UM)
    movie = np.stack([PIXELS, PIXELS[::-1]])
    source = Image(movie, "TYX", {"Y": 0.5, "X": 0.5}, time_step=3.0, name="slide")
    predicted, uncertainty = predict(model, source, return_uncertainty=True, crop={"X": slice(20)})
    assert uncertainty.shape == predicted.shape == (2, 2, 30, 20)
    assert uncertainty.axes == predicted.axes
    assert dict(uncertainty.voxel_size) == dict(predicted.voxel_size)
    assert (uncertainty.time_step, uncertainty.name) == (3.0, "slide uncertainty")
    assert uncertainty.channels == ("DNA σ", "actin σ")
    assert uncertainty.provenance["uncertainty"] == ["σ"]
    assert uncertainty.provenance["model"] == model.spec.name
    assert (uncertainty.numpy() > 0).all()
    alone = predict(model, source, crop={"X": slice(20)})
    np.testing.assert_array_equal(alone.numpy(), predicted.numpy())


def test_it_is_computed_where_it_is_asked_for(make_model):
    model = make_model(likelihood="gaussian")
    said: list[str] = []
    assert _drive(predict_events(model, IMAGE), said).uncertainty is None
    asked = _drive(predict_events(model, IMAGE, PredictOptions(uncertainty=True)), said)
    assert asked.uncertainty is not None
    with pytest.raises(VirtualStainError, match="yields no uncertainty; predict without it"):
        predict(make_model(), IMAGE, return_uncertainty=True)


def test_a_sigma_that_is_infinite_is_not_believed(make_model):
    model = raw_model(make_model, OutputSpec(name="DNA"))
    model.network.head = Head("log-variance")
    spiky = PIXELS.astype(np.float64)
    spiky[3, 3] = 1e9
    with pytest.raises(VirtualStainError, match="NaN or infinite values"):
        predict(model, IMAGE.replace(data=spiky), return_uncertainty=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"statistic": "mode"}, "there is no statistic 'mode'; choose one of mean, median"),
        ({"context": 0}, "the context .px. is a whole number, at least 1, not 0"),
    ],
)
def test_options_without_a_meaning_are_refused(make_model, options, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        predict(make_model(), IMAGE, **options)
