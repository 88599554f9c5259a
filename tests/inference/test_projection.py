"""A network that projects: Z is read whole, and gone from the result."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.networks import Geometry, Head

VOXELS = {"Z": 1.0, "Y": 0.5, "X": 0.5}


def stack(*shape: int, axes: str = "ZYX", **fields) -> Image:
    values = np.random.default_rng(0).integers(100, 4000, shape).astype(np.uint16)
    return Image(values, axes, fields.pop("voxel_size", VOXELS), **fields)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model("gvtnet-projection", axes="ZYX", large_weights=False)


def test_the_result_is_one_forward_of_the_whole_stack(model):
    source = stack(5, 37, 50)
    values = source.numpy().astype(float)
    normalized = np.float32((values - values.mean()) / values.std())
    padded = np.pad(normalized, ((0, 0), (0, 11), (0, 14)), mode="reflect")
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(padded)[None, None])[0, :, :37, :50].numpy()
    predicted = predict(model, source, units="z-score")
    assert (predicted.axes, predicted.shape) == ("CYX", (1, 37, 50))
    assert dict(predicted.voxel_size) == {"Y": 0.5, "X": 0.5}
    np.testing.assert_allclose(predicted.numpy(), expected, atol=1e-4 * expected.std())


def test_time_points_are_projected_one_by_one(model):
    movie = stack(2, 4, 20, 24, axes="TZYX", time_step=5.0)
    predicted = predict(model, movie)
    assert (predicted.axes, predicted.shape) == ("TCYX", (2, 1, 20, 24))
    assert predicted.time_step == 5.0
    alone = predict(model, movie.select("T", 1)).numpy()
    np.testing.assert_allclose(predicted.numpy()[1], alone, atol=1e-5)


def test_a_crop_in_z_projects_those_planes(model):
    source = stack(6, 20, 24)
    cropped = predict(model, source, crop={"Z": slice(1, 5), "X": slice(4, 24)})
    assert cropped.shape == (1, 20, 20)
    assert cropped.provenance["crop"] == {"Z": [1, 5], "X": [4, 24]}
    whole = predict(model, source, crop={"X": slice(4, 24)})
    assert np.abs(cropped.numpy() - whole.numpy()).max() > 1e-3


def test_z_is_resampled_forwards_only(make_model):
    """A mean over Z, which resampling of a linear ramp keeps."""
    like = make_model("gvtnet-projection", axes="ZYX", voxel_size={"Z": 2.0, "Y": 1.0, "X": 1.0})
    model = type(like)(Mean(), like.spec)
    z, y, x = np.mgrid[0:8, 0:40, 0:30]
    source = Image(10.0 * z + y + x, "ZYX", {"Z": 1.0, "Y": 0.5, "X": 2.0})
    predicted = predict(model, source, units="z-score")
    assert predicted.shape == (1, 40, 30)
    assert predicted.provenance["zooms"] == [0.5, 0.5, 2.0]
    values = source.numpy()
    expected = ((values - values.mean()) / values.std()).mean(0)
    inner = np.abs(predicted.numpy()[0] - expected)[4:-4, 4:-4]
    assert inner.max() < 0.02


class Mean(torch.nn.Module):
    """The mean over Z."""

    def __init__(self) -> None:
        super().__init__()
        self.geometry, self.head = Geometry((1, 4, 4), (0, 0, 0), projects=True), Head()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=2)


def test_its_uncertainty_is_a_plane_too(make_model):
    model = make_model("gvtnet-projection", axes="ZYX", likelihood="gaussian")
    _, uncertainty = predict(model, stack(4, 20, 24), return_uncertainty=True)
    assert (uncertainty.axes, uncertainty.shape) == ("CYX", (1, 20, 24))


def test_memory_counts_the_whole_stack(model):
    with pytest.raises(VirtualStainError, match="the memory is too small: the smallest part"):
        predict(model, stack(40, 200, 200), memory=0.003)


def test_a_plane_is_refused(model):
    with pytest.raises(VirtualStainError, match=r"is a 2D image, and the model .* is a 3D model"):
        predict(model, stack(1, 20, 24))
