"""ONNX and TensorFlow Lite files that would end the process are refused in one line."""

import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from splittool.errors import InputError
from splittool.graph import guard
from splittool.graph.reading import load_model

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, defs, helper  # noqa: E402

# Each of these ends the process if OpenVINO reads it.
CRASHING = {
    "Clip": ["", "x"],
    "Conv": [],
    "Conv without weights": ["x"],
    "Pad": [],
    "GlobalAveragePool": [],
    "GlobalMaxPool": [],
    "LogSoftmax": [],
    "Max": [],
    "Mean": [],
    "Min": [],
    "Sum": [],
}


def _write(path: Path, *nodes: object) -> Path:
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 8, 8]) for n in "xy"]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


@pytest.mark.parametrize("kind", CRASHING)
def test_an_operation_without_its_inputs(kind: str, tmp_path: Path) -> None:
    node = helper.make_node(kind.partition(" ")[0], CRASHING[kind], ["y"], name="bad")
    path = _write(tmp_path / "net.onnx", node)
    with pytest.raises(InputError, match=r"net\.onnx cannot be read .*'bad' lacks one of its"):
        load_model(path)


def test_one_within_a_branch(tmp_path: Path) -> None:
    bad = helper.make_graph([helper.make_node("Sum", [], ["z"], name="bad")], "then", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=bad, else_branch=bad)
    with pytest.raises(InputError, match="the Sum 'bad' lacks one of its 1 inputs"):
        load_model(_write(tmp_path / "net.onnx", node))


def test_operations_of_others_are_not_judged(tmp_path: Path) -> None:
    node = helper.make_node("Sum", [], ["y"], domain="mine")
    guard.guard(_write(tmp_path / "net.onnx", node), "onnx", ".onnx file")


def test_good_files_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_try", lambda *_: pytest.fail("tried"))
    nodes = [
        helper.make_node("Constant", [], ["c"], value_float=1.0),
        helper.make_node("Clip", ["x", "", "c"], ["a"]),
        # A name of 128 bytes, and a negative number: each is written in bytes that go on.
        helper.make_node("Softmax", ["a"], ["y"], name="s" * 128, axis=-1),
    ]
    assert load_model(_write(tmp_path / "net.onnx", *nodes)).outputs


@pytest.mark.parametrize("data", [b"\x3a", b"\xff" * 12, b"\x3a\x7f\x00", b"\x0d\x00", b"\x3b"])
def test_what_has_no_structure_is_tried(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(guard, "_try", lambda path, *_: tried.append(path))
    (tmp_path / "net.onnx").write_bytes(data)
    guard.guard(tmp_path / "net.onnx", "onnx", ".onnx file")
    assert tried == [tmp_path / "net.onnx"]


def test_a_scan_is_tried_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "net.onnx", helper.make_node("Scan", ["x"], ["y"], name="s"))
    monkeypatch.setattr(guard, "_TRIAL", "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(InputError, match=r"reader ends in SIGSEGV\); export it again, without"):
        load_model(path)
    monkeypatch.setattr(guard, "_TRIAL", "import sys; sys.exit(1)")  # OpenVINO says why itself
    guard.guard(path, "onnx", ".onnx file")


def test_a_reader_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "net.onnx", helper.make_node("Scan", ["x"], ["y"], name="s"))
    monkeypatch.setattr(guard, "_TRIAL", "import time; time.sleep(60)")
    monkeypatch.setattr(guard, "_TRIAL_S", 0.1)
    with pytest.raises(InputError, match=r"reader has not ended after 0\.1 seconds\); export"):
        load_model(path)


# The place of a byte of a shape or of a tensor's number, and what ends the process there.
@pytest.mark.parametrize(("at", "value", "signal"), [(1321963, 138, "FPE"), (4828, 3, "SEGV")])
def test_a_damaged_tensorflow_lite_file(at: int, value: int, signal: str, tmp_path: Path) -> None:
    wakeword = pytest.importorskip("pyopen_wakeword")
    good = (Path(wakeword.__file__).parent / "models/embedding_model.tflite").read_bytes()
    if zlib.crc32(good) != 0x62188B76:
        pytest.skip("this version of pyopen_wakeword has another")
    path = tmp_path / "net.tflite"
    path.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
    with pytest.raises(
        InputError,
        match=rf"net\.tflite cannot be .* reader ends in SIG{signal}\); export it again$",
    ):
        load_model(path)


def test_a_network_that_ends_the_process() -> None:
    onnx_asr = pytest.importorskip("onnx_asr")
    path = Path(onnx_asr.__file__).parent / "preprocessors/data/wespeaker.onnx"
    if not path.exists():
        pytest.skip("this version of onnx_asr has another")
    script = "import sys; from pathlib import Path; from splittool.graph.reading import load_model;"
    script += "load_model(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "InputError" in done.stderr


def test_the_numbers_of_inputs_are_those_of_onnx() -> None:
    single = defs.OpSchema.FormalParameterOption.Single
    variadic = defs.OpSchema.FormalParameterOption.Variadic
    fewest: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain:
            continue
        needed = [
            place
            for place, given in enumerate(schema.inputs, start=1)
            if given.option == single or (given.option == variadic and given.min_arity)
        ]
        count = max(needed, default=0)
        fewest[schema.name] = min(count, fewest.get(schema.name, count))
    too_many = [name for name, count in fewest.items() if guard._FEWEST_INPUTS.get(name, 1) > count]
    assert not too_many  # they would refuse what is right
    known = {name: count for name, count in guard._FEWEST_INPUTS.items() if name in fewest}
    assert known.items() <= fewest.items()
    assert len(known) > 50
