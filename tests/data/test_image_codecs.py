import io
import zlib

import numpy as np
import pytest
from PIL import Image

from splittool.data.containers import bare_bytes
from splittool.data.image_codecs import FORMATS, LOSSLESS, available, require, through
from splittool.errors import UsageError


def _picture(grey: bool) -> np.ndarray:
    ramp = np.linspace(0, 255, 64)
    noise = np.random.default_rng(0).normal(0, 6, (48, 64, 3))
    pixels = np.clip(ramp[None, :, None] + noise, 0, 255).astype(np.uint8)
    return np.repeat(pixels[..., :1], 3, axis=2) if grey else pixels


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_less_quality_is_fewer_bytes_and_more_error(name: str, grey: bool) -> None:
    if name not in available():
        pytest.skip(f"{name} cannot be written here")
    pixels = _picture(grey)
    found = [through(pixels, name, quality) for quality in (90, 40, 5)]
    assert all(arrived.pixels.shape == pixels.shape for arrived in found)
    assert all(arrived.pixels.dtype == np.uint8 for arrived in found)
    sizes = [arrived.sent for arrived in found]
    errors = [np.abs(arrived.pixels.astype(int) - pixels).mean() for arrived in found]
    if name in LOSSLESS:
        assert errors == [0, 0, 0]
    else:
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > sizes[-1]
        assert errors == sorted(errors)
        assert errors[0] < 8


def test_grey_is_coded_as_grey() -> None:
    assert through(_picture(True), "png", 0)[0] < through(_picture(False), "png", 0)[0] / 2


def test_unknown_formats() -> None:
    for name in available():
        require(name)
    with pytest.raises(UsageError, match="unknown image format 'gif'; give one of: jpeg"):
        require("gif")


@pytest.mark.parametrize("name", FORMATS)
def test_half_the_size_is_fewer_bytes(name: str) -> None:
    if name not in available():
        pytest.skip(f"{name} cannot be written here")
    pixels = _picture(True)[:47, :63]
    whole, half = (through(pixels, name, 50, halved) for halved in (False, True))
    assert half.pixels.shape == pixels.shape
    assert half.bare < whole.bare
    assert np.abs(half.pixels.astype(int) - pixels).mean() < 12


# Fewest and most bytes of a container, as known from the formats.
CONTAINERS = {"jpeg": (100, 700), "webp": (20, 40), "avif": (200, 400), "jpegxl": (2, 60)}


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_have_the_size_of_their_format(name: str, grey: bool) -> None:
    if name not in available():
        pytest.skip(f"{name} cannot be written here")
    least, most = CONTAINERS[name]
    for quality in (90, 10):
        arrived = through(_picture(grey), name, quality)
        assert least <= arrived.sent - arrived.bare <= most
        assert arrived.bare > 10


def test_the_bare_bytes_of_a_png_are_its_zlib_stream() -> None:
    pixels = _picture(True)
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(stream, "PNG", optimize=True)
    data = stream.getvalue()
    start = data.index(b"IDAT") + 4
    inflated = zlib.decompress(data[start : start + bare_bytes(data, "png")])
    assert len(inflated) == pixels[..., 0].size + len(pixels)  # one filter byte a row


def test_a_jpeg_is_the_smaller_of_baseline_and_progressive() -> None:
    pixels = _picture(True)
    for quality in (90, 10):
        sizes = []
        for progressive in (False, True):
            stream = io.BytesIO()
            options = {"quality": quality, "optimize": True, "progressive": progressive}
            Image.fromarray(pixels[..., 0]).save(stream, "JPEG", **options)
            sizes.append(len(stream.getvalue()))
        assert through(pixels, "jpeg", quality).sent == min(sizes)
