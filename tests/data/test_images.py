import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from splittool.data.images import Canvas, image_size, list_images, read_image
from splittool.errors import InputError

SIDES = st.integers(1, 40)


def _pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(SIDES, SIDES, st.integers(0, 9), st.integers(0, 9))
def test_padding_keeps_every_pixel_and_repeats_the_edge(
    height: int, width: int, below: int, right: int
) -> None:
    pixels = _pixels(height, width)
    canvas = Canvas(height + below, width + right, "pad")
    padded = canvas.image(pixels)
    assert padded.shape == (canvas.height, canvas.width, 3)
    assert np.array_equal(padded[:height, :width], pixels)
    assert (padded[height:, :width] == pixels[-1:]).all()
    assert (padded[:height, width:] == pixels[:, -1:]).all()


@given(SIDES, SIDES, st.integers(0, 9), st.integers(0, 9))
def test_padded_masks_come_back_as_they_were(
    height: int, width: int, below: int, right: int
) -> None:
    masks = _pixels(height, width).transpose(2, 0, 1) > 127
    canvas = Canvas(height + below, width + right, "pad")
    padded = canvas.masks(masks)
    assert padded.shape == (3, canvas.height, canvas.width)
    assert padded.sum() == masks.sum()  # nothing is found in the padding
    assert np.array_equal(canvas.restore(padded.astype(np.float32), height, width) > 0.5, masks)


@given(SIDES, SIDES, SIDES, SIDES)
def test_resizing_reaches_the_canvas_and_comes_back_to_the_image(
    height: int, width: int, rows: int, columns: int
) -> None:
    canvas = Canvas(rows, columns, "resize")
    pixels = _pixels(height, width)
    masks = pixels.transpose(2, 0, 1) > 127
    assert canvas.image(pixels).shape == (rows, columns, 3)
    assert canvas.masks(masks).shape == (3, rows, columns)
    assert canvas.masks(masks).dtype == np.bool_
    back = canvas.restore(np.random.default_rng(0).random((3, rows, columns), np.float32), 7, 5)
    assert back.shape == (3, 7, 5)
    assert back.dtype == np.float32
    assert back.min() >= 0
    assert back.max() <= 1


@pytest.mark.parametrize("factor", [2, 3])
def test_a_resized_mask_keeps_its_place(factor: int) -> None:
    masks = np.zeros((1, 12, 18), dtype=bool)
    masks[0, 3:9, 6:12] = True
    canvas = Canvas(12 * factor, 18 * factor, "resize")
    big = canvas.masks(masks)
    assert np.array_equal(big, masks.repeat(factor, axis=1).repeat(factor, axis=2))
    assert np.array_equal(canvas.restore(big.astype(np.float32), 12, 18) > 0.5, masks)


def test_flat_pixels_stay_flat_when_resized() -> None:
    flat = np.full((13, 7, 3), 90, dtype=np.uint8)
    assert (Canvas(31, 45, "resize").image(flat) == 90).all()


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_an_image_of_the_canvas_size_is_unchanged(fit: str) -> None:
    canvas = Canvas(9, 11, fit)  # type: ignore[arg-type]
    pixels = _pixels(9, 11)
    assert np.array_equal(canvas.image(pixels), pixels)
    masks = pixels.transpose(2, 0, 1) > 9
    assert np.array_equal(canvas.masks(masks), masks)
    probabilities = masks.astype(np.float32)
    assert np.array_equal(canvas.restore(probabilities, 9, 11), probabilities)


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=5), st.sampled_from([1, 4, 32]))
def test_the_canvas_around_images_is_the_smallest_that_holds_them(
    sizes: list[tuple[int, int]], stride: int
) -> None:
    canvas = Canvas.around(sizes, stride)
    assert canvas.fit == "pad"
    for length, needed in (
        (canvas.height, max(height for height, _ in sizes)),
        (canvas.width, max(width for _, width in sizes)),
    ):
        assert length % stride == 0
        assert needed <= length < needed + stride


