import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from splittool.data.images import list_images, read_image
from splittool.errors import FrameError, InputError, UsageError
from splittool.reports import CalibrationReport, CutReport, read_report
from splittool.split.calibration import CalibrationOptions
from splittool.split.calibration_file import FILE_NAME
from splittool.split.link import Link
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.runners import HeadRunner, Inference, SplitRunner
from splittool.split.split_network import SplitNetwork
from splittool.vocabulary import RangesFrom, RangesMethod

F32 = RunOptions(precision="f32")


@pytest.fixture
def folder(cut_folder: Path, tmp_path: Path) -> Path:
    """A copy of the cut that may be changed."""
    return Path(shutil.copytree(cut_folder, tmp_path / "copy"))


def _calibrate(
    folder: Path, steel: Path, *bits: int, method: RangesMethod = "best", per_channel: bool = True
) -> CalibrationReport:
    how = CalibrationOptions(method, per_channel, run=F32)
    images = [str(path) for path in list_images(steel / "train_images")[:4]]
    return SplitNetwork.open(folder).calibrate(images, bits, how, force=True)


def _link(
    folder: Path,
    bits: int = 4,
    ranges: RangesFrom | None = None,
    codec: str = "raw",
    key_interval: int = 1,
    per_channel: bool = True,
) -> Link:
    options = LinkOptions(bits, codec, ranges, per_channel, key_interval)
    return SplitNetwork.open(folder).link(options)


def _head(folder: Path) -> HeadRunner:
    return SplitNetwork.open(folder).head(F32)


def _run(folder: Path, link: Link, pixels: np.ndarray) -> Inference:
    head = _head(folder)
    return SplitRunner(head, link, SplitNetwork.open(folder).tail(head, F32)).run(pixels)


def test_every_tensor_gets_ranges_for_every_precision(folder: Path, steel: Path) -> None:
    report = _calibrate(folder, steel, 8, 4, 4)
    cut = read_report(folder / "cut.json", CutReport)
    assert [tensor.name for tensor in report.tensors] == [t.name for t in cut.split.tensors]
    for tensor, crossing in zip(report.tensors, cut.split.tensors, strict=True):
        assert [record.bits for record in tensor.ranges] == [8, 4]
        assert {len(record.low) for record in tensor.ranges} == {crossing.shape[1]}
    assert report.images == 4


def test_ranges_stay_at_home_and_are_used_without_asking(folder: Path, steel: Path) -> None:
    pixels = read_image(list_images(steel / "train_images")[0])
    cut = read_report(folder / "cut.json", CutReport)
    own = _link(folder)
    _calibrate(folder, steel, 4, method="min-max")
    known = _link(folder)
    assert (own.ranges, known.ranges) == ("frame", "calibrated")
    assert _link(folder, ranges="frame").ranges == "frame"
    frames = [_run(folder, link, pixels) for link in (own, known)]
    channels = sum(tensor.shape[1] for tensor in cut.split.tensors)
    assert (frames[0].payload_bytes or 0) - (frames[1].payload_bytes or 0) == 8 * channels
    error = np.abs(frames[0].probabilities - frames[1].probabilities).mean()
    assert 0 < error < 0.1


@pytest.mark.parametrize("method", ["best", "min-max", "mse"])
def test_one_range_for_all_channels(folder: Path, steel: Path, method: RangesMethod) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    cut = read_report(folder / "cut.json", CutReport)
    fine = _calibrate(folder, steel, 4, method=method)
    report = _calibrate(folder, steel, 4, method=method, per_channel=False)
    assert (fine.per, report.per) == ("channel", "tensor")
    for tensor, by_channel in zip(report.tensors, fine.tensors, strict=True):
        (found,), (channels,) = tensor.ranges, by_channel.ranges
        assert (len(found.low), len(found.step)) == (1, 1)
        if method == "min-max":
            assert found.low[0] == min(channels.low)
    known, own = _link(folder), _link(folder, ranges="frame", per_channel=False)
    assert (known.ranges_per, own.ranges_per) == (None, "tensor")
    frames = [_run(folder, link, pixels) for link in (own, known)]
    tensors = len(cut.split.tensors)
    assert (frames[0].payload_bytes or 0) - (frames[1].payload_bytes or 0) == 8 * tensors


