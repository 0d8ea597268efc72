"""A campaign of everything that may go wrong: kills, and damaged frames, images, models and JSON.

    python benchmarks/hostile.py
    python benchmarks/hostile.py --kills 10 --frames 1000 --images 500 --files 200

Kills: `train` is killed (SIGKILL) at a random moment, every second time at the moment when it is
writing a file. Then every file that is there must be whole, and `train --resume` must end with the
weights and the history of a run that nobody killed, and leave nothing else behind.

Damage: good files with one to eight random changes. Each must be read, or refused in one line by an
error of splittool. All else counts: an internal error, a process that dies, more than 60 seconds of
the processor.
What was found is printed; the inputs that did it are written to --crashes.
"""

import argparse
import importlib
import io
import json
import os
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import onnx
import torch
from fuzz_frame import build_cut, check, damage, seed_frames
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from splittool.cli.main import run
from splittool.data.images import read_image
from splittool.errors import SplittoolError
from splittool.models import checkpoints
from splittool.reports import EpochRecord
from splittool.training.outputs import Outputs
from splittool.training.state import load_state

TRAIN = ["train", "steel", "-o", "net.pt", "--widths", "4,6", "--bottleneck", "8"]
TRAIN += ["--epochs", "6", "--batch-size", "2", "--workers", "0", "--precision", "f32", "--quiet"]
IMAGE = ["steel/train_images/steel_00000.jpg", "-o", "out", "--force"]
WARM = ("matplotlib.figure", "splittool.training.run", "splittool.network.network")
BATCH = 200  # files to a process
MOST_S = 60  # of the processor, for any one input
MEMORY = 16 * 2**30  # bytes of address space
INTERESTING = [0, 1, 2, 8, 16, 127, 128, 255]
WORDS = [b"-1", b"0", b"1e999", b"9" * 30, b"null", b"true", b'"x"', b"[]", b"{}", b"NaN", b"[[[["]

LIMIT_S = float("inf")  # of each part

T = TypeVar("T")
Read = Callable[[Path], object]


def within_time(items: Iterable[T]) -> Iterator[T]:
    """Items until the time of a part is over."""
    end = time.monotonic() + LIMIT_S
    for item in items:
        if time.monotonic() > end:
            return
        yield item


def in_child(act: Callable[[], int], quiet: bool = True) -> int:
    """Start a function in a process of its own; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if quiet:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1), os.dup2(null, 2)
        code = act()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """How a process ended: its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# -- kills ----------------------------------------------------------------------------------------


def kill_training(count: int, chance: random.Random) -> Counter[str]:
    """Kill runs, look at what they left, and let them go on."""
    synth = ["synth", "steel", "--images", "12", "--size", "32x64", "--force", "--quiet"]
    assert ended(in_child(lambda: run(synth))) == 0
    started = time.monotonic()
    assert ended(in_child(lambda: run(TRAIN))) == 0
    whole = time.monotonic() - started
    files = {path.name for path in Path().iterdir()}
    outputs = Outputs.beside(Path("net.pt"))
    weights, history = load_state(outputs.state).model, _without_times(outputs.history)
    outcomes: Counter[str] = Counter()
    for number in within_time(range(count)):
        outcomes["runs"] += 1
        for path in Path().iterdir():
            if path.name != "steel":
                path.unlink()
        child = in_child(lambda: run(TRAIN))
        if _kill(child, number % 2 == 0, chance.uniform(0, whole)):
            outcomes["killed"] += 1
            outcomes["killed in a save"] += any(Path().glob(".splittool-*"))
        _look_at(outputs, outcomes)
        again = [*TRAIN, "--resume"] if outputs.state.exists() else [*TRAIN, "--force"]
        time.sleep(1.1)  # what is younger is not swept
        if ended(in_child(partial(run, again))) != 0:
            outcomes["NOT RESUMED"] += 1
            continue
        found = load_state(outputs.state).model
        outcomes["OTHER WEIGHTS"] += any(not torch.equal(found[n], weights[n]) for n in weights)
        outcomes["OTHER HISTORY"] += _without_times(outputs.history) != history
        outcomes["FILES LEFT"] += {path.name for path in Path().iterdir()} != files
    return outcomes


def _kill(child: int, in_a_save: bool, after: float) -> bool:
    """Whether it was still running."""
    end = time.monotonic() + after
    while time.monotonic() < end:
        time.sleep(0.001)
    while in_a_save and not any(Path().glob(".splittool-*")):
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
    os.kill(child, signal.SIGKILL)
    return ended(child) == -signal.SIGKILL


def _look_at(outputs: Outputs, outcomes: Counter[str]) -> None:
    """Every file that is there is whole."""
    try:
        if outputs.model.exists():
            checkpoints.restore(outputs.model, checkpoints.load(outputs.model))
        if outputs.state.exists():
            load_state(outputs.state)
        if outputs.history.exists():
            _without_times(outputs.history)
    except (SplittoolError, ValueError):
        outcomes["DAMAGED FILES"] += 1


