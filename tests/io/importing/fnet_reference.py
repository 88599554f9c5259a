"""The network of pytorch_fnet once more: nested, and named as its files name its tensors."""

from __future__ import annotations

import torch
from torch import nn


class DoubleConv(nn.Module):
    def __init__(self, ndim, n_in, n_out):
        super().__init__()
        conv, norm = (nn.Conv2d, nn.Conv3d)[ndim - 2], (nn.BatchNorm2d, nn.BatchNorm3d)[ndim - 2]
        self.conv1, self.bn1 = conv(n_in, n_out, 3, padding=1), norm(n_out)
        self.conv2, self.bn2 = conv(n_out, n_out, 3, padding=1), norm(n_out)

    def forward(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()


class Recursion(nn.Module):
    def __init__(self, ndim, n_in, n_out, depth):
        super().__init__()
        self.sub_2conv_more = DoubleConv(ndim, n_in, n_out)
        self.depth = depth
        if depth == 0:
            return
        norm = (nn.BatchNorm2d, nn.BatchNorm3d)[ndim - 2]
        self.conv_down = (nn.Conv2d, nn.Conv3d)[ndim - 2](n_out, n_out, 2, stride=2)
        self.bn0 = norm(n_out)
        self.sub_u = Recursion(ndim, n_out, 2 * n_out, depth - 1)
        up = (nn.ConvTranspose2d, nn.ConvTranspose3d)[ndim - 2]
        self.convt = up(2 * n_out, n_out, 2, stride=2)
        self.bn1 = norm(n_out)
        self.sub_2conv_less = DoubleConv(ndim, 2 * n_out, n_out)

    def forward(self, x):
        here = self.sub_2conv_more(x)
        if self.depth == 0:
            return here
        below = self.sub_u(self.bn0(self.conv_down(here)).relu())
        back = self.bn1(self.convt(below)).relu()
        return self.sub_2conv_less(torch.cat([here, back], 1))


class Fnet(nn.Module):
    """Seeded, with running statistics that are not those of a fresh network; in eval mode."""

    def __init__(self, ndim=3, depth=2, mult_chan=4, in_channels=1, out_channels=1, seed=0):
        super().__init__()
        self.net_recurse = Recursion(ndim, in_channels, mult_chan, depth)
        conv = (nn.Conv2d, nn.Conv3d)[ndim - 2]
        self.conv_out = conv(mult_chan, out_channels, 3, padding=1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, tensor in self.state_dict().items():
                if name.endswith("running_var") or ("bn" in name and name.endswith("weight")):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                elif tensor.is_floating_point():
                    tensor.normal_(0, 0.2, generator=generator)
        self.eval()

    def forward(self, x):
        return self.conv_out(self.net_recurse(x))


def old(state):
    """The state dict as torch before 0.4.1 had it."""
    return {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}


def version_1(network, **changes):
    """What the first generation's ``model.p`` holds."""
    optimizer = torch.optim.Adam(network.parameters())
    return {
        "nn_module": "fnet_nn_3d",
        "nn_kwargs": {},
        "nn_state": network.state_dict(),
        "optimizer_state": optimizer.state_dict(),
        "count_iter": 50000,
    } | changes


def version_2(network, criterion="fnet.losses.WeightedMSE", **nn_kwargs):
    """What the second generation's ``model.p`` holds."""
    return {
        "fnet_model_class": "fnet.fnet_model.Model",
        "fnet_model_kwargs": {
            "betas": [0.9, 0.999],
            "criterion_class": criterion,
            "init_weights": False,
            "lr": 0.001,
            "nn_class": "fnet.nn_modules.fnet_nn_3d.Net",
            "nn_kwargs": nn_kwargs,
            "scheduler": None,
            "weight_decay": 0,
            "gpu_ids": 0,
        },
        "fnet_model_posargs": [],
        "nn_state": network.state_dict(),
        "optimizer_state": None,
        "count_iter": 250000,
    }
