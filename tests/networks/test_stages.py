"""Forwards that pause before their global operators."""

from __future__ import annotations

import copy
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_virtual_stain import networks
from napari_virtual_stain.networks.stages import finish

NETWORKS = {
    "gvtnet": ("gvtnet", {"ndim": 2, "filters": 4, "depth": 3}),
    "gvtnet 3D": ("gvtnet", {"ndim": 3, "filters": 2, "depth": 2}),
    "a mix": (
        "gvtnet",
        {
            "ndim": 2,
            "filters": 4,
            "depth": 3,
            "down": ["convolution", "gvto-v1"],
            "up": ["transposed", "gvto-v2"],
            "skip": "concat",
            "attention": "softmax",
        },
    ),
    "denoise": ("gvtnet-denoise", {"ndim": 2, "filters": 4}),
    "projection": ("gvtnet-projection", {"filters": 2, "projection_filters": 2}),
    "no operators": ("unet", {"ndim": 2, "filters": 4, "depth": 3}),
}


def build(name):
    architecture, options = NETWORKS[name]
    torch.manual_seed(0)
    network = networks.build(architecture, **options).eval()
    sizes = {"projection": (3, 32, 48), "gvtnet 3D": (4, 8, 12)}.get(name, (32, 48))
    return network, torch.randn(1, 1, *sizes)


def operators_of(network):
    return [m for m in network.modules() if isinstance(m, networks.GlobalOperator)]


@pytest.mark.parametrize("name", NETWORKS)
def test_stages_end_as_the_forward(name):
    network, x = build(name)
    assert torch.equal(finish(network.stages(x)), network(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_there_is_a_pause_right_before_each_operator_with_what_it_gets(name):
    network, x = build(name)
    called = []
    for operator in operators_of(network):
        operator.register_forward_pre_hook(lambda module, args: called.append((module, args[0])))
    stages, paused = network.stages(x), []
    for pause in stages:
        assert len(called) == len(paused)  # the layers before have run, it has not
        paused.append((pause.operator, pause.features))
    assert [operator for operator, _ in paused] == operators_of(network)
    for (operator, features), (module, argument) in zip(paused, called, strict=True):
        assert operator is module
        assert features is argument


def test_what_is_given_in_a_pause_is_used():
    network, x = build("denoise")
    _, other = build("denoise")
    first = operators_of(network)[0]
    seen = []
    for pause in network.stages(other := other + torch.arange(48) / 48):
        if pause.operator is first:
            seen.append(first.gather(pause.features))
    for pause in (stages := network.stages(x)):
        if pause.operator is first:
            first.given = seen[0]
        else:
            break
    result = finish(stages)
    assert not torch.equal(result, finish(network.stages(other)))
    first.given = None
    assert not torch.equal(result, network(x))


@pytest.mark.parametrize("name", ["a mix", "denoise", "projection"])
def test_what_waits_is_counted(name):
    """All tensors that a paused forward holds are its features and what it keeps."""
    network, x = build(name)
    with torch.inference_mode():
        network(x)  # what is made once
        for paused in range(len(operators_of(network))):
            alive = Alive()
            with alive:
                stages = network.stages(x.clone())
                for _ in range(paused + 1):
                    pause = next(stages)
            held = [tensor.untyped_storage() for tensor in (pause.features, *pause.kept)]
            counted = {storage.data_ptr(): storage.nbytes() for storage in held}
            assert alive.bytes == sum(counted.values())


def test_a_pause_keeps_nothing_alive_once_it_is_dropped():
    network, x = build("denoise")
    with torch.inference_mode():
        stages = network.stages(x)
        for _ in range(2):
            pause = next(stages)
        features = weakref.ref(pause.features)
        del pause
        assert features() is not None  # the operator is still to get it
        kept = [weakref.ref(tensor) for tensor in next(stages).kept]
        assert features() is None
        assert [tensor() is None for tensor in kept] == [False, False]  # the image, and one skip
        stages.close()
        assert [tensor() is None for tensor in kept] == [False, True]


@pytest.mark.parametrize("name", ["gvtnet", "a mix", "denoise"])
def test_the_forward_takes_as_much_memory_as_one_without_pauses(name):
    network, x = build(name)
    with torch.inference_mode():
        peaks = []
        for forward in (network, lambda x: plain_forward(network, x)):
            alive = Alive()
            with alive:
                result = forward(x)
            peaks.append(alive.peak)
            assert torch.equal(result, network(x))
        assert peaks[0] == peaks[1]


@pytest.mark.parametrize("name", ["denoise", "projection"])
def test_training_and_copies(name):
    network, x = build(name)
    network.train()
    network(x).square().sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None for gradient in gradients)
    twin = copy.deepcopy(network)
    twin.zero_grad()
    finish(twin.stages(x)).square().sum().backward()
    for gradient, parameter in zip(gradients, twin.parameters(), strict=True):
        assert torch.equal(gradient, parameter.grad)


def test_input_that_does_not_fit_is_refused_at_the_first_step():
    network, x = build("projection")
    with pytest.raises(ValueError, match="multiples of"):
        next(network.stages(x[..., :-1]))


def test_the_forward_can_be_compiled_in_one_piece():
    network, x = build("a mix")
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    with torch.inference_mode():
        assert torch.equal(compiled(x), network(x))


class Alive(TorchDispatchMode):
    """Bytes of all tensors that are made within it, while they live, and the most there were."""

    def __init__(self):
        super().__init__()
        self._alive: dict[int, int] = {}
        self.peak = 0

    @property
    def bytes(self):
        return sum(self._alive.values())

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage.nbytes() and storage.data_ptr() not in self._alive:
                self._alive[storage.data_ptr()] = storage.nbytes()
                weakref.finalize(storage, self._alive.pop, storage.data_ptr())
        self.peak = max(self.peak, sum(self._alive.values()))
        return result


def plain_forward(network, x):
    """Run the layers of a GVTNet one after the other, and hold nothing that is not needed."""
    image, skips = x, []
    x = network.encoder(network.first(x))
    for down, blocks in zip(network.downs, network.encoders, strict=True):
        skips.append(x)
        x = blocks(down(x))
    x = network.bottom(x)
    for up, blocks in zip(network.ups, network.decoders, strict=True):
        x = up(x)
        x = torch.cat([x, skips.pop()], dim=1) if network.concatenates else x + skips.pop()
        x = blocks(x)
    features = network.activation(network.norm(x))
    predicted = network.output(features)
    if network.residual:
        predicted = image + predicted
    if network.sigma is None:
        return predicted
    scale = torch.nn.functional.softplus(network.sigma(features)) + 1e-3
    return torch.cat([predicted, scale], dim=1)
