"""Weights of our own networks: which network they are of follows from names and shapes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import import_model, load_model, save_model
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

GT = {"in_channels": 2, "filters": 4, "growth": 2, "classes": 8}
NETWORKS = [
    ("fnet", {"ndim": 3, "filters": 3, "depth": 1}),
    ("fnet", {"ndim": 2, "filters": 2, "depth": 3, "in_channels": 5, "out_channels": 2}),
    ("gvtnet", {"ndim": 2, "filters": 2, "depth": 2, "out_channels": 3}),
    ("gvtnet", {"ndim": 3, "filters": 2, "depth": 3, "up": "gvto-v1", "encoder_blocks": [1, 2, 0]}),
    ("gvtnet", {"ndim": 2, "filters": 2, "depth": 3, "decoder_blocks": 0, "skip": "concat"}),
    ("gvtnet", {"ndim": 2, "filters": 2, "depth": 2, "bottom": "residual", "down": "gvto-v2"}),
    ("gvtnet-denoise", {"ndim": 2, "filters": 2, "depth": 2}),
    ("gvtnet-denoise", {"ndim": 3, "filters": 2, "likelihood": "none"}),
    ("gvtnet-projection", {"projection_filters": 2, "filters": 4, "likelihood": "laplace"}),
    ("unet", {"ndim": 2, "filters": 2, "depth": 3}),
    ("virfluonet", {"filters": 2, "depth": 4, "in_channels": 2}),
    ("gt-unet", GT),
    (
        "gt-unet",
        GT | {"multi_scale": "learned", "head": "residual", "norm": False, "out_channels": 2},
    ),
    ("gt-unet", GT | {"out_channels": 2, "classes": 256, "output_projection": False}),
    ("gt-unet", GT | {"blocks": "plain", "operators": "convolution", "norm": False}),
]


@pytest.fixture(params=NETWORKS, ids=lambda one: one[0])
def network(request):
    name, options = request.param
    torch.manual_seed(0)
    built = networks.build(name, **options)
    for tensor in built.buffers():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return name, built.eval()


def assert_same(model, network):
    name, expected = network
    assert model.spec.network.name == name
    found = model.network
    assert found.state_dict().keys() == expected.state_dict().keys()
    assert (found.head, found.geometry) == (expected.head, expected.geometry)
    stride, ndim = expected.geometry.stride, len(expected.geometry.stride)
    sizes = [max(4, s) for s in stride] if ndim == 3 else list(stride)
    channels = len(model.spec.inputs)
    x = torch.randn(1, channels, *sizes, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.allclose(found(x), expected(x), atol=1e-6)


def test_a_state_dict_is_recognized(network, tmp_path):
    path = tmp_path / "weights é.pt"
    torch.save(network[1].state_dict(), path)
    model = import_model(path)
    assert_same(model, network)
    assert model.spec.name == "weights é"
    assert "came without a specification" in model.spec.provenance.notes
    assert model.spec.projects is network[1].geometry.projects
    restores = network[0] in ("gvtnet-denoise", "gvtnet-projection")
    assert model.spec.inputs[0].name.startswith("noisy image" if restores else "input")
    assert model.spec.inputs[0].modality == ""


@pytest.fixture
def small():
    torch.manual_seed(0)
    return "fnet", networks.build("fnet", ndim=2, filters=2, depth=1).eval()


@pytest.mark.parametrize("key", ["state_dict", "model", "network"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_wrapped_state_dicts(small, tmp_path, key, prefix):
    state = {prefix + name: tensor for name, tensor in small[1].state_dict().items()}
    torch.save({key: state, "epoch": 3, "optimizer": {}}, tmp_path / "w.pth")
    assert_same(import_model(tmp_path / "w.pth"), small)


def test_a_safetensors_file_without_specification(small, tmp_path):
    save_file(small[1].state_dict(), tmp_path / "bare.safetensors")
    assert_same(import_model(tmp_path / "bare.safetensors"), small)


def test_a_model_file_of_ours_is_loaded_as_it_is(small, tmp_path):
    spec = ModelSpec(
        name="mine",
        network=NetworkSpec(name="fnet", options={"filters": 2, "depth": 1}),
        inputs=[InputSpec(name="phase")],
        outputs=[OutputSpec(name="DNA", mean=10, std=2)],
        voxel_size={"Y": 0.3},
    )
    path = save_model(StainModel(small[1], spec), tmp_path / "mine")
    model = import_model(path)
    assert model.spec == load_model(path).spec
    assert_same(model, small)


def test_an_unknown_network_is_named_by_its_tensors(tmp_path):
    state = {f"encoder.layer{i}.0.conv1.weight": torch.zeros(1) for i in range(6)}
    torch.save(state, tmp_path / "resnet.pt")
    with pytest.raises(
        VirtualStainError,
        match=r"resnet\.pt cannot be imported: it is a PyTorch checkpoint with 6 tensors such as "
        r"'encoder\.layer0\.0\.conv1\.weight', .*, …\. Known: model\.p of pytorch_fnet",
    ):
        import_model(tmp_path / "resnet.pt")
    save_file(state, tmp_path / "resnet.safetensors")
    with pytest.raises(VirtualStainError, match=r"a \.safetensors file with 6 tensors such as"):
        import_model(tmp_path / "resnet.safetensors")


@pytest.mark.parametrize(
    "content",
    [
        {"first.weight": torch.zeros(2, 1, 3, 3)},
        {"first.weight": torch.zeros(()), "output.weight": torch.zeros(())},
        {"scales.fuse.weight": torch.zeros(2, 3, 1, 1)},
        {"projection.downs.0.weight": torch.zeros(2, 1, 3, 5, 5)},
    ],
)
def test_a_part_of_a_network_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "part.pt")
    with pytest.raises(VirtualStainError, match=r"part\.pt cannot be imported"):
        import_model(tmp_path / "part.pt")


def test_a_file_with_other_things_is_named_by_its_keys(tmp_path):
    torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "log.pt")
    with pytest.raises(VirtualStainError, match="without a state dict; it holds 'epoch', 'loss'"):
        import_model(tmp_path / "log.pt")


def test_a_truncated_safetensors_file_is_refused(small, tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file(small[1].state_dict(), path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 101), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(VirtualStainError, match=r"bare\.safetensors"):
            import_model(path)
