import io
import json
import re
import shlex
from pathlib import Path

import pytest

from splittool.cli.main import run
from splittool.errors import ExitCode
from splittool.reports import PlanReport, decode

BASE = ["plan", "unet.xml", "--edge", "1GFLOPS", "--cloud", "100GFLOPS", "--link", "10Mbps"]


def planned(capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> PlanReport:
    assert run([*BASE, *options]) == code
    return decode(capsys.readouterr().out.encode(), "stdout", PlanReport)


@pytest.mark.usefixtures("workspace")
def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    report = planned(capsys, "--rtt", "10ms", "--bits", "4")
    assert [row.kind for row in report.rows[:2]] == ["edge-only", "cloud-only"]
    assert (report.link_mbps, report.rtt_ms, report.bits) == (10, 10, 4)
    assert {row.point for row in report.rows if row.named} == {"maxpool_1", "maxpool_2"}
    assert report.chosen == report.optimum


@pytest.mark.usefixtures("workspace")
def test_the_cut_that_is_chosen_can_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    report = planned(capsys, "--best", "fps", "--bits", "1", "--max-edge-gflops", "1")
    best = report.rows[report.best_cut or 0]
    assert best.kind == "cut"
    points = [option for name in best.at for option in ("--at", name)]
    assert run(["cut", "unet.xml", *points, "-o", "made"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["split"]["head_gflops"] == best.head_gflops


@pytest.mark.usefixtures("workspace")
def test_reports_of_bench_vpu_and_infer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench-vpu", "unet.xml", "--minutes", "0.002", "--warmup", "0", "--json"]) == 0
    bench = capsys.readouterr().out
    Path("bench.json").write_text(bench)
    for source, folder in (("unet.xml", "whole"), ("cut/cut.json", "split")):
        assert run(["infer", source, "steel/train_images", "-o", folder]) == 0
    capsys.readouterr()
    measured = ["--infer", "whole/report.json", "--infer", "split/report.json"]
    report = planned(capsys, "--edge", "bench.json", *measured)
    fps = json.loads(bench)["fps"]
    assert report.edge.fps == fps
    assert report.rows[0].fps == pytest.approx(fps)  # edge only is what was measured
    split = json.loads(Path("split/report.json").read_text())
    (row,) = [row for row in report.rows if row.measured]
    assert (row.at, row.payload_bytes) == (["maxpool_2"], split["payload_bytes_per_frame"])
    whole = json.loads(Path("whole/report.json").read_text())
    assert report.rows[1].payload_bytes == whole["image_file_bytes_per_frame"]
    assert planned(capsys, *measured, "--image-bytes", "5").rows[1].payload_bytes == 5


@pytest.mark.usefixtures("workspace")
def test_reports_of_all_heads_and_of_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench-vpu", "unet.xml", "--splits", "--minutes", "0.002", "--warmup", "0"]) == 0
    Path("heads.json").write_text(capsys.readouterr().out)
    quick = ["--bits", "8,2", "--formats", "jpeg", "--qualities", "20"]
    assert run(["compare", "unet.xml", "steel/train_images", *quick]) == 0
    compared = capsys.readouterr().out
    Path("compare.json").write_text(compared)
    report = planned(capsys, "--edge", "heads.json", "--infer", "compare.json")
    assert len(report.edge.heads) == 3
    assert report.edge.heads[-1].point is None
    answer, edge_fps = report.rows[0], report.edge.fps
    assert answer.kind == "edge-only"
    assert answer.encode_ms is not None
    assert answer.decode_ms is not None
    assert edge_fps is not None
    busy_ms = max(1e3 / edge_fps + answer.encode_ms, answer.transfer_ms, answer.decode_ms)
    assert answer.fps == pytest.approx(1e3 / busy_ms)
    arms = [arm for arm in json.loads(compared)["arms"] if arm["kind"] == "cut"]
    rows = [row for row in report.rows if row.measured and row.kind == "cut"]
    assert {(row.point, row.bits, row.codec, row.payload_bytes) for row in rows} == {
        (arm["point"], arm["bits"], arm["codec"], arm["payload_bytes_per_frame"]) for arm in arms
    }
    assert {row.codec for row in report.rows if row.kind == "cloud-only"} >= {None, "jpeg"}


@pytest.mark.usefixtures("workspace")
def test_when_nothing_fits_the_report_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*BASE, "--max-latency", "0.001", "--min-fps", "1"]) == ExitCode.THRESHOLD
    out, err = capsys.readouterr()
    assert json.loads(out)["chosen"] is None
    (line,) = err.splitlines()
    assert "--max-latency 0.001 excludes most" in line
    planned(capsys, "--min-dice", "0.1", code=ExitCode.THRESHOLD)


ENERGY = ["--edge-energy", "1.5W", "--radio", "lte", "--idle-power", "0.5W", "--battery", "10Wh"]

BAD: list[tuple[list[str], int, str]] = [
    (["--edge", "0GFLOPS"], 2, "--edge '0GFLOPS' is not a compute rate"),
    (["--edge", "-1GFLOPS"], 2, "is not a compute rate; give one such as 100GFLOPS"),
    (["--cloud", "5 parsecs"], 2, "--cloud '5 parsecs' is not a compute rate"),
    (["--cloud", "100Mbps"], 2, "is not a compute rate"),
    (["--link", "wet-string"], 2, "--link 'wet-string' is not a known link"),
    (["--link", "0Mbps"], 2, "'0Mbps' is not a known link"),
    (["--rtt", "10"], 2, "--rtt '10' is not a time"),
    (["--rtt", "-5ms"], 2, "--rtt '-5ms' is not a time"),
    (["--rtt", "9" * 400 + "ms"], 2, "is not a time"),
    (["--bits", "0"], 2, "bits"),
    (["--bits", "99"], 2, "bits"),
    (["--image-bytes", "0"], 2, "--image-bytes 0 is out of range"),
    (["--min-dice", "2"], 2, "--min-dice 2 is out of range"),
    (["--min-fps", "-1"], 2, "--min-fps -1 is out of range"),
    (["--max-latency", "0"], 2, "--max-latency 0 is out of range"),
    (["--max-latency", "nan"], 2, "out of range"),
    (["--max-edge-gflops", "-1"], 2, "--max-edge-gflops -1 is out of range"),
    (["--best", "price"], 2, "--best"),
    (["--top", "0"], 2, "--top"),
    (["--fps", "0"], 2, "--fps 0 is out of range"),
    (["--best", "energy"], 2, "--best needs --edge-energy as well"),
    (["--max-energy", "50mJ"], 2, "--max-energy needs --edge-energy as well"),
    (["--edge-energy", "1.5W"], 2, "--edge-energy needs --radio as well"),
    (["--radio", "283mW"], 2, "--radio '283mW' is not a known radio"),
    (["--edge-energy", "1.5"], 2, "is not an energy of computing; give joules for work"),
    (["--battery", "10Ah"], 2, "--battery '10Ah' is not what a battery holds"),
    ([*ENERGY[2:4], "--edge-energy", "gone.json"], 3, "gone.json"),
    (["--edge", "gone.json"], 3, "gone.json"),
    (["--edge", "cut/cut.json"], 3, "is a splittool.cut/1 report; give a splittool.bench-vpu/1 or"),
    (
        ["--infer", "cut/cut.json"],
        3,
        "give a splittool.infer/1 or splittool.compare/1",
    ),
    (["--infer", "unet.xml"], 3, "unet.xml is not JSON"),
]


@pytest.mark.parametrize(("options", "code", "says"), BAD, ids=[" ".join(bad[0]) for bad in BAD])
def test_bad_input(
    options: list[str], code: int, says: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*BASE, *options]) == code
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert says in line


