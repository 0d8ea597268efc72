import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace
from plan_cases import untimed

import splittool as st
from splittool.cli.main import run
from splittool.codec.masks import encode_masks
from splittool.data.images import Canvas
from splittool.errors import ExitCode
from splittool.models import build
from splittool.models.checkpoints import Checkpoint, load, weights_of
from splittool.reports import CompareReport, InferReport, PlotReport, decode, encode

pytestmark = pytest.mark.usefixtures("workspace")

SMALL = ["--bits", "16,4", "--formats", "jpeg,png", "--qualities", "80,10", "--quiet"]


def _compare(capfd: pytest.CaptureFixture[str], *arguments: str) -> CompareReport:
    assert run(["compare", *arguments]) == 0
    return decode(capfd.readouterr().out.encode(), "stdout", CompareReport)


def test_the_whole_picture(capfd: pytest.CaptureFixture[str]) -> None:
    report = _compare(capfd, "unet.xml", "steel/train_images", *SMALL, "--precision", "f32")
    whole, *others = report.arms
    assert whole.kind == "whole"
    assert whole.dice_loss == 0
    cuts = [arm for arm in others if arm.kind == "cut"]
    assert [(a.point, a.bits, a.codec) for a in cuts] == [
        (point, bits, codec)
        for point in ("maxpool_1", "maxpool_2")
        for bits in (16, 4)
        for codec in ("raw", "fast", "small")
    ]
    images = [arm for arm in others if arm.kind == "image"]
    assert [(a.codec, a.quality, a.scale) for a in images] == [
        ("file", None, 1),
        ("jpeg", 80, 1),
        ("jpeg", 10, 1),
        ("jpeg", 80, 0.5),
        ("jpeg", 10, 0.5),
        ("png", None, 1),
    ]
    assert images[0].dice == images[-1].dice == whole.dice  # nothing is lost
    for arm in cuts:
        assert arm.dice == pytest.approx(whole.dice, abs=0.1 if arm.bits == 4 else 5e-3)
        assert arm.payload_bytes_per_frame > 0
        assert 0 < arm.edge_gflops < whole.edge_gflops
    assert images[1].payload_bytes_per_frame > images[2].payload_bytes_per_frame
    assert images[1].payload_bytes_per_frame > images[3].payload_bytes_per_frame
    for arm in images[1:]:
        assert arm.bare_bytes_per_frame is not None
        assert 0 < arm.bare_bytes_per_frame < arm.payload_bytes_per_frame
    assert report.images == 12
    assert 0 < report.floor < 1
    for arm in report.arms:
        coded = arm.kind != "whole" and arm.codec != "file"
        for ms in (arm.encode_ms, arm.decode_ms):
            assert ms is not None and 0 < ms < 1e4 if coded else ms is None


def test_sides_add_up_to_the_network(capfd: pytest.CaptureFixture[str]) -> None:
    report = _compare(capfd, "unet.xml", "steel/train_images", *SMALL)
    whole = report.arms[0]
    assert whole.edge_parameters
    for arm in report.arms:
        assert arm.cloud_gflops is not None
        assert arm.edge_gflops + arm.cloud_gflops == pytest.approx(whole.edge_gflops)
        assert arm.edge_parameters is not None
        assert arm.cloud_parameters is not None
        assert arm.edge_parameters + arm.cloud_parameters == whole.edge_parameters
        assert (arm.edge_gflops == 0) == (arm.kind == "image")


def test_the_answer_is_sent_as_coded_masks(capfd: pytest.CaptureFixture[str]) -> None:
    report = _compare(capfd, "unet.xml", "steel/train_images", *SMALL)
    whole, (answer, *coarse) = report.arms[0], [arm for arm in report.arms if arm.kind == "answer"]
    assert (whole.payload_bytes_per_frame, answer.dice) == (0, whole.dice)
    network = st.load("unet.xml")
    images = sorted(Path("steel/train_images").glob("*.jpg"))
    sizes = [len(encode_masks(network.run(path).masks)) for path in images]
    assert answer.payload_bytes_per_frame == pytest.approx(sum(sizes) / len(sizes))
    assert [arm.scale for arm in coarse] == [1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8]
    assert all(arm.edge_gflops == answer.edge_gflops for arm in coarse)
    assert {arm.series for arm in coarse} == {answer.series}


