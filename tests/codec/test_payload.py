import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.codec.payload import CODECS, Format, PayloadError, decode
from splittool.codec.symbols import packed_bytes
from splittool.errors import MissingExtraError

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7)
NAMES = st.sampled_from(list(CODECS))
BITS = st.integers(1, 16)


def _symbols(shape: tuple[int, ...], bits: int, spread: int, seed: int) -> np.ndarray:
    """Noise in some of the bits: 0 of them is a constant."""
    highest = 2 ** min(bits, spread)
    values = np.random.default_rng(seed).integers(0, highest, shape)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


@given(NAMES, SHAPES, BITS, st.integers(0, 16), st.integers(0, 99))
def test_symbols_survive(
    name: str, shape: tuple[int, ...], bits: int, spread: int, seed: int
) -> None:
    symbols = _symbols(shape, bits, spread, seed)
    form, payload = CODECS[name](symbols, bits)
    found = decode(form, payload, shape, bits)
    assert np.array_equal(found, symbols)
    assert (found.dtype, found.shape) == (symbols.dtype, shape)
    assert len(payload) <= packed_bytes(symbols.size, bits)


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("name", CODECS)
def test_every_width_on_something_like_an_activation(name: str, bits: int) -> None:
    wave = np.maximum(np.sin(np.arange(3 * 40 * 50) / 9).reshape(1, 3, 40, 50), 0)
    symbols = np.rint(wave * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    form, payload = CODECS[name](symbols, bits)
    assert np.array_equal(decode(form, payload, symbols.shape, bits), symbols)
    expected = {"raw": Format.PACKED, "fast": Format.ZSTD}
    small = Format.ZSTD if bits <= 2 else Format.JPEG_LS
    assert form == expected.get(name, small) or (bits >= 7 and name == "small")


def test_small_is_smaller_than_fast_and_fast_than_raw() -> None:
    y, x = np.mgrid[:60, :80]
    noise = np.random.default_rng(0).normal(0, 0.02, (4, 60, 80))
    symbols = np.clip(np.rint((np.sin(x / 15) * np.cos(y / 11) + noise) * 8), 0, 15)
    symbols = symbols.astype(np.uint8)[None]
    sizes = [len(CODECS[name](symbols, 4).payload) for name in ("small", "fast", "raw")]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.95 * sizes[1]


@pytest.mark.parametrize("bits", [8, 16])
def test_small_is_never_larger_than_fast_where_the_last_bits_are_noise(bits: int) -> None:
    symbols = np.random.default_rng(0).integers(0, 2**bits, (1, 3, 50, 60))
    symbols[:, :, ::2] = 0
    symbols = symbols.astype(np.uint8 if bits == 8 else np.uint16)
    small, fast = (CODECS[name](symbols, bits) for name in ("small", "fast"))
    assert len(small.payload) <= 1.02 * len(fast.payload)  # level 9 is not always above level 1
    assert np.array_equal(decode(*small, symbols.shape, bits), symbols)


def test_what_is_too_long_for_an_image_is_sent_all_the_same() -> None:
    symbols = np.zeros((1, 70000, 1, 2), dtype=np.uint8)
    form, payload = CODECS["small"](symbols, 8)
    assert form is Format.ZSTD
    assert np.array_equal(decode(form, payload, symbols.shape, 8), symbols)


def test_a_payload_must_have_the_expected_size() -> None:
    symbols = np.zeros((1, 3, 40, 50), dtype=np.uint8)
    for name in CODECS:
        form, payload = CODECS[name](symbols, 4)
        for shape in [(1, 3, 40, 52), (1, 3, 30, 50), (1, 3, 400, 500)]:
            with pytest.raises(PayloadError):
                decode(form, payload, shape, 4)


def test_data_that_would_grow_is_refused_before_it_does() -> None:
    bomb = CODECS["fast"](np.zeros(1 << 28, dtype=np.uint8), 8).payload
    with pytest.raises(PayloadError, match="zstd data of 268435456 bytes instead of 30000"):
        decode(Format.ZSTD, bomb, (1, 3, 100, 100), 8)


def test_symbols_out_of_range_are_refused() -> None:
    form, payload = CODECS["small"](np.full((1, 3, 30, 30), 9, dtype=np.uint8), 4)
    assert form is Format.JPEG_LS
    with pytest.raises(PayloadError, match="symbol 9, which 3 bits do not hold"):
        decode(form, payload, (1, 3, 30, 30), 3)


def test_imagecodecs_is_asked_for_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = np.zeros((1, 3, 30, 30), dtype=np.uint8)
    form, payload = CODECS["small"](symbols, 4)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'splittool\[codec\]'"):
        CODECS["small"](symbols, 4)
    with pytest.raises(MissingExtraError, match="imagecodecs"):
        decode(form, payload, symbols.shape, 4)
    CODECS["fast"](symbols, 4)


@pytest.mark.parametrize("tail", [b"", b"\0", b"\xff", b"\xff\xd8", b"\xff\xd9\0\xff\xd9"])
def test_an_image_that_stops_short_is_refused_at_once(tail: bytes) -> None:
    """CharLS 2.4 reads zeros for seconds where the last marker is missing."""
    symbols = _symbols((1, 3, 30, 30), 4, 4, 0) // 4
    form, payload = CODECS["small"](symbols, 4)
    assert form is Format.JPEG_LS
    for end in (2, 3, 50, len(payload) - 25):
        with pytest.raises(PayloadError):
            decode(form, payload[:-end] + tail, symbols.shape, 4)
    with pytest.raises(PayloadError, match="without its end"):
        decode(form, payload[:-9] + tail, symbols.shape, 4)
