import json
from pathlib import Path
from typing import Any

import pytest

from splittool.cli.main import run
from splittool.errors import ExitCode
from splittool.reports import (
    BenchReport,
    BenchSetReport,
    EstimateReport,
    PlotReport,
    decode,
    encode,
)

pytestmark = pytest.mark.usefixtures("workspace")

SHORT = ["--iterations", "6", "--warmup", "0", "--device", "CPU", "--quiet"]


def _report(kind: Any, capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert run(["bench-vpu", *arguments]) == code
    captured = capfd.readouterr()
    return decode(captured.out.encode(), "stdout", kind), captured.err


def test_one_model_is_one_report(capfd: pytest.CaptureFixture[str]) -> None:
    report, _ = _report(BenchReport, capfd, "cut/head.xml", *SHORT)
    assert report.source.path == "cut/head.xml"
    assert report.frames == 6


def test_several_models_one_after_the_other(capfd: pytest.CaptureFixture[str]) -> None:
    models = ["cut/head.xml", "cut/tail.xml", "unet.xml", "unet.pt"]
    report, _ = _report(BenchSetReport, capfd, *models, *SHORT)
    assert [run.source.path for run in report.runs] == models
    assert (report.interleaved, report.rounds) == (False, 1)


def test_in_turn(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["cut/head.xml", "unet.xml", *SHORT, "--interleave", "--rounds", "3"]
    report, _ = _report(BenchSetReport, capfd, *arguments)
    assert (report.interleaved, report.rounds) == (True, 3)
    assert [run.frames for run in report.runs] == [6, 6]
    assert [len(fps) for fps in report.fps] == [3, 3]


def test_every_named_split_feeds_the_plot(capfd: pytest.CaptureFixture[str]) -> None:
    report, _ = _report(BenchSetReport, capfd, "unet.xml", *SHORT, "--splits")
    assert [run.point for run in report.runs] == ["maxpool_1", "maxpool_2", None]
    Path("fps.json").write_bytes(encode(report))
    assert run(["cut", "unet.xml", "--all"]) == 0
    Path("all.json").write_text(capfd.readouterr().out)
    for reports, kind in ((["all.json", "fps.json"], "output"), (["fps.json"], "time")):
        assert run(["plot", *reports, "-o", f"{kind}.svg"]) == 0
        assert decode(capfd.readouterr().out.encode(), "stdout", PlotReport).kind == kind


def test_beside_benchmark_app(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["unet.xml", *SHORT, "--against", "benchmark_app", "--rounds", "2"]
    report, _ = _report(BenchSetReport, capfd, *arguments)
    assert len(report.references[0].ratios) == 2


def test_images(capfd: pytest.CaptureFixture[str]) -> None:
    report, _ = _report(BenchReport, capfd, "unet.xml", *SHORT, "--images", "steel/train_images")
    assert report.input == "12 images"


@pytest.mark.parametrize(
    ("limit", "words"),
    [(["--min-fps", "1e9"], "below --min-fps 1e+09"), (["--max-drift", "1e-9"], "--max-drift")],
)
def test_limits(limit: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    short = ["--minutes", "0.01", "--warmup", "0", "--quiet"]
    report, err = _report(BenchReport, capfd, "unet.xml", *short, *limit, code=ExitCode.THRESHOLD)
    assert report.frames > 0
    assert words in err


def test_an_estimate_is_no_measurement(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")
    report, _ = _report(EstimateReport, capfd, "unet.xml", "--splits", "--estimate", "myriad-x")
    assert report.measured is False
    assert [e.model for e in report.estimates] == ["maxpool_1", "maxpool_2", "unet.xml"]
    assert {e.basis for e in report.estimates} == {"operations of the IR"}
    Path("estimate.json").write_bytes(encode(report))
    assert run(["plot", "estimate.json", "-o", "f.svg"]) == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("unet.xml --rounds 2", ExitCode.USAGE, "--interleave"),
        ("unet.xml unet.pt --splits", ExitCode.USAGE, "--splits is for one model"),
        ("cut/tail.xml --splits", ExitCode.BAD_INPUT, "names no split points"),
        ("unet.xml --min-fps 0", ExitCode.USAGE, "--min-fps 0 is out of range"),
        ("unet.xml --max-drift -1", ExitCode.USAGE, "--max-drift -1 is out of range"),
        ("unet.xml --device CUP", ExitCode.USAGE, "did you mean CPU"),
        ("unet.xml --device NPU", ExitCode.NO_DEVICE, "no NPU is here"),
        ("unet.xml --device MYRIAD", ExitCode.NO_DEVICE, "--runtime-python"),
        ("unet.xml --runtime-python /nowhere", ExitCode.NO_DEVICE, "there is no interpreter"),
        ("unet.xml --runtime-python p --cache c", ExitCode.USAGE, "no --cache"),
        ("unet.xml --against other", ExitCode.USAGE, "benchmark_app"),
        ("cut/tail.xml --images steel/train_images", ExitCode.BAD_INPUT, "takes no image"),
        ("gone.xml unet.xml", ExitCode.BAD_INPUT, "there is no file gone.xml"),
    ],
)
def test_bad_input(
    arguments: str,
    code: ExitCode,
    words: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")
    assert run(["bench-vpu", *arguments.split(), "--iterations", "1", "--quiet"]) == code
    captured = capfd.readouterr()
    (line,) = captured.err.splitlines()
    assert words in line
    assert captured.out == ""


def test_targets(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compiler, the old IR is written and a note says what is missing."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")
    for target, version in (("openvino-2022", 11), ("myriad", 10)):
        assert run(["export", "unet.pt", "-o", f"{target}.xml", "--target", target]) == 0
        captured = capfd.readouterr()
        report = json.loads(captured.out)
        assert (report["target"], report["blob"]) == (target, None)
        assert report["difference"] < 1e-3
        assert f'version="{version}"' in Path(f"{target}.xml").read_text()[:200]
        assert ("no Myriad compiler" in captured.err) == (target == "myriad")
    command = ["cut", "unet.xml", "--at", "maxpool_1", "-o", "old", "--target", "myriad"]
    assert run(command) == 0
    assert json.loads(capfd.readouterr().out)["target"] == "myriad"
    assert not Path("old/head.blob").exists()
    assert run([*command, "--blob-shaves", "4", "--force"]) == ExitCode.NO_DEVICE
    assert "needs the Myriad compiler" in capfd.readouterr().err
    assert run(["export", "unet.pt", "-o", "u.xml", "--blob-shaves", "4"]) == ExitCode.USAGE


def test_doctor(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    names = [check["name"] for check in json.loads(capfd.readouterr().out)["checks"]]
    assert names[0] == "openvino"
    assert "Myriad compiler" in names
