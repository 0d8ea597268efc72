"""What is here to measure, compile and train with, and the commands for what is missing."""

import ctypes.util
import importlib.util
import shlex
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from splittool.benchmark.old_runtime import RUNTIME_VARIABLE, OldRuntime, find_runtime
from splittool.benchmark.power_sensors import SYSFS, find_power_sensor
from splittool.errors import DeviceError, SplittoolError
from splittool.reports import CheckRecord, DoctorReport
from splittool.runtime.devices import VPUS
from splittool.runtime.ir import core
from splittool.runtime.myriad import COMPILER_VARIABLE, find_compiler, tools_folder

_MOVIDIUS = "03e7"  # the USB vendor
_RULE_FOLDERS = ("/etc/udev/rules.d", "/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_EXTRAS = {"plots": "matplotlib", "page": "bokeh", "codec": "imagecodecs"}
_RULE = 'SUBSYSTEM=="usb", ATTRS{idVendor}=="03e7", MODE="0666"'


def examine() -> DoctorReport:
    """Look for everything; nothing is installed or changed."""
    checks = [
        *_openvino(),
        _old_runtime(),
        _compiler(),
        _libusb(),
        _udev_rule(),
        _sticks(),
        power_check(),
        _package("torch", "torch", "pip install torch"),
        _cuda(),
    ]
    for extra, module in _EXTRAS.items():
        checks.append(_package(f"extra {extra}", module, f"pip install 'splittool[{extra}]'"))
    return DoctorReport(checks=checks)


def _openvino() -> Iterator[CheckRecord]:
    engine = core()
    yield CheckRecord("openvino", True, metadata.version("openvino"))
    for device in engine.available_devices:
        plugin = engine.get_versions(device)[device]
        name = engine.get_property(device, "FULL_DEVICE_NAME")
        yield CheckRecord(f"device {device}", True, f"{name} (plug-in {plugin.build_number})")
    if not any(name.partition(".")[0] in VPUS for name in engine.available_devices):
        yield CheckRecord(
            "device NPU",
            False,
            "none is seen" if Path("/dev/accel").exists() else "none is seen: no /dev/accel",
            [
                "# Intel Core Ultra: install the driver and its compiler from",
                "# https://github.com/intel/linux-npu-driver/releases",
                "sudo usermod -aG render $USER",
            ],
        )


def _old_runtime() -> CheckRecord:
    name = "old runtime, for MYRIAD"
    folder = shlex.quote(str(tools_folder() / "runtime-2021.4"))
    fix = [
        f"python3.8 -m venv {folder}  # 3.6 to 3.9",
        f"{folder}/bin/pip install openvino==2021.4.2",
        f"# or name another interpreter: export {RUNTIME_VARIABLE}=/path/to/python",
    ]
    found = find_runtime()
    if found is None:
        return CheckRecord(name, False, "not found (OpenVINO dropped Myriad in 2023.0)", fix)
    try:
        with OldRuntime(found) as runtime:
            version, devices = runtime.version.partition("-")[0], ", ".join(runtime.devices)
            return CheckRecord(name, True, f"{version} in {found}; devices: {devices}")
    except SplittoolError as error:
        return CheckRecord(name, False, str(error).partition(";")[0], fix)


def _compiler() -> CheckRecord:
    name = "Myriad compiler"
    folder = shlex.quote(str(tools_folder()))
    fix = [
        f"mkdir -p {folder} && cd {folder}",
        "python3 -m pip download --no-deps --only-binary=:all: --python-version 3.8 --abi cp38 \\",
        "  --implementation cp --platform manylinux2014_x86_64 openvino==2021.3.0",
        "python3 -m zipfile -e openvino-2021.3.0-*.whl openvino-2021.3",
        "chmod +x openvino-2021.3/openvino/libs/myriad_compile",
        f"# or name another one: export {COMPILER_VARIABLE}=/path/to/myriad_compile",
    ]
    found = find_compiler()
    if found is None:
        return CheckRecord(name, False, "not found (it is part of OpenVINO 2021.3)", fix)
    if not found.is_file():
        return CheckRecord(
            name, False, f"{found}, which {COMPILER_VARIABLE} names, does not exist", fix
        )
    return CheckRecord(name, True, str(found))


def _libusb() -> CheckRecord:
    found = ctypes.util.find_library("usb-1.0")
    if found:
        return CheckRecord("libusb", True, found)
    return CheckRecord(
        "libusb",
        False,
        "not found; compiler and stick need libusb-1.0",
        ["sudo apt install libusb-1.0-0"],
    )


def _udev_rule() -> CheckRecord:
    for folder in _RULE_FOLDERS:
        for rule in sorted(Path(folder).glob("*.rules")):
            if _MOVIDIUS in rule.read_text(errors="replace"):
                return CheckRecord("udev rule", True, str(rule))
    return CheckRecord(
        "udev rule",
        False,
        "not found; without it only root may use a stick",
        [
            f"echo '{_RULE}' | sudo tee /etc/udev/rules.d/80-movidius.rules",
            "sudo udevadm control --reload-rules && sudo udevadm trigger",
        ],
    )


def _sticks() -> CheckRecord:
    vendors = Path("/sys/bus/usb/devices").glob("*/idVendor")
    found = [v.parent for v in vendors if v.read_text().strip() == _MOVIDIUS]
    if not found:
        return CheckRecord(
            "sticks",
            False,
            f"no USB device of vendor {_MOVIDIUS} is seen",
            ["# plug one in, better into USB 3; then: lsusb -d 03e7:"],
        )
    ports = ", ".join(f"{port.name} ({_read(port / 'idProduct')})" for port in found)
    return CheckRecord("sticks", True, f"{len(found)} on USB port {ports}")


def _read(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else "?"


def power_check(sysfs: Path = SYSFS) -> CheckRecord:
    """Whether joules can be measured here.

    Args:
        sysfs: Where the system shows its devices.
    """
    name = "power sensor"
    try:
        sensor = find_power_sensor(sysfs)
    except DeviceError as error:
        return CheckRecord(name, False, str(error))
    if sensor is None:
        return CheckRecord(name, False, "none; give power by hand: splittool bench-vpu --watts")
    return CheckRecord(name, True, f"{sensor.name}, of {sensor.covers}")


def _cuda() -> CheckRecord:
    if importlib.util.find_spec("torch") is None:
        return CheckRecord("CUDA", False, "torch is not installed")
    import torch

    if torch.cuda.is_available():
        return CheckRecord("CUDA", True, f"{torch.cuda.get_device_name()}, {torch.version.cuda}")
    return CheckRecord(
        "CUDA",
        False,
        f"torch {torch.__version__} finds no GPU; training runs on the CPU",
        ["# with an NVIDIA GPU and driver: pip install torch  (the build for CUDA)"],
    )


def _package(name: str, module: str, fix: str) -> CheckRecord:
    if importlib.util.find_spec(module):
        return CheckRecord(name, True, f"{module} {metadata.version(module)}")
    return CheckRecord(name, False, f"{module} is missing", [fix])
