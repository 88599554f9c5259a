"""Which device computes, in which precision, and how much memory it has to spare."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, get_args

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.options import Device, Precision

if TYPE_CHECKING:
    import torch

SHARE_OF_FREE_MEMORY = {"cpu": 0.5, "cuda": 0.85, "mps": 0.5}
"""On the CPU and on MPS, the memory is shared with everything else that runs."""


def choose_device(device: Device = "auto") -> torch.device:
    """Return the device: CUDA if there is one, else MPS, else the CPU; or the one asked for.

    Raises
    ------
    VirtualStainError
        If the device asked for is unknown or not available here.
    """
    import torch

    if device not in get_args(Device):
        raise VirtualStainError(
            f"there is no device {device!r}; choose one of {', '.join(get_args(Device))}."
        )
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available[device]:
        here = ", ".join(name for name, there in available.items() if there)
        raise VirtualStainError(
            f"the device {device!r} is not available here (available: {here}); choose another, "
            "or install a PyTorch that supports it."
        )
    return torch.device(device)


def describe(device: torch.device) -> str:
    """Return what a person calls the device."""
    import torch

    if device.type == "cuda":
        return f"GPU ({torch.cuda.get_device_name(device)})"
    if device.type == "mps":
        return "GPU (Apple MPS)"
    threads = torch.get_num_threads()
    return f"CPU ({threads} thread{'s' * (threads != 1)})"


def usable_memory(device: torch.device) -> int:
    """Return the bytes that a prediction may use by default: a share of what is free."""
    import psutil
    import torch

    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = psutil.virtual_memory().available
    return int(free * SHARE_OF_FREE_MEMORY[device.type])


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a network runs in the given precision; ``auto`` is float32.

    Raises
    ------
    VirtualStainError
        If there is no such precision.
    """
    import torch

    if precision not in get_args(Precision):
        raise VirtualStainError(
            f"there is no precision {precision!r}; choose one of {', '.join(get_args(Precision))}."
        )
    if precision in ("auto", "fp32"):
        if device.type != "cuda":
            return contextlib.nullcontext()
        # cuDNN would convolve float32 in TF32, with 10 bits: tiles and whole image would differ.
        cudnn = torch.backends.cudnn
        return cudnn.flags(
            enabled=True,
            benchmark=cudnn.benchmark,
            deterministic=cudnn.deterministic,
            allow_tf32=False,
        )
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def release_memory(device: torch.device) -> None:
    """Give memory that is cached, but no longer used, back to the device."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice; PyTorch has no one type for it."""
    text = str(error).casefold()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate" in text)
    )
