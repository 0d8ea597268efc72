"""Everything a user can get wrong: one line, the right exit code, nothing lost or half-written."""

import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from splittool.cli.main import run
from splittool.errors import ExitCode
from splittool.reports import SynthReport, encode
from splittool.runtime.ir import core

BAD, USAGE, FAILED = ExitCode.BAD_INPUT, ExitCode.USAGE, ExitCode.FAILED
TRAIN = "train steel -o new.pt --epochs 1 --workers 0"
INFER = "infer cut/cut.json steel/train_images -o out"

Spoil = Callable[[Path], Any]


class Touch:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("touched"),))


def first_image(folder: Path) -> Path:
    return min((folder / "steel/train_images").iterdir())


def cut_short(name: str, size: int = 200) -> Spoil:
    return lambda ws: (ws / name).write_bytes((ws / name).read_bytes()[:size])


def write(name: str, content: str | bytes) -> Spoil:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda ws: (ws / name).write_bytes(data)


def labels(*rows: str, header: str = "ImageId,ClassId,EncodedPixels") -> Spoil:
    return write("steel/train.csv", "\n".join([header, *rows]) + "\n")


def weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    """Change the first convolution of the checkpoint."""

    def spoil(ws: Path) -> None:
        content = torch.load(ws / "unet.pt", weights_only=True)
        name = next(name for name in content["state"] if name.endswith("conv_1.weight"))
        content["state"][name] = change(content["state"][name])
        torch.save(content, ws / "unet.pt")

    return spoil


def bad_image(content: bytes, suffix: str = ".jpg") -> Spoil:
    return write(f"steel/train_images/zz_bad{suffix}", content)


