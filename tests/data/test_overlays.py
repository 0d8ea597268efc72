import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.data.overlays import colour, label_map, overlay

# Few values, so that classes are often equally likely.
MAPS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 200), st.integers(1, 6)),
    elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)


@given(MAPS)
def test_the_label_is_the_likeliest_class_the_first_of_equals(maps: np.ndarray) -> None:
    masks = maps >= 0.5
    expected = np.where(masks.any(0), np.where(masks, maps, -1).argmax(0) + 1, 0)
    image = label_map(maps, masks)
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), expected)


def test_labels_have_the_colours_of_their_classes() -> None:
    maps = np.array([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]], dtype=np.float32)
    shown = np.asarray(label_map(maps, maps >= 0.5).convert("RGB"))
    assert shown[0].tolist() == [[0, 0, 0], colour(0).tolist(), colour(1).tolist()]


@given(MAPS)
def test_masks_are_tinted_and_the_rest_stays(maps: np.ndarray) -> None:
    masks = maps >= 0.5
    pixels = np.random.default_rng(0).integers(0, 256, (*maps.shape[1:], 3), dtype=np.uint8)
    picture = np.asarray(overlay(pixels, masks, None))
    expected = pixels.copy()
    for index, mask in enumerate(masks):
        expected[mask] = expected[mask] // 2 + colour(index) // 2
    assert np.array_equal(picture, expected)


def test_true_masks_are_outlined() -> None:
    truth = np.zeros((1, 7, 7), dtype=bool)
    truth[0, 1:6, 1:6] = True
    black = np.zeros((7, 7, 3), dtype=np.uint8)
    picture = np.asarray(overlay(black, truth & False, truth))
    outline = truth[0].copy()
    outline[2:5, 2:5] = False
    assert np.array_equal(picture.any(axis=2), outline)
    assert (picture[outline] == colour(0)).all()
