import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from networks import split_runner, whole_runner, write_cut
from openvino import opset13 as op

from splittool.codec.symbols import packed_bytes
from splittool.data.images import Canvas, read_image
from splittool.errors import InputError
from splittool.reports import CutReport, read_report
from splittool.runtime.ir import save_ir
from splittool.split.runners import WholeRunner, canvas_of, to_planes


@pytest.fixture(scope="module")
def whole(exported: Path) -> WholeRunner:
    return whole_runner(exported)


@pytest.fixture(scope="module")
def pixels(steel: Path) -> np.ndarray:
    return read_image(steel / "train_images" / "steel_00000.jpg")


def test_both_halves_at_16_bits_are_nearly_the_whole(
    whole: WholeRunner, cut_folder: Path, pixels: np.ndarray
) -> None:
    expected = whole.run(pixels).probabilities
    found = split_runner(cut_folder).run(pixels).probabilities
    assert found.shape == expected.shape == (4, 64, 96)
    assert np.abs(found - expected).max() < 1e-2
    assert np.ptp(expected) > 0.01


def test_fewer_bits_are_further_from_the_whole(
    whole: WholeRunner, cut_folder: Path, pixels: np.ndarray
) -> None:
    expected = whole.run(pixels).probabilities
    errors = [
        np.abs(split_runner(cut_folder, bits).run(pixels).probabilities - expected).mean()
        for bits in (1, 4, 8, 16)
    ]
    assert errors == sorted(errors, reverse=True)
    assert np.isfinite(errors[0])


@pytest.mark.parametrize("bits", [1, 4, 11, 16])
def test_bytes_on_the_link_are_counted(cut_folder: Path, pixels: np.ndarray, bits: int) -> None:
    frame = split_runner(cut_folder, bits, "raw").run(pixels)
    cut = read_report(cut_folder / "cut.json", CutReport)
    expected = 36 + sum(
        8 + 8 * tensor.shape[1] + packed_bytes(tensor.elements, bits)
        for tensor in cut.split.tensors
    )
    assert frame.payload_bytes == expected
    assert frame.elements == cut.split.elements


@pytest.mark.parametrize("codec", ["raw", "fast", "small"])
def test_codecs_lose_nothing(cut_folder: Path, pixels: np.ndarray, codec: str) -> None:
    expected = split_runner(cut_folder, 4, "raw").run(pixels)
    found = split_runner(cut_folder, 4, codec).run(pixels)
    assert np.array_equal(found.probabilities, expected.probabilities)
    assert (found.payload_bytes or 0) <= (expected.payload_bytes or 0)


def test_a_whole_model_sends_nothing(whole: WholeRunner, pixels: np.ndarray) -> None:
    frame = whole.run(pixels)
    assert frame.payload_bytes is None
    assert frame.elements is None


def test_frames_do_not_change_when_the_next_one_runs(
    whole: WholeRunner, cut_folder: Path, pixels: np.ndarray
) -> None:
    for pipeline in (whole, split_runner(cut_folder, 8)):
        first = pipeline.run(pixels).probabilities
        before = first.copy()
        pipeline.run(255 - pixels)
        assert np.array_equal(first, before)
        assert np.array_equal(pipeline.run(pixels).probabilities, before)


@pytest.fixture
def damaged(cut_folder: Path, tmp_path: Path) -> Path:
    """A copy of the cut that may be damaged."""
    return Path(shutil.copytree(cut_folder, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["head.bin", "head.xml", "tail.bin", "tail.xml"])
def test_halves_that_are_not_the_verified_ones_are_refused(damaged: Path, name: str) -> None:
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is not the one that .* was verified with"):
        split_runner(damaged)


@pytest.mark.parametrize("name", ["head.bin", "tail.xml"])
def test_halves_that_are_missing_are_named(damaged: Path, name: str) -> None:
    (damaged / name).unlink()
    with pytest.raises(InputError, match=f"there is no file .*{name}, which .*cut.json names"):
        split_runner(damaged)


def test_halves_of_another_cut_are_refused(damaged: Path, exported: Path, tmp_path: Path) -> None:
    write_cut(exported, ["maxpool_1"], tmp_path / "other", 1e-3)
    for name in ("tail.xml", "tail.bin"):
        shutil.copy(tmp_path / "other" / name, damaged / name)
    with pytest.raises(InputError, match="is not the one"):
        split_runner(damaged)


def test_a_cut_moves_with_its_folder(damaged: Path, pixels: np.ndarray) -> None:
    assert split_runner(damaged).run(pixels).probabilities.shape == (4, 64, 96)


def test_the_tail_may_need_the_image(tmp_path: Path) -> None:
    """The image crosses as the bytes it is, beside a tensor that is quantised."""
    x = op.parameter([1, 3, 8, 8], ov.Type.u8, name="pixels")
    real = op.convert(x, "f32")
    pooled = op.max_pool(real, [8, 8], [1, 1], [0, 0], [0, 0], [8, 8])
    pooled.set_friendly_name("pooled")
    mixed = op.add(op.convert(x, "f32"), pooled.output(0))
    save_ir(ov.Model([op.result(op.sigmoid(mixed))], [x], "m"), tmp_path / "m.xml")
    write_cut(tmp_path / "m.xml", ["pooled"], tmp_path / "cut", 1e-3)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    frame = split_runner(tmp_path / "cut", 16, "raw").run(pixels)
    whole = whole_runner(tmp_path / "m.xml").run(pixels)
    assert frame.probabilities == pytest.approx(whole.probabilities, abs=1e-4)
    # The frame's 36 and 2 x 8; 192 pixels; 3 values of 16 bits, 8 bytes of range for each channel.
    assert frame.payload_bytes == 36 + 16 + 192 + 6 + 24
    assert frame.elements == 195


def test_the_canvas_is_the_models_unless_asked_otherwise(
    whole: WholeRunner, cut_folder: Path
) -> None:
    for pipeline in (whole, split_runner(cut_folder)):
        assert canvas_of(pipeline, None) == Canvas(64, 96, "pad")
        assert canvas_of(pipeline, "resize") == Canvas(64, 96, "resize")


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, 1, 8, 8), "u8"), ((2, 3, 8, 8), "u8"), ((3, 8, 8), "u8"), ((1, 4, 8, 8), "f32")],
)
def test_models_that_take_no_image_are_refused(
    tmp_path: Path, shape: tuple[int, ...], kind: str
) -> None:
    x = op.parameter(list(shape), getattr(ov.Type, kind), name="x")
    save_ir(ov.Model([op.result(op.relu(op.convert(x, "f32")))], [x], "m"), tmp_path / "m.xml")
    with pytest.raises(InputError, match="does not take one image"):
        whole_runner(tmp_path / "m.xml")


def test_planes_come_first() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    planes = to_planes(pixels)
    assert planes.shape == (1, 3, 2, 4)
    assert planes.flags.c_contiguous
    assert np.array_equal(planes[0, 1], pixels[..., 1])
