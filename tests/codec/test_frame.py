import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.codec.envelope import largest_frame
from splittool.codec.frame import (
    CUT_ID_BYTES,
    decode_frame,
    encode_frame,
    frame_cut_id,
)
from splittool.codec.payload import CODECS, Format
from splittool.codec.quantiser import dequantise, quantise, ranges_between
from splittool.codec.symbols import History
from splittool.codec.tensors import Sending, TensorSpec
from splittool.errors import FrameError, InputError, MissingExtraError, UsageError

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_FRAMES = {
    "v1-raw": ("raw", 4, False),
    "v1-fast": ("fast", 4, False),
    "v1-small": ("small", 4, False),
    "v1-small-2-bit": ("small", 2, False),
    "v1-small-11-bit": ("small", 11, False),
    "v1-fast-calibrated": ("fast", 4, True),
}
GOLDEN_FILMS = {"v2-fast": "fast", "v2-small": "small"}
CUT_ID = bytes(CUT_ID_BYTES)

FLOATS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6).map(lambda s: (1, *s)),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


def _close(body: bytes) -> bytes:
    """A frame with its checksum made right."""
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 2**14 - 1, 2**14, 2**63, 2**64 - 1])
def test_short_frames_have_numbers_of_any_size(number: int) -> None:
    specs, tensor = [TensorSpec("t", (1, 2))], np.ones((1, 2), np.float32)
    frame = encode_frame(CUT_ID, number, specs, [tensor], [Sending(1)], short=True)
    assert decode_frame(frame, CUT_ID, specs).frame_id == number


@given(FLOATS, st.integers(1, 16), st.sampled_from(list(CODECS)), st.booleans())
@example(np.zeros((1, 1), np.float32), 15, "raw", True)
def test_what_comes_back_is_what_was_quantised(
    tensor: np.ndarray, bits: int, codec: str, per_channel: bool
) -> None:
    specs = [TensorSpec("t", tensor.shape)]
    sending = Sending(bits, codec, per_channel=per_channel)
    frame = encode_frame(CUT_ID, 2**64 - 1, specs, [tensor], [sending])
    assert len(frame) <= largest_frame(specs)
    found = decode_frame(frame, CUT_ID, specs)
    expected = dequantise(quantise(tensor, bits, per_channel=per_channel))
    assert found.frame_id == 2**64 - 1
    assert np.array_equal(found.tensors[0], expected)
    assert found.tensors[0].shape == tensor.shape


@given(FLOATS, st.integers(1, 16), st.sampled_from(list(CODECS)))
def test_calibrated_ranges_stay_at_home(tensor: np.ndarray, bits: int, codec: str) -> None:
    ranges = ranges_between([-1], [2], bits)
    spec = TensorSpec("t", tensor.shape, ranges={bits: ranges})
    frame = encode_frame(CUT_ID, 0, [spec], [tensor], [Sending(bits, codec, calibrated=True)])
    found = decode_frame(frame, CUT_ID, [spec]).tensors[0]
    assert np.array_equal(found, dequantise(quantise(tensor, bits, ranges=ranges)))
    own = encode_frame(CUT_ID, 0, [spec], [tensor], [Sending(bits, "raw")])
    channels = tensor.shape[1] if tensor.ndim > 1 else 1
    raw = encode_frame(CUT_ID, 0, [spec], [tensor], [Sending(bits, "raw", calibrated=True)])
    assert len(own) == len(raw) + 8 * channels


@pytest.mark.parametrize("codec", CODECS)
def test_tensors_of_all_kinds_in_one_frame(samples: SimpleNamespace, codec: str) -> None:
    found = decode_frame(samples.frame(codec), samples.cut_id, samples.specs)
    assert found.frame_id == 7
    for spec, tensor, given_tensor in zip(
        samples.specs, found.tensors, samples.tensors(), strict=True
    ):
        assert (tensor.shape, tensor.dtype) == (spec.shape, spec.dtype)
        if not spec.is_quantised:
            assert np.array_equal(tensor, given_tensor)


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", ">i2", "<u4", "<i4", "<u8", ">i8", "?"])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 0), (), (1, 40, 40)])
@pytest.mark.parametrize("codec", CODECS)
def test_whole_numbers_go_as_they_are(kind: str, shape: tuple[int, ...], codec: str) -> None:
    dtype = np.dtype(kind)
    tensor = np.arange(int(np.prod(shape))).astype(np.int64).reshape(shape).astype(dtype)
    specs = [TensorSpec("t", shape, dtype)]
    frame = encode_frame(CUT_ID, 1, specs, [tensor], [Sending(3, codec)])
    found = decode_frame(frame, CUT_ID, specs).tensors[0]
    assert found.dtype == dtype
    assert np.array_equal(found, tensor)


