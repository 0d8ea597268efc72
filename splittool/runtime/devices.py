"""Devices of the installed OpenVINO: which are here, and models compiled for them."""

import ctypes.util
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import openvino as ov

from splittool.errors import DeviceError, UsageError
from splittool.runtime.libraries import how_to_install, missing_library
from splittool.vocabulary import PRECISION_SYNONYMS

Hint = Literal["throughput", "latency"]

KNOWN = ("AUTO", "CPU", "GPU", "NPU", "MYRIAD")
VPUS = ("NPU", "MYRIAD")

PRECISIONS = ("auto", "f32", "f16", "bf16")


@dataclass(frozen=True)
class Compiled:
    """A model on a device.

    Attributes:
        model: The compiled model.
        devices: Names of the devices that it really runs on.
        device_name: The name that the device gives itself.
        precision: The precision that it really computes in.
        streams: Number of parallel streams; None where the device does not say.
    """

    model: ov.CompiledModel
    devices: list[str]
    device_name: str
    precision: str
    streams: int | None


def vpus(core: ov.Core) -> list[str]:
    """Names of the vision processing units that this OpenVINO sees."""
    return [name for name in core.available_devices if name.partition(".")[0] in VPUS]


def default_device(core: ov.Core) -> str:
    """A VPU where there is one, else the device that OpenVINO prefers."""
    return next(iter(vpus(core)), "AUTO")


def require_device(core: ov.Core, name: str) -> None:
    """Check that a device is there before work is spent on it.

    Raises:
        UsageError: No kind of device has this name.
        DeviceError: This machine has no such device.
    """
    kind = name.partition(".")[0].partition(":")[0]
    if kind not in KNOWN:
        near = get_close_matches(kind.upper(), KNOWN, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown device {name!r}; {hint}give one of: {', '.join(KNOWN)}")
    _, _, choices = name.partition(":")
    for choice in choices.split(","):  # as in AUTO:GPU,CPU; a minus leaves a device out
        if choice and not choice.startswith("-"):
            require_device(core, choice)
    present = core.available_devices
    if kind == "AUTO" or name in present or any(p.partition(".")[0] == kind for p in present):
        return
    fix = _MISSING[kind]
    library = _missing_library(core, kind)
    if library:
        fix = f"{library} is missing: {how_to_install(library)}; {fix}"
    raise DeviceError(f"no {kind} is here (found: {', '.join(present)}); {fix}")


def _missing_library(core: ov.Core, kind: str) -> str | None:
    """The system library without which a device's plug-in does not load or finds nothing."""
    if kind == "NPU":  # its plug-in loads without it, and finds no device
        return None if ctypes.util.find_library("ze_loader") else "libze_loader.so.1"
    try:
        core.get_versions(kind)
    except RuntimeError as error:
        return missing_library(str(error))
    return None


_MISSING = {
    "NPU": "an Intel NPU needs its Linux driver and compiler: check ls /dev/accel",
    "GPU": "an Intel GPU needs its OpenCL driver: check clinfo",
    "CPU": "install openvino again",
    "MYRIAD": "OpenVINO dropped it in 2023.0; name an older runtime with `runtime_python`",
}


def check_precision(precision: str) -> None:
    """Refuse a number type that is not known.

    Raises:
        UsageError: It is not.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}; give one of: {', '.join(PRECISIONS)}")


def compile_model(
    core: ov.Core,
    model: ov.Model,
    device: str,
    precision: str = "auto",
    hint: Hint = "latency",
    streams: int | None = None,
    cache: Path | None = None,
) -> Compiled:
    """Compile a model.

    Args:
        core: The runtime.
        model: The graph.
        device: Its name in OpenVINO.
        precision: "auto" leaves it to the device: a CPU that has bf16 uses it.
        hint: What the device is tuned for.
        streams: Frames computed side by side; None leaves it to the hint.
        cache: Folder for compiled models, so that the next start is quicker.

    Raises:
        DeviceError: The device is not there or cannot compile the model.
    """
    require_device(core, device)
    precision = PRECISION_SYNONYMS.get(precision, precision)
    check_precision(precision)
    config: dict[str, Any] = {"PERFORMANCE_HINT": hint.upper()}
    if precision != "auto":
        config["INFERENCE_PRECISION_HINT"] = precision
    if streams is not None:
        config["NUM_STREAMS"] = streams
    if cache is not None:
        config["CACHE_DIR"] = str(cache)
    try:
        compiled = core.compile_model(model, device, config)
    except RuntimeError as error:
        cause = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise DeviceError(
            f"{device} cannot run the model ({cause[:120]}); try `device` CPU"
        ) from None
    devices = [str(name) for name in compiled.get_property("EXECUTION_DEVICES")]
    devices = [name.strip("()") for name in devices]
    return Compiled(
        compiled,
        devices,
        str(core.get_property(devices[0], "FULL_DEVICE_NAME")),
        _precision(compiled, devices[0]),
        _streams(compiled, devices[0]),
    )


def _property(compiled: ov.CompiledModel, device: str, name: str) -> Any:
    """A property of the model on the device that AUTO chose, or on the only one; None if unsaid."""
    try:
        return compiled.get_property(name)
    except RuntimeError:
        pass
    try:
        return compiled.get_property("DEVICE_PROPERTIES").get(device, {}).get(name)
    except RuntimeError:
        return None


def _precision(compiled: ov.CompiledModel, device: str) -> str:
    value = _property(compiled, device, "INFERENCE_PRECISION_HINT")
    return value.get_type_name() if isinstance(value, ov.Type) else str(value or "unknown")


def _streams(compiled: ov.CompiledModel, device: str) -> int | None:
    value = _property(compiled, device, "NUM_STREAMS")
    return None if value is None else int(value)
