from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from splittool.data.images import Canvas
from splittool.data.kaggle import read_folder
from splittool.training.dataset import (
    Change,
    EpochSampler,
    Key,
    SegmentationDataset,
    choose_window,
    systematic_sample,
)

WEIGHTS = st.lists(st.floats(0.01, 50), min_size=1, max_size=40).map(np.array)


@given(WEIGHTS, st.integers(0, 999))
def test_each_index_comes_as_often_as_its_weight_says(weights: np.ndarray, seed: int) -> None:
    drawn = systematic_sample(weights, np.random.default_rng(seed))
    assert len(drawn) == len(weights)
    expected = len(weights) * weights / weights.sum()
    counts = np.bincount(drawn, minlength=len(weights))
    assert (counts >= np.floor(expected - 1e-9)).all()
    assert (counts <= np.ceil(expected + 1e-9)).all()


@given(st.integers(1, 60), st.integers(0, 999), st.floats(1e-3, 1e3))
def test_equal_weights_are_a_plain_shuffle(number: int, seed: int, weight: float) -> None:
    drawn = systematic_sample(np.full(number, weight), np.random.default_rng(seed))
    assert sorted(drawn) == list(range(number))


def _epoch(sampler: EpochSampler, epoch: int, first_step: int = 0) -> list[list[Key]]:
    sampler.start(epoch, first_step)
    return list(sampler)


@given(WEIGHTS, st.integers(1, 4), st.integers(0, 99), st.integers(1, 5))
def test_two_processes_share_the_batches_of_one(
    weights: np.ndarray, half: int, seed: int, epoch: int
) -> None:
    alone = EpochSampler(weights, 2 * half, seed, True)
    ranks = [EpochSampler(weights, 2 * half, seed, True, rank, 2) for rank in range(2)]
    for whole, first, second in zip(
        _epoch(alone, epoch), *(_epoch(rank, epoch) for rank in ranks), strict=True
    ):
        assert len(first) == len(second) == half
        assert sorted(first + second) == sorted(whole)


@given(WEIGHTS, st.integers(1, 8), st.integers(0, 40))
def test_skipping_steps_leaves_the_others_as_they_were(
    weights: np.ndarray, batch_size: int, first_step: int
) -> None:
    sampler = EpochSampler(weights, batch_size, 0, True)
    assert _epoch(sampler, 2)[first_step:] == _epoch(sampler, 2, first_step)


