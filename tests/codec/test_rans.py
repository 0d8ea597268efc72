"""Flags survive in stages of any size, in about the bytes that their probabilities ask for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splittool.codec import rans
from splittool.codec.rans_encoder import Encoder


def _stages(seed: int, sizes: list[int], buckets: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Flags that are set as often as their buckets say."""
    random = np.random.default_rng(seed)
    rare = np.array(rans.PROBABILITIES) / 65536
    likely = np.concatenate([rare, 1 - rare[-2::-1]])
    drawn = [random.choice(np.array(buckets, np.uint8), size) for size in sizes]
    return [(random.random(len(each)) < likely[each], each) for each in drawn]


def _encoded(stages: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    encoder = Encoder()
    for flags, buckets in stages:
        assert encoder.flags(flags, buckets) is flags
    return encoder.bytes()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.sampled_from([0, 1, 7, 8, 63, 64, 65, 511, 512, 513, 5000]), max_size=6),
    buckets=st.lists(st.integers(0, rans.BUCKETS - 1), min_size=1, max_size=4),
)
def test_flags_survive(seed: int, sizes: list[int], buckets: list[int]) -> None:
    stages = _stages(seed, sizes, buckets)
    decoder = rans.Decoder(_encoded(stages))
    for flags, drawn in stages:
        np.testing.assert_array_equal(decoder.flags(drawn), flags)
    assert decoder.is_at_end


@pytest.mark.parametrize("bucket", [0, 3, 8, 14, 20, 26, 40])
def test_many_flags_take_what_their_probability_asks_for(bucket: int) -> None:
    stages = _stages(0, [40_000], [bucket])
    likely = rans.PROBABILITIES[min(bucket, 2 * rans.EVEN - bucket)] / 65536
    entropy = -(likely * np.log2(likely) + (1 - likely) * np.log2(1 - likely)) * 40_000 / 8
    assert len(_encoded(stages)) <= 1.15 * entropy + 8


def test_thousands_of_stages() -> None:
    """More runs than 16 bits can number."""
    stages = _stages(1, [70] * 6000, [2, 39])
    decoder = rans.Decoder(_encoded(stages))
    for flags, drawn in stages:
        np.testing.assert_array_equal(decoder.flags(drawn), flags)
    assert decoder.is_at_end


def test_nothing_has_no_bytes() -> None:
    assert Encoder().bytes() == b""
    assert _encoded([(np.zeros(0, bool), np.zeros(0, np.uint8))]) == b""
