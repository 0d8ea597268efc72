import io
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from splittool.benchmark import doctor
from splittool.benchmark.doctor import examine
from splittool.reports import CheckRecord, DoctorReport

NAMES = [
    "openvino",
    "old runtime, for MYRIAD",
    "Myriad compiler",
    "libusb",
    "udev rule",
    "sticks",
    "power sensor",
    "torch",
    "CUDA",
    "extra plots",
    "extra page",
    "extra codec",
]


def test_what_is_missing_comes_with_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("SPLITTOOL_RUNTIME_PYTHON", "SPLITTOOL_MYRIAD_COMPILE"):
        monkeypatch.delenv(name, raising=False)
    checks = {check.name: check for check in examine().checks}
    assert [name for name in checks if not name.startswith("device")] == NAMES
    assert checks["openvino"].present
    assert checks["device CPU"].present
    assert checks["torch"].present
    for name, word in (("old runtime, for MYRIAD", "2021.4.2"), ("Myriad compiler", "2021.3.0")):
        assert not checks[name].present
        assert any(word in line for line in checks[name].fix)
        assert any(str(tmp_path) in line for line in checks[name].fix)
    assert all(check.present or check.detail for check in checks.values())


def test_an_old_runtime_is_asked_what_it_finds(
    old_python: Path, myriad_compiler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITTOOL_RUNTIME_PYTHON", str(old_python))
    monkeypatch.setenv("SPLITTOOL_MYRIAD_COMPILE", str(myriad_compiler))
    checks = {check.name: check for check in examine().checks}
    old = checks["old runtime, for MYRIAD"]
    assert old.present
    assert old.detail.startswith("2021.4.2 in ")
    assert "CPU" in old.detail
    assert checks["Myriad compiler"].detail == str(myriad_compiler)


def test_a_named_one_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITTOOL_RUNTIME_PYTHON", "/nowhere/python")
    monkeypatch.setenv("SPLITTOOL_MYRIAD_COMPILE", "/nowhere/myriad_compile")
    checks = {check.name: check for check in examine().checks}
    assert checks["old runtime, for MYRIAD"].detail == (
        "there is no interpreter /nowhere/python, here or on PATH"
    )
    assert "SPLITTOOL_MYRIAD_COMPILE" in checks["Myriad compiler"].detail
    assert not checks["Myriad compiler"].present


def _checks(name: str) -> CheckRecord:
    (check,) = (check for check in examine().checks if check.name == name)
    return check


def test_a_udev_rule_for_the_stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_RULE_FOLDERS", (str(tmp_path / "none"), str(tmp_path)))
    (tmp_path / "70-other.rules").write_text('ATTRS{idVendor}=="8086"\n')
    check = _checks("udev rule")
    assert not check.present
    make, load = check.fix
    assert make.endswith("| sudo tee /etc/udev/rules.d/80-movidius.rules")
    assert load == "sudo udevadm control --reload-rules && sudo udevadm trigger"
    subprocess.run(
        ["sh", "-ec", make.replace("sudo tee /etc/udev/rules.d", f"tee {tmp_path}")], check=True
    )
    check = _checks("udev rule")
    assert (check.present, check.detail) == (True, str(tmp_path / "80-movidius.rules"))
    assert not check.fix


def test_libusb(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (None, "libusb-1.0.so.0"):
        monkeypatch.setattr("ctypes.util.find_library", lambda name, found=found: found)
        check = _checks("libusb")
        assert check.present == (found is not None)
        assert check.fix == ([] if found else ["sudo apt install libusb-1.0-0"])


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert _checks("torch").fix == ["pip install torch"]
    assert _checks("CUDA").detail == "torch is not installed"
    assert _checks("extra codec").fix == ["pip install 'splittool[codec]'"]


def test_commands_are_never_broken() -> None:
    """However narrow the terminal, a command is one line to paste."""
    fix = ["word " * 60 + "end", "echo 'x' | sudo tee /" + "long/" * 40]
    report = DoctorReport(checks=[CheckRecord("thing", False, "it is missing", fix)])
    console = Console(file=io.StringIO(), width=40, force_terminal=True, highlight=False)
    for table in report.tables():
        console.print(table, markup=False, crop=False)
    lines = console.file.getvalue().splitlines()
    assert lines[-3:] == ["to get thing:", *(f"  {line}" for line in fix)]
