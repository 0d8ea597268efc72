from pathlib import Path

import pytest

from splittool.cli.main import run
from splittool.conversion.export import export
from splittool.errors import (
    DeviceError,
    InputError,
    OutputError,
    UsageError,
    VerificationError,
)
from splittool.graph.reading import load_model


def test_the_report_says_what_was_written(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.xml"
    report = export(checkpoint, path, (32, 64), "f32")
    assert (report.model.path, report.weight_precision) == (str(path), "fp32")
    assert report.weights.bytes == path.with_suffix(".bin").stat().st_size
    assert (report.input_shape, report.output_shape) == ([1, 3, 32, 64], [1, 4, 32, 64])
    assert (report.target, report.blob) == ("openvino", None)
    assert 0 < report.difference < 1e-5
    assert list(load_model(path).inputs[0].get_shape()) == [1, 3, 32, 64]
    assert len(report.tables()) == 1


@pytest.mark.parametrize(("given", "stored"), [("f16", "fp16"), ("fp16", "fp16"), ("fp32", "fp32")])
def test_precisions_have_two_spellings_and_reports_have_one(
    checkpoint: Path, tmp_path: Path, given: str, stored: str
) -> None:
    report = export(checkpoint, tmp_path / "net.xml", precision=given)
    assert report.weight_precision == stored


def test_what_cannot_be_exported(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.xml"
    with pytest.raises(UsageError, match=r"net\.onnx: OpenVINO IR ends in \.xml"):
        export(checkpoint, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="only these need exporting"):
        export(tmp_path / "net.onnx", path)
    with pytest.raises(UsageError, match="unknown precision 'bf16' of weights; give f16 or f32"):
        export(checkpoint, path, precision="bf16")
    with pytest.raises(UsageError, match="unknown target 'tpu'; give one of: openvino"):
        export(checkpoint, path, target="tpu")
    with pytest.raises(UsageError, match="`blob_shaves` is for `target` myriad"):
        export(checkpoint, path, shaves=4)
    monkeypatch.setattr("splittool.runtime.myriad.find_compiler", lambda: None)
    with pytest.raises(DeviceError, match="needs the Myriad compiler"):
        export(checkpoint, path, target="myriad", shaves=4)
    path.with_suffix(".bin").touch()
    with pytest.raises(OutputError, match=r"net\.bin exists"):
        export(checkpoint, path)
    assert not path.exists()


def test_a_cut_of_a_checkpoint_is_that_of_its_ir(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of a checkpoint are rounded in memory as they are in the file."""
    monkeypatch.chdir(tmp_path)
    for suffix in ("pt", "xml"):
        command = ["cut", str(models / f"tiny.{suffix}"), "--at", "maxpool_2", "-o", suffix]
        assert run([*command, "--quiet"]) == 0
    for half in ("head", "tail"):
        made, expected = (tmp_path / suffix / f"{half}.xml" for suffix in ("pt", "xml"))
        assert made.with_suffix(".bin").read_bytes() == expected.with_suffix(".bin").read_bytes()
        assert _operations(made) == _operations(expected)
        assert "fused_names" not in made.read_text()


def _operations(path: Path) -> list[tuple[str, ...]]:
    """Type, name and output type of every operation, in order; results have numbers for names."""
    return [
        (node.get_type_name(), node.get_friendly_name(), str(node.get_output_partial_shape(0)))
        for node in load_model(path).get_ordered_ops()
        if node.get_type_name() != "Result"
    ]


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), None])
def test_what_cannot_be_compared_replaces_nothing(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
) -> None:
    def compare(*_: object) -> float:
        if error is not None:
            raise error
        return float("nan")

    for name in ("net.xml", "net.bin"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr("splittool.conversion.export.compare_with_torch", compare)
    with pytest.raises(VerificationError if error is None else type(error)):
        export(checkpoint, tmp_path / "net.xml", force=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "net.xml": "old",
        "net.bin": "old",
    }
