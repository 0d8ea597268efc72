"""Inputs that somebody made on purpose: too large, too deep, endless, or contradicting themselves.

Each is one line and the right exit code, within seconds and without the memory it asks for.
"""

import json
import os
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from splittool.cli.main import run
from splittool.errors import ExitCode

BAD, USAGE, FAILED = ExitCode.BAD_INPUT, ExitCode.USAGE, ExitCode.FAILED
MOST_MEMORY = 1.5 * 2**30  # beyond what is there before
DIGITS = "9" * 5000
TRAIN = "train steel -o new.pt --epochs 1 --workers 0"
INFER = "infer cut/cut.json steel/train_images -o out"
IMAGE = "steel/train_images/zz.png"

Spoil = Callable[[Path], object]
Case = tuple[str, str, int, list[str], Spoil | None]


def write(name: str, content: bytes | str) -> Spoil:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda ws: (ws / name).write_bytes(data)


def pipe(name: str) -> Spoil:
    """A pipe that nobody writes to: whoever opens it waits for ever."""

    def spoil(ws: Path) -> None:
        (ws / name).unlink(missing_ok=True)
        os.mkfifo(ws / name)

    return spoil


def endless(name: str) -> Spoil:
    def spoil(ws: Path) -> None:
        (ws / name).unlink(missing_ok=True)
        (ws / name).symlink_to("/dev/zero")

    return spoil


