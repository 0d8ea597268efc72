import numpy as np
import pytest

from splittool.data.synthetic import CLASSES, defects_of, generate, render
from splittool.errors import UsageError

SMALL = (64, 200)


def test_the_default_is_severstals_size() -> None:
    image, masks = generate(0, 0)
    assert image.shape == (256, 1600)
    assert image.dtype == np.uint8
    assert masks.shape == (len(CLASSES), 256, 1600)
    assert masks.dtype == np.bool_


def test_an_image_depends_on_seed_and_index_alone() -> None:
    forwards = [generate(5, i, *SMALL) for i in range(8)]
    backwards = [generate(5, i, *SMALL) for i in reversed(range(8))]
    for (image, masks), (again, masks_again) in zip(forwards, reversed(backwards), strict=True):
        assert np.array_equal(image, again)
        assert np.array_equal(masks, masks_again)


def test_every_seed_and_index_gives_another_image() -> None:
    images = {generate(seed, i, *SMALL)[0].tobytes() for seed in range(3) for i in range(40)}
    assert len(images) == 120


@pytest.mark.parametrize("start", range(32))
def test_any_32_images_show_each_class_twice(start: int) -> None:
    shown = [defect for i in range(start, start + 32) for defect in defects_of(i)]
    assert all(shown.count(defect) >= 2 for defect in range(len(CLASSES)))


def test_the_first_8_images_show_every_class() -> None:
    assert {defect for i in range(8) for defect in defects_of(i)} == set(range(len(CLASSES)))


def test_shares_are_near_severstals() -> None:
    sets = [defects_of(i) for i in range(320)]
    share = [sum(defect in found for found in sets) / len(sets) for defect in range(4)]
    assert share == pytest.approx([0.12, 0.06, 0.3, 0.1], abs=0.02)
    assert sum(not found for found in sets) / len(sets) == pytest.approx(0.45, abs=0.05)
    assert any(len(found) == 2 for found in sets)


def test_the_masked_area_per_class_is_near_severstals() -> None:
    area = np.mean([generate(1, i, 64, 400)[1].mean(axis=(1, 2)) for i in range(96)], axis=0)
    low, high = (0.0008, 0.0004, 0.007, 0.004), (0.004, 0.0025, 0.025, 0.016)
    assert np.all(area > low)
    assert np.all(area < high)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 200), (101, 63), (32, 500), (300, 32)])
def test_masks_are_filled_exactly_for_what_was_asked(size: tuple[int, int]) -> None:
    for seed in range(6):
        for defects in [(), (0,), (1,), (2,), (3,), (0, 2), (3, 2, 1, 0)]:
            image, masks = render(np.random.default_rng(seed), *size, defects)
            assert image.shape == size
            assert masks.shape == (len(CLASSES), *size)
            assert set(np.flatnonzero(masks.any(axis=(1, 2)))) == set(defects)


def test_masks_lie_on_the_steel() -> None:
    edges = 0
    for seed in range(40):
        clean, _ = render(np.random.default_rng(seed), 64, 200)
        black = np.median(clean, axis=0) < 10
        edges += black.any()
        _, masks = render(np.random.default_rng(seed), 64, 200, range(4))
        assert not masks[:, :, black].any()
    assert 4 <= edges <= 24


@pytest.mark.parametrize("size", [(32, 32), (64, 400), (128, 128)])
@pytest.mark.parametrize("defect", range(4))
def test_a_defect_shows_inside_its_mask_and_nowhere_else(
    size: tuple[int, int], defect: int
) -> None:
    changes = []
    for seed in range(12):
        clean, _ = render(np.random.default_rng(seed), *size)
        image, masks = render(np.random.default_rng(seed), *size, [defect])
        change = np.abs(image.astype(int) - clean)
        assert not change[~masks[defect]].any()
        changes.append(change[masks[defect]])
    # Thin lines and small pits fill a part of their outline only.
    assert np.mean(np.concatenate(changes) >= 10) > 0.07
    assert np.median([np.percentile(change, 98) for change in changes]) > 20


def test_sheets_differ_in_brightness_and_are_well_exposed() -> None:
    images = [generate(2, i, *SMALL)[0] for i in range(40)]
    means = [image.mean() for image in images]
    assert np.std(means) > 10
    assert all(25 < mean < 170 for mean in means)
    assert all(np.mean(image == 255) < 0.05 for image in images)


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (0, 0)])
def test_a_size_that_shows_nothing_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="take 32x32 or more"):
        generate(0, 0, *size)
