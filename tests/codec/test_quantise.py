import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.codec.limits import check_bits
from splittool.codec.quantise import dequantise, pack, quantise, unpack
from splittool.errors import InputError, UsageError

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


FLOATS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=6).map(lambda shape: (1, *shape)),
    elements=st.floats(-(2.0**125), 2.0**125, width=32),
)


@given(FLOATS, BITS)
@example(np.array([[[8e37, -8e37, 1e37, 0]]], dtype=np.float32), 8)
@example(np.array([[[1e-45, 0, 3e-45]]], dtype=np.float32), 16)
@example(np.array([[[1e8, 1e8 + 8]]], dtype=np.float32), 16)
def test_values_come_back_within_half_a_step(tensor: np.ndarray, bits: int) -> None:
    quantised = quantise(tensor, bits)
    found = dequantise(quantised)
    assert found.shape == tensor.shape
    assert found.dtype == np.float32
    channels = tensor.reshape(tensor.shape[1], -1).astype(np.float64)
    error = np.abs(found.reshape(channels.shape) - channels)
    spread = channels.max(axis=1) - channels.min(axis=1)
    largest = np.abs(channels).max(axis=1)
    rounding = 4 * np.finfo(np.float32).eps * (largest + spread) + np.finfo(np.float32).tiny
    allowed = spread / (2**bits - 1) / 2 + rounding
    assert (error <= allowed[:, None]).all()


@given(FLOATS, BITS)
def test_all_that_is_sent_is_counted(tensor: np.ndarray, bits: int) -> None:
    quantised = quantise(tensor, bits)
    assert quantised.bytes == len(quantised.payload) + 8 * tensor.shape[1]
    assert quantised.bits == bits
    assert quantised.shape == tensor.shape


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), BITS)
def test_constant_channels_are_exact(value: float, bits: int) -> None:
    tensor = np.full((1, 3, 2, 5), value, dtype=np.float32)
    tensor[0, 1] = 7
    assert np.array_equal(dequantise(quantise(tensor, bits)), tensor)


@given(BITS)
def test_ends_of_the_range_are_kept(bits: int) -> None:
    tensor = np.array([[[0.0, 1.0], [-3.0, 5.0]]], dtype=np.float32).transpose(0, 1, 2)
    assert dequantise(quantise(tensor, bits)) == pytest.approx(tensor, abs=1e-5)


def test_each_channel_has_its_own_range() -> None:
    tensor = np.array([[[0, 1, 0.5], [0, 1000, 500]]], dtype=np.float32)
    found = dequantise(quantise(tensor, 8))
    assert found[0, 0] == pytest.approx(tensor[0, 0], abs=1 / 255)


def test_more_bits_are_never_worse() -> None:
    tensor = np.random.default_rng(0).standard_normal((1, 4, 9, 9)).astype(np.float32)
    errors = [np.abs(dequantise(quantise(tensor, bits)) - tensor).max() for bits in range(1, 17)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4


def test_one_bit_is_the_minimum_or_the_maximum() -> None:
    tensor = np.array([[[0, 0.4, 0.6, 1]]], dtype=np.float32)
    assert dequantise(quantise(tensor, 1)).ravel().tolist() == [0, 0, 1, 1]


def test_what_is_given_does_not_change() -> None:
    tensor = np.random.default_rng(0).standard_normal((1, 4, 3)).astype(np.float32)
    before = tensor.copy()
    tensor.flags.writeable = False
    quantise(tensor, 4)
    assert np.array_equal(tensor, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_with_the_tensor(value: float) -> None:
    tensor = np.zeros((1, 2, 3), dtype=np.float32)
    tensor[0, 1, 2] = value
    with pytest.raises(InputError, match="crossing tensor maxpool_2 holds NaN or infinity"):
        quantise(tensor, 8, "maxpool_2")


def test_values_too_far_apart_are_refused_with_the_tensor() -> None:
    tensor = np.array([[[3e38, -3e38]]], dtype=np.float32)
    with pytest.raises(InputError, match="crossing tensor maxpool_2 nears infinity"):
        quantise(tensor, 8, "maxpool_2")


@pytest.mark.parametrize("bits", [-1, 0, 17, 32])
def test_other_precisions_are_refused(bits: int) -> None:
    for refuse in (check_bits, lambda b: quantise(np.zeros((1, 1), dtype=np.float32), b)):
        with pytest.raises(UsageError, match=f"--bits {bits} is out of range; give 1 to 16"):
            refuse(bits)
    assert [check_bits(bits) for bits in (1, 16)] == [1, 16]
