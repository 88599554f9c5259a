"""Global transformer layers compute the paper's Eq. 6, without its matrix."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_virtual_stain.networks.gt_layers import GlobalTransformer, attend


def plain(layer: torch.nn.Module) -> torch.nn.Module:
    """Return the convolution of a projection, which ReLU and dropout may follow."""
    return layer[0] if isinstance(layer, torch.nn.Sequential) else layer


def equation_6(
    layer: GlobalTransformer, direction: str, x: torch.Tensor, rectified: bool
) -> torch.Tensor:
    """Evaluate O = V · softmax(KᵀQ) with the explicit matrix, one sample at a time."""

    def finish(features: torch.Tensor) -> torch.Tensor:
        return features.clamp(min=0) if rectified else features

    def mixed(convolution: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
        weight, bias = plain(convolution).weight[:, :, 0, 0], plain(convolution).bias
        return finish(torch.einsum("oc,cyx->oyx", weight, features) + bias[:, None, None])

    generator = plain(layer.query)
    generator = getattr(generator, "conv", generator)
    weight, bias = generator.weight, generator.bias
    results = []
    for sample in x:
        height, width = sample.shape[1:]
        if direction == "down":
            padded = functional.pad(sample, (0, 1, 0, 1))
            query = functional.conv2d(padded[None], weight, bias, stride=2)[0]
        elif direction == "same":
            query = functional.conv2d(sample[None], weight, bias, padding=1)[0]
        else:
            full = functional.conv_transpose2d(sample[None], weight, bias, stride=2)[0]
            query = full[:, : 2 * height, : 2 * width]
        query = finish(query)
        size = query.shape[1:]
        q, k, v = (
            part.reshape(part.shape[0], -1)
            for part in (query, mixed(layer.key, sample), mixed(layer.value, sample))
        )
        scores = torch.empty(k.shape[1], q.shape[1], dtype=torch.float64)
        for i in range(q.shape[1]):
            scores[:, i] = (k * q[:, i : i + 1]).sum(0) * layer.scale
        weights = scores.exp() / scores.exp().sum(0)
        result = (v @ weights).reshape(v.shape[0], *size)
        if not isinstance(layer.out, torch.nn.Identity):
            result = mixed(layer.out, result)
        results.append(result)
    return torch.stack(results)


def make(direction: str, n_in: int, n_out: int, **options: bool) -> GlobalTransformer:
    torch.manual_seed(0)
    layer = GlobalTransformer(direction, n_in, n_out, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


@pytest.mark.parametrize("relu_projections", [False, True])
@pytest.mark.parametrize("output_projection", [False, True])
@pytest.mark.parametrize("query_scaling", [False, True])
@pytest.mark.parametrize(
    ("direction", "n_out", "size"), [("down", 6, (2, 3)), ("same", 6, (4, 6)), ("up", 3, (8, 12))]
)
def test_a_layer_is_equation_6(
    direction, n_out, size, query_scaling, output_projection, relu_projections
):
    layer = make(
        direction,
        6,
        n_out,
        query_scaling=query_scaling,
        output_projection=output_projection,
        relu_projections=relu_projections,
    )
    assert layer.scale == (6**-0.5 if query_scaling else 1)
    x = torch.randn(2, 6, 4, 6, dtype=torch.float64)
    result = layer(x)
    assert result.shape == (2, n_out, *size)
    expected = equation_6(layer, direction, x, rectified=relu_projections)
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("output_projection", [False, True])
@pytest.mark.parametrize(("direction", "n_out"), [("down", 2), ("same", 2), ("up", 1)])
def test_gradients_are_those_of_the_output(direction, n_out, output_projection):
    layer = make(direction, 2, n_out, output_projection=output_projection)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    x = torch.randn(1, 2, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (x, *layer.parameters()))


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation yields."""

    elements = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.elements = max(self.elements, leaf.numel())
        return result


@pytest.mark.parametrize("values", [8, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_tensor_is_as_large_as_the_matrix_forwards_or_backwards(values, dtype):
    """Also where values are narrower than keys, for which the CPU has no such kernel."""
    queries, keys = 256, 1024
    shapes = [(1, 8, queries), (1, 8, keys), (1, values, keys)]
    tensors = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]
    with Largest() as largest:
        result = attend(*tensors, scale=0.5)
        result.sum().backward()
    assert result.shape == (1, values, queries)
    assert largest.elements < queries * keys / 8


GROWTH = """
import resource
import torch
from napari_virtual_stain.networks.gt_layers import attend

torch.set_num_threads(1)
attend(*(torch.randn(1, 16, 64, requires_grad=True) for _ in range(3)), scale=1.0).sum().backward()
tensors = [torch.randn(1, 16, n, requires_grad=True) for n in (4096, 16384, 16384)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
attend(*tensors, scale=0.25).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux keeps it, in kB")
def test_memory_of_a_full_window_is_a_fraction_of_the_matrix():
    """Of its own process, because the peak of a process never falls."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True
    )
    assert 1024 * int(done.stdout) < 4096 * 16384 * 4 / 4
