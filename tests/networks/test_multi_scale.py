"""The three scales of a GT U-Net's input share one centre."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain.networks.multi_scale import ImageScales, LearnedScales, centre_crop


def by_index(x: torch.Tensor) -> torch.Tensor:
    """Return middle, context and detail of one plane (2H, 2W), pixel by pixel."""
    height, width = x.shape[0] // 2, x.shape[1] // 2
    crop = x[3 * height // 4 : 5 * height // 4, 3 * width // 4 : 5 * width // 4]
    out = torch.zeros(3, height, width, dtype=x.dtype)

    def between(position: float, size: int) -> list[tuple[int, float]]:
        """Return the pixels around a position and their shares; the outermost are repeated."""
        position = max(position, 0.0)
        low = int(position)
        return [(low, 1 - (position - low)), (min(low + 1, size - 1), position - low)]

    for i in range(height):
        for j in range(width):
            out[0, i, j] = x[i + height // 2, j + width // 2]
            out[1, i, j] = (
                x[2 * i, 2 * j]
                + x[2 * i + 1, 2 * j]
                + x[2 * i, 2 * j + 1]
                + x[2 * i + 1, 2 * j + 1]
            ) / 4
            # Centre of output pixel i, (i + ½) / 2, counted from the centre of the first pixel.
            rows = between((i + 0.5) / 2 - 0.5, crop.shape[0])
            columns = between((j + 0.5) / 2 - 0.5, crop.shape[1])
            out[2, i, j] = sum(a * b * crop[r, c] for r, a in rows for c, b in columns)
    return out


def test_crops_of_the_image_are_those_of_the_indices():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, 64, dtype=torch.float64)
    scales = ImageScales.scales(x)
    assert scales.shape == (2, 9, 16, 32)
    for sample in range(2):
        for channel in range(3):
            expected = by_index(x[sample, channel])
            torch.testing.assert_close(scales[sample, channel::3], expected)


def test_the_crops_share_their_centre():
    """Of a ramp, all three are antisymmetric about the same value."""
    ramp = torch.arange(64.0, dtype=torch.float64).expand(1, 1, 64, 64)
    for plane in ImageScales.scales(ramp)[0]:
        torch.testing.assert_close(plane + plane.flip(1), torch.full_like(plane, 63.0))


def test_the_three_scales_are_mixed_by_one_linear_convolution():
    module = ImageScales(2, 5)
    x = torch.randn(1, 2, 32, 32)
    weight = module.fuse.weight[:, :, 0, 0]
    expected = torch.einsum("oc,bcyx->boyx", weight, module.scales(x))
    torch.testing.assert_close(module(x), expected + module.fuse.bias[:, None, None])


def test_learned_scales_read_the_crops_of_the_code():
    torch.manual_seed(0)
    module = LearnedScales(2, 3, norm=False, dropout=0.0)
    seen = {}
    for name in ("middle", "context", "detail", "fuse"):
        getattr(module, name).register_forward_hook(
            lambda _, inputs, out, name=name: seen.update({name: (inputs[0], out)})
        )
    x = torch.randn(1, 2, 32, 64)
    assert module(x).shape == (1, 3, 16, 32)
    projected = module.project(x)
    assert torch.equal(seen["middle"][0], projected[:, :, 8:24, 16:48])
    assert torch.equal(seen["context"][0], projected)
    assert torch.equal(seen["detail"][0], projected[:, :, 12:20, 24:40])
    joined = torch.cat([seen[name][1] for name in ("middle", "context", "detail")], dim=1)
    assert torch.equal(seen["fuse"][0], joined)
    assert {tuple(out.shape[2:]) for _, out in seen.values()} == {(16, 32)}


@pytest.mark.parametrize(("part", "first", "last"), [(2, 8, 23), (4, 12, 19)])
def test_centre_crop_keeps_the_centre(part, first, last):
    x = torch.arange(32.0).reshape(1, 1, 1, 32).expand(1, 1, 32, 32)
    crop = centre_crop(x, part)
    assert (crop[0, 0, 0, 0], crop[0, 0, 0, -1]) == (first, last)
    assert crop.shape[2] == crop.shape[3] == last - first + 1