@pytest.mark.parametrize("name", GOLDEN_FRAMES)
def test_frames_of_earlier_versions_stay_readable(name: str, samples: SimpleNamespace) -> None:
    """SPLITTOOL_REGENERATE=1 writes those that are not there; one that is never changes."""
    path = GOLDEN / f"{name}.bin"
    if not path.exists() and os.environ.get("SPLITTOOL_REGENERATE"):
        path.write_bytes(samples.frame(*GOLDEN_FRAMES[name]))
    frame = path.read_bytes()
    found = decode_frame(frame, samples.cut_id, samples.specs)
    codec, bits, calibrated = GOLDEN_FRAMES[name]
    for spec, tensor, given_tensor in zip(
        samples.specs, found.tensors, samples.tensors(), strict=True
    ):
        expected = given_tensor
        if spec.is_quantised:
            ranges = spec.ranges.get(bits) if calibrated else None
            expected = dequantise(quantise(given_tensor, bits, ranges=ranges))
        assert np.array_equal(tensor, expected)
    formats = {frame[32 + 8 * index + 1] for index in range(len(samples.specs))}
    wanted = {"raw": Format.PACKED, "fast": Format.ZSTD}
    assert wanted.get(codec, Format.ZSTD if bits <= 2 else Format.JPEG_LS) in formats
    if codec == "raw":  # compressors may improve, packing may not change
        assert frame == samples.frame(codec, bits, calibrated)


@pytest.mark.parametrize("name", GOLDEN_FILMS)
def test_films_of_earlier_versions_stay_readable(name: str, samples: SimpleNamespace) -> None:
    """As above; a file holds a frame that stands alone, and the next one."""
    path = GOLDEN / f"{name}.bin"
    if not path.exists() and os.environ.get("SPLITTOOL_REGENERATE"):
        path.write_bytes(b"".join(samples.film(GOLDEN_FILMS[name])))
    film = path.read_bytes()
    at = film.index(b"SPLF", 4)
    assert (film[4], film[at + 4]) == (1, 2)
    history = History()
    for shift, frame in enumerate((film[:at], film[at:])):
        found = decode_frame(frame, samples.cut_id, samples.specs, history)
        for spec, tensor, given_tensor in zip(
            samples.specs, found.tensors, samples.tensors(shift), strict=True
        ):
            expected = given_tensor
            if spec.is_quantised:
                expected = dequantise(quantise(given_tensor, 4, ranges=spec.ranges.get(4)))
            assert np.array_equal(tensor, expected)


