"""The whole chain through the command line, on sets as they come."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op
from PIL import Image

import splittool as st
from splittool.cli.main import run
from splittool.data import rle
from splittool.data.kaggle import read_folder
from splittool.errors import ExitCode
from splittool.runtime.ir import save_ir


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command and read its report."""

    def call(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert run(list(arguments)) == code, capsys.readouterr().err
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return call


def make_mixed_set(folder: Path) -> None:
    """Images of three sizes, PNG and JPEG, class names as text, the second header form."""
    (folder / "train_images").mkdir(parents=True)
    rows = [["ImageId_ClassId", "EncodedPixels"]]
    rng = np.random.default_rng(0)
    for index in range(12):
        height, width = ((50, 70), (64, 96), (33, 41))[index % 3]
        pixels = rng.integers(90, 110, (height, width), dtype=np.uint8)
        mask = np.zeros((height, width), dtype=np.bool_)
        mask[10:20, 5:25] = True
        pixels[mask] = 200
        name = f"sheet_{index:02d}.{'png' if index % 2 else 'jpg'}"
        Image.fromarray(pixels).save(folder / "train_images" / name)
        for number, label in enumerate(("patches", "scratches")):
            rows.append([f"{name}_{label}", rle.encode(mask) if index % 2 == number else ""])
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    (folder / "train.csv").write_text(text.getvalue())


def test_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Any) -> None:
    monkeypatch.chdir(tmp_path)
    made = report("synth", "steel", "--images", "12", "--size", "64x96")
    assert made["images"] == 12
    assert 0 < made["clean_images"] < 12
    trained = report("train", "steel", "-o", "unet.pt", "--epochs", "2", "--workers", "0")
    assert trained["training_images"] + trained["validation_images"] == 12
    assert trained["best"]["validation"]["floor"] > 0.5
    assert len(Path("unet.history.jsonl").read_text().splitlines()) == 2
    with Image.open("unet.curves.png") as curves:
        assert curves.size[0] > 500
    exported = report("export", "unet.pt", "-o", "unet.xml")
    assert exported["difference"] < 0.01
    assert exported["input_shape"] == [1, 3, 64, 96]
    cuts = [
        report("cut", f"unet.{kind}", "--at", "maxpool_2", "-o", kind) for kind in ("pt", "xml")
    ]
    assert cuts[0]["split"] == cuts[1]["split"]
    assert cuts[0]["split"]["elements"] == 64 * 96 * (8 + 16 / 4 + 16 / 16)
    assert all(cut["verification"]["difference"] <= 1e-5 for cut in cuts)
    profile = report("profile", "unet.xml")
    assert profile["layers"][-1]["cumulative_gflops"] == pytest.approx(profile["gflops"])
    assert profile["gflops"] > 2 * profile["gmacs"] > 0
    assert [s["point"] for s in profile["splits"]] == [
        "input",
        *(f"maxpool_{i}" for i in range(1, 6)),
    ]
    bench = report("bench-vpu", "xml/head.xml", "--iterations", "5", "--warmup", "0")
    assert bench["frames"] == 5
    assert bench["precision_actual"] in ("f32", "bf16", "f16")
    priced = report("bitrate", "unet.xml", "--images", "steel/train_images", "--fps", "12")
    assert [row["point"] for row in priced["rows"]][:2] == ["input", "input files"]
    limited = report(
        "bitrate", "unet.xml", "--fps", "10", "--max-mbps", "8", code=ExitCode.THRESHOLD
    )
    assert limited["over_limit"]


def test_infer_in_every_way(workspace: Path, monkeypatch: pytest.MonkeyPatch, report: Any) -> None:
    images = sorted((workspace / "steel/train_images").iterdir())
    whole = report("infer", "unet.xml", "steel/train_images", "-o", "whole")
    assert whole["payload_bytes_per_frame"] is None
    assert whole["scores"]["pairs"] == 4 * len(images)
    elements = json.loads(Path("cut/cut.json").read_text())["split"]["elements"]
    sent = {}
    for bits in (16, 4, 1):
        given = ["--bits", str(bits), "--codec", "raw"]
        out = report("infer", "cut/cut.json", "steel/train_images", "-o", f"b{bits}", *given)
        sent[bits] = out["payload_bytes_per_frame"]
        assert (
            0 <= sent[bits] - elements * bits / 8 < 1000
        )  # the channels' ranges and the frame's table
        assert out["mbps"]["10"] == pytest.approx(sent[bits] * 80 / 1e6)
    assert sent[16] > sent[4] > sent[1]
    mixed = report(
        *("infer", "cut/cut.json", "steel/train_images", "-o", "mixed", "--codec", "small"),
        *("--bits", "4,maxpool_2=2"),
    )
    assert mixed["bits"] is None
    assert {mixed["bits_per_tensor"].pop("maxpool_2"), *mixed["bits_per_tensor"].values()} == {2, 4}
    assert mixed["payload_bytes_per_frame"] < sent[4]
    Path("list.txt").write_text("\n".join(map(str, images[:3])))
    listed = report("infer", "unet.xml", "list.txt", "-o", "listed")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(map(str, images[:3]))))
    piped = report("infer", "unet.xml", "-", "-o", "piped")
    for each in (listed, piped, whole):
        for row in each["rows"]:
            assert Path(row.pop("path")).name == row["image"]  # as it was given
    assert listed["rows"] == piped["rows"] == whole["rows"][:3]
    checked = report("infer", "unet.xml", "-o", "low", str(images[0]), "--min-dice", "0")
    assert checked["scores"]["dice"] is not None