def test_rival_networks_and_cuts(capfd: pytest.CaptureFixture[str]) -> None:
    """The network itself as its own rival must come out as it does."""
    for suffix in (".xml", ".bin"):
        shutil.copy(f"unet{suffix}", f"other{suffix}")
    rivals = ["--cloud", "other.xml", "--device-network", "other.xml", "--cut", "cut/cut.json"]
    report = _compare(
        capfd, "unet.xml", "steel/train_images", *SMALL, *rivals, "--precision", "f32"
    )
    assert [record.path for record in report.networks] == ["other.xml", "cut/cut.json"]
    arms = untimed(report.arms)
    answers = [arm for arm in arms if arm.kind == "answer"]
    own = [arm for arm in answers if arm.network is None]
    others = [arm for arm in answers if arm.network is not None]
    assert [replace(other, network=None) for other in others] == own
    images = {arm for arm in arms if arm.kind == "image" and arm.codec != "file"}
    behind = {arm for arm in images if arm.network == "other.xml"}
    assert {replace(arm, network=None) for arm in behind} == images - behind
    (split,) = (arm for arm in arms if arm.network == "cut/cut.json")
    (cut,) = (
        arm
        for arm in arms
        if (arm.point, arm.bits, arm.codec, arm.network)
        == (split.point, split.bits, split.codec, None)
    )
    assert replace(split, network=None) == cut


def test_another_canvas(capfd: pytest.CaptureFixture[str]) -> None:
    """A rival fits images to its own input."""
    large = Canvas(96, 192, "pad")
    replace(load(Path("unet.pt")), canvas=large).save(Path("large.pt"))
    rival = ["--at", "maxpool_1", "--device-network", "large.pt", "--precision", "f32"]
    report = _compare(capfd, "unet.xml", "steel/train_images", *SMALL, *rival)
    own, other = (arm for arm in report.arms if arm.kind == "answer" and arm.scale == 1)
    assert other.edge_gflops > own.edge_gflops
    assert other.dice == pytest.approx(own.dice, abs=0.2)


def test_rivals_of_other_classes(capfd: pytest.CaptureFixture[str]) -> None:
    options = {"widths": [2, 2], "bottleneck": 2}
    Checkpoint(
        arch="unet",
        options=options,
        classes=["a", "b"],
        canvas=Canvas(64, 128, "pad"),
        state=weights_of(build("unet", 2, options)),
    ).save(Path("two.pt"))
    for option in ("--cloud", "--device-network"):
        command = ["compare", "unet.xml", "steel/train_images", option, "two.pt", "--quiet"]
        assert run(command) == ExitCode.BAD_INPUT
        assert "two.pt predicts a, b, and unet.xml" in capfd.readouterr().err


def test_bytes_and_dice_are_those_of_infer(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--at", "maxpool_2", "--bits", "4", "--codec", "small", "--formats", "png"]
    report = _compare(
        capfd, "unet.xml", "steel/train_images", *arguments, "--quiet", "--precision", "f32"
    )
    (arm,) = (arm for arm in report.arms if arm.kind == "cut")
    assert run(["cut", "unet.xml", "--at", "maxpool_2", "-o", "here", "--quiet"]) == 0
    capfd.readouterr()
    infer = ["infer", "here/cut.json", "steel/train_images", "-o", "out", "--bits", "4"]
    assert run([*infer, "--codec", "small", "--precision", "f32", "--quiet"]) == 0
    found = decode(capfd.readouterr().out.encode(), "stdout", InferReport)
    assert found.payload_bytes_per_frame == arm.payload_bytes_per_frame
    assert found.scores
    assert found.scores.dice == arm.dice
    assert found.scores.dice_interval == arm.dice_interval


def test_the_report_is_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "unet.xml", "steel/train_images", *SMALL]) == 0
    Path("compare.json").write_text(capfd.readouterr().out)
    assert run(["plot", "compare.json", "-o", "f.svg"]) == 0
    assert decode(capfd.readouterr().out.encode(), "stdout", PlotReport).kind == "comparison"
    assert json.loads(Path("compare.json").read_text())["schema"] == "splittool.compare/1"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("unet.xml steel/train_images --bits 17", ExitCode.USAGE, "17"),
        (
            "unet.xml steel/train_images --bits a",
            ExitCode.USAGE,
            "'a' is not a list of numbers",
        ),
        ("unet.xml steel/train_images --formats gif", ExitCode.USAGE, "unknown image format 'gif'"),
        ("unet.xml steel/train_images --codec zip", ExitCode.USAGE, "unknown codec 'zip'"),
        (
            "unet.xml steel/train_images --qualities 0",
            ExitCode.USAGE,
            "--qualities 0 is out of range",
        ),
        (
            "unet.xml steel/train_images --at maxpol_1",
            ExitCode.BAD_INPUT,
            "did you mean 'maxpool_1'",
        ),
        ("unet.xml gone", ExitCode.BAD_INPUT, "gone"),
        ("unet.xml steel/train_images --cloud gone.xml", ExitCode.BAD_INPUT, "gone.xml"),
        ("unet.xml steel/train_images --device-network unet.bin", ExitCode.BAD_INPUT, "unet.bin"),
        ("unet.xml steel/train_images --cut unet.xml", ExitCode.BAD_INPUT, "unet.xml"),
        ("unet.xml steel/train_images --at-dice 1.5", ExitCode.USAGE, "1.5 is out of range"),
        ("cut/tail.xml steel/train_images", ExitCode.BAD_INPUT, "cut/tail.xml"),
    ],
)
def test_bad_input(
    arguments: str, code: ExitCode, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *arguments.split(), "--quiet"]) == code
    captured = capfd.readouterr()
    (line,) = captured.err.splitlines()
    assert words in line
    assert captured.out == ""


