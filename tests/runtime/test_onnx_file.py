from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_networks import onnx, two_levels

from splittool.errors import InputError
from splittool.runtime.onnx_file import OnnxFile
from splittool.runtime.protobuf import DamagedError, field, fields, message, varint


@given(st.integers(0, 2**64 - 1), st.binary(max_size=300), st.text(max_size=20))
def test_fields_come_out_as_they_went_in(number: int, data: bytes, text: str) -> None:
    whole = message([field(1, number), field(200, data), field(3, text)])
    first, second, third = fields(whole)
    assert (first.number, first.value) == (1, number)
    assert (second.number, bytes(second.bytes)) == (200, data)
    assert (third.number, third.text) == (3, text)
    assert b"".join(bytes(each.raw) for each in (first, second, third)) == whole


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_keep_their_sign(number: int) -> None:
    assert next(fields(field(1, number))).int == number


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_refused(data: bytes) -> None:
    try:
        found = list(fields(data))
    except DamagedError:
        return
    assert b"".join(bytes(each.raw) for each in found) == data


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(DamagedError):
        list(fields(varint(1 << 3) + b"\xff" * 20))


def test_a_file_is_read_as_the_onnx_package_reads_it(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "net.onnx")
    theirs, ours = onnx.load(path), OnnxFile(path)
    assert [(n.name, n.type, list(n.inputs), list(n.outputs)) for n in ours.graph.nodes] == [
        (n.name, n.op_type, list(n.input), list(n.output)) for n in theirs.graph.node
    ]
    assert list(ours.graph.initializers) == [each.name for each in theirs.graph.initializer]
    assert list(ours.graph.inputs) == ["pixels"]
    assert list(ours.graph.outputs) == ["maps"]
    assert ours.metadata == {"made by": "tests"}


@pytest.mark.parametrize("data", [b"", b"no model", b"\x3a\xff\xff\xff\x07", b"\x08\x08"])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"net\.onnx is (empty|not an ONNX file)"):
        OnnxFile(path)