def test_the_whole_network_runs_along(
    workspace: Path, report: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["infer", "cut/cut.json", "steel/train_images", "--precision", "f32"]
    whole = report("infer", "unet.xml", *given[2:], "-o", "whole")
    found = report(*given, "-o", "fine", "--bits", "16", "--max-dice-loss", "0.01")
    assert found["whole"]["dice"] == pytest.approx(whole["scores"]["dice"], abs=1e-6)
    loss = found["whole"]["dice"] - found["scores"]["dice"]
    assert found["whole"]["dice_loss"] == pytest.approx(loss)
    assert found["whole"]["largest_difference"] < 0.01
    coarse = report(*given, "-o", "coarse", "--bits", "1", "--beside-whole", "--no-labels")
    assert coarse["whole"]["dice"] is None
    assert coarse["whole"]["largest_difference"] > found["whole"]["largest_difference"]
    assert report(*given, "-o", "alone")["whole"] is None

    # An untrained network marks all or nothing; between its probabilities, one bit marks otherwise.
    maps = st.load("unet.xml").run(next(Path("steel/train_images").iterdir())).probabilities
    losses = {}
    for share in (0.2, 0.35, 0.5, 0.65, 0.8):
        level = f"{np.quantile(maps, share):.6f}"
        rough = report(*given, "-o", level, "--bits", "1", "--threshold", level, "--beside-whole")[
            "whole"
        ]
        assert rough["other_pixels"] > 0
        losses[level] = rough["dice_loss"]
    level = max(losses, key=lambda level: losses[level])
    assert losses[level] > 0
    limits = ["--bits", "1", "--threshold", level, "--max-dice-loss", "0"]
    assert run([*given, "-o", "lost", *limits]) == ExitCode.THRESHOLD
    assert "above --max-dice-loss 0; give more --bits" in capsys.readouterr().err


def test_calibrate_then_infer(workspace: Path, report: Any) -> None:
    shutil.copytree("cut", "calibrated", dirs_exist_ok=True)
    given = ["calibrated/cut.json", "steel/train_images"]
    found = report("calibrate", *given, "--bits", "4", "--bits", "8,maxpool_2=2")
    bits = {tensor["name"]: [r["bits"] for r in tensor["ranges"]] for tensor in found["tensors"]}
    assert bits.pop("maxpool_2") == [4, 2]
    assert set(map(tuple, bits.values())) == {(8, 4)}
    assert run(["calibrate", *given, "--bits", "4"]) == ExitCode.FAILED
    again = report("calibrate", *given, "--bits", "4", "--method", "mse", "--force")
    assert again["method"] == "mse"
    out = report("infer", *given, "-o", "known", "--bits", "4")
    assert out["ranges"] == "calibrated"
    assert out["calibration"]["path"] == "calibrated/calibration.json"
    out = report("infer", *given, "-o", "own", "--bits", "4", "--ranges", "frame")
    assert (out["ranges"], out["calibration"]) == ("frame", None)
    out = report("infer", *given, "-o", "mixed", "--bits", "4", "--codec", "raw,maxpool_2=fast")
    assert out["codec"] == "mixed"
    assert out["codec_per_tensor"].pop("maxpool_2") == "fast"
    assert set(out["codec_per_tensor"].values()) == {"raw"}
    out = report("infer", *given, "-o", "coarse", "--bits", "4", "--per-tensor")
    assert (out["ranges"], out["ranges_per"]) == ("frame", "tensor")
    fine = report("infer", *given, "-o", "fine", "--bits", "4", "--ranges", "frame")
    assert out["payload_bytes_per_frame"] < fine["payload_bytes_per_frame"]
    assert (
        report("calibrate", *given, "--bits", "4", "--per-tensor", "-o", "t.json")["per"]
        == "tensor"
    )
    asked = ["--per-tensor", "--ranges", "calibrated"]
    assert run(["infer", *given, "-o", "none", *asked]) == ExitCode.USAGE
    film = report("infer", *given, "-o", "film", "--bits", "4", "--key-interval", "4")
    assert film["key_interval"] == 4
    assert film["scores"] == report("infer", *given, "-o", "all", "--bits", "4")["scores"]
    still = sorted(Path("steel/train_images").iterdir())[0]
    Path("copies").mkdir()
    for number in range(5):
        shutil.copy(still, f"copies/{number}{still.suffix}")
    asked = ["-o", "still", "--bits", "4", "--key-interval", "4", "--no-labels"]
    film = report("infer", given[0], "copies", *asked)
    sent = [row["payload_bytes"] for row in film["rows"]]
    assert sent[0] == sent[4] > 10 * sent[1] == 10 * sent[2] == 10 * sent[3]
    assert len({tuple(row["pixels"].values()) for row in film["rows"]}) == 1
    asked = ["--ranges", "frame", "--key-interval", "4"]
    assert run(["infer", *given, "-o", "none", *asked]) == ExitCode.USAGE
    asked = ["--bits", "5", "--ranges", "calibrated"]
    assert run(["infer", *given, "-o", "none", *asked]) == ExitCode.BAD_INPUT


def test_cut_and_calibrate_in_one(workspace: Path, report: Any) -> None:
    given = ["unet.xml", "--at", "maxpool_1", "-o", "once", "--calibrate", "steel/train_images"]
    report("cut", *given)
    once = Path("once/calibration.json").read_bytes()
    twice = report("calibrate", "once/cut.json", "steel/train_images", "-o", "twice.json")
    assert json.loads(once)["tensors"] == twice["tensors"]
    found = report("infer", "once/cut.json", "steel/train_images", "-o", "o", "--bits", "4")
    assert found["ranges"] == "calibrated"
    Path("once/cut.json").unlink()
    assert run(["cut", *given]) == ExitCode.FAILED  # calibration.json is there
    assert not Path("once/cut.json").exists()
    assert run(["cut", *given[:-1], "gone", "-o", "none"]) == ExitCode.BAD_INPUT
    assert not Path("none").exists()
    assert run(["cut", "unet.xml", "--list", "--calibrate", "steel"]) == ExitCode.USAGE


def test_mixed_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Any) -> None:
    monkeypatch.chdir(tmp_path)
    make_mixed_set(tmp_path / "mixed")
    for name, options in (("pad", []), ("resize", ["--size", "32x64"])):
        model = f"{name}.pt"
        trained = report("train", "mixed", "-o", model, "--epochs", "1", "--workers", "0", *options)
        assert trained["classes"] == ["patches", "scratches"]
        assert trained["fit"] == name
        report("cut", model, "--at", "maxpool_1", "-o", name)
        found = report(
            "infer",
            f"{name}/cut.json",
            "mixed/train_images",
            "-o",
            f"{name}-out",
            "--threshold",
            "0.01",
        )
        assert found["scores"]["defective_pairs"] == 12
        samples, classes = read_folder(tmp_path / "mixed")
        table = csv.DictReader(Path(f"{name}-out/predictions.csv").read_text().splitlines())
        predicted = {(row["ImageId"], row["ClassId"]): row["EncodedPixels"] for row in table}
        for sample, row in zip(samples, found["rows"], strict=True):
            with Image.open(f"{name}-out/masks/{sample.path.stem}.png") as mask:
                assert mask.size == (sample.width, sample.height)
            for label in classes:
                runs = rle.parse(predicted.get((sample.path.name, label), ""))
                drawn = rle.decode(runs, sample.height, sample.width)
                assert drawn.sum() == row["pixels"][label]


