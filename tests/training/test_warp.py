import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from splittool.training.warp import Warp, random_warp


def _moved(warp: Warp, pixels: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return warp.pixels(pixels), warp.masks(masks)


def _scene(height: int = 60, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse on dark steel, its mask, and a mask of nothing."""
    down, across = np.mgrid[:height, :width]
    inside = ((down - 0.4 * height) / 12) ** 2 + ((across - 0.6 * width) / 18) ** 2 < 1
    pixels = np.repeat(np.where(inside, 200, 40)[..., None], 3, axis=2).astype(np.uint8)
    return pixels, np.stack([inside, np.zeros_like(inside)])


def test_the_identity_changes_nothing() -> None:
    pixels, masks = _scene()
    moved, moved_masks = _moved(Warp(np.eye(2), np.zeros(2)), pixels, masks)
    assert np.array_equal(moved, pixels)
    assert np.array_equal(moved_masks, masks)


def test_a_shift_by_whole_pixels_is_a_roll_inside() -> None:
    pixels, masks = _scene()
    moved, moved_masks = _moved(Warp(np.eye(2), np.array([5.0, -3.0])), pixels, masks)
    assert np.array_equal(moved[3:, :-5], pixels[:-3, 5:])
    assert np.array_equal(moved_masks[:, 3:, :-5], masks[:, :-3, 5:])


def test_a_quarter_turn_of_a_square() -> None:
    pixels, masks = _scene(64, 64)
    moved, moved_masks = _moved(
        Warp(np.array([[0.0, -1.0], [1.0, 0.0]]), np.zeros(2)), pixels, masks
    )
    turned = np.rot90(masks, 1, (1, 2)), np.rot90(masks, -1, (1, 2))
    assert any(np.array_equal(moved_masks, each) for each in turned)
    assert np.array_equal(moved[..., 0] > 120, moved_masks[0])


@given(st.integers(0, 9999))
def test_masks_move_with_their_pixels(seed: int) -> None:
    pixels, masks = _scene()
    moved, moved_masks = _moved(random_warp(np.random.default_rng(seed)), pixels, masks)
    assert moved.shape == pixels.shape
    assert moved_masks.shape == masks.shape
    # The nearest pixel and the bilinear one differ in a few pixels of the outline.
    assert ((moved[..., 0] > 120) ^ moved_masks[0]).sum() <= 0.03 * masks.sum()
    assert not moved_masks[1].any()
    assert 0.4 < moved_masks.sum() / masks.sum() < 2


def test_what_comes_from_outside_is_a_reflection() -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (20, 30, 3), dtype=np.uint8)
    masks = np.ones((1, 20, 30), dtype=bool)
    moved, moved_masks = _moved(Warp(np.eye(2) * 1.5, np.array([4.0, 4.0])), pixels, masks)
    assert moved.min() > 0  # no black corners
    assert moved_masks.all()


def test_the_same_seed_is_the_same_map() -> None:
    maps = [random_warp(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(maps[0].matrix, maps[1].matrix)
    assert not np.array_equal(maps[0].matrix, maps[2].matrix)


@given(st.integers(0, 9999))
def test_a_window_is_that_part_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (40, 70, 3), dtype=np.uint8)
    levels = rng.permutation(256).astype(np.uint8)
    warp = random_warp(rng)
    top, left = int(rng.integers(40)), int(rng.integers(70))
    window = (
        slice(top, int(rng.integers(top, 40)) + 1),
        slice(left, int(rng.integers(left, 70)) + 1),
    )
    whole, part = warp.pixels(levels[pixels]), warp.pixels(pixels, window, levels)
    differences = np.abs(whole[window].astype(int) - part.astype(int))
    assert differences.max() <= 1  # of rounding
    assert (differences > 0).mean() < 0.01
