from pathlib import Path

import pytest

from splittool.bench.doctor import examine


def test_what_is_missing_comes_with_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("SPLITTOOL_RUNTIME_PYTHON", "SPLITTOOL_MYRIAD_COMPILE"):
        monkeypatch.delenv(name, raising=False)
    checks = {check.name: check for check in examine()}
    assert checks["openvino"].present
    assert checks["device CPU"].present
    assert checks["extra train"].present
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
    checks = {check.name: check for check in examine()}
    old = checks["old runtime, for MYRIAD"]
    assert old.present
    assert old.detail.startswith("2021.4.2 in ")
    assert "CPU" in old.detail
    assert checks["Myriad compiler"].detail == str(myriad_compiler)


def test_a_named_one_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITTOOL_RUNTIME_PYTHON", "/nowhere/python")
    monkeypatch.setenv("SPLITTOOL_MYRIAD_COMPILE", "/nowhere/myriad_compile")
    checks = {check.name: check for check in examine()}
    assert checks["old runtime, for MYRIAD"].detail == "there is no interpreter /nowhere/python"
    assert "SPLITTOOL_MYRIAD_COMPILE" in checks["Myriad compiler"].detail
    assert not checks["Myriad compiler"].present