@given(
    st.lists(
        hnp.arrays(np.float32, (1, 3, 4, 5), elements=st.floats(-1, 3, width=32)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 16),
    st.sampled_from(list(CODECS)),
)
def test_a_film_comes_back_frame_by_frame(film: list[np.ndarray], bits: int, codec: str) -> None:
    ranges = ranges_between([-1], [2], bits)
    spec, sending = TensorSpec("t", (1, 3, 4, 5), ranges={bits: ranges}), Sending(bits, codec, True)
    sent, received = History(), History()
    for number, tensor in enumerate([*film, film[-1]]):
        alone = encode_frame(CUT_ID, number, [spec], [tensor], [sending])
        frame = encode_frame(CUT_ID, number, [spec], [tensor], [sending], sent)
        assert len(frame) <= len(alone) + 4
        assert len(frame) <= largest_frame([spec])
        found = decode_frame(frame, CUT_ID, [spec], received).tensors[0]
        assert np.array_equal(found, decode_frame(alone, CUT_ID, [spec]).tensors[0])


def test_a_still_picture_costs_next_to_nothing() -> None:
    noise = np.random.default_rng(0).random((1, 8, 40, 60), dtype=np.float32)
    spec = TensorSpec("t", noise.shape, ranges={4: ranges_between([0], [1], 4)})
    history = History()
    sizes = [
        len(encode_frame(CUT_ID, n, [spec], [noise], [Sending(4, "fast", True)], history))
        for n in range(3)
    ]
    assert sizes[1] == sizes[2] < sizes[0] / 50


def test_a_predicted_frame_needs_the_one_before(samples: SimpleNamespace) -> None:
    alone, predicted = samples.film("fast")
    history = History()
    for past in (None, history):
        with pytest.raises(FrameError, match="another frame than the last one received"):
            decode_frame(predicted, samples.cut_id, samples.specs, past)
    decode_frame(alone, samples.cut_id, samples.specs, history)
    with pytest.raises(FrameError, match="damaged"):
        decode_frame(predicted[:-1] + b"\0", samples.cut_id, samples.specs, history)
    decode_frame(predicted, samples.cut_id, samples.specs, history)  # what was refused is no past
    with pytest.raises(FrameError, match="another frame than the last one received"):
        decode_frame(predicted, samples.cut_id, samples.specs, history)


def test_ranges_of_each_frame_are_never_predicted() -> None:
    spec = TensorSpec("t", (1, 2, 40, 60))
    tensor = np.random.default_rng(0).random(spec.shape, dtype=np.float32)
    history = History()
    for _ in range(2):
        frame = encode_frame(CUT_ID, 0, [spec], [tensor], [Sending(4)], history)
        assert frame[4] == 1


def test_more_or_fewer_bits_than_before_are_not_predicted() -> None:
    ranges = {bits: ranges_between([0], [1], bits) for bits in (4, 5)}
    spec = TensorSpec("t", (1, 2, 40, 60), ranges=ranges)
    tensor = np.random.default_rng(0).random(spec.shape, dtype=np.float32)
    history = History()
    frames = [
        encode_frame(CUT_ID, 0, [spec], [tensor], [Sending(bits, "fast", True)], history)
        for bits in (4, 5, 5)
    ]
    assert [frame[4] for frame in frames] == [1, 1, 2]
    received = History()
    decode_frame(frames[0], CUT_ID, [spec], received)
    body = bytearray(frames[2][:-4])
    body[32:36] = struct.pack("<I", received.checksum or 0)
    with pytest.raises(FrameError, match="the frame before had no tensor of 5 bits there"):
        decode_frame(_close(bytes(body)), CUT_ID, [spec], received)


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
def test_any_change_is_refused(codec: str, data: st.DataObject, samples: SimpleNamespace) -> None:
    frame = bytearray(samples.frame(codec))
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "splice"]))
    at = data.draw(st.integers(0, len(frame) - 1))
    if kind == "flip":
        frame[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del frame[at:]
    elif kind == "grow":
        frame += data.draw(st.binary(min_size=1, max_size=9))
    else:
        new = data.draw(st.binary(min_size=1, max_size=9))
        if bytes(frame[at : at + len(new)]) == new:
            return
        frame[at : at + len(new)] = new
    with pytest.raises(FrameError, match="frame") as caught:
        decode_frame(bytes(frame), samples.cut_id, samples.specs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
def test_changes_with_the_checksum_made_right_are_read_or_refused(
    codec: str, data: st.DataObject, samples: SimpleNamespace
) -> None:
    body = bytearray(samples.frame(codec)[:-4])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(28, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_frame(_close(bytes(body)), samples.cut_id, samples.specs)
    except FrameError:
        return
    for spec, tensor in zip(samples.specs, found.tensors, strict=True):
        assert (tensor.shape, tensor.dtype) == (spec.shape, spec.dtype)
        assert not spec.is_quantised or np.isfinite(tensor).all()


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(FrameError):
        decode_frame(content, CUT_ID, [TensorSpec("t", (1, 2))])


def _entry(index: int = 0, **changes: int) -> bytes:
    """A frame of one 4-bit tensor of ten zeros whose table says something else."""
    fields = {"type": 0, "form": 0, "bits": 4, "flags": 1, "length": 13, **changes}
    table = struct.pack("<BBBBI", *fields.values())
    payload = bytes(min(fields["length"], 18))
    return _close(struct.pack("<4sBBH16sQ", b"SPLF", 1, 0, 1, CUT_ID, 5) + table + payload)


SPEC = TensorSpec("t", (1, 1, 10), bits=frozenset({4, 8}), formats=frozenset({Format.PACKED}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": 1}, "tensor t has type 1"),
        ({"form": 1}, "tensor t has format 1, which is not accepted"),
        ({"form": 9}, "tensor t has format 9"),
        ({"bits": 0}, "tensor t has 0 bits"),
        ({"bits": 5}, "tensor t has 5 bits, which are not accepted"),
        ({"flags": 2}, "tensor t has flags 2, which mean nothing"),
        ({"flags": 4}, "tensor t says what changed, and the frame before"),
        ({"flags": 5}, "tensor t has flags 5, which mean nothing"),
        ({"flags": 8}, "tensor t has flags 8, which mean nothing"),
        ({"flags": 0}, "there are none for 4 bits"),
        ({"length": 2**32 - 1}, "tensor t has 4294967295 bytes, more than 13"),
        ({"length": 14}, "tensor t has 14 bytes, more than 13"),
        ({"length": 12}, "packed symbols of 4 bytes instead of 5"),
        ({"length": 3}, "too short for its ranges"),
        ({"bits": 8}, "packed symbols of 5 bytes instead of 10"),
    ],
)
def test_a_table_that_lies_is_refused(changes: dict[str, int], message: str) -> None:
    assert decode_frame(_entry(), CUT_ID, [SPEC]).frame_id == 5
    with pytest.raises(FrameError, match=message):
        decode_frame(_entry(**changes), CUT_ID, [SPEC])


@pytest.mark.parametrize(
    ("low", "step"),
    [(np.nan, 1), (np.inf, 1), (0, np.nan), (0, -1), (0, np.inf), (3e38, 1e38), (-np.inf, np.inf)],
)
def test_ranges_that_nobody_measured_are_refused(low: float, step: float) -> None:
    body = bytearray(_entry()[:-4])
    body[-13:-5] = np.array([low, step], "<f4").tobytes()
    with pytest.raises(FrameError, match="tensor t is quantised with ranges that are not finite"):
        decode_frame(_close(bytes(body)), CUT_ID, [SPEC])


def test_header_problems_are_named() -> None:
    frame = _entry()
    other = bytes([1]) * 16
    with pytest.raises(FrameError, match="another cut or calibration, 0000"):
        decode_frame(frame, other, [SPEC])
    with pytest.raises(FrameError, match=r"version 3\.0, and this splittool reads 1\.0 and 2\.0"):
        decode_frame(frame[:4] + b"\3" + frame[5:], CUT_ID, [SPEC])
    with pytest.raises(FrameError, match="holds 1 tensors instead of 2"):
        decode_frame(frame, CUT_ID, [SPEC, SPEC])
    with pytest.raises(FrameError, match="not a splittool frame"):
        decode_frame(b"", CUT_ID, [SPEC])
    with pytest.raises(FrameError, match="bytes, not"):
        decode_frame(frame + bytes(1000), CUT_ID, [SPEC])
    with pytest.raises(FrameError, match="damaged on its way"):
        decode_frame(frame[:-1] + bytes([frame[-1] ^ 1]), CUT_ID, [SPEC])


def test_truth_values_are_true_or_false() -> None:
    spec = TensorSpec("b", (1, 2), np.dtype(np.bool_))
    good = encode_frame(CUT_ID, 0, [spec], [np.zeros((1, 2), bool)], [Sending()])
    with pytest.raises(FrameError, match="neither true nor false"):
        decode_frame(_close(good[:-5] + b"\2"), CUT_ID, [spec])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_with_the_tensor(value: float) -> None:
    tensor = np.full((1, 2, 3), value, dtype=np.float32)
    for calibrated in (False, True):
        spec = TensorSpec("skip_1", (1, 2, 3), ranges={16: ranges_between([0], [1], 16)})
        with pytest.raises(InputError, match="crossing tensor skip_1 holds NaN or infinity"):
            encode_frame(CUT_ID, 0, [spec], [tensor], [Sending(16, "raw", calibrated)])


def test_a_sender_is_told_what_cannot_be_sent() -> None:
    spec = TensorSpec("t", (1, 2))
    good = np.zeros((1, 2), np.float32)
    with pytest.raises(InputError, match=r"tensor t has shape \(1, 3\), not \(1, 2\)"):
        encode_frame(CUT_ID, 0, [spec], [np.zeros((1, 3), np.float32)], [Sending()])
    with pytest.raises(InputError, match="t is not calibrated for 4 bits"):
        encode_frame(CUT_ID, 0, [spec], [good], [Sending(4, calibrated=True)])
    with pytest.raises(UsageError, match="`bits` 17"):
        encode_frame(CUT_ID, 0, [spec], [good], [Sending(17)])
    odd = TensorSpec("t", (1, 2), np.dtype(np.complex64))
    with pytest.raises(InputError, match="of type complex64, which cannot be sent"):
        encode_frame(CUT_ID, 0, [odd], [good.astype(np.complex64)], [Sending()])


def test_half_precision_comes_back_as_32_bits() -> None:
    spec = TensorSpec("t", (1, 2), np.dtype(np.float16))
    frame = encode_frame(CUT_ID, 0, [spec], [np.array([[0, 1]], np.float16)], [Sending(8)])
    found = decode_frame(frame, CUT_ID, [spec]).tensors[0]
    assert (found.dtype, found.tolist()) == (np.float32, [[0, 1]])


def test_a_cut_and_its_calibration_are_told_apart() -> None:
    first, second = "ab" * 32, "cd" * 32
    ids = {frame_cut_id(first), frame_cut_id(second), frame_cut_id(first, second)}
    assert len(ids) == 3
    assert {len(found) for found in ids} == {CUT_ID_BYTES}
    assert frame_cut_id(first) == bytes([0xAB]) * 16


def test_without_imagecodecs_the_rest_works(
    monkeypatch: pytest.MonkeyPatch, samples: SimpleNamespace
) -> None:
    small = samples.frame("small", 11)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    decode_frame(samples.frame("fast"), samples.cut_id, samples.specs)
    with pytest.raises(MissingExtraError, match="pip install"):
        decode_frame(small, samples.cut_id, samples.specs)


def test_torch_is_not_needed() -> None:
    code = "import sys, splittool.codec.frame; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