def test_a_model_of_another_tool(workspace: Path, report: Any) -> None:
    """Without our names and classes: every operation is a split point, classes are numbers."""
    pixels = op.parameter([1, 3, 64, 96], ov.Type.u8, name="image")
    edges = op.max_pool(op.convert(pixels, "f32"), [1, 1], [1, 1], [1, 1], [1, 1], [3, 3])
    edges.set_friendly_name("edges")
    found = op.sigmoid(op.subtract(edges.output(0), op.constant(np.float32([100.5]))))
    save_ir(ov.Model([op.result(found)], [pixels], "edges"), Path("other.xml"))
    points = [split["point"] for split in report("cut", "other.xml", "--list")["splits"]]
    assert {"input", "edges"} <= set(points)
    cut = report("cut", "other.xml", "--at", "edges", "-o", "other")
    assert cut["classes"] == []
    priced = report("bitrate", "other/cut.json", "--bits", "8", "--link", "1Mbps")
    assert [row["point"] for row in priced["rows"]] == ["input", "edges"]
    plain = ["--precision", "f32", "--no-labels"]
    whole, halves = (
        report("infer", model, "steel/train_images", "-o", folder, *plain)
        for model, folder in (("other.xml", "all"), ("other/cut.json", "both"))
    )
    assert list(whole["rows"][0]["pixels"]) == ["1", "2", "3"]
    assert 0 < halves["payload_bytes_per_frame"] < cut["split"]["elements"] * 2
    assert halves["codec"] == "fast"
    assert [row["pixels"] for row in halves["rows"]] == [row["pixels"] for row in whole["rows"]]


def test_force_replaces(workspace: Path, report: Any) -> None:
    before = Path("unet.bin").read_bytes()
    report("export", "unet.pt", "-o", "unet.xml", "--precision", "fp32", "--force")
    assert len(Path("unet.bin").read_bytes()) > 1.5 * len(before)
    report("synth", "steel", "--images", "2", "--size", "64x96", "--force")
    assert len(list(Path("steel/train_images").iterdir())) == 2
