"""Weights of every network of this package are recognized, with whatever options."""

from __future__ import annotations

import random

import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import import_model
from napari_virtual_stain.io.importing.network_options import recognized
from napari_virtual_stain.io.importing.tensors import held
from napari_virtual_stain.networks.options import Flag, OneOf, PerLevel

SMALL = {
    "ndim": [2, 3],
    "in_channels": [1, 2],
    "out_channels": [1, 2],
    "filters": [4, 8],
    "projection_filters": [4, 8],
    "depth": [3],
    "heads": [1, 2, 4],
    "encoder_blocks": [0, 2, [1, 0, 2]],
    "decoder_blocks": [0, 1, [2, 1]],
    "output_kernel": [1, 3],
    "window": [16, 32],
    "growth": [2],
    "classes": [1, 2, 16, 64],
    "widths": [(2, 3), (4, 2, 6)],
}
UNTOLD = ("heads", "residual", "activation", "attention", "likelihood", "window", "query_scaling")
"""Options that leave no trace in the weights, or not enough of one."""


def values(name, rule, levels=2):
    if name in SMALL:
        return SMALL[name]
    if isinstance(rule, OneOf):
        return list(rule.choices)
    if isinstance(rule, Flag):
        return [True, False]
    if isinstance(rule, PerLevel):
        choices = list(rule.rule.choices)
        return [*choices, [choices[0], *choices[-1:] * (levels - 1)]]
    return [0]  # dropout, which does nothing in prediction


def drawn(generator, name):
    """A network of this name with options at random, and those that weights do not tell."""
    while True:
        rules = networks.rules(name)
        options = {key: generator.choice(values(key, rule)) for key, rule in rules.items()}
        options |= {"ndim": min(options["ndim"], 2)} if not rules["ndim"].accepts(3) else {}
        options |= {"ndim": 3} if not rules["ndim"].accepts(2) else {}
        try:
            network = networks.build(name, **options).eval()
        except VirtualStainError:
            continue
        told = [*UNTOLD, *(["classes"] if options.get("head") != "residual" else [])]
        if not any("query" in key for key in network.state_dict()):
            told = [key for key in told if key not in ("heads", "attention", "query_scaling")]
        return network, options, {key: options[key] for key in told if key in options}


@pytest.mark.parametrize("name", networks.names())
@pytest.mark.parametrize("seed", range(6))
def test_random_options_come_back(tmp_path, name, seed):
    torch.manual_seed(seed)
    network, options, untold = drawn(random.Random(f"{name} {seed}"), name)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = import_model(tmp_path / "w.pt", untold)
    assert (model.network.geometry, model.network.head) == (network.geometry, network.head)
    geometry = network.geometry
    sizes = [max(4, step) // step * step or step for step in geometry.stride]
    if geometry.window is not None:
        sizes = geometry.window.input
    x = torch.randn(1, options["in_channels"], *sizes)
    with torch.inference_mode():
        assert torch.equal(model.network(x), network(x))


def test_names_without_end_are_no_network():
    """Recognizing them would take hours, as each level is looked for among all names."""
    tensor = held(torch.zeros(2, 1, 3, 3))
    names = ["first.weight", "output.weight", *(f"downs.{i}.x" for i in range(50_000))]
    assert recognized(dict.fromkeys(names, tensor), {}) is None


def saved(path, name, **options):
    torch.manual_seed(0)
    network = networks.build(name, **options).eval()
    torch.save(network.state_dict(), path)
    return path


GT = {"filters": 4, "growth": 2}


@pytest.mark.parametrize(
    ("built", "found", "options"),
    [
        ({"classes": 256, "out_channels": 2}, (2, 256), {}),
        ({"classes": 64, "out_channels": 3}, (3, 64), {}),
        ({"classes": 16}, (1, 16), {}),
        ({"classes": 1, "out_channels": 2}, (2, 1), {}),
        ({"classes": 64, "out_channels": 8}, (2, 256), {}),  # the paper's, and the note says so
        ({"classes": 64, "out_channels": 8}, (8, 64), {"classes": 64}),
        ({"classes": 64, "out_channels": 8}, (8, 64), {"out_channels": 8}),
        ({"classes": 2}, (1, 2), {"classes": 2}),
    ],
)
def test_outputs_and_classes_of_gt_unet(tmp_path, built, found, options):
    model = import_model(saved(tmp_path / "g.pt", "gt-unet", **GT, **built), options)
    outputs, classes = found
    assert (len(model.spec.outputs), model.spec.network.options["classes"]) == found
    said = f"outputs: {outputs}, classes of each: {classes} (classes)"
    assert (said in model.spec.provenance.notes) is ("classes" not in options)


def test_projections_with_relu_are_recognized(tmp_path):
    path = saved(tmp_path / "g.pt", "gt-unet", **GT, relu_projections=True)
    assert import_model(path).spec.network.options["relu_projections"] is True


def test_what_weights_do_not_tell_can_be_chosen(tmp_path):
    path = saved(tmp_path / "f.pt", "fnet", ndim=2, filters=2, depth=1, likelihood="gaussian")
    assumed = import_model(path).spec
    assert len(assumed.outputs) == 2
    assert "its 2 channels are outputs, none of them a variance (likelihood)" in (
        assumed.provenance.notes
    )
    chosen = import_model(path, {"likelihood": "gaussian"}).spec
    assert (len(chosen.outputs), chosen.uncertainties) == (1, ("σ",))
    assert "Weights do not tell" not in chosen.provenance.notes


def test_every_assumption_is_named(tmp_path):
    notes = import_model(saved(tmp_path / "d.pt", "gvtnet-denoise", ndim=2, filters=4)).spec
    for option in ("heads", "residual", "activation", "attention", "likelihood"):
        assert f"({option})" in notes.provenance.notes
    notes = import_model(saved(tmp_path / "g.pt", "gt-unet", **GT)).spec.provenance.notes
    for option in ("window", "query_scaling", "classes"):
        assert f"({option})" in notes


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ndim": 3}, "the weights have ndim 2, not 3; leave that option out"),
        ({"in_channels": 2}, "the weights have in_channels 1, not 2"),
        ({"filters": 3}, "has the shape"),
        ({"wings": 2}, "cannot be imported: the network 'fnet' has no option 'wings'"),
        ({"likelihood": "cauchy"}, "takes one of 'none', 'gaussian'"),
        ({"likelihood": "gaussian"}, r"output\.weight has the shape"),
    ],
)
def test_options_that_contradict_the_weights_are_refused(tmp_path, options, sentence):
    path = saved(tmp_path / "f.pt", "fnet", ndim=2, filters=2, depth=1, out_channels=3)
    with pytest.raises(VirtualStainError, match=sentence):
        import_model(path, options)


WRAPPERS = ["state_dict", "model", "model_state_dict", "model_state", "network", "generator"]


@pytest.mark.parametrize("key", [*WRAPPERS, "nn_state", None])
@pytest.mark.parametrize("prefix", ["model.", "network.", "net.", "module.", "module.model."])
def test_wrapped_weights_are_found(tmp_path, key, prefix):
    network = networks.build("fnet", ndim=2, filters=2, depth=1)
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "w.pt")
    found = import_model(tmp_path / "w.pt").network.state_dict()
    assert all(torch.equal(found[k], v) for k, v in network.state_dict().items())
