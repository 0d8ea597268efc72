"""Masks that are sent at a fraction of their size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splittool.codec.masks import encode_masks
from splittool.network.coarse_answers import SCALES, send_coarsely


def _disc(height: int, width: int) -> np.ndarray:
    """The probabilities of one round defect and of none."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 3) ** 2
    return np.stack([inside.astype(np.float32), np.zeros((height, width), np.float32)])


def test_coarser_masks_take_fewer_bytes_and_lose_outlines() -> None:
    maps = _disc(120, 160)
    whole = len(encode_masks(maps >= 0.5))
    sizes, wrong = [whole], [0.0]
    for scale in SCALES:
        sent = send_coarsely(maps, 0.5, scale)
        assert set(np.unique(sent.maps)) == {0, 1}
        assert not sent.maps[1].any()
        sizes.append(sent.bytes)
        wrong.append(float((sent.maps[0] != maps[0]).sum() / maps[0].sum()))
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < max(wrong[1:3]) < 0.04 < wrong[-1] < 0.2


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), scale=st.sampled_from(SCALES),
    likely=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
def test_flat_masks_of_any_size_survive(
    height: int, width: int, scale: float, likely: float
) -> None:
    maps = np.full((2, height, width), likely, np.float32)
    sent = send_coarsely(maps, 0.5, scale)
    np.testing.assert_array_equal(sent.maps, maps)
    assert sent.bytes == pytest.approx(len(encode_masks(maps >= 0.5)), abs=4)


def test_the_threshold_is_that_of_areas() -> None:
    maps = np.zeros((1, 8, 8), np.float32)
    maps[0, ::2] = 1  # every other row: half of each area
    assert send_coarsely(maps, 0.5, 1 / 2).maps.all()
    assert not send_coarsely(maps, 0.51, 1 / 2).maps.any()
