from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from networks import write_cut
from openvino import opset13 as op

from splittool.errors import InputError
from splittool.network.network import Network
from splittool.runtime.ir import save_ir
from splittool.split.options import Normalisation, RunOptions
from splittool.split.runners import WholeRunner
from splittool.split.split_network import SplitNetwork

WEIGHTS = np.random.default_rng(0).standard_normal((2, 3, 1, 1), np.float32) / 4
HALF = Normalisation(127.5, 127.5)


def _whole(path: Path, normalisation: Normalisation | None = None) -> WholeRunner:
    return Network.load(path).runner(RunOptions(precision="f32", normalisation=normalisation))


def _network(path: Path, channels_last: bool, kind: ov.Type = ov.Type.f32) -> Path:
    """Two maps of a 1x1 convolution; real numbers in, or pixels."""
    shape = [1, 6, 8, 3] if channels_last else [1, 3, 6, 8]
    image = op.parameter(shape, kind, name="image")
    x = op.convert(image, "f32") if kind == ov.Type.u8 else image
    if channels_last:
        x = op.transpose(x, op.constant([0, 3, 1, 2]))
    x = op.convolution(x, op.constant(WEIGHTS), [1, 1], [0, 0], [0, 0], [1, 1])
    x.set_friendly_name("conv")
    if channels_last:
        x = op.transpose(x, op.constant([0, 2, 3, 1]))
    save_ir(ov.Model([op.result(op.sigmoid(x))], [image], "m"), path, half=False)
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def _expected(values: np.ndarray) -> np.ndarray:
    maps = np.einsum("hwc,oc->ohw", values, WEIGHTS[:, :, 0, 0])
    return np.asarray(1 / (1 + np.exp(-maps)))


@pytest.mark.parametrize("channels_last", [False, True])
def test_real_numbers_are_normalised_and_channels_put_in_order(
    tmp_path: Path, pixels: np.ndarray, channels_last: bool
) -> None:
    path = _network(tmp_path / "m.xml", channels_last)
    pipeline = _whole(path, HALF)
    assert (pipeline.input_shape, pipeline.maps) == ((1, 3, 6, 8), 2)
    found = pipeline.run(pixels).probabilities
    assert found == pytest.approx(_expected((pixels.astype(np.float64) - 127.5) / 127.5), abs=1e-5)


@pytest.mark.parametrize("channels_last", [False, True])
def test_pixels_are_taken_as_they_are(
    tmp_path: Path, pixels: np.ndarray, channels_last: bool
) -> None:
    path = _network(tmp_path / "m.xml", channels_last, ov.Type.u8)
    found = _whole(path).run(pixels).probabilities
    assert found == pytest.approx(_expected(pixels.astype(np.float64)), abs=1e-4)


def test_halves_are_adapted_alike(tmp_path: Path, pixels: np.ndarray) -> None:
    path = _network(tmp_path / "m.xml", channels_last=True)
    write_cut(path, ["conv"], tmp_path / "cut", 1e-5)
    options = RunOptions(precision="f32", normalisation=HALF)
    halves = SplitNetwork.open(tmp_path / "cut").runner(options)
    whole = _whole(path, HALF)
    frame = halves.run(pixels)
    assert frame.probabilities == pytest.approx(whole.run(pixels).probabilities, abs=1e-3)
    assert frame.elements == 2 * 6 * 8


def test_an_unknown_normalisation_is_asked_for(tmp_path: Path) -> None:
    path = _network(tmp_path / "m.xml", channels_last=False)
    with pytest.raises(InputError, match=r"m\.xml takes real numbers, .* give `mean` M `scale` S"):
        _whole(path)


@pytest.mark.parametrize("shape", [[1, 4, 6, 8], [2, 3, 6, 8], [3, 6, 8]])
def test_what_takes_no_image_is_refused(tmp_path: Path, shape: list[int]) -> None:
    x = op.parameter(shape, ov.Type.f32, name="x")
    save_ir(ov.Model([op.result(op.relu(x))], [x], "m"), tmp_path / "m.xml")
    with pytest.raises(InputError, match="does not take one image"):
        _whole(tmp_path / "m.xml", HALF)


def test_maps_of_another_size_are_refused(tmp_path: Path) -> None:
    x = op.parameter([1, 3, 6, 8], ov.Type.f32, name="x")
    small = op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    save_ir(ov.Model([op.result(small)], [x], "m"), tmp_path / "m.xml")
    with pytest.raises(InputError, match="does not put out one map"):
        _whole(tmp_path / "m.xml", HALF)
