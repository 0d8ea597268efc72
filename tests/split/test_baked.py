from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import write_cut
from openvino import opset8 as opset

from splittool.codec.quantiser import Quantised, Ranges, dequantise, quantise, ranges_between
from splittool.codec.symbols import pack
from splittool.codec.tensors import TensorSpec
from splittool.errors import InputError, OutputError, VerificationError
from splittool.reports import CutReport, read_report
from splittool.runtime.ir import core
from splittool.split import baked as baking
from splittool.split.baked import bake_head, bake_tail
from splittool.split.calibration_file import FILE_NAME
from splittool.split.split_network import SplitNetwork

BITS = (8, 4)
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def _identity(shape: tuple[int, ...]) -> ov.Model:
    """A half that does nothing, so that only the quantiser is left."""
    x = opset.parameter(shape, ov.Type.f32, name="x")
    return ov.Model([opset.result(opset.relu(opset.abs(x)))], [x], "half")


def _spec(values: np.ndarray, bits: int, per_channel: bool = True) -> TensorSpec:
    rows = values[0].reshape(values.shape[1] if per_channel else 1, -1)
    low, high = np.percentile(rows, [3, 97], axis=1)
    return TensorSpec("x", values.shape, ranges={bits: ranges_between(low, high, bits)})


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.just(1), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from(BITS),
    st.sampled_from([1e-3, 1.0, 300.0]),
    st.booleans(),
)
def test_baked_is_the_codec_bit_for_bit(
    seed: int, shape: tuple[int, ...], bits: int, scale: float, per_channel: bool
) -> None:
    values = np.abs(np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)
    spec = _spec(values, bits, per_channel)
    head = core().compile_model(bake_head(_identity(shape), [spec], bits), "CPU", F32)
    wanted = quantise(values, bits, ranges=spec.ranges[bits])
    sent = np.array(head(values)[0])
    assert sent.dtype == np.uint8
    assert sent.tobytes() == pack(wanted.symbols, bits)
    # The tail's abs and relu change nothing where the range starts above zero.
    tail = core().compile_model(bake_tail(_identity(shape), [spec], bits), "CPU", F32)
    np.testing.assert_array_equal(np.array(tail(sent)[0]), np.abs(dequantise(wanted)))


def test_every_symbol_comes_back_exactly() -> None:
    spec = TensorSpec("x", (1, 2, 16, 8), ranges={8: Ranges(*np.float32([[0.1, 7], [0.3, 1e-5]]))})
    symbols = np.arange(256, dtype=np.uint8).reshape(spec.shape)
    tail = core().compile_model(bake_tail(_identity(spec.shape), [spec], 8), "CPU", F32)
    wanted = dequantise(Quantised(symbols, 8, spec.ranges[8]))
    np.testing.assert_array_equal(np.array(tail(symbols)[0]), wanted)


def test_a_channel_without_a_range_is_constant() -> None:
    spec = TensorSpec("x", (1, 2, 1, 3), ranges={8: Ranges(*np.float32([[2, 1], [0, 0.5]]))})
    values = np.float32([[[[9, 2, 0]], [[1, 1.5, 3]]]])
    head = core().compile_model(bake_head(_identity(spec.shape), [spec], 8), "CPU", F32)
    sent = np.array(head(values)[0])
    np.testing.assert_array_equal(sent, quantise(values, 8, ranges=spec.ranges[8]).symbols)
    assert sent.ravel().tolist() == [0, 0, 0, 0, 1, 4]


@pytest.fixture
def calibrated(exported: Path, steel: Path, tmp_path: Path) -> Path:
    from splittool.cli.main import run

    write_cut(exported, ["maxpool_1"], tmp_path / "cut", 1e-5)
    command = ["calibrate", str(tmp_path / "cut" / "cut.json"), str(steel / "train_images")]
    assert run([*command, "--bits", "8", "--bits", "4", "--quiet"]) == 0
    return tmp_path / "cut" / "cut.json"


@pytest.mark.parametrize("bits", BITS)
def test_a_baked_cut(bits: int, calibrated: Path, tmp_path: Path) -> None:
    plain = read_report(calibrated, CutReport)
    report = SplitNetwork.open(calibrated).bake(8 if bits == 8 else 4, tmp_path / "baked").report
    assert read_report(tmp_path / "baked" / "cut.json", CutReport) == report
    assert report.baked
    assert report.baked.bits == bits
    assert report.baked.tensors == plain.split.tensors
    assert report.split.elements * 8 == plain.split.elements * bits
    assert {tensor.type for tensor in report.split.tensors} == {"u8"}
    assert report.verification.difference <= 1e-6
    for half, ports in (("head.xml", "outputs"), ("tail.xml", "inputs")):
        model = core().read_model(tmp_path / "baked" / half)
        assert {p.get_element_type() for p in getattr(model, ports)} == {ov.Type.u8}
        assert [p.get_any_name() for p in getattr(model, ports)] == [
            tensor.name for tensor in plain.split.tensors
        ]
    with pytest.raises(InputError, match="is baked already"):
        SplitNetwork.open(tmp_path / "baked" / "cut.json").bake(8, tmp_path / "again")
    with pytest.raises(OutputError, match="`force`"):
        SplitNetwork.open(calibrated).bake(8, tmp_path / "baked")


def test_it_needs_a_calibration(calibrated: Path, tmp_path: Path) -> None:
    (calibrated.parent / FILE_NAME).unlink()
    with pytest.raises(InputError, match=r"there is no file .*calibration"):
        SplitNetwork.open(calibrated).bake(8, tmp_path / "baked")
    assert not (tmp_path / "baked").exists()


def test_what_is_not_the_codec_is_not_written(
    calibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = baking.bake_head

    def with_wrong_steps(head: ov.Model, specs: list[TensorSpec], bits: int) -> ov.Model:
        wrong = [
            replace(s, ranges={bits: Ranges(s.ranges[bits].low, s.ranges[bits].step * 2)})
            for s in specs
        ]
        return good(head, wrong, bits)

    monkeypatch.setattr(baking, "bake_head", with_wrong_steps)
    with pytest.raises(VerificationError, match="are not the codec's; nothing was written"):
        SplitNetwork.open(calibrated).bake(8, tmp_path / "baked")
    assert not (tmp_path / "baked").exists()