def shown(report: PlanReport, every: bool = False) -> str:
    """What a terminal of 80 columns shows."""
    from rich.console import Console

    console = Console(width=80, record=True, file=io.StringIO(), highlight=False)
    for part in report.tables(every):
        console.print(part, markup=False, crop=False)
    return console.export_text()


@pytest.mark.usefixtures("workspace")
def test_energy(capsys: pytest.CaptureFixture[str]) -> None:
    report = planned(capsys, *ENERGY, "--best", "energy", "--max-energy", "5J", "--fps", "2")
    best = report.rows[report.chosen or 0]
    assert report.chosen == report.energy_optimum
    assert best.energy_mj == min(row.energy_mj or 0 for row in report.rows)
    text = shown(report)
    assert "radio lte, 438.39 mW/Mbps + 1288.04 mW while it sends; waiting at 0.5 W" in " ".join(
        text.split()
    )
    assert "MobiSys 2012" in text
    assert "hours on 10 Wh at 2 FPS" in text


@pytest.mark.usefixtures("workspace")
def test_a_benchmark_says_the_energy_of_computing(capsys: pytest.CaptureFixture[str]) -> None:
    bench = ["bench-vpu", "unet.xml", "--minutes", "0.002", "--warmup", "0", "--watts", "1.5"]
    assert run(bench) == 0
    Path("bench.json").write_text(capsys.readouterr().out)
    report = planned(capsys, "--edge-energy", "bench.json", "--radio", "wifi")
    fps = json.loads(Path("bench.json").read_text())["fps"]
    assert report.rows[0].computing_mj == pytest.approx(1500 / fps)