def _without_times(path: Path) -> list[object]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    records = [msgspec.convert(line, EpochRecord) for line in lines]
    return [(r.epoch, r.learning_rate, r.train, r.validation) for r in records]


# -- damage ---------------------------------------------------------------------------------------


def mutate(data: bytes, chance: random.Random, words: Sequence[bytes] = ()) -> bytes:
    """One to eight changes: bits, bytes, numbers, pieces moved, cut out or cut off."""
    body = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4, 8])):
        at = chance.randrange(len(body) or 1)
        kind = chance.randrange(8 if words else 7)
        if not body:
            break
        if kind in (0, 1):
            body[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            body[at] = chance.choice(INTERESTING)
        elif kind == 3:
            body[at : at + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
        elif kind == 4:
            start = chance.randrange(len(body))
            body[at:at] = body[start : start + chance.randrange(64)]
        elif kind == 5:
            del body[at : at + chance.randrange(1, 32)]
        elif kind == 6 and chance.random() < 0.3:
            del body[at:]
        elif kind == 7:
            body[at : at + chance.randrange(8)] = chance.choice(words)
    return bytes(body)


def frames(count: int, chance: random.Random) -> Counter[str]:
    """As benchmarks/fuzz_frame.py does."""
    specs, tensors = build_cut()
    good = seed_frames(specs, tensors)
    outcomes: Counter[str] = Counter()
    for _ in within_time(range(count)):
        (one, past), (other, _) = chance.choice(good), chance.choice(good)
        outcomes[check(damage(one, other, chance, len(specs)), specs, past)] += 1
    return outcomes


def damaged(
    kinds: Sequence[tuple[str, Read, Sequence[bytes]]],
    good: dict[str, bytes],
    count: int,
    chance: random.Random,
    crashes: Path,
) -> Counter[str]:
    """Read damaged files in processes that may die of them.

    Args:
        kinds: Name of a file in `good`, what reads it, and words to put into it.
        good: The content of the files; they are beside each other.
        count: How many to try, over all kinds.
        chance: Decides.
        crashes: Where the inputs go that did harm.
    """
    folder = Path("files")
    folder.mkdir(exist_ok=True)
    outcomes: Counter[str] = Counter()
    for name, data in good.items():
        (folder / name).write_bytes(data)
    for name, read, _ in kinds:  # else the damage would not be what is refused
        assert ended(in_child(partial(_is_refused, read, folder / name))) == 0, name
    trials = within_time([chance.randrange(2**32) for _ in range(count)])
    for seed, kind, outcome in _outcomes(kinds, good, trials, folder):
        suffix = Path(kind[0]).suffix
        outcomes[f"{suffix} {outcome}"] += 1
        if outcome.isupper():
            crashes.mkdir(exist_ok=True)
            data = mutate(good[kind[0]], random.Random(seed), kind[2])
            (crashes / f"{outcome.split()[0].lower()}-{seed}{suffix}").write_bytes(data)
            (crashes / f"{outcome.split()[0].lower()}-{seed}.txt").write_text(outcome)
    return outcomes


def _outcomes(
    kinds: Sequence[tuple[str, Read, Sequence[bytes]]],
    good: dict[str, bytes],
    trials: Iterator[int],
    folder: Path,
) -> Iterator[tuple[int, tuple[str, Read, Sequence[bytes]], str]]:
    """Many files to a process; one that dies says by its end what the last of them did."""
    while batch := [seed for _, seed in zip(range(BATCH), trials, strict=False)]:
        while batch:
            reader, writer = os.pipe()

            def act(batch: list[int] = batch, writer: int = writer) -> int:
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                for seed in batch:
                    signal.setitimer(signal.ITIMER_PROF, MOST_S)
                    signal.alarm(20 * MOST_S)  # of a machine that has much else to do
                    kind = kinds[seed % len(kinds)]
                    data = mutate(good[kind[0]], random.Random(seed), kind[2])
                    (folder / kind[0]).write_bytes(data)
                    os.write(writer, f"{_read(kind[1], folder / kind[0])}\n".encode())
                    (folder / kind[0]).write_bytes(good[kind[0]])
                return 0

            for name, data in good.items():  # a process that died has left one damaged
                (folder / name).write_bytes(data)
            child = in_child(act)
            os.close(writer)
            with os.fdopen(reader) as lines:
                found = lines.read().splitlines()
            code = ended(child)
            if code:
                found.append(f"DIED OF SIGNAL {-code}")
            for seed, outcome in zip(batch, found, strict=False):
                yield seed, kinds[seed % len(kinds)], outcome
            batch = batch[len(found) :]


def _read(read: Read, path: Path) -> str:
    try:
        read(path)
    except SplittoolError as error:
        short = "\n" not in str(error) and len(str(error)) < 1000
        return "refused" if short else "NOT ONE LINE"
    except Exception as error:
        return f"INTERNAL {str(error).strip()[:200]}".replace("\n", " ").upper()
    return "read"


def _is_refused(read: Read, path: Path) -> bool:
    return _read(read, path) != "read"


def _command(*arguments: str) -> Read:
    """Run a command on a file, as a user would."""

    def read(path: Path) -> None:
        said = io.StringIO()
        with redirect_stderr(said):
            code = run([argument.replace("{}", str(path)) for argument in arguments])
        text = "\n".join(x for x in said.getvalue().splitlines() if not x.startswith("note: "))
        if "internal error" in text:
            raise RuntimeError(text)
        if code:
            raise SplittoolError(text)

    return read


def images() -> dict[str, bytes]:
    """One small image of each format and of many modes."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    found = {}
    for suffix, modes in {
        "jpg": ("RGB", "L", "CMYK"),
        "png": ("RGB", "RGBA", "P", "1", "LA", "I;16"),
        "tif": ("RGB", "L", "I;16"),
        "bmp": ("RGB", "P"),
        "webp": ("RGB", "RGBA"),
    }.items():
        for mode in modes:
            buffer = io.BytesIO()
            image = Image.fromarray(noise)
            image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
            image.save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
            found[f"{mode.replace(';', '')}.{suffix}"] = buffer.getvalue()
    return found


def models() -> dict[str, bytes]:
    """A checkpoint, its IR, a cut, its reports, and an ONNX file."""
    commands = [
        "synth steel --images 12 --size 32x64 --force",
        "train steel -o net.pt --widths 4,6 --bottleneck 8 --epochs 1 --workers 0 --force",
        "export net.pt -o net.xml",
        "cut net.xml --at maxpool_1 -o files",
        "calibrate files/cut.json steel/train_images --bits 4",
    ]
    for command in commands:  # OpenVINO does not survive a fork
        assert ended(in_child(partial(run, [*command.split(), "--quiet"]))) == 0
    onnx.save(_onnx(), "files/net.onnx")
    for name in ("net.pt", "net.xml", "net.bin"):
        shutil.copy(name, f"files/{name}")
    return {path.name: path.read_bytes() for path in Path("files").iterdir()}


def _onnx() -> onnx.ModelProto:
    """Two convolutions with most of what the format has between them."""
    weights = [
        np.random.default_rng(0).normal(size=s).astype("f4") for s in ((4, 3, 3, 3), (2, 4, 1, 1))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["a", "low"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Pad", ["c", "pads"], ["d"]),
        helper.make_node("Conv", ["d", "w1"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Sum", ["e", "f"], ["g"]),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    constants = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    constants.append(numpy_helper.from_array(np.array(0, np.float32), "low"))
    constants.append(numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main() -> None:
    """Run all parts, and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, number in (("kills", 300), ("frames", 200_000), ("images", 20_000), ("files", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument(
        "--minutes", type=float, help="the most for each part, however many are done"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("crashes"))
    arguments = parser.parse_args()
    crashes = arguments.crashes.absolute()
    torch.set_num_threads(1)
    for module in WARM:  # what is imported here need not be by any of the processes
        importlib.import_module(module)
    global LIMIT_S
    LIMIT_S = 60 * arguments.minutes if arguments.minutes else LIMIT_S
    listing = ("cut", "{}", "--list", "--json")
    kinds: list[tuple[str, Read, Sequence[bytes]]] = [
        ("net.onnx", _command(*listing), ()),
        ("net.xml", _command(*listing), WORDS),
        ("net.pt", _command(*listing), ()),
        ("cut.json", _command("bitrate", "{}", "--json"), WORDS),
        (
            "cut.json",
            _command("infer", "{}", *IMAGE),
            WORDS,
        ),
        (
            "calibration.json",
            _command("infer", "files/cut.json", *IMAGE, "--bits", "4", "--ranges", "calibrated"),
            WORDS,
        ),
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        parts: dict[str, Callable[[random.Random], Counter[str]]] = {
            "images": lambda chance: damaged(
                [(name, read_image, ()) for name in images()],
                images(),
                arguments.images,
                chance,
                crashes,
            ),
            "frames": lambda chance: frames(arguments.frames, chance),
            "files": lambda chance: damaged(kinds, models(), arguments.files, chance, crashes),
            "kills": lambda chance: kill_training(arguments.kills, chance),
        }
        for name, part in parts.items():
            started = time.monotonic()
            if not getattr(arguments, name):
                continue
            outcomes = part(random.Random(arguments.seed))
            shown = ", ".join(f"{outcomes[key]:,} {key}" for key in sorted(outcomes))
            print(f"{name}: {shown}; {time.monotonic() - started:.0f} s", flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
