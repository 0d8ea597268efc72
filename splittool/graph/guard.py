"""A look at files before OpenVINO reads them, for some of them end the whole process.

Seen with OpenVINO 2026.4 in ONNX: operations without an input that they cannot do without, and
Scan. The look takes a file's structure alone, no weights; where it finds Scan, or no structure, the
file is read by another process first. TensorFlow Lite files are always read by another process
first: one wrong byte of a shape or of a tensor's number may end it, by a division by zero or by an
address out of bounds, and only a second reader of the format could tell.
"""

import mmap
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from splittool.errors import InputError

# Inputs that an operation of ONNX has at least, in any of its versions; 1 where it is not here.
_FEWEST_INPUTS = {
    name: count
    for count, names in {
        0: "Constant Loop Optional OptionalHasElement RandomNormal RandomUniform SequenceEmpty",
        2: "Add AffineGrid And BitShift BitwiseAnd BitwiseOr BitwiseXor CastLike"
        " CausalConvWithState CenterCropPad Compress Conv ConvInteger ConvTranspose CumProd CumSum"
        " DequantizeLinear Div Equal Expand Gather GatherElements GatherND Gemm Greater"
        " GreaterOrEqual GridSample LayerNormalization Less LessOrEqual MatMul MatMulInteger"
        " MaxRoiPool MaxUnpool Mod Mul NegativeLogLikelihoodLoss NonMaxSuppression Or PRelu Pow"
        " QuantizeLinear RMSNormalization ReverseSequence STFT SequenceAt SequenceInsert"
        " SoftmaxCrossEntropyLoss StringConcat Sub SwiGLU TensorScatter Tile Xor",
        3: "Attention Col2Im DeformConv GRU GroupNormalization InstanceNormalization LSTM"
        " LinearAttention OneHot RNN Range RoiAlign RotaryEmbedding Scatter ScatterElements"
        " ScatterND Where",
        5: "BatchNormalization MelWeightMatrix",
        8: "QLinearConv QLinearMatMul",
    }.items()
    for name in names.split()
}
_TO_BE_TRIED = {"Scan"}
_OTHER_KIND = 9  # what the trial exits with where a file is not of the kind that it should be
_TRIAL = f"""
import sys, openvino
from openvino.frontend import FrontEndManager
path, kind = sys.argv[1:]
FrontEndManager().load_by_framework(kind).supported(path) or sys.exit({_OTHER_KIND})
openvino.Core().read_model(path)
"""
_TRIAL_S = 600

# Numbers of the fields that are looked at, from onnx.proto.
_GRAPH, _NODE, _FUNCTION, _FUNCTION_NODE = 7, 1, 25, 7
_INPUT, _NAME, _TYPE, _ATTRIBUTE, _DOMAIN = 1, 3, 4, 5, 7
_SUBGRAPHS = (6, 11)
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


class _NoStructureError(Exception):
    """The bytes are not those of a protocol buffer."""


def guard(path: Path, kind: str, what: str) -> None:
    """Refuse a file of another tool that would end the process.

    Args:
        path: The file, or the folder.
        kind: OpenVINO's name of its format.
        what: What such a file is.

    Raises:
        InputError: An operation of ONNX lacks an input, reading the file ends a process, or the
            other process found it to be something else.
    """
    if path.suffix != ".onnx" or _look_at_onnx(path):
        _try(path, kind, what)


def _look_at_onnx(path: Path) -> bool:
    """Whether a file should be tried in another process."""
    try:
        if path.stat().st_size:
            with (
                path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
            ):
                return _look_at_model(path, data)
        return False  # it is empty, and is refused as no model
    except _NoStructureError:
        return True


def _try(path: Path, kind: str, what: str) -> None:
    """Read a file in another process, whose readers may print what they like."""
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(path), kind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        cause = f"has not ended after {_TRIAL_S} seconds"
    else:
        if tried.returncode == _OTHER_KIND:
            raise InputError(f"{path} cannot be read as a model (it is no {what}); export it again")
        if tried.returncode >= 0:
            return
        cause = f"ends in {signal.Signals(-tried.returncode).name}"
    scan = ", without Scan if it has one" if path.suffix == ".onnx" else ""
    raise InputError(
        f"{path} cannot be read as a model (OpenVINO's reader {cause}); export it again{scan}"
    )


def _look_at_model(path: Path, data: mmap.mmap) -> bool:
    found = False
    for field, start, end in _fields(data, 0, len(data)):
        if field == _GRAPH:
            found |= _look_at_nodes(path, data, start, end, _NODE)
        elif field == _FUNCTION:
            found |= _look_at_nodes(path, data, start, end, _FUNCTION_NODE)
    return found


def _look_at_nodes(path: Path, data: mmap.mmap, start: int, end: int, node: int) -> bool:
    found = False
    for field, first, last in _fields(data, start, end):
        if field == node:
            found |= _look_at_node(path, data, first, last)
    return found


def _look_at_node(path: Path, data: mmap.mmap, start: int, end: int) -> bool:
    found, inputs = False, []
    text = {_NAME: b"", _TYPE: b"", _DOMAIN: b""}
    for field, first, last in _fields(data, start, end):
        if field == _INPUT:
            inputs.append(last - first)
        elif field in text:
            text[field] = data[first:last]
        elif field == _ATTRIBUTE:
            for part, inner, outer in _fields(data, first, last):
                if part in _SUBGRAPHS:
                    found |= _look_at_nodes(path, data, inner, outer, _NODE)
    kind, name = (text[field].decode(errors="replace") for field in (_TYPE, _NAME))
    if text[_DOMAIN] in (b"", b"ai.onnx"):
        fewest = _FEWEST_INPUTS.get(kind, 1)
        if len(inputs) < fewest or not all(inputs[:fewest]):
            raise InputError(
                f"{path} cannot be read as a model (the {kind or 'operation without a type'}"
                f" {name!r} lacks one of its {fewest} inputs); export it again"
            )
    return found or kind in _TO_BE_TRIED


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field of a message that is bytes; others are passed over."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        kind = key & 7
        if kind == _BYTES:
            size, at = _varint(data, at, end)
            if at + size > end:
                raise _NoStructureError
            yield key >> 3, at, at + size
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind in (_FIXED_32, _FIXED_64):
            at += 4 if kind == _FIXED_32 else 8
        else:
            raise _NoStructureError
    if at != end:
        raise _NoStructureError


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise _NoStructureError
