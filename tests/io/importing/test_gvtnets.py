"""Imported TensorFlow checkpoints compute what their graphs compute."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import import_model, load_model, save_model
from napari_virtual_stain.io.importing.tensorflow_bundle import Checkpoint

from .bundle_writer import write_bundle
from .gvtnet_reference import Graph, denoising, label_free, projected


def image(*sizes, seed=1):
    return np.random.default_rng(seed).normal(size=(*sizes, 1))


def predicted(model, x):
    """Raw channels of the imported network, channels last."""
    moved = torch.from_numpy(np.moveaxis(x, -1, 0)[None].astype(np.float32))
    with torch.inference_mode():
        return np.moveaxis(model.network(moved)[0].numpy(), 0, -1)


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("ndim", [2, 3])
def test_label_free(tmp_path, ndim):
    graph = Graph(ndim=ndim, depth=4)
    x = image(*(8, 16, 8)[:ndim])
    expected = label_free(graph, x)
    write_bundle(tmp_path / "run" / "model.ckpt-75000", graph.v)
    model = import_model(tmp_path / "run" / "model.ckpt-75000.index")
    assert_close(predicted(model, x), expected)
    spec = model.spec
    assert (spec.network.name, spec.network.options["depth"]) == ("gvtnet", 4)
    assert spec.network.options["norm"] is True
    assert spec.network.options["residual"] is False
    assert spec.normalization.method == "z-score"
    assert (spec.outputs[0].scaling, spec.outputs[0].mean) == ("z-score", None)
    assert spec.spatial_axes == "ZYX"[3 - ndim :]
    assert spec.expects == f"{ndim}D: transmitted light → fluorescence"
    assert (spec.name, spec.voxel_size) == ("run", {})
    assert len(model.digest) == 64
    assert model.digest in spec.provenance.notes
    assert not model.network.training


@pytest.mark.parametrize("sigma", [True, False])
def test_denoising(tmp_path, sigma):
    graph = Graph(depth=3, heads=2, batch_norm=False)
    x = image(8, 8, 12)
    mean, scale = denoising(graph, x, sigma)
    write_bundle(tmp_path / "model.ckpt-1", graph.v)
    model = import_model(tmp_path)
    expected = np.concatenate([mean, scale], -1) if sigma else mean
    assert_close(predicted(model, x), expected)
    spec = model.spec
    assert spec.network.name == "gvtnet-denoise"
    assert spec.network.options["likelihood"] == ("laplace" if sigma else "none")
    assert spec.network.options["residual"] is True
    assert spec.uncertainties == (("σ",) if sigma else ())
    assert (spec.normalization.method, spec.normalization.percentiles) == ("percentile", (2, 99.8))
    assert spec.outputs[0].scaling == "input"
    assert "2 heads" in spec.provenance.notes
    assert "adds its prediction to its input" in spec.provenance.notes


def test_projection(tmp_path):
    volume, plane = (
        Graph(seed=3, heads=2, batch_norm=False),
        Graph(seed=4, ndim=2, depth=3, heads=2, batch_norm=False),
    )
    x = image(5, 16, 32)
    expected, _ = denoising(plane, projected(volume, x), sigma=False)
    write_bundle(tmp_path / "model.ckpt-1", {**volume.v, **plane.v})
    model = import_model(tmp_path / "model.ckpt-1.meta")
    assert_close(predicted(model, x), expected)
    assert model.spec.network.name == "gvtnet-projection"
    assert model.spec.projects
    assert model.spec.spatial_axes == "ZYX"
    assert model.spec.outputs[0].scaling == "input"


@pytest.mark.parametrize("version", [1, 2])
def test_other_operators_and_blocks_numbered_from_one(tmp_path, version):
    graph = Graph(seed=version, depth=3, filters=2, first=1)
    x = image(8, 4, 4)
    expected = label_free(
        graph,
        x,
        encoder=[2, 0, 1],
        decoder=[2, 1],
        down=partial(graph.down_gvto, version=version),
        up=partial(graph.up_gvto, version=version),
        concat=version == 1,
    )
    write_bundle(tmp_path / "m", graph.v, optimizer=False)
    model = import_model(tmp_path / "m")
    assert_close(predicted(model, x), expected)
    options = model.spec.network.options
    assert options["down"] == options["up"] == f"gvto-v{version}"
    assert tuple(options["encoder_blocks"]) == (2, 0, 1)
    assert tuple(options["decoder_blocks"]) == (2, 1)
    assert options["skip"] == ("concat" if version == 1 else "add")


def test_operators_that_differ_between_levels(tmp_path):
    graph = Graph(depth=3, filters=2)
    x = image(4, 8, 4)

    def down(x, name, out):
        return (graph.down_res if "_2" in name else graph.down_gvto)(x, name, out)

    def up(x, name, out):
        if "_1" in name:
            return graph.up_gvto(x, name, out)
        return graph.up(x, f"{name}/transposed_convolution", out)

    expected = label_free(graph, x, down=down, up=up)
    write_bundle(tmp_path / "m", graph.v)
    model = import_model(tmp_path)
    assert_close(predicted(model, x), expected)
    assert tuple(model.spec.network.options["down"]) == ("residual", "gvto-v2")
    assert tuple(model.spec.network.options["up"]) == ("gvto-v2", "transposed")


def small(folder: Path, name="model.ckpt-1") -> dict:
    graph = Graph(depth=2, filters=2)
    label_free(graph, image(2, 2, 2))
    write_bundle(folder / name, graph.v)
    return dict(graph.v)


def test_a_published_checkpoint_brings_its_voxel_size_name_and_licence(tmp_path):
    folder = tmp_path / "label-free" / "dna" / "models" / "gvtnet_label-free_pretrained"
    small(folder, "model.ckpt-pretrained")
    spec = import_model(folder).spec
    assert spec.voxel_size == {"Z": 0.29, "Y": 0.29, "X": 0.29}
    assert spec.name == "gvtnet dna"
    assert [output.name for output in spec.outputs] == ["dna"]
    assert "GPL-3.0" in spec.provenance.licence
    assert "0.29 µm" in spec.provenance.notes


def test_it_can_be_saved_and_loaded(tmp_path):
    small(tmp_path / "in")
    model = import_model(tmp_path / "in")
    loaded = load_model(save_model(model, tmp_path / "out"))
    assert loaded.spec == model.spec
    x = image(4, 4, 4)
    assert np.array_equal(predicted(loaded, x), predicted(model, x))


def test_any_file_of_the_checkpoint_names_it(tmp_path):
    small(tmp_path, "a")
    small(tmp_path, "b")
    digests = {
        import_model(tmp_path / name).digest
        for name in ("a", "a.index", "a.meta", "a.data-00000-of-00001")
    }
    assert len(digests) == 1
    with pytest.raises(
        VirtualStainError, match=r"holds 2 TensorFlow checkpoints: a.index, b.index"
    ):
        import_model(tmp_path)


def test_a_folder_without_checkpoint_is_refused(tmp_path):
    with pytest.raises(
        VirtualStainError, match=r"neither a TensorFlow checkpoint \(\*.index\) nor a model.p"
    ):
        import_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v.update({"dense/kernel": v["first_convolution/kernel"]}), "'dense/kernel'"),
        (
            lambda v: v.pop("encoding_block_2/downsampling/convolution_2/kernel"),
            "weights of gvtnet, but lacks downs.0.conv_2.weight",
        ),
        (
            lambda v: v.update({"output_convolution/bias": np.zeros(3, np.float32)}),
            r"output.bias has the shape \(3,\) where \(1,\) is needed",
        ),
        (
            lambda v: v.update({"first_convolution/kernel": np.zeros((3, 3, 3, 1, 2))}),
            "'first_convolution/kernel' of shape .* cannot have 432 bytes",
        ),
        (
            lambda v: v.update({"first_convolution/kernel": np.zeros((3, 3, 3, 1, 2), np.int64)}),
            "'first_convolution/kernel' is not of the type float32",
        ),
        (
            lambda v: v.update(
                {k.replace("_0/", "_7/"): t for k, t in v.items() if k.startswith("bottom")}
            ),
            "more than one block at its bottom",
        ),
        (
            lambda v: v["batch_norm_output/beta"].fill(np.inf),
            "norm.bias holds NaN or infinite weights",
        ),
        (lambda v: v.clear(), "of another network, with 0 variables"),
        (
            lambda v: [v.pop(k) for k in list(v) if "first_conv" not in k],
            "a part of a GVTNet, with 1 variables such as 'first_convolution/kernel'",
        ),
    ],
)
def test_other_networks_are_refused(tmp_path, change, sentence):
    tensors = small(tmp_path)
    change(tensors)
    write_bundle(tmp_path / "model.ckpt-1", tensors, optimizer=False)
    with pytest.raises(VirtualStainError, match=sentence):
        import_model(tmp_path)


def test_the_digest_is_of_both_files(tmp_path):
    small(tmp_path)
    data = [tmp_path / f"model.ckpt-1.{part}" for part in ("index", "data-00000-of-00001")]
    model = import_model(tmp_path)
    expected = hashlib.sha256(data[0].read_bytes() + data[1].read_bytes()).hexdigest()
    assert model.digest == expected
    assert f"SHA-256, one after the other: {expected}" in model.spec.provenance.notes


def test_shapes_are_compared_before_any_value_is_read(tmp_path, monkeypatch):
    tensors = small(tmp_path)
    tensors["output_convolution/bias"] = np.zeros(3, np.float32)
    write_bundle(tmp_path / "model.ckpt-1", tensors, optimizer=False)

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(Checkpoint, "read", never)
    with pytest.raises(VirtualStainError, match=r"output.bias has the shape \(3,\)"):
        import_model(tmp_path)


def test_what_weights_do_not_tell_can_be_chosen(tmp_path):
    small(tmp_path)
    spec = import_model(tmp_path, {"heads": 2, "activation": "relu"}).spec
    assert (spec.network.options["heads"], spec.network.options["activation"]) == (2, "relu")
    assert "(heads)" not in spec.provenance.notes
    assert "(attention)" in spec.provenance.notes
