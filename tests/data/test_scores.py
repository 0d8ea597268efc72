import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.data.scores import (
    DIFFERENCE_IMAGES,
    count,
    defective_images,
    dice_interval,
    difference_interval,
    pair_dice,
    summarise,
    tally,
)


def _masks(*planes: str) -> np.ndarray:
    return np.array([[[c == "#" for c in row] for row in p.split("/")] for p in planes])


PREDICTED = [_masks("##/..", "../.."), _masks("##/##", "#./..")]
TRUTH = [_masks("#./#.", "../.."), _masks("../..", "#./..")]


def test_counts_of_pixels_by_class() -> None:
    assert count(PREDICTED[0], TRUTH[0]).tolist() == [[1, 2, 2], [0, 0, 0]]
    assert count(PREDICTED[1], TRUTH[1]).tolist() == [[0, 4, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("counts", "dice"),
    [([0, 0, 0], 1), ([0, 5, 0], 0), ([0, 0, 5], 0), ([5, 5, 5], 1), ([1, 2, 2], 0.5)],
)
def test_dice_of_a_pair(counts: list[int], dice: float) -> None:
    assert pair_dice(np.array(counts)) == dice


def test_scores_by_hand() -> None:
    counts = np.stack([count(p, t) for p, t in zip(PREDICTED, TRUTH, strict=True)])
    scores = summarise(tally(counts))
    assert scores.pairs == 4
    assert scores.defective_pairs == 2
    assert scores.kaggle == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert scores.floor == pytest.approx(0.5)
    assert scores.dice == pytest.approx((0.5 + 1) / 2)
    assert scores.dice_per_class == [pytest.approx(0.5), pytest.approx(1.0)]


def test_the_floor_is_what_predicting_nothing_scores() -> None:
    counts = np.stack([count(np.zeros_like(t), t) for t in TRUTH])
    scores = summarise(tally(counts))
    assert scores.kaggle == scores.floor == 0.5
    assert scores.dice == 0


def test_a_class_without_defects_has_no_dice() -> None:
    scores = summarise(tally(np.array([[[0, 3, 0], [0, 0, 0]]])))
    assert scores.dice is None
    assert scores.dice_per_class == [None, None]
    assert scores.kaggle == 0.5
    assert scores.floor == 1


@st.composite
def _counts(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 4), st.just(2)))
    pixels = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 50)))
    common = np.floor(pixels.min(axis=2) * draw(st.floats(0, 1))).astype(np.int64)
    return np.concatenate([common[..., None], pixels], axis=2)


@given(_counts(), st.data())
def test_tallies_of_parts_add_up_to_the_whole(counts: np.ndarray, data: st.DataObject) -> None:
    split = data.draw(st.integers(0, len(counts)))
    assert np.allclose(tally(counts[:split]) + tally(counts[split:]), tally(counts))


@given(_counts())
def test_scores_are_shares(counts: np.ndarray) -> None:
    scores = summarise(tally(counts))
    assert scores.pairs == counts.shape[0] * counts.shape[1]
    shares = [scores.kaggle, scores.floor, scores.dice, *scores.dice_per_class]
    assert all(-1e-12 <= share <= 1 + 1e-12 for share in shares if share is not None)
    assert scores.kaggle == pytest.approx(pair_dice(counts).mean())


def test_pooled_dice_pays_for_defects_on_clean_images() -> None:
    found = np.array([[[10, 10, 10]], [[0, 0, 0]]])
    scattered = np.array([[[10, 10, 10]], [[0, 20, 0]]])
    assert summarise(tally(found)).pooled_dice == 1
    assert summarise(tally(scattered)).dice == 1
    assert summarise(tally(scattered)).pooled_dice == pytest.approx(2 * 10 / (30 + 10))


def test_the_interval_of_dice_is_that_of_its_images() -> None:
    random = np.random.default_rng(0)
    common = random.integers(0, 100, (200, 1))
    counts = np.stack([common, np.full_like(common, 100), np.full_like(common, 100)], axis=-1)
    dice = summarise(tally(counts)).dice
    interval = dice_interval(counts)
    assert dice is not None
    assert interval is not None
    half = 1.96 * (common / 100).std() / np.sqrt(200)  # of a mean, by the central limit theorem
    assert interval == pytest.approx((dice - half, dice + half), abs=0.015)
    assert interval[0] < dice - half
    assert interval[1] > dice + half
    assert interval == dice_interval(counts)
    clean = np.zeros((50, 1, 3), dtype=np.int64)
    assert dice_interval(np.concatenate([clean, counts])) == interval


def test_one_defective_image_has_no_interval() -> None:
    assert dice_interval(np.array([[[3, 4, 5]], [[0, 9, 0]]])) is None


@given(_counts())
def test_the_interval_holds_dice_and_stays_within_its_range(counts: np.ndarray) -> None:
    interval, dice = dice_interval(counts), summarise(tally(counts)).dice
    assert (interval is None) == (defective_images(counts) < 2)
    if interval is not None and dice is not None:
        assert 0 <= interval[0] <= dice + 0.02
        assert dice - 0.02 <= interval[1] <= 1


def test_few_images_without_a_miss_still_leave_doubt() -> None:
    counts = np.full((7, 1, 3), 100)
    low, high = dice_interval(counts) or (0, 0)
    assert low == pytest.approx(0.025 ** (1 / 7), abs=0.03)  # all of Dice 1: Beta(7, 1)
    assert high == pytest.approx(1)


@pytest.mark.parametrize("number", [7, 20, 60])
def test_the_interval_covers_the_truth_when_misses_are_rare(number: int) -> None:
    random = np.random.default_rng(1)
    missed, trials = 0.1, 400
    covered = 0
    for _ in range(trials):
        common = np.where(random.random(number) < missed, 0, 90)
        full = np.full(number, 100)
        low, high = dice_interval(np.stack([common, full, full], axis=-1)[:, None]) or (0, 0)
        covered += low <= 0.9 * (1 - missed) <= high
    assert covered / trials > 0.93


def _noisy(quality: float, images: int, seed: int) -> np.ndarray:
    """Counts of images whose difficulty both networks share."""
    hard = np.random.default_rng(0).uniform(0, 1, (images, 2))
    random = np.random.default_rng(seed).uniform(-0.05, 0.05, (images, 2))
    share = np.clip(quality * hard + random, 0, 1)
    true = np.full((images, 2), 1000)
    return np.stack([(share * true).astype(int), true, true], axis=-1)


def test_a_difference_is_surer_than_its_parts() -> None:
    better, worse = _noisy(0.9, 60, 1), _noisy(0.8, 60, 2)
    low, high = difference_interval(better, worse)
    assert 0 < low < high
    dice = [summarise(tally(counts)).dice for counts in (better, worse)]
    assert low < dice[0] - dice[1] < high
    ends = dice_interval(better)
    assert high - low < (ends[1] - ends[0]) / 3


def test_no_difference_lies_in_its_interval() -> None:
    counts = _noisy(0.9, 60, 1)
    assert difference_interval(counts, counts) == (0, 0)
    low, high = difference_interval(_noisy(0.9, 60, 1), _noisy(0.9, 60, 2))
    assert low < 0 < high


def test_a_difference_needs_images_with_a_defect() -> None:
    counts = _noisy(0.9, DIFFERENCE_IMAGES + 1, 1)
    counts[0, :, 2] = 0
    assert difference_interval(counts, counts) == (0, 0)
    counts[1, :, 2] = 0
    assert difference_interval(counts, counts) is None
