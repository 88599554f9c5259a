"""The GVTNets' graphs once more: NumPy, channels last, TensorFlow's conventions by index.

Variables come into being, named as in the published checkpoints, when the graph first asks for
them, so that names and shapes too are a second path.
"""

from __future__ import annotations

import itertools

import numpy as np


class Variables(dict):
    """Seeded variables by name."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def kernel(self, name, *shape):
        fan = np.prod(shape[:-1])
        return self._made(f"{name}/kernel", lambda: self.rng.normal(0, fan**-0.5, shape))

    def bias(self, name, size):
        return self._made(f"{name}/bias", lambda: self.rng.normal(0, 0.2, size))

    def norm(self, name, size):
        return (
            self._made(f"{name}/gamma", lambda: self.rng.uniform(0.5, 1.5, size)),
            self._made(f"{name}/beta", lambda: self.rng.normal(0.5, 0.5, size)),
            self._made(f"{name}/moving_mean", lambda: self.rng.normal(0, 0.3, size)),
            self._made(f"{name}/moving_variance", lambda: self.rng.uniform(0.5, 2, size)),
        )

    def _made(self, name, make):
        if name not in self:
            self[name] = np.asarray(make(), np.float32)
        return self[name].astype(np.float64)


def conv(x, kernel, stride=1):
    """SAME: (n₁, …, C) with kernel (k₁, …, in, out)."""
    sizes, taps = x.shape[:-1], kernel.shape[:-2]
    outs = [-(-n // stride) for n in sizes]
    pads = []
    for n, k, out in zip(sizes, taps, outs, strict=True):
        total = max((out - 1) * stride + k - n, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(x, [*pads, (0, 0)])
    result = np.zeros((*outs, kernel.shape[-1]))
    for tap in itertools.product(*map(range, taps)):
        ends = (t + stride * (n - 1) + 1 for t, n in zip(tap, outs, strict=True))
        window = tuple(slice(t, end, stride) for t, end in zip(tap, ends, strict=True))
        result += padded[window] @ kernel[tap]
    return result


def conv_transpose(x, kernel):
    """SAME with stride 2: the gradient of ``conv``, so the kernel is (k₁, …, out, in)."""
    sizes, taps = x.shape[:-1], kernel.shape[:-2]
    full = np.zeros((*(2 * n + 2 for n in sizes), kernel.shape[-2]))
    for tap in itertools.product(*map(range, taps)):
        window = tuple(slice(t, t + 2 * n, 2) for t, n in zip(tap, sizes, strict=True))
        full[window] += x @ kernel[tap].T
    # SAME pads (k − 2) // 2 = 0 before for k = 3 (and for 2), so nothing is cut at the start.
    return full[tuple(slice(2 * n) for n in sizes)]


def relu6(x):
    return np.clip(x, 0, 6)


class Graph:
    """One of the published configurations, narrower.

    Parameters
    ----------
    ndim, filters, depth, heads : int
    batch_norm : bool
    """

    def __init__(self, seed=0, *, ndim=3, filters=4, depth=3, heads=1, batch_norm=True, first=0):
        self.v = Variables(seed)
        self.ndim, self.filters, self.depth = ndim, filters, depth
        self.heads, self.batch_norm, self.first = heads, batch_norm, first

    def activate(self, x, name):
        if self.batch_norm:
            gamma, beta, mean, variance = self.v.norm(name, x.shape[-1])
            x = (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta
        return relu6(x)

    def conv(self, x, name, size, out, stride=1):
        size = (size,) * self.ndim if isinstance(size, int) else size
        return conv(x, self.v.kernel(name, *size, x.shape[-1], out), stride)

    def biased(self, x, name, size, out, stride=1):
        return self.conv(x, name, size, out, stride) + self.v.bias(name, out)

    def up(self, x, name, out):
        return conv_transpose(x, self.v.kernel(name, *(3,) * self.ndim, out, x.shape[-1]))

    def res(self, x, name, out):
        a = self.activate(x, f"{name}/batch_norm_1")
        shortcut = x
        if x.shape[-1] != out:
            shortcut = self.conv(a, f"{name}/projection_shortcut", 1, out)
        y = self.conv(a, f"{name}/convolution_1", 3, out)
        y = self.conv(self.activate(y, f"{name}/batch_norm_2"), f"{name}/convolution_2", 3, out)
        return shortcut + y

    def down_res(self, x, name, out):
        a = self.activate(x, f"{name}/batch_norm_1")
        y = self.conv(a, f"{name}/convolution_1", 3, out, 2)
        y = self.conv(self.activate(y, f"{name}/batch_norm_2"), f"{name}/convolution_2", 3, out)
        return self.conv(a, f"{name}/projection_shortcut", 1, out, 2) + y

    def attend(self, query, a, name):
        """Q (Kᵀ V) / number of queries, in heads, then the projection."""
        width = query.shape[-1]
        key = self.biased(a, f"{name}/attention/k_transform", 1, width).reshape(-1, width)
        value = self.biased(a, f"{name}/attention/v_transform", 1, width).reshape(-1, width)
        flat, parts = query.reshape(-1, width), []
        for head in np.split(np.arange(width), self.heads):
            scaled = flat[:, head] * len(head) ** -0.5
            parts.append(scaled @ (key[:, head].T @ value[:, head]) / len(flat))
        joined = np.concatenate(parts, -1).reshape(query.shape)
        return self.biased(joined, f"{name}/attention/out_transform", 1, width)

    def gvto(self, x, name):
        a = self.activate(x, f"{name}/batch_norm")
        query = self.biased(a, f"{name}/attention/q_transform", 1, x.shape[-1])
        return x + self.attend(query, a, name)

    def up_gvto(self, x, name, out, version=2):
        a = self.activate(x, f"{name}/batch_norm")
        q = f"{name}/attention/q_transform"
        query = self.up(a, q, out) + self.v.bias(q, out)
        other = query if version == 2 else self.up(a, f"{name}/projection_shortcut", out)
        return other + self.attend(query, a, name)

    def down_gvto(self, x, name, out, version=2):
        a = self.activate(x, f"{name}/batch_norm")
        query = self.biased(a, f"{name}/attention/q_transform", 3, out, 2)
        other = query if version == 2 else self.conv(a, f"{name}/projection_shortcut", 3, out, 2)
        return other + self.attend(query, a, name)

    def blocks(self, x, name, count, out):
        for k in range(self.first, self.first + count):
            x = self.res(x, f"{name}/res_{k}", out)
        return x

    def u_shaped(self, x, *, encoder, decoder, down, up, concat):
        x = self.conv(x, "first_convolution", 3, self.filters)
        x = self.blocks(x, "encoding_block_1", encoder[0], self.filters)
        skips = []
        for level in range(2, self.depth + 1):
            skips.append(x)
            name, width = f"encoding_block_{level}", self.filters * 2 ** (level - 1)
            x = down(x, f"{name}/downsampling", width)
            x = self.blocks(x, name, encoder[level - 1], width)
        x = self.gvto(x, f"bottom_block/block_{self.first}")
        for level in range(self.depth - 1, 0, -1):
            name, width = f"decoding_block_{level}", self.filters * 2 ** (level - 1)
            x, skip = up(x, f"{name}/upsampling", width), skips.pop()
            x = np.concatenate([x, skip], -1) if concat else x + skip
            x = self.blocks(x, name, decoder[level - 1], width)
        return self.activate(x, "batch_norm_output")


def label_free(graph: Graph, x, **changes):
    """(Z, Y, X, C) to (Z, Y, X, 1)."""
    layout = {
        "encoder": [1, *[0] * (graph.depth - 1)],
        "decoder": [1] * (graph.depth - 1),
        "down": graph.down_res,
        "up": lambda x, name, out: graph.up(x, f"{name}/transposed_convolution", out),
        "concat": False,
    }
    return graph.biased(graph.u_shaped(x, **layout | changes), "output_convolution", 3, 1)


def denoising(graph: Graph, image, sigma=True):
    """The image to (prediction, scale)."""
    features = graph.u_shaped(
        image,
        encoder=[1] * (graph.depth - 1) + [0],
        decoder=[1] * (graph.depth - 1),
        down=lambda x, name, out: graph.conv(x, f"{name}/convolution", 3, out, 2),
        up=graph.up_gvto,
        concat=True,
    )
    predicted = image + graph.conv(features, "out_conv", 1, 1)
    if not sigma:
        return predicted, None
    return predicted, np.log1p(np.exp(graph.conv(features, "out_sigma_conv", 1, 1))) + 1e-3


def projected(graph: Graph, stack, filters=4):
    """(Z, Y, X, 1) to (Y, X, 1): the mean of weighted planes."""
    flat = (3, 5, 5)

    def pool(x):
        z, y, x_, c = x.shape
        return x.reshape(z, y // 4, 4, x_ // 4, 4, c).max((2, 4))

    x = pool(graph.biased(stack, "projection/Conv_down_0", flat, filters))
    x = pool(graph.biased(relu6(x), "projection/Conv_down_1", flat, filters))
    x = graph.gvto(x, "projection/Bottom_0") + graph.biased(
        relu6(x), "projection/Conv_bottom_0", flat, filters
    )
    for i in (1, 0):
        a = relu6(x)
        query = a.repeat(4, 1).repeat(4, 2)
        x = query + graph.attend(query, a, f"projection/Upsample_{i}")
        x = graph.biased(relu6(x), f"projection/Conv_up_{i}", flat, filters)
    weights = graph.biased(relu6(x), "projection/Conv_final", 5, 1)
    return (weights * stack).mean(0)
