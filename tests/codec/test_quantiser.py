import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.codec.choices import check_bits
from splittool.codec.quantiser import Ranges, dequantise, measure, quantise, ranges_between
from splittool.errors import InputError, UsageError

BITS = st.integers(1, 16)
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
def test_symbols_have_the_tensors_shape_and_are_in_range(tensor: np.ndarray, bits: int) -> None:
    quantised = quantise(tensor, bits)
    assert quantised.symbols.shape == tensor.shape
    assert quantised.symbols.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert quantised.symbols.max() < 2**bits
    assert quantised.ranges.bytes == 8 * tensor.shape[1]


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


def test_one_range_for_all_channels_when_asked() -> None:
    tensor = np.array([[[0, 1, 0.5], [0, 1000, 500]]], dtype=np.float32)
    quantised = quantise(tensor, 8, per_channel=False)
    assert quantised.ranges.bytes == 8
    assert quantised.symbols[0, 0].tolist() == [0, 0, 0]
    assert dequantise(quantised)[0, 1] == pytest.approx([0, 1000, 500], abs=2)


def test_values_outside_calibrated_ranges_are_clipped() -> None:
    ranges = ranges_between([0, -1], [3, 1], 2)
    tensor = np.array([[[-5, 1, 9, 3.4e38], [0.4, -2, 2, -3.4e38]]], dtype=np.float32)
    quantised = quantise(tensor, 2, ranges=ranges)
    assert quantised.ranges is ranges
    assert quantised.symbols.tolist() == [[[0, 1, 3, 3], [2, 0, 3, 0]]]
    assert dequantise(quantised)[0, 0].tolist() == [0, 1, 3, 3]


@given(FLOATS, BITS)
def test_ranges_of_the_tensor_itself_change_nothing(tensor: np.ndarray, bits: int) -> None:
    own = quantise(tensor, bits)
    given_ranges = quantise(tensor, bits, ranges=measure(tensor, bits))
    assert np.array_equal(own.symbols, given_ranges.symbols)


def test_a_channel_calibrated_as_constant_stays_so() -> None:
    ranges = Ranges(np.array([7], np.float32), np.array([0], np.float32))
    tensor = np.array([[[7, 9, -3.4e38]]], dtype=np.float32)
    assert dequantise(quantise(tensor, 4, ranges=ranges)).tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize("shape", [(1, 0), (1, 3, 0), (0,), (1, 0, 4), (1, 2, 0, 5)])
@pytest.mark.parametrize("per_channel", [True, False])
def test_empty_tensors_pass(shape: tuple[int, ...], per_channel: bool) -> None:
    tensor = np.zeros(shape, dtype=np.float32)
    assert dequantise(quantise(tensor, 4, per_channel=per_channel)).shape == shape


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
    with pytest.raises(InputError, match="crossing tensor maxpool_2 holds NaN or infinity"):
        quantise(tensor, 8, "maxpool_2", ranges_between([0], [1], 8))


def test_values_too_far_apart_are_refused_with_the_tensor() -> None:
    tensor = np.array([[[3e38, -3e38]]], dtype=np.float32)
    with pytest.raises(InputError, match="crossing tensor maxpool_2 nears infinity"):
        quantise(tensor, 8, "maxpool_2")


@pytest.mark.parametrize("bits", [-1, 0, 17, 32])
def test_other_precisions_are_refused(bits: int) -> None:
    for refuse in (check_bits, lambda b: quantise(np.zeros((1, 1), dtype=np.float32), b)):
        with pytest.raises(UsageError, match=f"`bits` {bits} is out of range; give 1 to 16"):
            refuse(bits)
    assert [check_bits(bits) for bits in (1, 16)] == [1, 16]
