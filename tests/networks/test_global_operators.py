"""Global operators against the papers' equations, written out slowly in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_virtual_stain.networks.geometry import chain_reads
from napari_virtual_stain.networks.global_operators import (
    DownGVTO,
    SizePreservingGVTO,
    Up4GVTO,
    UpGVTO,
)
from napari_virtual_stain.networks.layers import SameDown, SameUp

OPERATORS = {
    "size-preserving": lambda ndim, **options: SizePreservingGVTO(ndim, 4, **options),
    "down v1": lambda ndim, **options: DownGVTO(ndim, 2, 4, version="v1", **options),
    "down v2": lambda ndim, **options: DownGVTO(ndim, 2, 4, version="v2", **options),
    "up v1": lambda ndim, **options: UpGVTO(ndim, 4, 2, version="v1", **options),
    "up v2": lambda ndim, **options: UpGVTO(ndim, 4, 2, version="v2", **options),
    "up x4": lambda ndim, **options: Up4GVTO(ndim, 4, **options),
}
SIZES = {2: (4, 6), 3: (2, 4, 6)}

every_operator = pytest.mark.parametrize("name", OPERATORS)
both_attentions = pytest.mark.parametrize("attention", ["linear", "softmax"])
both_dimensions = pytest.mark.parametrize("ndim", [2, 3])


def make(name: str, ndim: int, **options) -> torch.nn.Module:
    """Build an operator in float64 in which every parameter matters."""
    torch.manual_seed(0)
    operator = OPERATORS[name](ndim, **options).double().eval()
    for parameter in operator.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5)
    if options.get("norm", True):
        operator.norm.running_mean.normal_(0, 0.3)
        operator.norm.running_var.uniform_(0.5, 2)
    return operator


def features(operator: torch.nn.Module, *sizes: int, batch: int = 1) -> torch.Tensor:
    """Return features among which some are cut at 0 and some at 6."""
    torch.manual_seed(1)
    return 4 * torch.randn(batch, operator.key.in_channels, *sizes, dtype=torch.float64)


def numbers(module: torch.nn.Module, name: str) -> np.ndarray:
    return getattr(module, name).detach().numpy()


def strided(x: np.ndarray, layer: SameDown) -> np.ndarray:
    """Convolve (C, *2n), index by index: output o reads inputs 2o + tap, zero beyond the end."""
    weight, sizes = numbers(layer.conv, "weight"), x.shape[1:]
    y = np.zeros((weight.shape[0], *(n // 2 for n in sizes)))
    for at in np.ndindex(y.shape[1:]):
        for tap in np.ndindex(weight.shape[2:]):
            read = tuple(2 * o + t for o, t in zip(at, tap, strict=True))
            if all(i < n for i, n in zip(read, sizes, strict=True)):
                y[(slice(None), *at)] += weight[(slice(None), slice(None), *tap)] @ x[:, *read]
    return y if layer.conv.bias is None else y + column(layer.conv, y)


def transposed(x: np.ndarray, layer: SameUp) -> np.ndarray:
    """Convolve (C, *n) transposed, index by index: input i reaches outputs 2i + tap < 2n."""
    weight, sizes = numbers(layer.conv, "weight"), x.shape[1:]
    y = np.zeros((weight.shape[1], *(2 * n for n in sizes)))
    for at in np.ndindex(sizes):
        for tap in np.ndindex(weight.shape[2:]):
            reached = tuple(2 * i + t for i, t in zip(at, tap, strict=True))
            if all(o < 2 * n for o, n in zip(reached, sizes, strict=True)):
                y[:, *reached] += weight[(slice(None), slice(None), *tap)].T @ x[(slice(None), *at)]
    return y if layer.conv.bias is None else y + column(layer.conv, y)


def column(layer: torch.nn.Module, like: np.ndarray) -> np.ndarray:
    return numbers(layer, "bias").reshape(-1, *[1] * (like.ndim - 1))


def pointwise(x: np.ndarray, layer: torch.nn.Module) -> np.ndarray:
    """Convolve (C, *n) with a kernel of 1."""
    weight = numbers(layer, "weight").reshape(layer.out_channels, -1)
    return np.einsum("oc,c...->o...", weight, x) + column(layer, x)


def repeated(x: np.ndarray) -> np.ndarray:
    """Return nearest-neighbour ×4 along Y and X."""
    return x.repeat(4, axis=-2).repeat(4, axis=-1)


def attended(query: np.ndarray, key: np.ndarray, value: np.ndarray, attention: str) -> np.ndarray:
    """Return V · NORMALIZE(KᵀQ) of matrices (C, positions), with the whole matrix KᵀQ."""
    scores = key.T @ query * key.shape[0] ** -0.5  # one column for each query
    if attention == "softmax":
        weights = np.exp(scores - scores.max(0))
        return value @ (weights / weights.sum(0))
    return value @ (scores / query.shape[1])


def expected(operator: torch.nn.Module, name: str, x: np.ndarray, attention: str) -> np.ndarray:
    """Return the operator's output for one sample (C, *sizes), from the equations."""
    mean, variance = (numbers(operator.norm, f"running_{s}") for s in ("mean", "var"))
    scale = numbers(operator.norm, "weight") / np.sqrt(variance + 1e-5)
    shape = (-1, *[1] * (x.ndim - 1))
    activated = (x - mean.reshape(shape)) * scale.reshape(shape) + column(operator.norm, x)
    activated = np.clip(activated, 0, 6)
    kind = name.split()[0]
    query = (
        repeated(activated)
        if name == "up x4"
        else {"size-preserving": pointwise, "down": strided, "up": transposed}[kind](
            activated, operator.query
        )
    )
    key, value = pointwise(activated, operator.key), pointwise(activated, operator.value)
    heads = [
        attended(*(part.reshape(len(part), -1) for part in parts), attention)
        for parts in zip(*(np.split(t, operator.heads) for t in (query, key, value)), strict=True)
    ]
    y = pointwise(np.concatenate(heads).reshape(query.shape), operator.out)
    if name == "size-preserving":
        return y + x
    if name.endswith("v1"):
        return y + {"down": strided, "up": transposed}[kind](activated, operator.shortcut)
    return y + query


