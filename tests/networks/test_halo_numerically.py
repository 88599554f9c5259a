"""The stated halo, checked by disturbing the input of every network that is tiled."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain import networks

TILED = [name for name in networks.names() if networks.describe(name).geometry.window is None]
SMALL = {"filters": 4, "growth": 2, "projection_filters": 2, "widths": (4, 4, 8)}
CASES = [
    (name, ndim)
    for name in TILED
    for ndim in (2, 3)
    if "ndim" not in networks.rules(name) or networks.rules(name)["ndim"].accepts(ndim)
]


def settled(name: str, ndim: int) -> torch.nn.Module:
    """Return a network in float64 whose every layer matters."""
    rules = networks.rules(name)
    options = {key: value for key, value in SMALL.items() if key in rules}
    if "ndim" in rules:
        options["ndim"] = ndim
    torch.manual_seed(1)
    network = networks.build(name, **options).double().eval()
    plain = not network.geometry.has_global_operators
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
        elif plain and isinstance(module, torch.nn.modules.conv._ConvNd):
            # Few rectifiers are dead then; but attention multiplies large weights without end.
            torch.nn.init.kaiming_normal_(module.weight)
    return network


def give_sums(network: torch.nn.Module, x: torch.Tensor) -> None:
    """Give each global operator what it gathers from x, so that nothing else carries x far."""
    for operator in (m for m in network.modules() if isinstance(m, networks.GlobalOperator)):
        seen = []
        hook = operator.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        network(x)
        hook.remove()
        operator.given = operator.gather(seen[0])


@pytest.mark.parametrize("axis", [0, -1], ids=["first axis", "last axis"])
@pytest.mark.parametrize(("name", "ndim"), CASES)
@torch.inference_mode()
def test_a_core_depends_on_its_halo_and_on_nothing_beyond(name, ndim, axis):
    network = settled(name, ndim)
    geometry = network.geometry
    if geometry.projects and axis == 0:
        axis = 1  # Z is always whole
    axis -= ndim if axis >= 0 else 0  # from the end, as what a projection puts out has no Z
    stride, halo = geometry.stride[axis], geometry.halo[axis]
    sizes = [max(one, 2) for one in geometry.stride]
    sizes[axis] = 2 * halo + 4 * stride
    x = torch.randn(1, 1, *sizes, dtype=torch.float64)
    give_sums(network, x)
    start = halo + stride
    core = network(x).narrow(axis, start, stride)

    def change(first: int, last: int) -> float:
        """Return how far disturbing an interval changes the core."""
        disturbed = x.clone()
        part = disturbed.narrow(axis, first, last - first)
        part += 10 * torch.randn_like(part)
        after = network(disturbed).narrow(axis, start, stride)
        return float((after - core).abs().max() / core.abs().max())

    left, right = start - halo, start + stride + halo
    assert change(0, left) <= 1e-12
    assert change(right, sizes[axis]) <= 1e-12
    # A halo smaller by one stride would not do.
    assert max(change(left, left + stride), change(right - stride, right)) > 1e-12


def test_all_networks_without_a_window_are_checked():
    assert {name for name, _ in CASES} == set(networks.names()) - {"gt-unet", "virfluonet"}