@pytest.mark.parametrize("size", [(33, 48), (32, 49), (100, 100)])
def test_an_image_larger_than_the_canvas_is_refused_when_padding(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"big\.png is {size[0]}x{size[1]}.*`fit` resize"):
        Canvas(32, 48, "pad").check(Path("big.png"), *size)
    Canvas(32, 48, "resize").check(Path("big.png"), *size)
    Canvas(32, 48, "pad").check(Path("fits.png"), 32, 48)


def test_the_part_of_the_canvas_that_is_image() -> None:
    assert Canvas(32, 48, "pad").valid(20, 30) == (20, 30)
    assert Canvas(32, 48, "resize").valid(20, 30) == (32, 48)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_images_of_any_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.new(mode, (5, 3)).save(path)
    pixels = read_image(path)
    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert image_size(path) == (3, 5)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    for read in (read_image, image_size):
        with pytest.raises(InputError, match=r"there is no image .*gone\.jpg"):
            read(tmp_path / "gone.jpg")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    for read in (read_image, image_size):
        with pytest.raises(InputError, match=r"text\.jpg is not an image"):
            read(tmp_path / "text.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_cut_off_image_is_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"half{suffix}"
    Image.fromarray(_pixels(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="is damaged"):
        read_image(path)


def test_a_folder_lists_its_images_sorted(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.jpeg", "notes.txt", "d.jpg.part"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG", "c.jpeg"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no"):
        list_images(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        list_images(tmp_path / "gone")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "tiff", "bmp", "webp"])
def test_formats_that_are_read(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (6, 4), (200, 100, 50)).save(tmp_path / f"a.{suffix}")
    (path,) = list_images(tmp_path)
    assert np.abs(read_image(path).astype(int) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize("kind", ["EPS", "AVIF", "DDS", "SPIDER", "GIF", "PPM", "TGA", "PCX"])
def test_formats_that_are_not_read_whatever_their_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.jpg"
    content = io.BytesIO()  # given a name, Pillow would take the suffix for that format's own
    Image.new("F" if kind == "SPIDER" else "RGB", (16, 16)).save(content, kind)
    path.write_bytes(content.getvalue())
    for read in (read_image, image_size):
        with pytest.raises(InputError, match=r"photo\.jpg is not an image that is read here"):
            read(path)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_files_of_several_images_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film.{suffix}"
    frames = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (0, 90, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="holds 3 images; save each"):
        read_image(path)


def test_an_image_larger_than_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (300, 200)).save(path)
    for read in (read_image, image_size):
        with pytest.raises(InputError, match="too large: 200x300 are 60,000 pixels, and 59,999 is"):
            read(path, max_pixels=59_999)
    assert image_size(path, 60_000) == (200, 300)
    assert read_image(path, 60_000).shape == (200, 300, 3)


@pytest.mark.parametrize("side", [9_500, 14_000])
def test_pillow_neither_warns_nor_refuses_first(
    tmp_path: Path, side: int, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(InputError, match="too large"):
        image_size(path)
    assert image_size(path, side * side) == (side, side)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert not recwarn.list


def test_damage_of_any_kind_is_one_line(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for suffix in ("jpg", "png", "tif", "bmp", "webp"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(_pixels(24, 24)).save(path)
        good = path.read_bytes()
        for _ in range(150):
            data = bytearray(good)
            for place in random.integers(0, len(data), 6):
                data[place] = random.integers(0, 256)
            path.write_bytes(data)
            message = _read_or_refuse(path)
            assert message is None or (str(path) in message and "\n" not in message)


def _read_or_refuse(path: Path) -> str | None:
    """What is wrong with an image; None where its size and its pixels agree."""
    try:
        size, pixels = image_size(path, 10_000), read_image(path, 10_000)
    except InputError as error:
        return str(error)
    assert pixels.shape == (*size, 3)
    return None


def test_images_in_subfolders_are_named(tmp_path: Path) -> None:
    for name in ("b/deep", "a", "c", "empty"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a/1.png", "b/deep/2.tif", "c/3.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"its subfolders do; give \S+/a, \S+/b/deep and others"):
        list_images(tmp_path)