def test_frames_may_say_what_changed_since_the_last(folder: Path, steel: Path) -> None:
    head = _head(folder)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    tensors = [np.array(tensor) for tensor in head.run(image)]
    with pytest.raises(UsageError, match="`key_interval` needs calibrated ranges"):
        _link(folder, ranges="frame", key_interval=3)
    with pytest.raises(InputError, match=r"no file .*calibration\.json; make it: splittool calib"):
        _link(folder, key_interval=3)
    _calibrate(folder, steel, 4)
    sender = _link(folder, codec="fast", key_interval=3)
    receiver, alone = _link(folder), _link(folder)
    frames = [sender.encode(number, tensors) for number in range(7)]
    assert [frame[4] for frame in frames] == [1, 2, 2, 1, 2, 2, 1]
    assert len(frames[1]) < len(frames[0]) / 4
    expected = alone.decode(alone.encode(0, tensors)).tensors
    for frame in frames:
        found = receiver.decode(frame).tensors
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_both_sides_must_have_the_same_calibration(folder: Path, steel: Path) -> None:
    head = _head(folder)
    tensors = head.run(np.zeros((64, 96, 3), dtype=np.uint8))
    _calibrate(folder, steel, 4)
    sender = _link(folder)
    _calibrate(folder, steel, 4, method="min-max")
    with pytest.raises(FrameError, match="of another cut or calibration"):
        _link(folder).decode(sender.encode(0, tensors))


def test_ranges_of_another_cut_are_not_used(folder: Path, steel: Path) -> None:
    _calibrate(folder, steel, 4)
    with (folder / "cut.json").open("a") as file:
        file.write("\n")
    link = _link(folder)
    assert link.ranges == "frame"
    assert link.note is not None
    assert "was made for another cut" in link.note
    with pytest.raises(InputError, match=r"made for another cut than .*splittool calibrate"):
        _link(folder, ranges="calibrated")


@pytest.mark.parametrize("ranges", [None, "calibrated"])
def test_a_damaged_calibration_is_no_missing_one(
    folder: Path, steel: Path, ranges: RangesFrom | None
) -> None:
    _calibrate(folder, steel, 4)
    path = folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"calibration\.json is not JSON"):
        _link(folder, ranges=ranges)
    assert _link(folder, ranges="frame").ranges == "frame"


def test_bits_that_were_not_calibrated(folder: Path, steel: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*calibration\.json; make it: splittool calib"):
        _link(folder, ranges="calibrated")
    _calibrate(folder, steel, 8)
    assert "at 4 bits" in (_link(folder, 4).note or "")
    assert _link(folder, 8).note is None
    with pytest.raises(InputError, match=r"has no ranges for .* at 4 bits; .* --bits 4"):
        _link(folder, 4, "calibrated")


def _infinite(text: bytes) -> bytes:
    report = msgspec.json.decode(text)
    report["tensors"][0]["ranges"][0]["low"][0] = 1e39
    return msgspec.json.encode(report)


def _short(text: bytes) -> bytes:
    report = msgspec.json.decode(text)
    report["tensors"][0]["ranges"][0]["step"].pop()
    return msgspec.json.encode(report)


def _negative(text: bytes) -> bytes:
    report = msgspec.json.decode(text)
    report["tensors"][0]["ranges"][0]["step"][0] = -1
    return msgspec.json.encode(report)


@pytest.mark.parametrize("spoil", [_infinite, _short, _negative, lambda text: text[:50]])
def test_damaged_ranges_are_refused(
    folder: Path, steel: Path, spoil: Callable[[bytes], bytes]
) -> None:
    _calibrate(folder, steel, 4)
    path = folder / FILE_NAME
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=r"calibration\.json .*(make|give a)"):
        _link(folder, ranges="calibrated")
