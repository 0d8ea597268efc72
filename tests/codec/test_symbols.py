import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splittool.codec.symbols import pack, packed_bytes, unpack

BITS = st.integers(1, 16)
LENGTHS = st.one_of(st.integers(0, 40), st.sampled_from([255, 256, 257, 1001]))


def _symbols(bits: int, count: int, seed: int) -> np.ndarray:
    dtype = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, count).astype(dtype)


@given(BITS, LENGTHS, st.integers(0, 99))
def test_symbols_survive_packing(bits: int, count: int, seed: int) -> None:
    symbols = _symbols(bits, count, seed)
    found = unpack(pack(symbols, bits), bits, count)
    assert np.array_equal(found, symbols)
    assert found.dtype == symbols.dtype


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_symbol_survives_packing(bits: int) -> None:
    symbols = np.arange(2**bits).astype(np.uint8 if bits <= 8 else np.uint16)
    assert np.array_equal(unpack(pack(symbols, bits), bits, len(symbols)), symbols)


@given(BITS, LENGTHS)
def test_packed_symbols_leave_no_gaps(bits: int, count: int) -> None:
    size = len(pack(_symbols(bits, count, 0), bits))
    least = -(-count * bits // 8)
    fields = [width for width in (1, 2, 4, 8, 16) if bits & width]
    assert size == packed_bytes(count, bits)
    assert size == sum(-(-count * width // 8) for width in fields)
    assert least <= size <= least + 2


@given(BITS, st.integers(1, 50), st.integers(-3, 3).filter(bool))
def test_a_payload_of_another_length_is_refused(bits: int, count: int, change: int) -> None:
    payload = pack(_symbols(bits, count, 0), bits)
    wrong = payload + bytes(change) if change > 0 else payload[:change]
    if len(wrong) == len(payload):
        return
    with pytest.raises(ValueError, match="bytes instead of"):
        unpack(wrong, bits, count)