def truncated(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


def save_torch(name: str, content: Any) -> Spoil:
    return lambda ws: torch.save(content, ws / name)


def empty(folder: str) -> Spoil:
    def spoil(ws: Path) -> None:
        for path in (ws / folder).iterdir():
            path.unlink()

    return spoil


def stdin(content: bytes | None) -> Spoil:
    def spoil(ws: Path) -> Any:
        return None if content is None else io.TextIOWrapper(io.BytesIO(content), "utf-8")

    return spoil


def larger_image(ws: Path) -> None:
    Image.new("RGB", (300, 200)).save(ws / "steel/train_images/zz_large.png")


def mkdir(name: str) -> Spoil:
    return lambda ws: (ws / name).mkdir()


def same_stem(ws: Path) -> None:
    path = first_image(ws)
    Image.open(path).save(path.with_suffix(".png"))


def tamper(ws: Path) -> None:
    data = bytearray((ws / "cut/head.bin").read_bytes())
    data[0] ^= 1
    (ws / "cut/head.bin").write_bytes(data)


def edit_cut(**changes: Any) -> Spoil:
    def spoil(ws: Path) -> None:
        path = ws / "cut/cut.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


ROW = "steel_00000.jpg,1,"
BITRATE = "bitrate unet.xml"
BENCH = "bench-vpu unet.xml --iterations 1 --warmup 0"
OTHER_REPORT = encode(
    SynthReport(
        folder="x",
        images=1,
        clean_images=1,
        height=1,
        width=1,
        seed=0,
        images_per_class={},
        pixel_share_per_class={},
    )
)

# name, command, exit code, words of the message, what is done to the workspace first
CASES: list[tuple[str, str, int, list[str], Spoil | None]] = [
    # folders and images
    ("missing folder", "train nowhere -o new.pt", BAD, ["nowhere", "splittool synth"], None),
    ("empty folder", "train void -o new.pt", BAD, ["void"], lambda ws: (ws / "void").mkdir()),
    ("no images", TRAIN, BAD, ["train_images", "holds no images"], empty("steel/train_images")),
    ("no table", TRAIN, BAD, ["train.csv"], lambda ws: (ws / "steel/train.csv").unlink()),
    ("truncated jpeg", TRAIN, BAD, ["zz_bad.jpg", "damaged"], bad_image(truncated("JPEG"))),
    ("truncated png", TRAIN, BAD, ["zz_bad.png", "damaged"], bad_image(truncated("PNG"), ".png")),
    ("not an image", TRAIN, BAD, ["zz_bad.jpg", "not an image"], bad_image(b"hello, world")),
    ("empty image", TRAIN, BAD, ["zz_bad.jpg", "not an image"], bad_image(b"")),
    ("infer truncated", INFER, BAD, ["zz_bad.jpg", "damaged"], bad_image(truncated("JPEG"))),
    ("infer no such file", "infer unet.xml no.jpg -o out", BAD, ["no.jpg"], None),
    ("infer larger image", INFER, BAD, ["zz_large.png", "200x300", "--fit resize"], larger_image),
    ("infer same mask twice", INFER, BAD, ["steel_00000.png", "two runs"], same_stem),
    (
        "infer empty list",
        "infer unet.xml l.txt -o out",
        BAD,
        ["l.txt", "no images"],
        write("l.txt", "\n"),
    ),
    (
        "list is not text",
        "infer unet.xml - -o out",
        BAD,
        ["standard input", "not text"],
        stdin(b"\xff\xfe\n"),
    ),
    (
        "list of nothing there",
        "infer unet.xml l.txt -o out",
        BAD,
        ["gone/a.jpg"],
        write("l.txt", "gone/a.jpg\n"),
    ),
    (
        "image is a folder",
        TRAIN,
        BAD,
        ["zz.png", "directory"],
        lambda ws: (ws / "steel/train_images/zz.png").mkdir(),
    ),
    (
        "dangling image",
        TRAIN,
        BAD,
        ["zz.png", "check the name"],
        lambda ws: (ws / "steel/train_images/zz.png").symlink_to("/gone"),
    ),
    ("no images to price", f"{BITRATE} --images nowhere", BAD, ["nowhere"], None),
    # tables
    ("wrong header", TRAIN, BAD, ["train.csv", "ImageId,ClassId"], labels(header="a,b,c")),
    ("empty table", TRAIN, BAD, ["train.csv", "header"], write("steel/train.csv", "")),
    ("binary table", TRAIN, BAD, ["train.csv", "CSV"], write("steel/train.csv", b"\xff\xfe\x00")),
    ("unknown image", TRAIN, BAD, ["line 2", "steel_99.jpg"], labels("steel_99.jpg,1,1 2")),
    ("no defects", TRAIN, BAD, ["train.csv", "no defects"], labels()),
    ("overlapping runs", TRAIN, BAD, ["line 2", "overlap"], labels(ROW + "1 5 3 4")),
    ("odd runs", TRAIN, BAD, ["line 2", "pairs"], labels(ROW + "1 5 9")),
    ("non-numeric runs", TRAIN, BAD, ["line 2", "'x'"], labels(ROW + "1 x")),
    ("run from zero", TRAIN, BAD, ["line 2", "from 1"], labels(ROW + "0 4")),
    ("mask of another size", TRAIN, BAD, ["line 2", "64x96", "9999"], labels(ROW + "9990 10")),
    ("run too far to count", TRAIN, BAD, ["line 2", "too large"], labels(ROW + "1 " + "9" * 30)),
    ("no image name", TRAIN, BAD, ["line 2", "missing"], labels(",1,1 2")),
    ("near image", TRAIN, BAD, ["did you mean steel_00000.jpg"], labels("stel_00000.jpg,1,1 2")),
    (
        "labels are no table",
        f"{INFER} --labels unet.xml",
        BAD,
        ["unet.xml", "ImageId,ClassId"],
        None,
    ),
    ("no labels there", f"{INFER} --labels gone.csv", BAD, ["gone.csv"], None),
    ("duplicate rows", TRAIN, BAD, ["line 3", "already"], labels(ROW + "1 2", ROW + "5 2")),
    ("columns", TRAIN, BAD, ["line 2", "columns"], labels(ROW + "1,2")),
    ("unknown class", INFER, BAD, ["'9'", "--no-labels"], labels("steel_00000.jpg,9,1 2")),
    # checkpoints
    ("missing checkpoint", "export no.pt -o new.xml", BAD, ["no.pt", "splittool train"], None),
    (
        "truncated checkpoint",
        "export unet.pt -o new.xml",
        BAD,
        ["unet.pt", "damaged"],
        cut_short("unet.pt", 3000),
    ),
    (
        "foreign checkpoint",
        "export o.pt -o new.xml",
        BAD,
        ["o.pt", "another tool"],
        save_torch("o.pt", {"a": torch.zeros(2)}),
    ),
    (
        "pickled code",
        "export e.pt -o new.xml",
        BAD,
        ["e.pt", "pickled code"],
        save_torch("e.pt", {"x": Touch()}),
    ),
    (
        "bare pickle",
        "export e.pt -o new.xml",
        BAD,
        ["e.pt", "pickle"],
        write("e.pt", pickle.dumps({"x": Touch()})),
    ),
    (
        "state dictionary",
        "export o.pt -o new.xml",
        BAD,
        ["o.pt", "another tool", "splittool train"],
        lambda ws: torch.save(torch.nn.Linear(2, 2).state_dict(), ws / "o.pt"),
    ),
    ("empty checkpoint", "export o.pt -o new.xml", BAD, ["o.pt"], write("o.pt", "")),
    (
        "checkpoint as a state",
        "train steel -o o.pt --resume",
        BAD,
        ["o.state.pt", "not a splittool training state"],
        lambda ws: shutil.copy(ws / "unet.pt", ws / "o.state.pt"),
    ),
    (
        "weights of another shape",
        "export unet.pt -o new.xml",
        BAD,
        ["unet.pt", "whole unet"],
        weights(lambda tensor: tensor[:1]),
    ),
    (
        "weights not numbers",
        "cut unet.pt --at maxpool_1 -o new",
        BAD,
        ["unet.pt", "conv_1.weight", "finite"],
        weights(lambda tensor: tensor * float("nan")),
    ),
    (
        "unknown arch in checkpoint",
        "export o.pt -o new.xml",
        BAD,
        ["o.pt", "'resnet'"],
        save_torch("o.pt", {"format": "splittool.checkpoint/1", "arch": "resnet"}),
    ),
    ("not a checkpoint", "export unet.xml -o new.xml", BAD, ["unet.xml", ".pt"], None),
    ("resume nothing", "train steel -o new.pt --resume", BAD, ["new.state.pt"], None),
    # graphs
    ("no weights", "profile unet.xml", BAD, ["unet.bin"], lambda ws: (ws / "unet.bin").unlink()),
    ("short weights", "profile unet.xml", BAD, ["unet.bin", "bytes"], cut_short("unet.bin")),
    (
        "long weights",
        "profile unet.xml",
        BAD,
        ["unet.bin", "bytes"],
        lambda ws: (ws / "unet.bin").write_bytes((ws / "unet.bin").read_bytes() + b"x"),
    ),
    ("garbage graph", "profile unet.xml", BAD, ["unet.xml", "IR"], write("unet.xml", "<net")),
    ("other xml", "profile unet.xml", BAD, ["unet.xml", "IR"], write("unet.xml", "<html/>")),
    ("garbage onnx", "profile g.onnx", BAD, ["g.onnx"], write("g.onnx", "hello")),
    ("garbage tflite", "profile g.tflite", BAD, ["g.tflite"], write("g.tflite", "hello")),
    ("a folder as a model", "profile cut", BAD, ["cut", ".onnx"], None),
    ("missing model", "profile gone.xml", BAD, ["gone.xml", "splittool export"], None),
    (
        "head alone",
        "infer cut/head.xml steel/train_images -o out",
        BAD,
        ["head.xml", "cut.json"],
        None,
    ),
    ("tail alone", "infer cut/tail.xml steel/train_images -o out", BAD, ["tail.xml"], None),
    ("price of an unknown point", f"{BITRATE} --at maxpol_2", BAD, ["'maxpool_2'"], None),
    ("unknown suffix", "profile steel/train.csv", BAD, ["train.csv", ".onnx"], None),
    (
        "unknown split point",
        "cut unet.xml --at maxpol_2 -o new",
        BAD,
        ["'maxpol_2'", "'maxpool_2'"],
        None,
    ),
    ("empty head", "cut unet.xml --at input -o new", BAD, ["'input'", "head empty"], None),
    ("empty tail", "cut unet.xml --at sigmoid -o new", BAD, ["'sigmoid'", "tail empty"], None),
    # reports
    ("truncated cut", INFER, BAD, ["cut.json", "JSON"], cut_short("cut/cut.json")),
    ("tampered head", INFER, BAD, ["head.bin", "verified"], tamper),
    ("missing tail", INFER, BAD, ["tail.xml"], lambda ws: (ws / "cut/tail.xml").unlink()),
    ("stdin closed", "bitrate -", BAD, ["standard input is closed"], stdin(None)),
    (
        "infer stdin closed",
        "infer unet.xml - -o out",
        BAD,
        ["standard input is closed"],
        stdin(None),
    ),
    ("stdin not JSON", "bitrate -", BAD, ["standard input", "JSON"], stdin(b"hello")),
    ("cut without files", INFER, BAD, ["cut.json", "report"], edit_cut(head=[])),
    (
        "cut outside its folder",
        INFER,
        BAD,
        ["unet.bin"],
        edit_cut(head=[{"path": "../unet.bin", "bytes": 1, "sha256": ""}] * 2),
    ),
    ("missing cut", "bitrate gone.json", BAD, ["gone.json"], None),
    (
        "stdin another report",
        "bitrate -",
        BAD,
        ["standard input is a splittool.synth/1", "splittool.cut/1"],
        stdin(OTHER_REPORT),
    ),
    ("stdin empty", "bitrate -", BAD, ["standard input", "JSON"], stdin(b"")),
    ("stdin binary", "bitrate -", BAD, ["standard input", "JSON"], stdin(b"\xff\x00")),
    ("stdin not a report", "bitrate -", BAD, ["standard input", "report"], stdin(b"{}")),
    # options
    ("bits 0", f"{BITRATE} --bits 0", USAGE, ["--bits 0", "1 to 16"], None),
    ("bits 17", f"{BITRATE} --bits 17", USAGE, ["--bits 17", "1 to 16"], None),
    ("infer bits 0", f"{INFER} --bits 0", USAGE, ["--bits 0"], None),
    ("infer bits 17", f"{INFER} --bits 17", USAGE, ["--bits 17"], None),
    (
        "bits of a whole",
        "infer unet.xml steel/train_images -o out --bits 4",
        USAGE,
        ["--bits"],
        None,
    ),
    ("fps 0", f"{BITRATE} --fps 0", USAGE, ["--fps 0"], None),
    ("fps nan", f"{BITRATE} --fps nan", USAGE, ["--fps nan"], None),
    ("fps negative", f"{BITRATE} --fps -1", USAGE, ["--fps -1"], None),
    ("fps text", f"{BITRATE} --fps ten", USAGE, ["--fps", "'ten'"], None),
    ("bits text", f"{BITRATE} --bits four", USAGE, ["--bits", "'four'"], None),
    ("bytes per second", f"{BITRATE} --link 100MBps", USAGE, ["'100MBps'", "100Mbps"], None),
    ("max-mbps 0", f"{BITRATE} --max-mbps 0", USAGE, ["--max-mbps 0"], None),
    ("point of a cut", "bitrate cut/cut.json --at maxpool_1", USAGE, ["--at", "cut.json"], None),
    ("tolerance nan", "cut unet.xml --at maxpool_1 --tolerance nan", USAGE, ["--tolerance"], None),
    ("tolerance below 0", "cut unet.xml --at x --tolerance -1", USAGE, ["--tolerance"], None),
    ("validation nan", f"{TRAIN} --validation nan", USAGE, ["--validation nan"], None),
    ("validation 1", f"{TRAIN} --validation 1", USAGE, ["--validation"], None),
    ("rate nan", f"{TRAIN} --learning-rate nan", USAGE, ["--learning-rate nan"], None),
    ("seed too large", f"{TRAIN} --seed {'9' * 400}", USAGE, ["--seed 999"], None),
    ("epochs 0", f"{TRAIN} --epochs 0", USAGE, ["--epochs"], None),
    ("training on a typo", f"{TRAIN} --device cpuu", USAGE, ["'cpuu'", "cuda"], None),
    ("threshold nan", f"{INFER} --threshold nan", USAGE, ["--threshold"], None),
    ("dice above 1", f"{INFER} --min-dice 2", USAGE, ["--min-dice 2", "0 to 1"], None),
    ("loss above 1", f"{INFER} --max-dice-loss 2", USAGE, ["--max-dice-loss 2", "0 to 1"], None),
    (
        "loss of a whole",
        "infer unet.xml steel --max-dice-loss 0",
        USAGE,
        ["--max-dice-loss", "cut.json"],
        None,
    ),
    ("loss without labels", f"{INFER} --max-dice-loss 0 --no-labels", USAGE, ["--no-labels"], None),
    ("rate of infer 0", f"{INFER} --max-mbps 0", USAGE, ["--max-mbps 0"], None),
    ("dice without labels", f"{INFER} --min-dice 1 --no-labels", USAGE, ["--no-labels"], None),
    ("labels and none", f"{INFER} --labels t.csv --no-labels", USAGE, ["--no-labels"], None),
    ("minutes nan", "bench-vpu unet.xml --minutes nan", USAGE, ["--minutes nan"], None),
    ("minutes and frames", f"{BENCH} --minutes 1", USAGE, ["--minutes", "--iterations"], None),
    ("warmup inf", f"{BENCH} --warmup inf", USAGE, ["--warmup inf"], None),
    ("window nan", f"{BENCH} --window nan", USAGE, ["--window nan"], None),
    ("bench precision", f"{BENCH} --precision fp8", USAGE, ["'fp8'", "f16"], None),
    ("infer precision", f"{INFER} --precision f8", USAGE, ["'f8'", "bf16"], None),
    ("infer device typo", f"{INFER} --device CUP", USAGE, ["'CUP'", "mean CPU"], None),
    ("size of nothing", "synth new --size 0x64", USAGE, ["'0x64'", "1 to 65536"], None),
    ("size too small", "synth new --size 1x1", USAGE, ["1x1", "32x32"], None),
    ("export size", "export unet.pt -o new.xml --size 33x64", USAGE, ["33x64"], None),
    ("missing option", "plan unet.xml", USAGE, ["--edge", "plan --help"], None),
    (
        "devices without a frame rate",
        "plan unet.xml --edge 1GFLOPS --cloud 1TFLOPS --link 1Gbps --devices 1000",
        USAGE,
        ["--devices send frames", "--fps"],
        None,
    ),
    ("missing argument", "profile", USAGE, ["MODEL", "profile --help"], None),
    ("too many arguments", "profile unet.xml x", USAGE, ["(x)"], None),
    ("unknown link", f"{BITRATE} --link 5g", USAGE, ["'5g'", "100Mbps"], None),
    ("bad size", "synth new --size 64", USAGE, ["'64'", "256x1600"], None),
    ("size off stride", f"{TRAIN} --size 50x50", USAGE, ["50x50", "multiples of 32"], None),
    ("crop too large", f"{TRAIN} --crop 640x640", USAGE, ["--crop", "larger"], None),
    ("unknown network", f"{TRAIN} --arch unett", USAGE, ["unett", "unet"], None),
    ("unknown recipe", f"{TRAIN} --recipe best", USAGE, ["best", "paper"], None),
    ("unknown precision", f"{TRAIN} --precision int8", USAGE, ["int8", "bf16"], None),
    ("device typo", "bench-vpu unet.xml --device CPUU", USAGE, ["'CPUU'", "mean CPU"], None),
    ("no stick", "bench-vpu unet.xml --device MYRIAD", ExitCode.NO_DEVICE, ["MYRIAD"], None),
    (
        "no stick among others",
        f"{BENCH} --device AUTO:MYRIAD",
        ExitCode.NO_DEVICE,
        ["MYRIAD"],
        None,
    ),
    ("no stick to infer on", f"{INFER} --device MYRIAD", ExitCode.NO_DEVICE, ["MYRIAD"], None),
    ("list and cut", "cut unet.xml --list --at maxpool_1", USAGE, ["--list"], None),
    ("all and cut", "cut unet.xml --all --at maxpool_1", USAGE, ["--all"], None),
    ("nothing to cut", "cut unet.xml", USAGE, ["--at NAME", "--list"], None),
    ("shape of no input", "profile unet.xml --shape x=1x3x64x96", USAGE, ["pixels"], None),
    ("shape of letters", "cut unet.xml --all --shape 1x3xHxW", USAGE, ["1x3x256x1600"], None),
    ("odd shape", "bitrate unet.xml --shape 1x3x33x64", USAGE, ["unet.xml", "33x64"], None),
    ("shape to measure", f"{BENCH} --shape 1x4x64x64", USAGE, ["unet.xml", "1x4x64x64"], None),
    ("shape of a cut", f"{INFER} --shape 1x3x32x32", USAGE, ["--shape", "cut.json"], None),
    ("mean alone", f"{INFER} --mean 1", USAGE, ["--mean", "--scale"], None),
    ("scale 0", f"{INFER} --mean 1 --scale 0", USAGE, ["--scale 0"], None),
    ("no such option", "cut unet.xml --att x", USAGE, ["--att"], None),
    ("no such command", "cutt unet.xml", USAGE, ["cutt"], None),
    (
        "too much",
        f"{BITRATE} --max-mbps 0.001",
        ExitCode.THRESHOLD,
        ["--max-mbps", "maxpool_1"],
        None,
    ),
    ("too bad", f"{INFER} --min-dice 1", ExitCode.THRESHOLD, ["--min-dice"], None),
    ("too fast", f"{INFER} --max-mbps 0.01", ExitCode.THRESHOLD, ["--max-mbps", "fewer"], None),
    # outputs
    ("model exists", "train steel -o unet.pt", FAILED, ["unet.pt", "--force"], None),
    ("IR exists", "export unet.pt -o unet.xml", FAILED, ["unet.xml", "--force"], None),
    ("cut exists", "cut unet.xml --at maxpool_1 -o cut", FAILED, ["cut/head.bin", "--force"], None),
    ("folder exists", "synth steel", FAILED, ["steel", "--force"], None),
    (
        "run exists",
        "train steel -o o.pt",
        FAILED,
        ["o.state.pt", "--resume", "--force"],
        write("o.state.pt", "x"),
    ),
    ("weights exist", "export unet.pt -o o.xml", FAILED, ["o.bin", "--force"], write("o.bin", "x")),
    ("model is a folder", "train steel -o o.pt", FAILED, ["o.pt", "folder"], mkdir("o.pt")),
    ("foreign folder", "synth cut --force", FAILED, ["cut", "another folder"], None),
    ("out not empty", "infer unet.xml steel/train_images -o cut", FAILED, ["cut", "--force"], None),
    ("no folder", "export unet.pt -o no/new.xml", FAILED, ["mkdir -p no"], None),
    (
        "full disk",
        "export unet.pt -o new.xml",
        FAILED,
        ["new.bin", "no space left"],
        lambda ws: (ws / "new.bin").symlink_to("/dev/full"),
    ),
    ("wrong suffix", "export unet.pt -o new.txt", USAGE, ["new.txt", ".xml"], None),
]


def snapshot(folder: Path) -> dict[str, str]:
    """Every file's hash, and every folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
        )
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("command", "code", "words", "spoil"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-") for case in CASES],
)
def test_bad_input(
    command: str,
    code: int,
    words: list[str],
    spoil: Spoil | None,
    workspace: Path,
    capfd: pytest.CaptureFixture[str],  # libraries written in C++ have no words of their own
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replaced = spoil(workspace) if spoil else None
    if "-" in command.split():
        monkeypatch.setattr(sys, "stdin", replaced)
    before = snapshot(workspace)
    assert run(command.split()) == code
    captured = capfd.readouterr()
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("splittool: ")
    assert [word for word in words if word not in line] == [], line
    after = snapshot(workspace)
    assert {name: after.get(name) for name in before} == before
    done = code == ExitCode.THRESHOLD
    assert done == bool(captured.out)
    new = {name.partition("/")[0] for name in set(after) - set(before)}
    # The masks of the images before the damaged one stay.
    assert new <= ({"out"} if "infer" in command and (done or "damaged" in words) else set())
    assert not [name for name in after if ".tmp" in name]


WRITERS = {
    "synth": "synth {}",
    "train": "train steel -o {}.pt --epochs 1 --workers 0",
    "export": "export unet.pt -o {}.xml",
    "cut": "cut unet.xml --at maxpool_1 -o {}",
    "infer": "infer unet.xml steel/train_images -o {}",
}


@pytest.mark.parametrize("place", ["unet.bin/x", "unet.bin/x/y", "/proc/nope", "/dev/null/x"])
@pytest.mark.parametrize("command", WRITERS)
def test_nowhere_to_write(
    command: str, place: str, workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(workspace)
    assert run(WRITERS[command].format(place).split()) == FAILED
    captured = capfd.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("splittool: ")
    assert str(Path(place).parent) in line
    assert ";" in line  # the fix
    assert captured.out == ""
    assert snapshot(workspace) == before


@pytest.mark.parametrize(
    "command",
    [
        "synth steel --size 64x96 --force",
        "train steel -o unet.pt --epochs 1 --workers 0 --force --quiet",
        "export unet.pt -o unet.xml --force",
        "cut unet.xml --at maxpool_1 -o cut --force",
        "infer unet.xml steel/train_images -o new",
    ],
    ids=lambda command: command.split()[0],
)
def test_no_room_for_an_output(
    command: str, workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The system refuses every byte beyond the first kilobyte; what was there stays."""
    before = snapshot(workspace)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        code = run(command.split())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    captured = capfd.readouterr()
    assert code == FAILED
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("splittool: cannot write ")
    assert "; " in line
    after = snapshot(workspace)
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after if ".tmp" in name or name.startswith((".", "cut/."))] == []


