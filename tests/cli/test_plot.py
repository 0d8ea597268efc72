import json
import shutil
from pathlib import Path

import pytest

from splittool.cli.main import run
from splittool.errors import ExitCode
from splittool.reports import BenchReport, PlotReport, SplitsReport, decode

HISTORY = (
    '{"epoch": 1, "train": {"loss": 1, "dice": null}, "validation": {"loss": 2, "dice": 0.5}}\n'
)


@pytest.fixture
def reports(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Path:
    monkeypatch.chdir(workspace)
    commands = {
        "named.json": "cut unet.xml --list",
        "all.json": "cut unet.xml --all",
        "profile.json": "profile unet.xml",
        "bench.json": "bench-vpu unet.xml --iterations 2 --warmup 0 --quiet",
        "head.json": "bench-vpu cut/head.xml --iterations 2 --warmup 0 --quiet",
    }
    for name, command in commands.items():
        assert run(command.split()) == 0
        Path(name).write_text(capfd.readouterr().out)
    Path("run.history.jsonl").write_text(HISTORY)
    return workspace


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ("all.json", "cost"),
        ("profile.json", "cost"),
        ("named.json all.json", "layers"),
        ("named.json named.json named.json --bits 4 --fps 12", "layers"),
        ("all.json head.json", "output"),
        ("all.json maxpool_1=bench.json head.json", "output"),
        ("all.json --kind output", "output"),
        ("mine=all.json --kind tradeoff", "tradeoff"),
        ("run.history.jsonl", "training"),
        ("bench.json head.json", "time"),
        ("whole=bench.json", "time"),
    ],
)
def test_what_is_drawn_follows_from_the_reports(
    reports: Path, arguments: str, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["plot", *arguments.split(), "-o", "figure.svg"]) == 0
    report = decode(capfd.readouterr().out.encode(), "stdout", PlotReport)
    assert report.kind == kind
    assert Path("figure.svg").read_text().lstrip().startswith("<?xml")
    assert report.figure.bytes == Path("figure.svg").stat().st_size


def test_a_figure_is_replaced_only_by_force(
    reports: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("figure.png").write_text("mine")
    assert run(["plot", "all.json", "-o", "figure.png"]) == ExitCode.FAILED
    assert Path("figure.png").read_text() == "mine"
    assert run(["plot", "all.json", "-o", "figure.png", "--force"]) == 0
    assert Path("figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("gone.json -o f.svg", ExitCode.BAD_INPUT, "gone.json"),
        ("run.history.jsonl -o f.gif", ExitCode.USAGE, ".svg, .png, .pdf"),
        ("all.json -o f.svg --kind pie", ExitCode.USAGE, "pie"),
        ("all.json -o f.svg --bits 17", ExitCode.USAGE, "17"),
        ("all.json -o f.svg --fps 0", ExitCode.USAGE, "--fps 0"),
        ("cut/cut.json -o f.svg", ExitCode.BAD_INPUT, "splittool.cut/1"),
        ("unet.xml -o f.svg", ExitCode.BAD_INPUT, "unet.xml"),
        ("empty.jsonl -o f.svg", ExitCode.BAD_INPUT, "empty.jsonl is not a training history"),
        ("other.jsonl -o f.svg", ExitCode.BAD_INPUT, "other.jsonl is not a training history"),
        ("bench.json all.json -o f.svg", ExitCode.USAGE, "POINT=bench.json"),
        ("nowhere=bench.json all.json -o f.svg", ExitCode.USAGE, "no split point 'nowhere'"),
        ("bench.json -o f.svg --kind output", ExitCode.USAGE, "cut --list"),
        ("all.json -o f.svg --kind time", ExitCode.USAGE, "bench-vpu"),
        ("all.json -o f.svg --kind training", ExitCode.USAGE, ".history.jsonl"),
        ("all.json named.json -o f.svg --kind cost", ExitCode.USAGE, "one network"),
        ("all.json -o gone/f.svg", ExitCode.FAILED, "gone"),
    ],
)
def test_reports_that_make_no_figure(
    reports: Path, arguments: str, code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("empty.jsonl").touch()
    Path("other.jsonl").write_text('{"epoch": 1}\n')
    assert run(["plot", *arguments.split()]) == code
    captured = capfd.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("splittool: ")
    assert words in line
    assert captured.out == ""
    assert not Path("f.svg").exists()


def test_the_reports_say_what_is_in_the_figure(reports: Path) -> None:
    """The bench of a head knows its split point from the cut beside it."""
    head = decode(Path("head.json").read_bytes(), "head.json", BenchReport)
    assert Path(head.source.path).parent.name == "cut"
    shutil.rmtree("cut")
    assert run(["plot", "all.json", "head.json", "-o", "f.svg"]) == ExitCode.USAGE
    splits = decode(Path("all.json").read_bytes(), "all.json", SplitsReport)
    assert json.loads(Path("all.json").read_text())["splits"][0]["at"] == splits.splits[0].at