@pytest.mark.usefixtures("workspace")
def test_the_best_places(capsys: pytest.CaptureFixture[str]) -> None:
    report = planned(capsys, "--top", "3")
    assert report.shown
    assert len(report.shown) == 3
    assert report.shown[0] == report.chosen
    table = shown(report).partition("\n\n")[0]
    assert table.count("*") == 2  # of the title, and the chosen row
    beaten = planned(capsys, "--pareto")
    assert beaten.shown
    assert 1 < len(beaten.shown) < len(beaten.rows)


@pytest.mark.usefixtures("workspace")
def test_which_rows_keep_up(capsys: pytest.CaptureFixture[str]) -> None:
    report = planned(capsys, "--fps", "15", "--link", "3Mbps")
    late = [row for row in report.rows if row.excluded]
    assert late
    assert all(row.excluded == ["min_fps"] and (row.fps or 0) < 15 for row in late)
    text = shown(report)
    assert "! is outside a limit" in " ".join(text.split())
    assert re.search(r"\d! ", text)
    assert run([*BASE, "--fps", "1e9"]) == ExitCode.THRESHOLD
    assert "--fps 1e+09 excludes most" in capsys.readouterr().err


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("more", [[], ENERGY])
def test_the_table_fits_a_terminal(
    every: bool, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(planned(capsys, *more), every)
    assert "maxpool_2" in text
    assert "edge only" in text
    assert ("more rows with --all" in text) is not every
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--edge", "1TFLOPS", "--link", "1kbps"], "edge only needs no cut; the best cut"),
        (["--edge", "1MFLOPS", "--link", "100Gbps"], "cloud only needs no cut; the best cut"),
        (["--edge", "1MFLOPS", "--max-latency", "0.001"], "nothing is within the limits"),
        (["--cloud", "1GFLOPS", "--link", "1Gbps", "--best", "fps"], "make this cut with:"),
    ],
)
@pytest.mark.usefixtures("workspace")
def test_the_next_command_can_be_pasted(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a folder whose name needs quotes, with a shape, whatever was chosen."""
    Path("my models").mkdir()
    for suffix in (".xml", ".bin"):
        Path(f"unet{suffix}").rename(f"my models/unet{suffix}")
    shape = ["--shape", "pixels=1x3x96x128"]
    code = ExitCode.THRESHOLD if "--max-latency" in options else 0
    assert run(["plan", "my models/unet.xml", *BASE[2:], *shape, *options]) == code
    text = shown(decode(capsys.readouterr().out.encode(), "stdout", PlanReport))
    assert says in text
    command = text[text.index("splittool cut") :].splitlines()[0]
    assert command.startswith("splittool cut 'my models/unet.xml' --shape pixels=1x3x96x128 --at ")
    assert run([*shlex.split(command)[1:], "-o", "made"]) == 0
    capsys.readouterr()