def test_no_such_device(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    devices = {name.partition(".")[0] for name in core().available_devices}
    absent = {"NPU", "GPU"} - devices
    if not absent:
        pytest.skip("this machine has them all")
    for device in absent:
        assert run([*BENCH.split(), "--device", device]) == ExitCode.NO_DEVICE
        (line,) = capfd.readouterr().err.splitlines()
        assert f"no {device} is here (found: " in line


def test_a_line_end_in_a_name(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "a\nb.xml"]) == BAD
    (line,) = capfd.readouterr().err.splitlines()
    assert "a b.xml" in line


def test_a_name_too_long(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["infer", "unet.xml", "x" * 300, "-o", "out"]) == FAILED
    (line,) = capfd.readouterr().err.splitlines()
    assert "name too long" in line


def test_a_name_that_is_not_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    assert run(["synth", folder, "--images", "1", "--size", "64x96"]) == BAD
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "not UTF-8" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = workspace / "locked"
    locked.mkdir(mode=0o500)
    assert run(["export", "unet.pt", "-o", "locked/new.xml"]) == FAILED
    assert "locked" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "command",
    ["bitrate cut/cut.json", "cut unet.xml --list", "profile unet.xml"],
)
def test_full_disk_on_stdout(
    command: str, workspace: Path, splittool: list[str], environment: dict[str, str]
) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*splittool, *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=workspace,
        )
    assert result.returncode == FAILED
    assert len(result.stderr.strip().splitlines()) == 1
    assert "no space left" in result.stderr
    assert "Traceback" not in result.stderr


def test_full_disk_under_an_output(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills while a model is replaced: the old one stays."""
    before = snapshot(workspace)

    def fail(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    command = "train steel -o unet.pt --force --epochs 1 --workers 0 --quiet"
    assert run(command.split()) == FAILED
    err = capsys.readouterr().err
    assert "unet" in err
    assert "free some space" in err
    assert snapshot(workspace) == before
