"""Several models as one: mean, spread, and which models do not go together."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.events import Notice, Progress, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions, predict, predict_events
from napari_virtual_stain.model import NormalizationSpec, OutputSpec, StainModel

UM = {"Y": 1.0, "X": 1.0}
PIXELS = np.random.default_rng(0).integers(100, 4000, (2, 30, 41)).astype(np.uint16)
IMAGE = Image(PIXELS, "TYX", UM, name="slide")


def changed(model, **fields):
    return type(model)(model.network, model.spec.model_copy(update=fields))


def test_the_mean_and_the_spread_of_members_that_yield_no_uncertainty(make_model):
    members = [
        make_model("fnet", statistics=(500.0, 20.0)),
        make_model("gvtnet", seed=1, statistics=(480.0, 30.0)),
        make_model("unet", seed=2, statistics=(510.0, 10.0), depth=3),
    ]
    alone = np.stack([predict(member, IMAGE).numpy() for member in members])
    predicted, uncertainty = predict(members, IMAGE, return_uncertainty=True)
    np.testing.assert_allclose(predicted.numpy(), alone.mean(0), rtol=1e-5)
    np.testing.assert_allclose(uncertainty.numpy(), alone.std(0), rtol=1e-3, atol=1e-3)
    assert uncertainty.channels == ("DNA σ",)
    assert uncertainty.provenance["units"] == "intensity"
    np.testing.assert_array_equal(predict(members, IMAGE).numpy(), predicted.numpy())
    origin = predicted.provenance
    assert [one["network"] for one in origin["ensemble"]] == ["fnet", "gvtnet", "unet"]
    assert origin["model"] == "random fnet + random gvtnet + random unet"


def test_sigma_is_that_of_the_mixture(make_model):
    members = [
        make_model("fnet", likelihood="gaussian", statistics=(500.0, 20.0)),
        make_model("gvtnet", likelihood="laplace", statistics=(480.0, 30.0)),
    ]
    parts = [predict(member, IMAGE, return_uncertainty=True) for member in members]
    means = np.stack([predicted.numpy() for predicted, _ in parts])
    sigmas = np.stack([uncertainty.numpy() for _, uncertainty in parts])
    _, uncertainty = predict(members, IMAGE, return_uncertainty=True)
    expected = np.sqrt(means.var(0) + (sigmas**2).mean(0))
    np.testing.assert_allclose(uncertainty.numpy(), expected, rtol=1e-4)


def test_where_one_member_has_no_sigma_the_spread_is_all_there_is(make_model):
    members = [
        make_model("fnet", likelihood="gaussian", statistics=(500.0, 20.0)),
        make_model("gvtnet", statistics=(480.0, 30.0)),
    ]
    with pytest.warns(VirtualStainWarning, match="the spread of the predictions alone"):
        _, uncertainty = predict(members, IMAGE, return_uncertainty=True)
    alone = np.stack([predict(member, IMAGE).numpy() for member in members])
    np.testing.assert_allclose(uncertainty.numpy(), alone.std(0), rtol=1e-3, atol=1e-3)


def test_entropy_is_averaged_where_every_member_has_it(make_model):
    classes = make_model("gt-unet", large_weights=False)
    twins = [classes, make_model("gt-unet", large_weights=False, seed=3, classes=16)]
    small = IMAGE.select("T", 0)
    small = small.replace(data=small.numpy()[:20, :20])
    parts = [predict(member, small, return_uncertainty=True)[1].numpy() for member in twins]
    _, uncertainty = predict(twins, small, return_uncertainty=True)
    assert uncertainty.channels == ("DNA σ", "DNA entropy")
    np.testing.assert_allclose(uncertainty.numpy()[1], np.mean(parts, 0)[1], rtol=1e-5)
    with_another = [classes, make_model("fnet")]
    with_another[1] = changed(with_another[1], outputs=[OutputSpec(name="DNA")])
    with pytest.warns(VirtualStainWarning, match="spread"):
        _, uncertainty = predict(with_another, small, return_uncertainty=True)
    assert uncertainty.channels == ("DNA σ",)


def test_grey_values_are_given_where_every_member_knows_them(make_model):
    known, unknown = make_model("fnet", statistics=(500.0, 20.0)), make_model("gvtnet")
    said: list[str] = []
    work = predict_events([known, unknown], IMAGE)
    predicted = run(work, lambda e: said.append(e.text) if isinstance(e, Notice) else None)
    assert predicted.predicted.provenance["units"] == "z-score"
    assert any("'random gvtnet' are not recorded" in text for text in said)
    expected = [predict(one, IMAGE, units="z-score").numpy() for one in (known, unknown)]
    np.testing.assert_allclose(predicted.predicted.numpy(), np.mean(expected, 0), atol=1e-4)


def test_members_may_be_scaled_and_sampled_differently(make_model):
    coarse = make_model("fnet", voxel_size={"Y": 2.0, "X": 2.0}, statistics=(5.0, 2.0))
    how = coarse.spec.normalization.model_copy(update={"method": "percentile"})
    members = [changed(coarse, normalization=how), make_model("gvtnet", statistics=(5.0, 2.0))]
    predicted = predict(members, IMAGE)
    alone = [predict(member, IMAGE).numpy() for member in members]
    np.testing.assert_allclose(predicted.numpy(), np.mean(alone, 0), atol=1e-4)
    assert predicted.provenance["ensemble"][0]["zooms"] == [0.5, 0.5]
    assert "zooms" not in predicted.provenance["ensemble"][1]


def test_progress_runs_once_over_all_members(make_model):
    events = []
    members = [make_model("fnet"), make_model("gvtnet")]
    run(predict_events(members, IMAGE, PredictOptions(tile=16, device="cpu")), events.append)
    progress = [e for e in events if isinstance(e, Progress) and e.stage == "Predicting"]
    shares = [e.done / e.total for e in progress]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1
    notices = [e.text for e in events if isinstance(e, Notice)]
    assert len(notices) == len(set(notices))


def test_one_model_in_a_list_is_that_model(make_model):
    model = make_model(likelihood="gaussian", statistics=(5.0, 2.0))
    one, listed = (predict(m, IMAGE, return_uncertainty=True) for m in (model, [model]))
    for a, b in zip(one, listed, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert "ensemble" not in listed[0].provenance


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        ({}, {"outputs": ("actin",)}, r"their outputs differ \(DNA; actin\)"),
        ({}, {"inputs": ("phase",)}, r"their inputs differ \(brightfield; phase\)"),
        ({}, {"axes": "ZYX"}, r"their axes differ \(YX; ZYX\)"),
        ({}, {"planes": 3}, r"their results differ \(a stack for a stack; one plane for a stack"),
        (
            {"axes": "ZYX"},
            {"axes": "ZYX", "name": "gvtnet-projection"},
            r"'random gvtnet' and 'random gvtnet-projection' cannot be averaged: their results",
        ),
    ],
)
def test_models_that_predict_different_things_are_refused(make_model, one, other, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        predict([make_model(**one), make_model(**other)], IMAGE)


def test_networks_that_yield_different_units_are_refused_where_units_are_unknown(make_model):
    one, other = make_model("fnet"), make_model("gvtnet")
    other = changed(other, outputs=[OutputSpec(name="DNA", scaling="range", low=1, high=9)])
    sentence = r"the units in which their networks yield DNA differ \(z-score; range\)"
    with pytest.raises(VirtualStainError, match=sentence):
        predict([one, other], IMAGE)
    known = make_model("fnet", statistics=(5.0, 2.0))
    assert predict([known, other], IMAGE).provenance["units"] == "intensity"
    with pytest.raises(VirtualStainError, match=sentence):
        predict([known, other], IMAGE, units="z-score")


@pytest.mark.parametrize("given", [[], ["tiny"], "tiny", ("tiny",)])
def test_what_is_no_model_is_refused(given):
    with pytest.raises(VirtualStainError, match=r"a model is needed \(vs.load_model\)"):
        predict(given, IMAGE)


def test_the_sigma_of_an_equalized_ensemble_has_the_unit_of_its_prediction(make_model):
    """It is the spread of predictions in grey values, whatever the members' own σ is in."""
    members = []
    for seed in (0, 1):
        model = make_model("gvtnet-denoise", axes="ZYX", seed=seed)
        spec = model.spec.model_copy(
            update={
                "outputs": [OutputSpec(name="DNA", scaling="input")],
                "normalization": NormalizationSpec(method="percentile", equalize=True),
            }
        )
        members.append(StainModel(model.network, spec))
    values = np.random.default_rng(0).integers(100, 4000, (8, 16, 16)).astype(np.uint16)
    image = Image(values, "ZYX", {"Z": 1, "Y": 1, "X": 1})
    alone = [predict(member, image).numpy() for member in members]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VirtualStainWarning)  # that their own σ are left out
        _, sigma = predict(members, image, return_uncertainty=True)
    assert sigma.provenance["units"] == "intensity"
    assert np.allclose(sigma.numpy()[0], np.std(alone, axis=0)[0], rtol=1e-3, atol=1e-2)


def test_one_model_twice_is_no_ensemble(make_model):
    model = make_model()
    image = Image(np.random.default_rng(0).normal(size=(32, 32)), "YX", {"Y": 1, "X": 1})
    with pytest.raises(VirtualStainError, match="'random gvtnet' was given twice"):
        predict([model, model], image)
    copies = [StainModel(model.network, model.spec, "abc") for _ in range(2)]
    with pytest.raises(VirtualStainError, match="trained apart"):
        predict(copies, image)