@every_operator
@both_dimensions
@both_attentions
@pytest.mark.parametrize("heads", [1, 2])
def test_operators_are_their_equations(name, ndim, attention, heads):
    operator = make(name, ndim, attention=attention, heads=heads)
    x = features(operator, *SIZES[ndim], batch=2)
    with torch.no_grad():
        result = operator(x).numpy()
    for sample, got in zip(x.numpy(), result, strict=True):
        wanted = expected(operator, name, sample, attention)
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 1e-10 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("operator", "parameters"),
    [
        (lambda: SizePreservingGVTO(3, 256), 263_680),
        (lambda: DownGVTO(3, 128, 256, version="v1"), 1_901_824),
        (lambda: DownGVTO(3, 128, 256, version="v2"), 1_017_088),
        (lambda: UpGVTO(3, 256, 128, version="v1"), 1_852_416),
        (lambda: UpGVTO(3, 256, 128, version="v2"), 967_680),
        (lambda: Up4GVTO(3, 8, norm=False), 216),
    ],
)
def test_parameters_are_those_of_the_published_graphs(operator, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in operator().parameters()) == parameters


@every_operator
@both_dimensions
@both_attentions
def test_gradients(name, ndim, attention):
    operator = make(name, ndim, attention=attention, heads=2)
    x = features(operator, *(2,) * ndim).requires_grad_()
    names = [name for name, _ in operator.named_parameters()]

    def call(x, *parameters):
        state = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(operator, state, (x,))

    assert torch.autograd.gradcheck(call, (x, *operator.parameters()))


@both_dimensions
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("layer", "by_index"), [(SameDown, strided), (SameUp, transposed)])
def test_resampling_pads_as_tensorflow_does(layer, by_index, ndim, bias):
    torch.manual_seed(0)
    made = layer(ndim, 2, 3, bias=bias).double()
    x = torch.randn(1, 2, *SIZES[ndim], dtype=torch.float64)
    with torch.no_grad():
        assert np.allclose(made(x)[0].numpy(), by_index(x[0].numpy(), made), atol=1e-12)


