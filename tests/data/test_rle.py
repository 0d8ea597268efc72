import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.data import rle

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
def test_a_mask_survives_writing_and_reading(mask: np.ndarray) -> None:
    assert np.array_equal(rle.decode(rle.parse(rle.encode(mask)), *mask.shape), mask)


@given(MASKS)
def test_runs_are_sorted_apart_and_cover_the_mask(mask: np.ndarray) -> None:
    runs = rle.parse(rle.encode(mask))
    assert (runs >= 1).all()
    assert runs[:, 1].sum() == mask.sum()
    # A run starts after a gap: neighbouring pixels are one run.
    assert (runs[1:, 0] > runs[:-1].sum(axis=1)).all()


@given(MASKS, st.randoms(use_true_random=False))
def test_runs_may_come_in_any_order(mask: np.ndarray, random: object) -> None:
    pairs = rle.parse(rle.encode(mask)).tolist()
    random.shuffle(pairs)  # type: ignore[attr-defined]
    text = " ".join(f"{start} {length}" for start, length in pairs)
    assert np.array_equal(rle.decode(rle.parse(text), *mask.shape), mask)


def test_pixels_count_from_one_down_each_column() -> None:
    # Kaggle's own example: "1 3 10 5" is pixels 1, 2, 3, 10, 11, 12, 13, 14.
    mask = rle.decode(rle.parse("1 3 10 5"), 4, 4)
    expected = np.array([[1, 0, 0, 1], [1, 0, 1, 1], [1, 0, 1, 0], [0, 0, 1, 0]], dtype=bool)
    assert np.array_equal(mask, expected)
    assert rle.encode(mask) == "1 3 10 5"


def test_runs_that_touch_are_accepted_and_joined_when_written() -> None:
    assert rle.encode(rle.decode(rle.parse("1 2 3 2"), 3, 3)) == "1 4"


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_no_runs_are_an_empty_mask(text: str) -> None:
    assert not rle.decode(rle.parse(text), 3, 5).any()
    assert rle.last_pixel(rle.parse(text)) == 0


def test_an_empty_mask_is_written_as_nothing() -> None:
    assert rle.encode(np.zeros((3, 4), dtype=bool)) == ""


def test_any_blanks_separate_runs() -> None:
    assert rle.parse("  1\t2  5 1 ").tolist() == [[1, 2], [5, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "1 numbers"),
        ("1 2 3", "3 numbers"),
        ("1 3 3 1", "overlap at pixel 3"),
        ("5 1 5 1", "overlap at pixel 5"),
        ("4 2 1 4", "overlap at pixel 4"),
        ("0 1", "count from 1"),
        ("1 0", "count from 1"),
        ("1 two", "'two' is not a whole number"),
        ("1 \uff11", "'\uff11' is not a whole number"),
        ("1 \u00b2", "'\u00b2' is not a whole number"),
        ("-5 1", "'-5' is not a whole number"),
        ("1 -5", "'-5' is not a whole number"),
        ("1 1e3", "'1e3' is not a whole number"),
        ("1.0 2", "'1.0' is not a whole number"),
        ("+3 1", r"'\+3' is not a whole number"),
        ("1_0 1", "'1_0' is not a whole number"),
        ("0x1 1", "'0x1' is not a whole number"),
        ("1,2", "'1,2' is not a whole number"),
        ("nan 1", "'nan' is not a whole number"),
    ],
)
def test_malformed_runs_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rle.parse(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808 1", "9223372036854775807 1", "1 9223372036854775807", "9" * 5000]
)
def test_numbers_no_image_can_have_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        rle.parse(text)


@given(st.text(max_size=20))
def test_any_other_text_is_runs_or_refused(text: str) -> None:
    try:
        runs = rle.parse(text)
    except ValueError:
        return
    assert [str(number) for number in sorted(runs.ravel())] == sorted(
        (word.lstrip("0") for word in text.split()), key=int
    )


@pytest.mark.parametrize("text", ["7 1", "6 2", "1 7"])
def test_runs_beyond_the_image_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="2x3 = 6 pixels"):
        rle.decode(rle.parse(text), 2, 3)


def test_the_last_pixel_may_be_covered() -> None:
    assert rle.decode(rle.parse("6 1"), 2, 3)[1, 2]


@given(MASKS)
def test_last_pixel_is_the_largest_covered(mask: np.ndarray) -> None:
    covered = np.flatnonzero(mask.T.ravel()) + 1
    assert rle.last_pixel(rle.parse(rle.encode(mask))) == (covered.max() if len(covered) else 0)
