"""What every mode of Pillow becomes, and which way up."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from splittool.data.images import FORMATS, image_size, read_image, to_rgb, upright
from splittool.errors import InputError

DEEP = np.array([[0, 257, 32768], [65535, 65407, 4095]], dtype=np.uint16)
SCALED = np.array([[0, 1, 128], [255, 255, 16]], dtype=np.uint8)
RED, GREEN = (200, 30, 10), (20, 180, 40)


def _halves(mode: str, left: object, right: object) -> Image.Image:
    image = Image.new(mode, (4, 2), left)  # type: ignore[arg-type]
    image.paste(right, (2, 0, 4, 2))  # type: ignore[call-overload]
    return image


def _palette(transparent: bool) -> Image.Image:
    image = Image.new("P", (4, 2), 0)
    image.putpalette([*RED, *GREEN])
    image.paste(1, (2, 0, 4, 2))
    if transparent:
        image.info["transparency"] = b"\x00\x80"
    return image


COLOURS = _halves("RGB", RED, GREEN)
MODES = {
    "1": (_halves("1", 0, 1), (0, 0, 0), (255, 255, 255)),
    "L": (_halves("L", 7, 250), (7, 7, 7), (250, 250, 250)),
    "LA": (_halves("LA", (7, 0), (250, 255)), (7, 7, 7), (250, 250, 250)),
    "La": (_halves("LA", (8, 255), (250, 255)).convert("La"), (8, 8, 8), (250, 250, 250)),
    "P": (_palette(False), RED, GREEN),
    "P, transparent": (_palette(True), RED, GREEN),
    "PA": (_palette(True).convert("PA"), RED, GREEN),
    "RGB": (COLOURS, RED, GREEN),
    "RGBX": (_halves("RGBX", (*RED, 0), (*GREEN, 9)), RED, GREEN),
    "RGBA": (_halves("RGBA", (*RED, 0), (*GREEN, 255)), RED, GREEN),
    "RGBa": (_halves("RGBA", (*RED, 255), (*GREEN, 255)).convert("RGBa"), RED, GREEN),
    "CMYK": (COLOURS.convert("CMYK"), RED, GREEN),
    "YCbCr": (COLOURS.convert("YCbCr"), RED, GREEN),
    "HSV": (COLOURS.convert("HSV"), RED, GREEN),
    "I;16": (_halves("I;16", 0, 65535), (0, 0, 0), (255, 255, 255)),
}
REFUSED = {
    "I": (Image.new("I", (2, 2), 70000), "32-bit integers"),
    "F": (Image.new("F", (2, 2), 0.5), "floating-point numbers"),
    "LAB": (Image.new("LAB", (2, 2)), "colours in L"),
}


@pytest.mark.parametrize("mode", MODES)
def test_modes_become_rgb(mode: str) -> None:
    image, left, right = MODES[mode]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = to_rgb(image, "x")
    assert pixels.shape == (image.height, image.width, 3)
    assert pixels.dtype == np.uint8
    tolerance = 3 if mode in ("YCbCr", "HSV") else 0
    assert np.abs(pixels[0, 0].astype(int) - left).max() <= tolerance
    assert np.abs(pixels[-1, -1].astype(int) - right).max() <= tolerance


@pytest.mark.parametrize("mode", REFUSED)
def test_modes_without_a_range_are_refused(mode: str, tmp_path: Path) -> None:
    image, what = REFUSED[mode]
    with pytest.raises(InputError, match=rf"x\.tif holds {what}.*; save it as RGB or grey"):
        to_rgb(image, "x.tif")
    image.save(tmp_path / "x.tif")
    with pytest.raises(InputError, match=rf"x\.tif holds {what}"):
        read_image(tmp_path / "x.tif")


def test_every_mode_of_pillow_is_in_the_table() -> None:
    deep = {"I;16L", "I;16B", "I;16N"}
    assert {mode.split(",")[0] for mode in MODES} | set(REFUSED) | deep == set(Image.MODES)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(DEEP).save(path)
    assert np.array_equal(read_image(path), np.stack([SCALED] * 3, axis=2))


def test_sixteen_bits_of_the_other_byte_order(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (3, 2), DEEP.astype(">u2").tobytes())
    assert np.array_equal(to_rgb(image, "x")[..., 0], SCALED)


@pytest.mark.parametrize(
    ("bits", "highest", "white_is_zero"),
    [(16, 65535, False), (16, 65535, True), (12, 4095, False)],
)
def test_tiffs_say_their_bits_and_which_end_is_white(
    tmp_path: Path, bits: int, highest: int, white_is_zero: bool
) -> None:
    path = tmp_path / "deep.tif"
    values = np.array([[0, highest], [highest // 2, highest]])
    _write_tiff(path, values, bits, 0 if white_is_zero else 1)
    expected = np.array([[0, 255], [127, 255]])
    pixels = read_image(path)[..., 0].astype(int)
    assert np.abs(pixels - (255 - expected if white_is_zero else expected)).max() <= 1


def _write_tiff(path: Path, values: np.ndarray, bits: int, photometric: int) -> None:
    """A grey TIFF without compression, written by hand: Pillow writes no 12 bits."""
    rows = ["".join(f"{value:0{bits}b}" for value in row) for row in values]
    if bits == 16:
        data = values.astype("<u2").tobytes()
    else:
        data = b"".join(int(r, 2).to_bytes(len(r) // 8, "big") for r in rows)
    height, width = values.shape
    tags = [
        (256, width),
        (257, height),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(data)),
    ]
    data += b"\0" * (len(data) % 2)
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
        for tag, value in tags
    )
    start = (8 + len(data)).to_bytes(4, "little")
    count = len(tags).to_bytes(2, "little")
    path.write_bytes(b"II*\0" + start + data + count + entries + b"\0\0\0\0")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_images_come_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    pixels = np.zeros((16, 24, 3), dtype=np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"turned.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {"quality": 100}
    Image.fromarray(pixels).save(path, exif=exif, **options)  # type: ignore[arg-type]
    found = read_image(path)
    assert found.shape[:2] == image_size(path)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(found > 127, expected > 127)
    assert found.shape[0] == (24 if orientation > 4 else 16)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_nonsense_in_exif_leaves_the_image_as_it_is(tmp_path: Path) -> None:
    for exif in (b"nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        path = tmp_path / "x.jpg"
        COLOURS.save(path, exif=exif)
        assert read_image(path).shape == (2, 4, 3)
        assert image_size(path) == (2, 4)
    image = COLOURS.copy()
    image.info["exif"] = Image.Exif().tobytes()
    assert np.array_equal(to_rgb(image, "x"), np.asarray(COLOURS))


def test_upright_turns_masks_as_well() -> None:
    plane = np.arange(6).reshape(2, 3)
    assert np.array_equal(upright(plane, 6), np.rot90(plane, -1))
    assert np.array_equal(upright(plane, 8), np.rot90(plane))


def test_the_formats_that_are_read_are_those_that_are_documented() -> None:
    for name in FORMATS:
        assert name.lower() in (read_image.__doc__ or "").lower()
