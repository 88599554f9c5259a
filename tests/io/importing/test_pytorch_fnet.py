"""Imported model.p compute what the network that they were written from computes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import import_model, load_model, save_model

from .fnet_reference import Fnet, old, version_1, version_2


def write(folder, content, *, name="model.p", archive=True, options=None):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / name, _use_new_zipfile_serialization=archive)
    if options is not None:
        (folder / "train_options.json").write_text(json.dumps(options), encoding="utf-8")
    return folder / name


def assert_same(model, network, *, ndim=3, in_channels=1, size=16):
    x = torch.randn(2, in_channels, *[size] * ndim, generator=torch.Generator().manual_seed(9))
    with torch.inference_mode():
        expected, found = network(x), model.network(x)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("with_counters", [True, False])
def test_the_first_generation(tmp_path, archive, with_counters):
    network = Fnet()
    content = version_1(network)
    if not with_counters:
        content = {k: v for k, v in content.items() if k != "nn_kwargs"}
        content["nn_state"] = old(content["nn_state"])
    path = write(tmp_path / "dna", content, archive=archive)
    model = import_model(path)
    assert_same(model, network)
    spec = model.spec
    assert (spec.name, spec.network.name) == ("dna", "fnet")
    assert spec.network.options == {"filters": 4, "depth": 2}
    assert [channel.name for channel in spec.inputs] == ["transmitted light"]
    assert [(o.name, o.scaling, o.mean) for o in spec.outputs] == [
        ("fluorescence", "z-score", None)
    ]
    assert (spec.normalization.method, spec.voxel_size) == ("z-score", {})
    assert spec.provenance.steps == 50000
    assert "no train_options.json" in spec.provenance.notes
    assert model.digest in spec.provenance.notes
    assert not model.network.training


@pytest.mark.parametrize(
    "shape",
    [
        {"depth": 1, "mult_chan": 3},
        {"depth": 3, "mult_chan": 2, "ndim": 2},
        {"depth": 4, "mult_chan": 2, "ndim": 2},
        {"depth": 2, "mult_chan": 2, "in_channels": 2, "out_channels": 3},
    ],
)
def test_the_second_generation_in_any_shape(tmp_path, shape):
    network = Fnet(**shape)
    said = {k: v for k, v in shape.items() if k != "ndim"}
    model = import_model(write(tmp_path, version_2(network, **said)))
    ndim, in_channels = shape.get("ndim", 3), shape.get("in_channels", 1)
    assert_same(model, network, ndim=ndim, in_channels=in_channels)
    assert model.spec.spatial_axes == "ZYX"[3 - ndim :]
    assert len(model.spec.inputs) == in_channels
    assert len(model.spec.outputs) == shape.get("out_channels", 1)
    assert model.spec.network.options["depth"] == shape["depth"]
    assert model.spec.provenance.steps == 250000


def test_wrapped_for_several_devices_and_bare(tmp_path):
    network = Fnet(depth=1)
    wrapped = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    for content in (version_1(network, nn_state=wrapped), wrapped, {"state_dict": wrapped}):
        assert_same(import_model(write(tmp_path, content)), network)


def test_means_and_variances(tmp_path):
    network = Fnet(depth=1, out_channels=2)
    content = version_2(network, "fnet.losses.HeteroscedasticLoss", out_channels=2)
    model = import_model(write(tmp_path, content))
    assert_same(model, network)
    assert model.spec.network.options["likelihood"] == "gaussian"
    assert model.spec.uncertainties == ("σ",)
    assert len(model.spec.outputs) == 1
    content = version_2(Fnet(depth=1, out_channels=3), "fnet.losses.HeteroscedasticLoss")
    with pytest.raises(VirtualStainError, match="weights give 3 channels, which are no pairs"):
        import_model(write(tmp_path, content))


def test_it_can_be_saved_and_loaded(tmp_path):
    model = import_model(write(tmp_path / "in", version_1(Fnet(depth=1))))
    loaded = load_model(save_model(model, tmp_path / "out"))
    assert loaded.spec == model.spec
    assert_same(loaded, model.network)


def test_what_was_imported_does_not_hang_on_the_file(tmp_path):
    network = Fnet(depth=1)
    path = write(tmp_path, version_1(network))
    model = import_model(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert_same(model, network)


def test_an_ensemble_says_to_import_its_members(tmp_path):
    content = {
        "fnet_model_class": "fnet.fnet_ensemble.FnetEnsemble",
        "fnet_model_kwargs": {"paths_model": ["a/model.p", "b/model.p"]},
    }
    with pytest.raises(VirtualStainError, match=r"ensemble \(a/model.p, b/model.p\). Import each"):
        import_model(write(tmp_path, content))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"nn_kwargs": {"depth": 3}}, "says depth 3, but its weights have 1"),
        ({"nn_kwargs": {"mult_chan": 32}}, "says mult_chan 32, but its weights have 4"),
        ({"nn_kwargs": {"in_channels": 2}}, "says in_channels 2, but its weights have 1"),
        (
            {"nn_state": {"layer.weight": torch.ones(2)}, "nn_module": "my_net"},
            "a file of pytorch_fnet for my_net, with 1 tensors such as 'layer.weight'. Known: ",
        ),
        ({"nn_state": {}}, "for fnet_nn_3d, without tensors that have names"),
        ({"nn_state": [torch.ones(2)]}, "without tensors that have names"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, sentence):
    path = write(tmp_path, version_1(Fnet(depth=1)) | change)
    with pytest.raises(VirtualStainError, match=rf"^model\.p .*{sentence}"):
        import_model(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("net_recurse.sub_u.sub_2conv_more.bn1.bias"), "lacks bottom.1.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "also holds extra"),
        (
            lambda s: s.update({"net_recurse.convt.weight": torch.ones(8, 4, 2, 2)}),
            r"ups.0.0.weight has the shape \(8, 4, 2, 2\) where \(8, 4, 2, 2, 2\) is needed",
        ),
        (lambda s: s["conv_out.bias"].fill_(torch.nan), "output.bias holds NaN"),
        (lambda s: s.update({"conv_out.weight": torch.ones(())}), "an incomplete network"),
        (
            lambda s: s.update({"conv_out.weight": torch.ones(65, 4, 3, 3, 3)}),
            "1 channels in, 65 out",
        ),
        (
            lambda s: s.update({f"net_recurse.{'sub_u.' * 99}x": torch.ones(1)}),
            "a file of pytorch_fnet",
        ),
    ],
)
def test_incomplete_weights_are_refused(tmp_path, change, sentence):
    state = dict(Fnet(depth=1).state_dict())
    change(state)
    with pytest.raises(VirtualStainError, match=sentence):
        import_model(write(tmp_path, version_1(Fnet(depth=1), nn_state=state)))


def test_options_beside_the_file_and_above_checkpoints(tmp_path):
    options = {
        "transform_signal": [
            "fnet.transforms.normalize",
            "fnet.transforms.Resizer((1, 0.37241, 0.37241))",
        ]
    }
    network = Fnet(depth=1)
    path = write(tmp_path / "dna", version_1(network), options=options)
    spec = import_model(path).spec
    assert spec.voxel_size == {"Z": 0.29, "Y": 0.29, "X": 0.29}
    assert spec.normalization.method == "z-score"
    assert "(1, 0.37241, 0.37241)" in spec.provenance.notes
    later = write(tmp_path / "dna" / "checkpoints", version_1(network), name="model_050000.p")
    spec = import_model(later).spec
    assert (spec.name, spec.voxel_size["Y"]) == ("model_050000", 0.29)


def test_a_half_precision_file_becomes_single_precision(tmp_path):
    network = Fnet(depth=1)
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    model = import_model(write(tmp_path, half))
    state = model.network.state_dict()
    assert state["output.weight"].dtype == torch.float32
    assert np.array_equal(state["output.weight"], half["conv_out.weight"].float())


def test_the_folder_of_a_run_names_its_model(tmp_path):
    network = Fnet(depth=1)
    options = {"transform_signal": ["fnet.transforms.do_nothing"]}
    write(tmp_path / "dna", version_1(network), options=options)
    model = import_model(tmp_path / "dna")
    assert_same(model, network)
    assert (model.spec.name, model.spec.normalization.method) == ("dna", "none")


def test_targets_that_were_not_normalized_give_grey_values(tmp_path):
    options = {
        "transform_signal": ["fnet.transforms.normalize"],
        "transform_target": ["fnet.transforms.Resizer((1, 0.5, 0.5))"],
    }
    spec = import_model(write(tmp_path, version_1(Fnet(depth=1)), options=options)).spec
    assert (spec.outputs[0].mean, spec.outputs[0].std) == (0, 1)
    assert "targets were not normalized, so outputs are their grey values" in spec.provenance.notes


def test_a_flood_of_notes_and_names_is_no_damage(tmp_path):
    options = {
        "transform_signal": ["x" * 900] * 3000,
        "transform_target": ["\x1b[31m" * 90] * 3000,
        "col_signal": ["a\n" * 500],
    }
    spec = import_model(write(tmp_path, version_1(Fnet(depth=1)), options=options)).spec
    assert len(spec.provenance.notes) < 11_000
    assert spec.provenance.notes.isprintable()
    assert "SHA-256" in spec.provenance.notes
    assert spec.inputs[0].name.isprintable()


@pytest.mark.parametrize("steps", [10**30, -1, "many", True])
def test_a_number_of_steps_that_is_none_is_left_out(tmp_path, steps):
    path = write(tmp_path, version_1(Fnet(depth=1), count_iter=steps))
    assert import_model(path).spec.provenance.steps is None


def test_the_file_is_read_only_where_it_is_needed(tmp_path):
    """Two thirds of a usual file are the states of its optimizer."""
    network = Fnet(depth=1)
    content = version_1(network, optimizer_state={"state": {0: torch.full((999,), 7.0)}})
    path = write(tmp_path, content)
    data = path.read_bytes()
    path.write_bytes(data.replace(torch.full((999,), 7.0).numpy().tobytes(), bytes(3996)))
    assert_same(import_model(path), network)