@every_operator
@both_dimensions
@both_attentions
def test_what_parts_gather_is_what_the_whole_gathers(name, ndim, attention):
    operator = make(name, ndim, attention=attention, heads=2)
    x = features(operator, *SIZES[ndim], batch=2)
    cut = (slice(None),) * (ndim - 1)
    with torch.no_grad():
        whole = operator.gather(x)
        left = operator.gather(x, (*cut, slice(0, 2)))
        both = left + operator.gather(x, (*cut, slice(2, 6)))
        query = torch.randn(2, 2, 5, operator.out.in_channels // 2, dtype=torch.float64)
        assert torch.allclose(both.answer(query), whole.answer(query), atol=1e-12)
        # … and not because the rest hardly matters.
        assert not torch.allclose(left.answer(query), whole.answer(query), atol=1e-2)
        if attention == "linear":
            assert both.queries == whole.queries == operator(x)[0, 0].numel()


@every_operator
@both_dimensions
@both_attentions
def test_the_core_of_a_tile_is_that_of_the_whole(name, ndim, attention):
    """With what the whole image gave, a tile that is read with the operator's reach is exact."""
    operator = make(name, ndim, attention=attention, heads=2)
    x = features(operator, *SIZES[ndim][:-1], 24)
    with torch.no_grad():
        whole = operator(x)
        zoom = whole.shape[-1] / 24
        core = int(8 * zoom), int(16 * zoom)
        start, stop = chain_reads(operator.reach, core)
        first, last = start // 2 * 2, -(-stop // 2) * 2
        tile = x[..., first:last]
        alone = operator(tile)
        parts = [slice(0, 8), slice(8, 16), slice(16, 24)]
        cut = (slice(None),) * (ndim - 1)
        left, middle, right = (operator.gather(x, (*cut, part)) for part in parts)
        operator.given = middle + right + left
        given = operator(tile)
    shift = int(first * zoom)
    inside = slice(core[0] - shift, core[1] - shift)
    wanted = whole[..., slice(*core)]
    assert torch.allclose(given[..., inside], wanted, atol=1e-10)
    assert (alone[..., inside] - wanted).abs().max() > 1e-3  # the rest of the image mattered


def test_sums_are_held_in_float32_under_autocast():
    """273 ones add up to 273, which bfloat16 does not have: its neighbours are 272 and 274."""
    operator = SizePreservingGVTO(2, 1, norm=False).eval()
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.zero_()
        for layer in (operator.query, operator.key, operator.value):
            layer.bias.fill_(1)
        operator.out.weight.fill_(1)
        x = torch.zeros(1, 1, 13, 21)
        with torch.autocast("cpu", torch.bfloat16):
            sums = operator.gather(x)
            mean = operator(x)
            joined = sums + operator.gather(x, (slice(0, 1), slice(0, 2)))
    assert sums.key_value.dtype == torch.float32
    assert sums.key_value.item() == 273
    assert joined.key_value.item() == 275
    assert torch.equal(mean.float(), torch.ones_like(x))


def test_half_precision_divides_before_the_second_product():
    """Sums beyond the range of float16 (65 504) do not overflow: their mean is in range."""
    operator = SizePreservingGVTO(2, 1, norm=False).eval()
    with torch.no_grad():
        for layer in (operator.query, operator.key, operator.value, operator.out):
            layer.weight.zero_()
            layer.bias.fill_(40)
        operator.out.weight.fill_(1e-4)
        with torch.autocast("cpu", torch.float16):
            y = operator(torch.zeros(1, 1, 10, 10))
    assert y.float().mean().item() == pytest.approx(40 + 40**3 * 1e-4, rel=1e-2)


@every_operator
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_softmax_runs_on_kernels_that_hold_no_matrix(name, memory_format):
    operator = make(name, 2, attention="softmax").float()
    x = features(operator, 8, 8).float().contiguous(memory_format=memory_format)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        operator(x).sum().backward()
    assert operator.key.weight.grad.abs().max() > 0


@both_attentions
def test_memory_layout_changes_nothing(attention):
    for name, heads in itertools.product(OPERATORS, (1, 2)):
        operator = make(name, 2, attention=attention, heads=heads)
        x = features(operator, 4, 6, batch=2)
        last = x.contiguous(memory_format=torch.channels_last)
        assert torch.allclose(operator(last), operator(x), atol=1e-12)


def test_activation_and_norm_are_options():
    """ReLU keeps what ReLU6 cuts, and without normalization nothing precedes either."""
    x = torch.full((1, 1, 2, 2), 8.0)
    for activation, wanted in (("relu6", 6.0), ("relu", 8.0)):
        operator = Up4GVTO(2, 1, norm=False, activation=activation)
        torch.nn.init.zeros_(operator.out.weight)
        torch.nn.init.zeros_(operator.out.bias)
        assert torch.equal(operator(x), torch.full((1, 1, 8, 8), wanted))


def test_heads_divide_the_channels():
    with pytest.raises(ValueError, match="4 features cannot be split into 3 heads"):
        SizePreservingGVTO(2, 4, heads=3)
