"""The device and the number type that are fastest for training on this machine."""

from contextlib import AbstractContextManager

import torch

from splittool.errors import DeviceError, UsageError

# Reports and files spell two of them differently.
_SPELLINGS = {
    "auto": "auto",
    "f32": "fp32",
    "bf16": "bf16",
    "f16": "fp16",
    "fp32": "fp32",
    "fp16": "fp16",
}
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def spell_precision(name: str) -> str:
    """The name of a precision as reports and files have it: f32 is "fp32" there.

    Raises:
        UsageError: There is no such precision.
    """
    if name not in _SPELLINGS:
        raise UsageError(f"unknown precision {name!r}; give one of: auto, f32, bf16, f16")
    return _SPELLINGS[name]


def choose_device(name: str) -> torch.device:
    """The device to train on: "auto" takes CUDA where it is available.

    Raises:
        UsageError: Training does not know a device of this name.
        DeviceError: CUDA is asked for and not available.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown training device {name!r}; give auto, cpu or cuda")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise DeviceError("no CUDA device is here; check nvidia-smi, or give `device` cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and has_cuda) else "cpu")


def choose_precision(requested: str, device: torch.device) -> str:
    """Settle "auto": mixed precision where the processor computes it faster.

    Raises:
        UsageError: f16 is asked for on a CPU, which cannot train in it.
    """
    if requested == "fp16" and device.type == "cpu":
        raise UsageError("a CPU does not train in f16; give `precision` bf16 or f32")
    if requested != "auto":
        return requested
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 natively; emulating it would be slower than float32."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The context in which the network computes."""
    enabled = precision in _TYPES
    return torch.autocast(device.type, dtype=_TYPES.get(precision, torch.bfloat16), enabled=enabled)