def test_without_labels(capfd: pytest.CaptureFixture[str]) -> None:
    Path("steel/train.csv").unlink()
    assert run(["compare", "unet.xml", "steel/train_images"]) == ExitCode.BAD_INPUT
    assert "give --labels" in capfd.readouterr().err


def test_baking_from_the_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cut", "unet.xml", "--at", "maxpool_2", "-o", "c", "--quiet"]) == 0
    assert run(["calibrate", "c/cut.json", "steel/train_images", "--quiet"]) == 0
    assert run(["cut", "c/cut.json", "--bake-bits", "4", "-o", "baked"]) == 0
    capfd.readouterr()
    sizes = []
    for source, bits in (("baked/cut.json", []), ("c/cut.json", ["--bits", "4"])):
        command = ["infer", source, "steel/train_images", "-o", f"{source[0]}-out", *bits]
        assert run([*command, "--codec", "raw", "--precision", "f32", "--quiet"]) == 0
        report = decode(capfd.readouterr().out.encode(), "stdout", InferReport)
        assert report.scores
        sizes.append((report.payload_bytes_per_frame, report.scores.dice))
    assert sizes[0] == sizes[1]
    for wrong in (["unet.xml"], ["c/cut.json", "--at", "maxpool_1"], ["c/cut.json", "--list"]):
        assert run(["cut", *wrong, "--bake-bits", "8", "-o", "x"]) == ExitCode.USAGE


def test_a_report_in_a_file_leaves_the_tables_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "unet.xml", "steel/train_images", *SMALL, "-o", "report.json"]
    assert run(command) == 0
    assert "no cut: the coded masks are sent" in capfd.readouterr().out
    assert decode(Path("report.json").read_bytes(), "report.json", CompareReport).images == 12
    assert run([*command, "--force", "--json"]) == 0
    printed = decode(capfd.readouterr().out.encode(), "stdout", CompareReport)
    assert printed.images == 12
    assert run(["compare", "unet.xml", "steel/train_images", "--resume"]) == ExitCode.USAGE


def test_energy_beside_bytes_and_dice(capfd: pytest.CaptureFixture[str]) -> None:
    energy = ["--edge-energy", "0.02J/GFLOP", "--radio", "wifi", "--link", "20Mbps"]
    quick = [*SMALL[2:], "--bits", "8", "--no-half-size"]
    report = _compare(capfd, "unet.xml", "steel/train_images", *quick, *energy)
    per_byte = (283.17 * 20 + 132.86) * 8 / 20e6  # mJ
    for arm in report.arms:
        computing, radio = 20 * arm.edge_gflops, per_byte * arm.payload_bytes_per_frame
        assert arm.energy_mj == pytest.approx(computing + radio)
    Path("powered.json").write_bytes(encode(report))
    assert run(["plot", "powered.json", "--kind", "energy", "-o", "energy.svg"]) == 0
    assert Path("energy.svg").is_file()
    capfd.readouterr()
    assert run(["compare", "unet.xml", "steel/train_images", *energy[:4]]) == ExitCode.USAGE
    assert "--edge-energy and --radio need --link as well" in capfd.readouterr().err
