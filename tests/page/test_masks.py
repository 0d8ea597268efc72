from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from splittool.data.kaggle import read_labels
from splittool.errors import InputError
from splittool.page.masks import Series, mask_series
from splittool.page.sources import Source
from splittool.reports import InferReport, read_report

INFERRED = ("whole/report.json", "split/report.json")


def sources(folder: Path, *changes: dict[str, object]) -> list[Source]:
    reports = [read_report(folder / name, InferReport) for name in INFERRED]
    for report, changed in zip(reports, changes, strict=False):
        for name, value in changed.items():
            setattr(report, name, value)
    return [Source(report, name) for report, name in zip(reports, INFERRED, strict=True)]


def only(found: list[Series]) -> Series:
    (series,) = found
    return series


def opened(address: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(address.partition(",")[2])))


def test_the_steps_are_the_truth_and_the_reports_the_most_bytes_first(folder: Path) -> None:
    series = only(mask_series(sources(folder)[::-1], 3))
    assert series.steps == ["true masks", "whole network tiny.xml", "cut at maxpool_1, 2-bit fast"]
    assert series.images == 12
    assert [len(each.layers) for each in series.pictures] == [3, 3, 3]
    assert all("bytes" in each.layers[2].caption for each in series.pictures)
    assert [name for name, _ in series.classes] == ["1", "2", "3", "4"]


def test_the_first_layer_has_the_true_pixels_and_the_others_what_was_predicted(
    folder: Path,
) -> None:
    found = sources(folder)
    labels = read_labels(folder / "steel" / "train.csv")
    for picture in only(mask_series(found, 3)).pictures:
        path = folder / "steel" / "train_images" / picture.name
        assert opened(picture.address).size == (picture.width, picture.height) == (96, 64)
        true = labels.sample(path).masks(["1", "2", "3", "4"]).any(0)
        alpha = np.asarray(opened(picture.layers[0].address))[..., 3]
        assert np.array_equal(alpha > 0, true)
        for source, layer in zip(found, picture.layers[1:], strict=True):
            assert isinstance(source.report, InferReport)
            table = read_labels(Path(str(source.report.folder)) / "predictions.csv")
            masks = table.sample(path).masks(["1", "2", "3", "4"]).any(0)
            alpha = np.asarray(opened(layer.address))[..., 3]
            assert np.array_equal(alpha == 128, masks & (alpha != 255))
            assert not alpha[~masks & ~true].any()


def test_only_images_with_a_defect_are_shown_as_long_as_there_are_some(folder: Path) -> None:
    labels = read_labels(folder / "steel" / "train.csv")
    series = only(mask_series(sources(folder), 100))
    assert {each.name for each in series.pictures} == set(labels.runs)
    assert mask_series(sources(folder), 0) == []


def test_without_labels_the_predictions_say_which(folder: Path) -> None:
    series = only(mask_series(sources(folder, {"labels": None}, {"labels": None}), 2))
    assert series.steps[0] == "whole network tiny.xml"
    assert len(series.pictures) == 2


def test_reports_of_other_images_have_a_slider_of_their_own(folder: Path) -> None:
    found = sources(folder)
    assert isinstance(found[1].report, InferReport)
    found[1].report.rows = found[1].report.rows[:5]
    assert [each.images for each in mask_series(found, 2)] == [12, 5]


def test_reports_that_kept_no_predictions_show_none(folder: Path) -> None:
    assert mask_series(sources(folder, {"predictions": None}, {"predictions": None}), 4) == []


def test_what_is_not_as_it_was_is_refused(folder: Path, tmp_path: Path) -> None:
    found = sources(folder)
    report = found[0].report
    assert isinstance(report, InferReport)
    assert report.predictions is not None
    changed = replace(report.predictions, sha256="0" * 64)
    with pytest.raises(InputError, match=r"predictions\.csv is not the table that the report"):
        mask_series(sources(folder, {"predictions": changed}), 4)
    gone = replace(report.predictions, path=str(tmp_path / "gone.csv"))
    with pytest.raises(InputError, match=r"gone\.csv; infer again"):
        mask_series(sources(folder, {"predictions": gone}), 4)
    rows = [replace(row, path=str(tmp_path / row.image)) for row in report.rows]
    with pytest.raises(InputError, match=r"\.jpg; infer again"):
        mask_series(sources(folder, {"rows": rows}, {"rows": rows}), 4)
