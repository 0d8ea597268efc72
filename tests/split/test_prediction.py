import weakref
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
import pytest
from networks import whole_runner
from openvino import opset13 as op
from PIL import Image

from splittool.data import rle
from splittool.data.images import Fit, list_images
from splittool.data.kaggle import read_folder, read_labels
from splittool.data.scores import count, dice_interval, summarise, tally
from splittool.errors import InputError
from splittool.network.network import Network
from splittool.reports import InferReport
from splittool.runtime.ir import save_ir
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.runners import Inference, WholeRunner, canvas_of
from splittool.split.split_network import SplitNetwork

# Near the middle of what an untrained network says, so that there is something to predict.
THRESHOLD = 0.5


@pytest.fixture(scope="module")
def whole(exported: Path) -> WholeRunner:
    return whole_runner(exported)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, steel: Path) -> Path:
    """Images of other sizes than the network's, without labels."""
    folder = tmp_path_factory.mktemp("mixed")
    for path, (height, width) in zip(
        list_images(steel / "train_images"), [(64, 96), (33, 47), (64, 50), (1, 1)], strict=False
    ):
        Image.open(path).crop((0, 0, width, height)).save(folder / f"{path.stem}.png")
    return folder


def _predict_all(
    network: Path,
    images: Path,
    folder: Path,
    fit: Fit | None = None,
    labels: Path | Literal[False] = False,
) -> InferReport:
    options = RunOptions(precision="f32", fit=fit, threshold=THRESHOLD)
    return Network.load(network).evaluate(str(images), labels, folder, options)


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_masks_come_back_at_the_images_size(
    exported: Path, mixed: Path, tmp_path: Path, fit: Fit
) -> None:
    found = _predict_all(exported, mixed, tmp_path, fit)
    table = read_labels(tmp_path / "predictions.csv")
    assert found.scores is None
    assert len(found.rows) == 4
    assert sum(sum(row.pixels.values()) for row in found.rows) > 0
    for row, path in zip(found.rows, list_images(mixed), strict=True):
        with Image.open(path) as image:
            assert (row.height, row.width) == (image.height, image.width)
        runs = table.runs.get(row.image, {})
        size = (row.height, row.width)
        masks = {name: rle.decode(runs[name], *size) for name in runs}
        assert {name: int(mask.sum()) for name, mask in masks.items()} == {
            name: pixels for name, pixels in row.pixels.items() if pixels
        }
        assert row.dice is None
        with Image.open(tmp_path / "masks" / f"{path.stem}.png") as image:
            drawn = np.asarray(image)
        assert drawn.shape == size
        union = np.any([np.zeros(size, dtype=bool), *masks.values()], axis=0)
        assert np.array_equal(drawn > 0, union)
        for index, name in enumerate("1234", start=1):
            assert (masks[name][drawn == index]).all() if (drawn == index).any() else True
        with Image.open(tmp_path / "overlays" / f"{path.stem}.jpg") as image:
            assert image.width == row.width
            assert image.height > row.height  # a legend is below


def test_predictions_decode_to_the_probabilities_over_the_threshold(
    whole: WholeRunner, exported: Path, steel: Path, tmp_path: Path
) -> None:
    canvas = canvas_of(whole, None)
    _predict_all(exported, steel / "train_images", tmp_path)
    table = read_labels(tmp_path / "predictions.csv")
    samples, classes = read_folder(steel)
    for sample in samples:
        expected = whole.run(canvas.image(sample.image())).probabilities >= THRESHOLD
        runs = table.runs.get(sample.path.name, {})
        none = np.empty((0, 2), dtype=np.int64)
        found = [rle.decode(runs.get(name, none), 64, 96) for name in classes]
        assert np.array_equal(np.stack(found), expected)


def test_scores_are_those_of_the_masks(
    whole: WholeRunner, exported: Path, steel: Path, tmp_path: Path
) -> None:
    canvas = canvas_of(whole, None)
    images, table = steel / "train_images", steel / "train.csv"
    found = _predict_all(exported, images, tmp_path, labels=table)
    samples, classes = read_folder(steel)
    counts = [
        count(
            whole.run(canvas.image(sample.image())).probabilities >= THRESHOLD,
            sample.masks(classes),
        )
        for sample in samples
    ]
    expected = summarise(tally(np.stack(counts)))
    assert found.scores is not None
    assert found.scores.kaggle == pytest.approx(expected.kaggle)
    assert found.scores.floor == pytest.approx(expected.floor)
    assert found.scores.dice == pytest.approx(expected.dice)
    assert found.scores.dice_interval == dice_interval(np.stack(counts))
    assert list(found.scores.dice_per_class.values()) == pytest.approx(expected.dice_per_class)
    assert all(row.dice is not None for row in found.rows)


