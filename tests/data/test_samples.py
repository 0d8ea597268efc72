from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from splittool.data.images import list_images, read_image
from splittool.data.kaggle import read_labels
from splittool.data.samples import samples
from splittool.errors import InputError

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6)
COLOUR = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
MASKS = np.stack([GREY > 9, GREY > 20])


def test_a_folder_is_joined_with_the_table_beside_it(steel: Path) -> None:
    found = samples(steel / "train_images")
    assert [sample.path for sample in found] == list_images(steel / "train_images")
    assert found.labelled
    assert found.labels is not None
    assert found.labels.path == steel / "train.csv"
    classes = found.labels.classes
    assert sum(sample.masks(classes).any() for sample in found) == len(found.labels.runs)


def test_labels_can_be_named_given_or_left_out(steel: Path, tmp_path: Path) -> None:
    folder = str(steel / "train_images")
    table = tmp_path / "other.csv"
    table.write_bytes((steel / "train.csv").read_bytes())
    named, given = samples(folder, str(table)), samples(folder, read_labels(table))
    assert named.labels is not None
    assert named.labels.path == table
    for one, other in zip(named, given, strict=True):
        assert np.array_equal(one.masks("1234"), other.masks("1234"))
    unlabelled = samples(folder, labels=False)
    assert not unlabelled.labelled
    assert all(not sample.runs for sample in unlabelled)


def test_arrays_become_samples() -> None:
    found = samples([GREY, COLOUR], labels=[MASKS, ~MASKS])
    assert [sample.name for sample in found] == ["image-0001", "image-0002"]
    assert [(sample.height, sample.width) for sample in found] == [(4, 6), (4, 6)]
    assert [sample.file_bytes for sample in found] == [None, None]
    assert np.array_equal(found[0].image(), np.stack([GREY] * 3, axis=2))
    assert np.array_equal(found[1].image(), COLOUR)
    assert np.array_equal(found[1].masks(["crack", "fleck"]), ~MASKS)
    assert found.labelled
    assert found[1:].labelled
    assert len(samples(np.stack([COLOUR] * 3))) == 3
    assert not samples(COLOUR).labelled


def test_one_array_and_its_masks() -> None:
    (found,) = samples(COLOUR, labels=MASKS)
    assert np.array_equal(found.masks("ab"), MASKS)


def test_pictures_of_pillow_become_samples() -> None:
    (found,) = samples(Image.fromarray(COLOUR))
    assert np.array_equal(found.image(), COLOUR)


def test_a_picture_from_a_file_keeps_its_name_and_masks(steel: Path) -> None:
    paths = list_images(steel / "train_images")
    pictures = [Image.open(path) for path in paths]
    found = samples(pictures, steel / "train.csv")
    assert [sample.name for sample in found] == [path.name for path in paths]
    for sample, from_file in zip(found, samples(paths), strict=True):
        assert np.array_equal(sample.masks("1234"), from_file.masks("1234"))
        assert np.array_equal(sample.image(), from_file.image())


def test_files_and_arrays_can_be_mixed(steel: Path) -> None:
    path = list_images(steel / "train_images")[0]
    pixels = read_image(path)
    empty = np.zeros((2, *pixels.shape[:2]), dtype=bool)
    found = samples([path, pixels], [empty, ~empty])
    assert [sample.name for sample in found] == [path.name, "image-0002"]
    assert found[0].file_bytes == path.stat().st_size
    assert found[1].masks("ab").all()
    assert not found[0].masks("ab").any()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ([], None, "empty"),
        (np.zeros((4, 6)), None, "image-0001 is of type float64; pixels are uint8"),
        ([[1, 2]], None, "image-0001 is of type list"),
        (np.zeros((4, 6, 4), np.uint8), None, r"shape \(4, 6, 4\); images are"),
        (np.zeros((0, 6, 3), np.uint8), None, r"shape \(0, 6, 3\)"),
        ([GREY, GREY], [MASKS], "1 arrays of masks for 2 images"),
        (GREY, MASKS[:, :2], r"masks of image-0001 are bool of the shape .*\(classes, 4, 6\) bool"),
        (GREY, [MASKS.astype(int)], "masks of image-0001 are int64"),
        (GREY, [MASKS[0]], "masks of image-0001"),
        ("gone", None, "there is no file or folder gone"),
    ],
)
def test_what_does_not_fit_is_refused(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        samples(images, labels)


def test_masks_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(InputError, match="have 2 classes, but 3 are asked for: a, b, c"):
        samples(GREY, [MASKS])[0].masks("abc")


def test_a_table_cannot_label_arrays_without_names(steel: Path) -> None:
    with pytest.raises(InputError, match=r"train\.csv names image files"):
        samples([GREY], steel / "train.csv")
