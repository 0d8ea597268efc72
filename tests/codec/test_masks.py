import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from splittool.codec import bitmaps
from splittool.codec.masks import MOST_PIXELS, decode_masks, encode_masks
from splittool.errors import FrameError

SIDES = st.integers(0, 24)


def _spots(classes: int, height: int, width: int, seed: int) -> np.ndarray:
    """Masks as a network makes them: ellipses, some cut by the border, some classes empty."""
    random = np.random.default_rng(seed)
    rows, columns = np.ogrid[:height, :width]
    masks = np.zeros((classes, height, width), bool)
    for mask in masks:
        for _ in range(random.integers(0, 4)):
            y, x = random.uniform(0, 1, 2) * (height, width)
            a, b = random.uniform(0.02, 0.3, 2) * (height, width)
            mask |= ((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1
    return masks


@given(st.integers(0, 9), SIDES, SIDES, st.sampled_from([0, 0.01, 0.5, 0.99, 1]), st.data())
def test_any_masks_survive(
    classes: int, height: int, width: int, share: float, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 999))
    masks = np.random.default_rng(seed).random((classes, height, width)) < share
    found = decode_masks(encode_masks(masks))
    assert found.dtype == np.bool_
    assert np.array_equal(found, masks)
    assert np.array_equal(decode_masks(encode_masks(masks), masks.shape), masks)


@given(st.integers(1, 5), st.integers(1, 90), st.integers(1, 90), st.integers(0, 9999))
def test_spots_survive(classes: int, height: int, width: int, seed: int) -> None:
    masks = _spots(classes, height, width, seed)
    assert np.array_equal(decode_masks(encode_masks(masks)), masks)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.5, 0.9, 1])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (30, 200)])
def test_every_bitmap_survives_its_own_codec(share: float, shape: tuple[int, int]) -> None:
    """Which of noise would otherwise be tested only where it happens to be the smallest."""
    bitmap = np.random.default_rng(3).random(shape) < share
    assert np.array_equal(bitmaps.decode(bitmaps.encode(bitmap), *shape), bitmap)


def test_nothing_found_takes_seven_bytes() -> None:
    coded = encode_masks(np.zeros((4, 256, 1600), bool))
    assert len(coded) == 7  # the form, 4, 256 and 1600, and the classes
    assert not decode_masks(coded).any()


def test_one_pixel_takes_few_bytes() -> None:
    masks = np.zeros((4, 256, 1600), bool)
    masks[2, 100, 900] = True
    assert len(encode_masks(masks)) < 16


def test_noise_takes_no_more_than_its_bits() -> None:
    masks = np.random.default_rng(0).random((3, 200, 200)) < 0.5
    assert len(encode_masks(masks)) <= 15000 + 7


def test_fewer_bytes_than_fax_and_png() -> None:
    """The codecs that libraries have for such images, on spots of the size of defects."""
    ours, fax, png = 0, 0, 0
    for seed in range(8):
        masks = _spots(3, 200, 200, seed)
        ours += len(encode_masks(masks))
        bitmap = masks[masks.any(axis=(1, 2))].reshape(-1, 200)
        if len(bitmap):
            fax += _group4(bitmap)
            png += _png(bitmap)
    assert ours < 0.75 * fax
    assert ours < 0.25 * png


def _group4(bitmap: np.ndarray) -> int:
    """Bytes of CCITT Group 4 without the TIFF file around it."""
    stream = io.BytesIO()
    one_strip = {278: len(bitmap)}
    Image.fromarray(bitmap).save(stream, "TIFF", compression="group4", tiffinfo=one_strip)
    with Image.open(stream) as image:
        return sum(image.tag_v2[279])


def _png(bitmap: np.ndarray) -> int:
    stream = io.BytesIO()
    Image.fromarray(bitmap).save(stream, "PNG", optimize=True)
    return len(stream.getvalue())


@pytest.mark.parametrize(
    "masks",
    [
        np.zeros((3, 4), bool),
        np.zeros((1, 3, 4), np.uint8),
        np.zeros((1, 1, MOST_PIXELS + 1), bool),
    ],
    ids=["two axes", "bytes", "too many"],
)
def test_only_masks_are_taken(masks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="masks of"):
        encode_masks(masks)


def _coded() -> bytes:
    return encode_masks(_spots(3, 60, 80, 5))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "unknown form"),
        (b"\x09" + _coded()[1:], "unknown form"),
        (_coded()[:1], "size that ends nowhere"),
        (b"\0\xff\xff\xff\xff\x01\x01\x01", "size that ends nowhere"),
        (b"\0\x80\x00\x01\x01", "size that is too long"),
        (b"\0\xff\xff\x7f\xff\xff\x7f\x01", "more than"),
        (b"\0\x08\x01\x01", "list of classes"),
        (b"\0\x03\x01\x01\xff", "more classes than"),
        (b"\0\x01\x00\x00\x80", "class without pixels"),
        (b"\0\x01\x01\x01\x80\x00", "class that has no pixel"),
        (b"\0\x01\x01\x01\x80\xff", "padding"),
        (b"\0\x01\x01\x01\x80", "0 bytes for 1x1"),
        (b"\1\x01\x01\x01\x80(\xb5/\xfd", "zstd"),
        (_coded() + b"\0", "damaged"),
        (_coded()[:-1], "damaged"),
    ],
)
def test_damage_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        decode_masks(data)


def test_another_shape_is_refused() -> None:
    with pytest.raises(FrameError, match="3x60x80 instead of 3x60x81"):
        decode_masks(_coded(), (3, 60, 81))


@given(st.binary(max_size=300), st.sampled_from([0, 1, 2]))
def test_any_bytes_are_masks_or_refused(data: bytes, form: int) -> None:
    start = bytes([form, 3, 60, 80, 0b11100000])
    try:
        masks = decode_masks(start + data, (3, 60, 80))
    except FrameError:
        return
    assert np.array_equal(decode_masks(encode_masks(masks)), masks)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_changed_bytes_are_masks_or_refused(at: int, value: int) -> None:
    coded = bytearray(_coded())
    coded[at % len(coded)] = value
    try:
        decode_masks(bytes(coded))
    except FrameError:
        return


@pytest.mark.parametrize("sizes", [b"\x01\xff\xff\x0f\x80\x02", b"\x01\x80\x02\xff\xff\x0f"])
def test_time_is_bounded_whatever_the_size_says(sizes: bytes) -> None:
    """A bitmap of 67 million pixels whose bytes say that all of them are coded one by one."""
    data = b"\2" + sizes + b"\x80" + bytes(range(1, 256)) * 40
    start = time.process_time()
    with pytest.raises(FrameError, match="damaged"):
        decode_masks(data)
    assert time.process_time() - start < 5


def test_noise_on_a_large_image_is_coded_at_once() -> None:
    masks = np.random.default_rng(0).random((2, 1000, 2000)) < 0.4
    start = time.process_time()
    assert np.array_equal(decode_masks(encode_masks(masks)), masks)
    assert time.process_time() - start < 10