@given(st.integers(1, 40), st.integers(1, 9))
def test_all_batches_are_full_and_every_image_is_shown(images: int, batch_size: int) -> None:
    sampler = EpochSampler(np.ones(images), batch_size, 0, False)
    batches = _epoch(sampler, 1)
    assert len(batches) == len(sampler) == -(-images // batch_size)
    assert all(len(batch) == batch_size for batch in batches)
    assert {index for batch in batches for index, _, _ in batch} == set(range(images))


def test_epochs_and_seeds_differ() -> None:
    weights = np.ones(20)
    orders = [
        _epoch(EpochSampler(weights, 4, seed, True), epoch) for seed in (0, 1) for epoch in (1, 2)
    ]
    assert len({str(order) for order in orders}) == 4


def test_every_shown_image_has_its_own_seed() -> None:
    for change in (True, False):
        sampler = EpochSampler(np.ones(9), 4, 0, change)
        keys = [key for epoch in (1, 2) for batch in _epoch(sampler, epoch) for key in batch]
        assert len({seed for _, seed, _ in keys}) == len(keys) == 24
        assert {augmented for _, _, augmented in keys} == {change}


@given(st.integers(0, 9999))
def test_augmentation_moves_masks_with_their_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grey = rng.permutation(8 * 14).reshape(8, 14) % 2 * 150 + 40
    pixels = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    bright = grey > 100
    masks = np.stack([bright, ~bright])
    how = Change.drawn(rng)
    moved, moved_masks = how.pixels(pixels), how.masks(masks)
    assert moved.shape == pixels.shape
    assert moved_masks.shape == masks.shape
    low, high = moved[moved_masks[1]], moved[moved_masks[0]]
    assert len(np.unique(low)) == len(np.unique(high)) == 1
    assert high.min() > low.max()


def test_augmentation_depends_on_its_seed_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    masks = pixels.transpose(2, 0, 1) > 99
    changes = [Change.drawn(np.random.default_rng(seed)) for seed in (*range(20), *range(20))]
    results = [(how.pixels(pixels).tobytes(), how.masks(masks).tobytes()) for how in changes]
    assert results[:20] == results[20:]
    assert len({pixels for pixels, _ in results}) == 20
    assert len({masks for _, masks in results}) == 4  # as it is, two flips, both


@pytest.fixture(scope="module")
def dataset(steel: Path) -> SegmentationDataset:
    samples, classes = read_folder(steel)
    return SegmentationDataset(samples, classes, Canvas(96, 128))


def test_items_lie_on_the_canvas_and_say_where_they_are_valid(
    dataset: SegmentationDataset,
) -> None:
    pixels, masks, valid = dataset[0, (), False]
    sample = dataset.samples[0]
    assert len(dataset) == 12
    assert (pixels.dtype, masks.dtype) == (torch.uint8, torch.uint8)
    assert (pixels.shape, masks.shape) == ((3, 96, 128), (4, 96, 128))
    assert valid.tolist() == [64, 96]
    assert np.array_equal(pixels[:, :64, :96].numpy(), sample.image().transpose(2, 0, 1))
    assert np.array_equal(masks[:, :64, :96].numpy() > 0, sample.masks(dataset.classes))
    assert masks.max() == 1


def test_an_item_is_the_same_every_time(dataset: SegmentationDataset) -> None:
    keys: list[Key] = [(3, (), False), (3, (0, 1, 2), True), (3, (0, 1, 3), True)]
    for key in keys:
        for first, second in zip(dataset[key], dataset[key], strict=True):
            assert torch.equal(first, second)
    assert not torch.equal(dataset[keys[1]][0], dataset[keys[2]][0])


@pytest.mark.parametrize("crop", [(32, 32), (64, 48), (96, 128), (32, 128)])
@pytest.mark.parametrize("canvas", [Canvas(96, 128), Canvas(96, 128, "resize")])
def test_a_window_is_a_part_of_the_canvas_with_some_image_in_it(
    dataset: SegmentationDataset, crop: tuple[int, int], canvas: Canvas
) -> None:
    whole = SegmentationDataset(dataset.samples, dataset.classes, canvas)
    part = SegmentationDataset(dataset.samples, dataset.classes, canvas, crop)
    for index in range(4):
        pixels, masks, (rows, columns) = part[index, (index,), False]
        all_pixels, all_masks, valid = whole[index, (index,), False]
        assert pixels.shape[1:] == masks.shape[1:] == crop
        windows = all_pixels.unfold(1, crop[0], 1).unfold(2, crop[1], 1)
        places = (windows == pixels[:, None, None]).all(-1).all(-1).all(0).nonzero().tolist()
        assert len(places) >= 1
        found = [
            torch.equal(masks, all_masks[:, top : top + crop[0], left : left + crop[1]])
            and (rows, columns) == (min(crop[0], valid[0] - top), min(crop[1], valid[1] - left))
            for top, left in places
        ]
        assert any(found)
        assert 0 < rows <= crop[0]
        assert 0 < columns <= crop[1]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_windows_lie_in_the_image_where_they_fit(height: int, width: int, seed: int) -> None:
    masks = np.random.default_rng(seed).random((2, 8, 9)) < 0.02
    top, left = choose_window(masks, (height, width), np.random.default_rng(seed))
    assert 0 <= top <= max(0, 8 - height)
    assert 0 <= left <= max(0, 9 - width)


def test_most_windows_hold_a_defect_and_some_are_anywhere() -> None:
    masks = np.zeros((4, 64, 400), dtype=bool)
    masks[2, 30:33, 350:354] = True
    rng = np.random.default_rng(0)
    windows = [choose_window(masks, (32, 32), rng) for _ in range(400)]
    hits = [masks[:, top : top + 32, left : left + 32].any() for top, left in windows]
    assert 0.7 < np.mean(hits) < 0.9
    clean = np.zeros_like(masks)
    lefts = [choose_window(clean, (32, 32), rng)[1] for _ in range(400)]
    assert min(lefts) < 30
    assert max(lefts) > 340


def test_windows_hold_the_class_they_are_chosen_for() -> None:
    masks = np.zeros((3, 64, 400), dtype=bool)
    masks[0, :, :200] = True
    masks[2, 30:33, 350:354] = True
    rng = np.random.default_rng(0)
    focus = np.array([0.1, 0.0, 0.6])
    windows = [choose_window(masks, (32, 32), rng, focus) for _ in range(600)]
    hits = [masks[2, top : top + 32, left : left + 32].any() for top, left in windows]
    assert 0.55 < np.mean(hits) < 0.72
    gone = [choose_window(masks, (32, 32), rng, np.array([0, 1.0, 0]))[1] for _ in range(400)]
    assert min(gone) < 30  # a class that is not there: anywhere
    assert max(gone) > 340


def test_affine_maps_are_for_augmented_images(dataset: SegmentationDataset) -> None:
    mapped = SegmentationDataset(dataset.samples, dataset.classes, dataset.canvas, affine=True)
    keys: list[Key] = [(3, (0, 1, number), True) for number in range(40)]
    same = [torch.equal(mapped[key][0], dataset[key][0]) for key in keys]
    assert 0.1 < np.mean(same) < 0.45
    plain: Key = (3, (0, 1, 2), False)
    assert torch.equal(mapped[plain][0], dataset[plain][0])
    assert torch.equal(mapped[keys[1]][0], mapped[keys[1]][0])


def test_images_through_jpeg(dataset: SegmentationDataset) -> None:
    coarse = SegmentationDataset(dataset.samples, dataset.classes, dataset.canvas, jpeg=(5, 20))
    for key in [(3, (0, 1, 2), True), (3, (0, 1, 3), False)]:
        plain, other = dataset[key], coarse[key]
        error = (plain[0].float() - other[0].float()).abs().mean()
        assert 0 < error < 30
        assert torch.equal(plain[1], other[1])  # masks stay
        assert torch.equal(other[0], coarse[key][0])
    fine = SegmentationDataset(dataset.samples, dataset.classes, dataset.canvas, jpeg=(95, 95))
    key = (3, (0, 1, 3), False)
    errors = [(dataset[key][0].float() - d[key][0].float()).abs().mean() for d in (fine, coarse)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("affine", [False, True])
def test_a_window_is_the_same_whether_the_rest_is_changed_or_not(steel: Path, affine: bool) -> None:
    """Only where an image needs no padding, the rest is left out."""
    samples, classes = read_folder(steel)
    focus = np.full((len(samples), len(classes)), 1 / len(classes))
    small, large = (
        SegmentationDataset(samples, classes, Canvas(*size, "pad"), (32, 48), None, focus, affine)
        for size in ((64, 96), (64, 128))
    )
    for index in range(len(samples)):
        key = (index, (3, index), True)
        (near, near_masks, near_valid), (far, far_masks, _) = small[key], large[key]
        assert near_valid.tolist() == [32, 48]
        assert torch.equal(near_masks, far_masks)
        assert int((near.int() - far.int()).abs().max()) <= 1  # of rounding
