from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from splittool.errors import DeviceError, UsageError
from splittool.graph.reading import load_model
from splittool.runtime.devices import compile_model, default_device, require_device, vpus
from splittool.runtime.ir import core


def _core(*devices: str, refusal: str = "") -> Any:
    """A core that sees some devices, and whose plug-ins for all others do not load."""

    def get_versions(device: str) -> None:
        raise RuntimeError(refusal or f"Device with {device} name is not registered")

    return SimpleNamespace(available_devices=list(devices), get_versions=get_versions)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("CUP", "CPU"), ("NPUU", "NPU"), ("cpu", "CPU"), ("MYRAID", "MYRIAD"), ("auto", "AUTO")],
)
def test_a_typo_is_a_usage_error_with_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"unknown device '{name}'; did you mean {hint}"):
        require_device(_core("CPU"), name)


@pytest.mark.parametrize("name", ["", "quantum", ".0", ":CPU"])
def test_a_name_like_no_other_lists_all(name: str) -> None:
    with pytest.raises(UsageError, match="give one of: AUTO, CPU, GPU, NPU, MYRIAD"):
        require_device(_core("CPU"), name)


@pytest.mark.parametrize(
    ("name", "fix"), [("NPU", "/dev/accel"), ("GPU", "clinfo"), ("MYRIAD", "`runtime_python`")]
)
def test_a_device_that_is_not_here_is_a_device_error_with_the_way_to_it(
    name: str, fix: str
) -> None:
    with pytest.raises(DeviceError, match=rf"no {name} is here \(found: CPU\); .*{fix}"):
        require_device(_core("CPU"), name)


def test_the_library_that_a_plug_in_misses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = (
        'Cannot load library "/x/libopenvino_intel_gpu_plugin.so": libOpenCL.so.1: cannot open'
        " shared object file: No such file or directory"
    )
    words = r"no GPU .*; libOpenCL\.so\.1 is missing: apt install ocl-icd-libopencl1; .*clinfo"
    with pytest.raises(DeviceError, match=words):
        require_device(_core("CPU", refusal=refusal), "GPU")
    for found, word in ((None, "libze1"), ("libze_loader.so.1", "an Intel NPU needs")):
        monkeypatch.setattr("ctypes.util.find_library", lambda name, found=found: found)
        with pytest.raises(DeviceError, match=f"no NPU is here .*{word}") as error:
            require_device(_core("CPU"), "NPU")
        assert ("libze1" in str(error.value)) == (found is None)


@pytest.mark.parametrize("name", ["CPU", "AUTO", "AUTO:CPU", "NPU", "GPU", "GPU.1"])
def test_devices_that_are_here(name: str) -> None:
    require_device(_core("CPU", "GPU.0", "GPU.1", "NPU"), name)


def test_a_vpu_is_preferred() -> None:
    assert vpus(_core("CPU", "GPU", "NPU.0", "NPU.1")) == ["NPU.0", "NPU.1"]
    assert default_device(_core("CPU", "NPU")) == "NPU"
    assert default_device(_core("CPU", "MYRIAD.1.2-ma2480")) == "MYRIAD.1.2-ma2480"
    assert default_device(_core("CPU", "GPU")) == "AUTO"


@pytest.mark.parametrize("precision", ["f32", "fp32"])
@pytest.mark.parametrize("device", ["CPU", "AUTO"])
def test_what_a_model_really_runs_on_is_told(exported: Path, device: str, precision: str) -> None:
    compiled = compile_model(core(), load_model(exported), device, precision)
    assert compiled.devices == ["CPU"]
    assert compiled.device_name
    assert compiled.precision == "f32"
    assert compiled.streams is None or compiled.streams >= 1


def test_an_unknown_precision_is_refused(exported: Path) -> None:
    with pytest.raises(UsageError, match="unknown precision 'f8'; give one of: auto, f32"):
        compile_model(core(), load_model(exported), "CPU", "f8")
