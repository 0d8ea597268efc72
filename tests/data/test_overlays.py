import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from splittool.data.overlays import colour, label_map, layer, overlay, with_legend

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
def test_masks_are_tinted_in_one_of_their_colours_and_the_rest_stays(maps: np.ndarray) -> None:
    masks = maps >= 0.5
    pixels = np.random.default_rng(0).integers(0, 256, (*maps.shape[1:], 3), dtype=np.uint8)
    picture = np.asarray(overlay(pixels, masks, None))
    tints = [pixels // 2 + colour(index) // 2 for index in range(len(masks))]
    allowed = [mask & (picture == tint).all(2) for mask, tint in zip(masks, tints, strict=True)]
    assert np.logical_or.reduce(allowed)[masks.any(0)].all()
    assert np.array_equal(picture[~masks.any(0)], pixels[~masks.any(0)])


def test_classes_that_overlap_take_turns_in_stripes() -> None:
    black, masks = np.zeros((70, 70, 3), dtype=np.uint8), np.ones((3, 70, 70), dtype=bool)
    picture = np.asarray(overlay(black, masks, None))
    shares = [(picture == colour(index) // 2).all(2).mean() for index in range(3)]
    assert sum(shares) == 1
    assert min(shares) > 0.3


@given(MAPS)
def test_a_layer_upon_the_image_is_the_overlay(maps: np.ndarray) -> None:
    masks, truth = maps >= 0.5, maps >= 1
    pixels = np.random.default_rng(0).integers(0, 256, (*maps.shape[1:], 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert("RGBA")
    image.alpha_composite(layer(masks, truth))
    laid, painted = (
        np.asarray(p.convert("RGB"), int) for p in (image, overlay(pixels, masks, truth))
    )
    assert np.abs(laid - painted).max() <= 2  # alpha is of 255 steps


@given(MAPS)
def test_outlines_are_the_pixels_with_a_neighbour_outside(maps: np.ndarray) -> None:
    truth = maps[:1] >= 0.5
    black = np.zeros((*truth.shape[1:], 3), dtype=np.uint8)
    around = np.pad(truth[0], 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    drawn = np.asarray(overlay(black, truth & False, truth)).any(2)
    assert np.array_equal(drawn, truth[0] & ~inner)


def test_the_legend_is_below_the_image_and_has_every_colour() -> None:
    black = Image.new("RGB", (300, 20))
    names = ["scratch", "a\nb\x1b[2J", "x" * 200]
    picture = with_legend(black, names, outlined=True)
    assert picture.width == 300
    pixels = np.asarray(picture)
    assert not pixels[:20].any()
    for index in range(3):
        assert (pixels[20:] == colour(index)).all(2).any()
    assert with_legend(black, ["1"], outlined=False).height < picture.height


def test_true_masks_are_outlined() -> None:
    truth = np.zeros((1, 7, 7), dtype=bool)
    truth[0, 1:6, 1:6] = True
    black = np.zeros((7, 7, 3), dtype=np.uint8)
    picture = np.asarray(overlay(black, truth & False, truth))
    outline = truth[0].copy()
    outline[2:5, 2:5] = False
    assert np.array_equal(picture.any(axis=2), outline)
    assert (picture[outline] == colour(0)).all()