def huge_png(height: int, width: int) -> Spoil:
    """The header of a PNG, and nothing behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    content += struct.pack(">I", zlib.crc32(chunk))
    return write(IMAGE, content + struct.pack(">I", 64) + b"IDAT" + bytes(64))


def bomb(ws: Path) -> None:
    """A checkpoint of 1 MB whose content would take 1 GB."""
    archive = zipfile.ZipFile(ws / "unet.pt", "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("net/data.pkl", "w") as file:
        for _ in range(1024):
            file.write(bytes(2**20))


def checkpoint(**changes: Any) -> Spoil:
    def spoil(ws: Path) -> None:
        content = torch.load(ws / "unet.pt", weights_only=True)
        torch.save({**content, **changes}, ws / "unet.pt")

    return spoil


def options(**changes: Any) -> Spoil:
    def spoil(ws: Path) -> None:
        content = torch.load(ws / "unet.pt", weights_only=True)
        checkpoint(options={**content["options"], **changes})(ws)

    return spoil


def cut(change: Callable[[dict[str, Any]], object]) -> Spoil:
    def spoil(ws: Path) -> None:
        content = json.loads((ws / "cut/cut.json").read_text())
        change(content)
        (ws / "cut/cut.json").write_text(json.dumps(content))

    return spoil


def tensor(**changes: Any) -> Spoil:
    return cut(lambda content: content["split"]["tensors"][0].update(changes))


def graph(old: str, new: str) -> Spoil:
    return lambda ws: (ws / "unet.xml").write_text(
        (ws / "unet.xml").read_text().replace(old, new, 1)
    )


def deep_cut(ws: Path) -> None:
    text = (ws / "cut/cut.json").read_text()
    (ws / "cut/cut.json").write_text(text.replace("{", '{"more":' + DEEP + ",", 1))


def bomb_png(ws: Path) -> None:
    Image.new("1", (9000, 9000)).save(ws / IMAGE)


DEEP = "[" * 100_000 + "]" * 100_000
DEEP_OBJECT = '{"a":' * 100_000 + "1" + "}" * 100_000
RUN_OF_DIGITS = f"ImageId,ClassId,EncodedPixels\nsteel_00000.jpg,1,{DIGITS} 1\n"
ENTITIES = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(12))
LAUGHS = f'<!DOCTYPE net [<!ENTITY a0 "ha">{ENTITIES}]><net name="&a12;"/>'
EMPTY_NET = '<net name="n" version="11"><layers/><edges/></net>'
EXPORT = "export unet.pt -o new.xml"
PROFILE = "profile unet.xml"


def deep_coco(ws: Path) -> None:
    (ws / "c").mkdir()
    (ws / "c/c.json").write_text(DEEP_OBJECT)


def no_layers(ws: Path) -> None:
    (ws / "unet.xml").write_text(EMPTY_NET)
    (ws / "unet.bin").write_bytes(b"")


CASES: list[Case] = [
    # what is no file
    *(
        (
            f"{word} as {name}",
            command,
            BAD,
            [name.rpartition("/")[2], "pipe or a device"],
            make(name),
        )
        for word, make in (("pipe", pipe), ("zeros", endless))
        for name, command in (
            ("unet.pt", EXPORT),
            ("unet.xml", PROFILE),
            ("unet.bin", PROFILE),
            ("net.onnx", "profile net.onnx"),
            ("net.tflite", "profile net.tflite"),
            ("cut/cut.json", INFER),
            ("cut/cut.json", "bitrate cut/cut.json"),
            ("steel/train.csv", TRAIN),
            ("labels.csv", f"{INFER} --labels labels.csv"),
            (IMAGE, TRAIN),
            (IMAGE, INFER),
            ("new.state.pt", f"{TRAIN} --resume"),
            ("start.pt", f"{TRAIN} --start-from start.pt"),
            ("weights.pth", f"{TRAIN} --arch fcn32s --backbone-weights weights.pth"),
            ("h.jsonl", "plot h.jsonl -o new.png"),
        )
    ),
    ("zeros as a head", INFER, BAD, ["head.bin"], endless("cut/head.bin")),
    ("pipe as a tail", INFER, BAD, ["tail.xml"], pipe("cut/tail.xml")),
    # nested and large
    ("deep cut", INFER, BAD, ["cut.json"], write("cut/cut.json", DEEP)),
    ("deep in a cut", INFER, BAD, ["cut.json", "nested"], deep_cut),
    ("deep object", "bitrate cut/cut.json", BAD, ["cut.json"], write("cut/cut.json", DEEP_OBJECT)),
    ("deep history", "plot h.jsonl -o new.png", BAD, ["h.jsonl"], write("h.jsonl", DEEP)),
    ("deep COCO", "data import coco c -o new", BAD, ["c.json"], deep_coco),
    ("checkpoint that inflates", EXPORT, BAD, ["unet.pt", "in memory"], bomb),
    ("huge image", TRAIN, BAD, ["zz.png", "too large"], huge_png(65535, 65535)),
    ("huge image to infer", INFER, BAD, ["zz.png", "too large"], huge_png(2**31 - 1, 2**31 - 1)),
    ("image that inflates", f"{INFER} --fit resize", BAD, ["zz.png", "too large"], bomb_png),
    ("larger than asked for", f"{TRAIN} --max-pixels 100", BAD, ["6,144", "--max-pixels"], None),
    ("larger to infer", f"{INFER} --max-pixels 100", BAD, ["6,144", "--max-pixels"], None),
    (
        "larger to compare",
        "compare unet.xml steel/train_images --max-pixels 9",
        BAD,
        ["6,144"],
        None,
    ),
    (
        "larger to calibrate",
        "calibrate cut/cut.json steel/train_images --max-pixels 9 --force",
        BAD,
        ["6,144"],
        None,
    ),
    ("no pixels", f"{INFER} --max-pixels 0", USAGE, ["--max-pixels"], None),
    ("image of no size", TRAIN, BAD, ["zz.png"], huge_png(0, 0)),
    ("sheet too large", "synth new --size 65536x65536", USAGE, ["65536x65536", "too large"], None),
    ("sheet too wide", "synth new --size 32x4000000", USAGE, ["--size"], None),
    ("network too wide", f"{TRAIN} --widths 65535,65535", USAGE, ["GB", "widths"], None),
    ("batch of 10^18", f"{TRAIN} --batch-size {10**18}", USAGE, ["--batch-size"], None),
    ("batch of 10^6", f"{TRAIN} --batch-size {10**6}", USAGE, ["--batch-size", "65536"], None),
    ("huge shape", f"{PROFILE} --shape 1x3x65536x65536", BAD, ["pixels", "elements"], None),
    ("shape of 2^63", f"{PROFILE} --shape 1x3x64x{2**63}", USAGE, ["shape"], None),
    ("huge shape to run", "bench-vpu unet.xml --shape 1x3x65536x65536", BAD, ["elements"], None),
    # many digits
    *(
        (f"digits of {name}", command.format(DIGITS), USAGE, [name], None)
        for name, command in (
            ("--bits", "bitrate unet.xml --bits {}"),
            ("--fps", "bitrate unet.xml --fps {}"),
            ("--link", "bitrate unet.xml --link {}Mbps"),
            ("--max-mbps", "bitrate unet.xml --max-mbps {}"),
            ("--size", "synth new --size {}x64"),
            ("--images", "synth new --images {}"),
            ("--seed", "synth new --seed {}"),
            ("--epochs", "train steel -o new.pt --epochs {}"),
            ("--batch-size", "train steel -o new.pt --batch-size {}"),
            ("--learning-rate", "train steel -o new.pt --learning-rate {}"),
            ("--widths", "train steel -o new.pt --widths {}"),
            ("--workers", "train steel -o new.pt --workers {}"),
            ("--tolerance", "cut unet.xml --at maxpool_1 -o new --tolerance {}"),
            ("shape", "profile unet.xml --shape 1x3x64x{}"),
            ("--minutes", "bench-vpu unet.xml --minutes {}"),
            ("--threshold", "infer unet.xml steel/train_images -o out --threshold {}"),
            ("--edge", "plan unet.xml --edge {}GFLOPS --cloud 1TFLOPS --link 100Mbps"),
        )
    ),
    ("digits in a run", TRAIN, BAD, ["line 2"], write("steel/train.csv", RUN_OF_DIGITS)),
    # checkpoints that were made by hand
    ("swish", EXPORT, BAD, ["unet.pt", "swish"], options(activation="swish")),
    ("norm of a kind", EXPORT, BAD, ["unet.pt", "group"], options(norm="group")),
    ("no widths", EXPORT, BAD, ["unet.pt"], options(widths=[])),
    ("widths below 0", EXPORT, BAD, ["unet.pt"], options(widths=[-4, 6])),
    ("widths of text", EXPORT, BAD, ["unet.pt"], options(widths="46")),
    ("many widths", EXPORT, BAD, ["unet.pt"], options(widths=[4] * 40)),
    ("unknown option", EXPORT, BAD, ["unet.pt", "colour"], options(colour="red")),
    (
        "fit evil",
        EXPORT,
        BAD,
        ["unet.pt"],
        checkpoint(canvas={"height": 64, "width": 96, "fit": "evil"}),
    ),
    *(
        (
            f"canvas {size}",
            EXPORT,
            BAD,
            ["unet.pt"],
            checkpoint(canvas={"height": size, "width": 96, "fit": "pad"}),
        )
        for size in (0, -64, 33, 2**40, 1e9, "64", None, [64])
    ),
    *(
        (f"classes {classes!r}", EXPORT, BAD, ["unet.pt"], checkpoint(classes=classes))
        for classes in ([], [1, 2, 3, 4], "1234", None, {"1": 1}, ["1"] * 5)
    ),
    *(
        (f"arch {arch!r}", EXPORT, BAD, ["unet.pt"], checkpoint(arch=arch))
        for arch in (["unet"], 3, None, "", "UNET", "pspnet")
    ),
    *(
        (f"state {state!r}", EXPORT, BAD, ["unet.pt"], checkpoint(state=state))
        for state in ({}, None, [], {"a": 1}, {3: torch.zeros(1)}, {"a": torch.zeros(1)})
    ),
    # graphs that were made by hand
    ("no layers", PROFILE, BAD, ["unet.xml", "no operations"], no_layers),
    (
        "evil note",
        PROFILE,
        BAD,
        ["unet.xml", "damaged"],
        graph("&quot;pad&quot;", "&quot;evil&quot;"),
    ),
    ("offset below 0", PROFILE, BAD, ["unet"], graph('offset="0"', 'offset="-8"')),
    ("offset too far", PROFILE, BAD, ["unet"], graph('offset="0"', f'offset="{10**15}"')),
    ("offset of text", PROFILE, BAD, ["unet"], graph('offset="0"', 'offset="x"')),
    ("unknown operation", PROFILE, BAD, ["unet.xml"], graph('type="Sigmoid"', 'type="Evil"')),
    ("unknown version", PROFILE, BAD, ["unet.xml"], graph('version="11"', 'version="99"')),
    ("edge to nowhere", PROFILE, BAD, ["unet.xml"], graph('to-layer="1"', 'to-layer="99999"')),
    ("billion laughs", PROFILE, BAD, ["unet.xml"], write("unet.xml", LAUGHS)),
    # cuts that were made by hand
    ("type of a tensor", INFER, BAD, ["cut.json", "crossing tensors"], tensor(type="u64", bits=64)),
    ("unknown type", INFER, BAD, ["cut.json", "evil"], tensor(type="evil")),
    ("shape below 0", INFER, BAD, ["cut.json"], tensor(shape=[-1, 4, 64, 96])),
    ("huge shape of a tensor", INFER, BAD, ["cut.json"], tensor(shape=[2**62, 2**62])),
    ("tensors dropped", INFER, BAD, ["cut.json"], cut(lambda c: c["split"]["tensors"].pop())),
    (
        "tensors doubled",
        INFER,
        BAD,
        ["cut.json"],
        cut(lambda c: c["split"]["tensors"].extend(c["split"]["tensors"])),
    ),
    ("bits of text", INFER, BAD, ["cut.json"], tensor(bits="32")),
    ("classes swapped", INFER, BAD, ["cut.json", "classes"], cut(lambda c: c["classes"].reverse())),
    ("evil fit", INFER, BAD, ["cut.json"], cut(lambda c: c.update(fit="evil"))),
    (
        "head and tail swapped",
        INFER,
        BAD,
        ["cut.json"],
        cut(lambda c: c.update(head=c["tail"], tail=c["head"])),
    ),
    (
        "absolute path",
        INFER,
        BAD,
        ["/etc/passwd"],
        cut(lambda c: c["head"][0].update(path="/etc/passwd")),
    ),
    ("another schema", INFER, BAD, ["cut.json"], cut(lambda c: c.update(schema="splittool.cut/9"))),
    ("elements below 0", "bitrate cut/cut.json", BAD, ["cut.json"], tensor(elements=-5)),
]


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """What asks for more is told that there is none."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(in_use + 4 * MOST_MEMORY), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
@pytest.mark.parametrize(
    ("command", "code", "words", "spoil"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-")[:40] for case in CASES],
)
def test_hostile_input(
    command: str,
    code: int,
    words: list[str],
    spoil: Spoil | None,
    workspace: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if spoil:
        spoil(workspace)
    assert run(command.split()) == code, capfd.readouterr().err
    captured = capfd.readouterr()
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("splittool: ")
    assert "internal error" not in line
    assert [word for word in words if word not in line] == [], line[:500]
    assert captured.out == ""
    assert not list(workspace.glob("new*")) or "new.state.pt" in command or "resume" in command
    assert not list(workspace.rglob(".splittool-*"))


def test_out_of_memory_is_said(
    workspace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        torch.OutOfMemoryError("CUDA out of memory"),
        OSError(12, "Cannot allocate memory"),
    ):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr("splittool.network.network.Network.profile", fail)
        assert run(PROFILE.split()) == FAILED
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("splittool: out of memory; ")


@pytest.mark.parametrize(
    "command",
    [
        "synth {} --images 1 --size 64x96",
        "train steel -o {}.pt --epochs 1 --workers 0",
        "export unet.pt -o {}.xml",
        "cut unet.xml --at maxpool_1 -o {}",
        "infer unet.xml steel/train_images -o {}",
        "calibrate cut/cut.json steel/train_images -o {}.json",
    ],
    ids=lambda command: command.split()[0],
)
def test_an_output_whose_name_is_not_text(
    command: str, workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(workspace.rglob("*"))
    assert run(command.format(os.fsdecode(b"new\xff")).split()) == BAD
    captured = capfd.readouterr()
    (line,) = captured.err.splitlines()
    assert "not UTF-8" in line
    assert captured.out == ""
    assert sorted(workspace.rglob("*")) == before


def test_image_names_as_long_as_a_system_takes(workspace: Path) -> None:
    for image in (workspace / "steel/train_images").iterdir():
        image.rename(image.with_name(f"{image.stem:x>251}.jpg"))
    command = "infer unet.xml steel/train_images -o out --no-labels --quiet"
    assert run(command.split()) == ExitCode.OK
    assert len(list((workspace / "out/masks").iterdir())) == 12


def test_openvino_counts_nothing_in_the_home_folder(
    workspace: Path, splittool: list[str], environment: dict[str, str]
) -> None:
    import subprocess

    (workspace / "home").mkdir()
    environment["HOME"] = str(workspace / "home")
    command = [*splittool, "export", "unet.pt", "-o", "new.xml", "--json"]
    done = subprocess.run(command, env=environment, cwd=workspace, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((workspace / "home").iterdir()) == []