def test_the_report_of_a_cut(cut_folder: Path, steel: Path, tmp_path: Path) -> None:
    files = list_images(steel / "train_images")[:3]
    told: list[float] = []
    report = SplitNetwork.open(cut_folder).evaluate(
        [str(path) for path in files],
        labels=False,
        folder=tmp_path,
        options=RunOptions(precision="f32", fps=(10, 12.5)),
        link=LinkOptions(4, "raw"),
        progress=lambda done, total, what: told.append(done),
    )
    assert told == [0, 1, 2, 3]
    sent = {row.payload_bytes for row in report.rows}
    assert sent == {report.payload_bytes_per_frame}
    assert report.payload_bytes_per_frame is not None
    assert report.mbps["10"] == pytest.approx(report.payload_bytes_per_frame * 80 / 1e6)
    assert report.mbps["12.5"] == pytest.approx(report.payload_bytes_per_frame * 100 / 1e6)
    assert report.bits_per_element is not None
    assert 4 <= report.bits_per_element < 4.2
    assert report.raw_image_bytes_per_frame == 3 * 64 * 96
    assert report.bits_per_pixel == pytest.approx(report.payload_bytes_per_frame * 8 / (64 * 96))
    assert (report.codec, report.ranges, report.bits) == ("raw", "frame", 4)
    assert report.bits_per_tensor is not None
    assert set(report.bits_per_tensor.values()) == {4}
    assert min(report.encode_ms or 0, report.decode_ms or 0) > 0
    sizes = [path.stat().st_size for path in files]
    assert report.image_file_bytes_per_frame == pytest.approx(np.mean(sizes))


def test_a_whole_model_is_billed_for_the_image_files(
    exported: Path, steel: Path, tmp_path: Path
) -> None:
    report = _predict_all(exported, steel / "train_images", tmp_path)
    assert report.payload_bytes_per_frame is report.bits_per_element is None
    assert report.codec is report.bits_per_tensor is report.bits_per_pixel is None
    assert report.encode_ms is report.decode_ms is report.ranges is None
    assert report.mbps["10"] == pytest.approx((report.image_file_bytes_per_frame or 0) * 80 / 1e6)


def test_an_image_larger_than_the_network_is_refused_first(exported: Path, tmp_path: Path) -> None:
    Image.new("L", (97, 64)).save(tmp_path / "wide.png")
    with pytest.raises(InputError, match=r"wide\.png is 64x97, larger than the network's 64x96"):
        _predict_all(exported, tmp_path / "wide.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_images_that_would_write_one_mask(exported: Path, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    with pytest.raises(InputError, match=r"would both write a\.png"):
        _predict_all(exported, tmp_path, tmp_path / "out")


def test_labels_of_classes_the_model_does_not_know(
    exported: Path, steel: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text(
        "ImageId,ClassId,EncodedPixels\nsteel_00000.jpg,dent,1 1\n"
    )
    with pytest.raises(InputError, match="has class 'dent', but the model predicts 1, 2, 3, 4"):
        _predict_all(
            exported, steel / "train_images", tmp_path / "out", labels=tmp_path / "labels.csv"
        )


def test_a_damaged_image_keeps_the_masks_before_it(
    exported: Path, steel: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for path in list_images(steel / "train_images")[:4]:
        (images / path.name).write_bytes(path.read_bytes())
    last = images / "steel_00003.jpg"
    last.write_bytes(last.read_bytes()[:1200])
    with pytest.raises(InputError, match=r"steel_00003\.jpg is damaged"):
        _predict_all(exported, images, tmp_path / "out")
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_logits_are_no_probabilities(mixed: Path, tmp_path: Path) -> None:
    x = op.parameter([1, 3, 64, 96], ov.Type.u8, name="x")
    save_ir(ov.Model([op.result(op.convert(x, "f32"))], [x], "m"), tmp_path / "m.xml")
    with pytest.raises(InputError, match=r"m\.xml puts out values from .* end the network with a"):
        _predict_all(tmp_path / "m.xml", mixed, tmp_path / "out")


def test_maps_are_not_kept_for_all_images(
    exported: Path, steel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of images would not fit into memory."""
    maps: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []
    run = WholeRunner.run

    def watched(self: WholeRunner, pixels: np.ndarray) -> Inference:
        found = run(self, pixels)
        maps.append(weakref.ref(found.probabilities))
        alive.append(sum(one() is not None for one in maps))
        return found

    monkeypatch.setattr(WholeRunner, "run", watched)
    images = [*list_images(steel / "train_images")] * 4
    report = Network.load(exported).evaluate(images, labels=False)
    assert report.images == len(maps) == 48
    assert max(alive) <= 10
