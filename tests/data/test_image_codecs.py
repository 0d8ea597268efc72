import numpy as np
import pytest

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
    assert all(arrived.shape == pixels.shape for _, arrived in found)
    assert all(arrived.dtype == np.uint8 for _, arrived in found)
    sizes = [sent for sent, _ in found]
    errors = [np.abs(arrived.astype(int) - pixels).mean() for _, arrived in found]
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
