import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from networks import write_cut
from openvino import opset1

from splittool.errors import DeviceError, InputError
from splittool.graph.reading import load_model
from splittool.network.network import Network
from splittool.reports import CutReport, read_report
from splittool.runtime.ir import write_ir
from splittool.runtime.myriad import Blob, Stage, blob_record, compile_blob, find_compiler
from splittool.runtime.targets import TARGETS
from splittool.split.files import Form


@pytest.fixture(scope="module")
def old_ir(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("old") / "tiny.xml"
    write_ir(load_model(exported), path, half=True, target=TARGETS["myriad"])
    return path


@pytest.mark.parametrize("shaves", [None, 4])
def test_a_network_is_compiled(
    shaves: int | None, old_ir: Path, myriad_compiler: Path, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.blob"
    blob = compile_blob(myriad_compiler, old_ir, path, load_model(old_ir), shaves)
    assert blob.path == path
    assert path.stat().st_size > 1000
    assert blob.shaves == (shaves or blob.shaves) > 0
    assert 0 < sum(stage.hardware for stage in blob.stages) < len(blob.stages)
    assert blob.ddr_bytes > 0
    assert "encoder_1.conv_1" in {stage.layer for stage in blob.stages if stage.hardware}
    (first,) = (stage for stage in blob.stages if stage.kind == "Convert")
    assert first.ddr_bytes == 3 * 64 * 96 * (1 + 2)  # bytes in, FP16 out
    again = compile_blob(myriad_compiler, old_ir, tmp_path / "2.blob", load_model(old_ir), shaves)
    assert again.path.read_bytes() == path.read_bytes()


def test_an_independent_reader_sees_the_same(
    old_ir: Path, myriad_compiler: Path, tmp_path: Path
) -> None:
    depthai = pytest.importorskip("depthai", reason="depthai, which reads blobs, is not installed")
    blob = compile_blob(myriad_compiler, old_ir, tmp_path / "6.blob", load_model(old_ir), 6)
    seen = depthai.OpenVINO.Blob(str(blob.path))
    assert (seen.numShaves, seen.numSlices) == (6, 6)
    model = load_model(old_ir)
    for tensors, ports in (
        (seen.networkInputs, model.inputs),
        (seen.networkOutputs, model.outputs),
    ):
        shapes = [sorted(tensor.dims) for tensor in tensors.values()]
        assert shapes == [sorted(port.get_shape()) for port in ports]
    assert list(seen.networkInputs) == ["pixels"]
    assert seen.networkInputs["pixels"].dataType == depthai.TensorInfo.DataType.U8F


def test_a_cut_has_the_heads_blob(exported: Path, myriad_compiler: Path, tmp_path: Path) -> None:
    form = Form("myriad", myriad_compiler)
    report = Network.load(exported).cut("maxpool_1").write(tmp_path, 1e-5, form).report
    assert report.target == "myriad"
    assert report.blob is not None
    assert report.blob.file.path == "head.blob"
    assert (tmp_path / "head.blob").stat().st_size == report.blob.file.bytes
    for half in ("head.xml", "tail.xml"):
        assert 'version="10"' in (tmp_path / half).read_text()[:200]
    assert read_report(tmp_path / "cut.json", CutReport) == report
    plain = write_cut(exported, ["maxpool_1"], tmp_path, 1e-5, force=True)
    assert plain.blob is None
    assert not (tmp_path / "head.blob").exists()  # it was of the other head


def _unsupported(path: Path) -> ov.Model:
    """Bicubic interpolation, which the compiler has no stage for."""
    x = opset1.parameter([1, 3, 8, 8], ov.Type.f32, name="x")
    from openvino.utils.node_factory import NodeFactory

    inputs = [
        np.array([16, 16], np.int64),
        np.array([2, 2], np.float32),
        np.array([2, 3], np.int64),
    ]
    node = NodeFactory("opset4").create(
        "Interpolate",
        [x.output(0), *(opset1.constant(value).output(0) for value in inputs)],
        {"mode": "cubic", "shape_calculation_mode": "sizes", "pads_begin": [0], "pads_end": [0]},
    )
    node.set_friendly_name("bicubic")
    model = ov.Model([opset1.result(node)], [x], "one")
    write_ir(model, path, half=False, target=TARGETS["myriad"])
    return model


def test_what_the_compiler_refuses(myriad_compiler: Path, tmp_path: Path) -> None:
    model = _unsupported(tmp_path / "bicubic.xml")
    with pytest.raises(InputError, match=r"bicubic\.xml: the Myriad compiler cannot compile it \("):
        compile_blob(myriad_compiler, tmp_path / "bicubic.xml", tmp_path / "b.blob", model)
    assert not (tmp_path / "b.blob").exists()


def test_a_compiler_that_is_not_there(old_ir: Path, tmp_path: Path) -> None:
    model = load_model(old_ir)
    with pytest.raises(DeviceError, match=r"there is no compiler at .*splittool doctor"):
        compile_blob(tmp_path / "myriad_compile", old_ir, tmp_path / "x.blob", model)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(DeviceError, match="does not start"):
        compile_blob(broken, old_ir, tmp_path / "x.blob", model)


def test_a_missing_library_is_named(old_ir: Path, tmp_path: Path) -> None:
    script = tmp_path / "compiler"
    message = "error while loading shared libraries: libusb-1.0.so.0: cannot open shared object"
    script.write_text(f"#!/bin/sh\necho 'compiler: {message}' >&2\nexit 127\n")
    script.chmod(0o755)
    with pytest.raises(
        DeviceError, match=r"needs libusb-1\.0\.so\.0,.*: apt install libusb-1\.0-0"
    ):
        compile_blob(script, old_ir, tmp_path / "x.blob", load_model(old_ir))


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (
            'echo "/lib/libc.so.6: version \\`GLIBC_2.99\' not found" >&2; exit 1',
            DeviceError,
            "does not run on this system .*GLIBC_2.99",
        ),
        ("kill -9 $$", InputError, r"cannot compile it \(signal 9\)"),
        ("exit 1", InputError, r"cannot compile it \(no reason given\)"),
    ],
)
def test_a_compiler_that_fails(
    script: str, kind: type[Exception], words: str, old_ir: Path, tmp_path: Path
) -> None:
    program = tmp_path / "compiler"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(kind, match=words):
        compile_blob(program, old_ir, tmp_path / "x.blob", load_model(old_ir))


def test_the_compiler_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SPLITTOOL_MYRIAD_COMPILE", raising=False)
    assert find_compiler() is None
    fetched = tmp_path / "splittool" / "openvino-2021.3" / "openvino" / "libs" / "myriad_compile"
    fetched.parent.mkdir(parents=True)
    fetched.touch()
    assert find_compiler() == fetched
    shutil.copy("/bin/true", tmp_path / "myriad_compile")
    assert find_compiler() == tmp_path / "myriad_compile"
    monkeypatch.setenv("SPLITTOOL_MYRIAD_COMPILE", "/named")
    assert find_compiler() == Path("/named")


def test_a_record_of_a_blob(tmp_path: Path) -> None:
    path = tmp_path / "x.blob"
    path.write_bytes(b"blob")
    stages = (Stage("a", "MyriadXHwOp", 10), Stage("a", "Copy", 20))
    record = blob_record(Blob(path, 4, 100, 50, stages), "head.blob")
    assert (record.file.path, record.file.bytes, record.shaves) == ("head.blob", 4, 4)
    assert (record.stages, record.hardware_stages) == (2, 1)
