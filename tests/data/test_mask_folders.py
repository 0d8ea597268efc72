"""Folders of masks become Kaggle's layout."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from splittool.data.kaggle import read_folder
from splittool.data.mask_folders import import_masks
from splittool.errors import InputError

VALUES = np.array([[0, 1, 1], [2, 2, 0]], dtype=np.uint8)


def _make(folder: Path, masks: dict[str, Image.Image], images: tuple[str, ...] = ("a",)) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for name in images:
        Image.new("L", (3, 2), 50).save(folder / "images" / f"{name}.png")
    for name, mask in masks.items():
        path = folder / "masks" / name
        path.parent.mkdir(exist_ok=True)
        mask.save(path, "PNG")
    return folder


def _palette(values: np.ndarray) -> Image.Image:
    image = Image.fromarray(values)
    image.putpalette([value * 7 % 256 for value in range(768)])
    return image


@pytest.mark.parametrize("kind", ["L", "P", "I;16"])
def test_values_are_classes(tmp_path: Path, kind: str) -> None:
    mask = {
        "L": Image.fromarray(VALUES),
        "P": _palette(VALUES),
        "I;16": Image.fromarray(VALUES.astype(np.uint16)),
    }[kind]
    report = import_masks(_make(tmp_path / "in", {"a.png": mask}), tmp_path / "out")
    (sample,), classes = read_folder(tmp_path / "out")
    assert classes == ("1", "2")
    assert np.array_equal(sample.masks(classes), [VALUES == 1, VALUES == 2])
    assert report.pixel_share_per_class == {"1": 1 / 3, "2": 1 / 3}
    assert report.annotations is None


def test_folders_are_classes(tmp_path: Path) -> None:
    masks = {
        "deep crack/a.png": Image.fromarray((VALUES == 1).astype(np.uint8) * 255),
        "fleck/b.png": Image.fromarray(VALUES == 2),
        "nothing/b.png": Image.fromarray(VALUES * 0),
    }
    folder = _make(tmp_path / "in", masks, ("a", "b", "c"))
    report = import_masks(folder, tmp_path / "out")
    (a, b, c), classes = read_folder(tmp_path / "out")
    assert classes == ("deep crack", "fleck")
    assert np.array_equal(a.masks(classes), [VALUES == 1, VALUES == 9])
    assert np.array_equal(b.masks(classes), [VALUES == 9, VALUES == 2])
    assert not c.masks(classes).any()
    assert report.clean_images == 1
    assert report.classes_without_masks == ["nothing"]


@given(hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, 254)).filter(np.any))
def test_any_mask_comes_back(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("masks")
    _make(folder / "in", {"a.png": Image.fromarray(values)})
    Image.new("L", (7, 5)).save(folder / "in" / "images" / "a.png")
    import_masks(folder / "in", folder / "out")
    (sample,), classes = read_folder(folder / "out")
    drawn = sum(int(name) * mask for name, mask in zip(classes, sample.masks(classes), strict=True))
    assert np.array_equal(drawn, values)


def test_synthetic_steel_goes_through_folders_and_back(steel: Path, tmp_path: Path) -> None:
    samples, classes = read_folder(steel)
    folder = _make(tmp_path / "in", {}, ())
    for sample in samples:
        (folder / "images" / sample.name).write_bytes(sample.path.read_bytes())
        for name, mask in zip(classes, sample.masks(classes), strict=True):
            (folder / "masks" / name).mkdir(exist_ok=True)
            if mask.any():
                Image.fromarray(mask).save(folder / "masks" / name / f"{sample.path.stem}.png")
    import_masks(folder, tmp_path / "out")
    found, found_classes = read_folder(tmp_path / "out")
    assert found_classes == classes
    for one, other in zip(found, samples, strict=True):
        assert np.array_equal(one.masks(classes), other.masks(classes))


def test_values_that_mean_nothing(tmp_path: Path) -> None:
    values = np.array([[0, 1, 255], [3, 3, 255]], dtype=np.uint8)
    folder = _make(tmp_path / "in", {"a.png": Image.fromarray(values)})
    with pytest.raises(InputError, match=r"a\.png has the value 255.*`ignore` 255.*masks/crack/"):
        import_masks(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = import_masks(folder, tmp_path / "out", ignore=[255, 3])
    assert report.images_per_class == {"1": 1}


GOOD = Image.fromarray(VALUES)
BAD: list[tuple[str, dict[str, Image.Image], str]] = [
    ("no masks", {}, "holds neither PNG masks nor folders"),
    ("both kinds", {"a.png": GOOD, "x/a.png": GOOD}, "holds both PNG masks and folders"),
    ("mask missing", {"a.png": GOOD}, r"there is no mask \S+/b\.png for"),
    ("stray mask", {"a.png": GOOD, "b.png": GOOD, "c.png": GOOD}, r"no image for the mask \S+c\."),
    ("stray in a class", {"x/a.png": GOOD, "x/c.png": GOOD}, "there is no image for the mask"),
    ("another size", {"a.png": GOOD, "b.png": Image.new("L", (2, 3))}, "is 3x2, but .* is 2x3"),
    ("colours", {"a.png": Image.new("RGB", (3, 2)), "b.png": GOOD}, "PNG of mode RGB; a mask is"),
    ("not binary", {"x/a.png": GOOD}, "has the values 0, 1, 2; a binary mask has 0 and one"),
    ("binary without 0", {"x/a.png": Image.fromarray(VALUES % 2 + 1)}, "has the values 1, 2"),
    ("all clean", {"a.png": Image.new("L", (3, 2)), "b.png": Image.new("L", (3, 2))}, "no masks"),
]


@pytest.mark.parametrize(("masks", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_does_not_fit_is_refused_and_nothing_is_left(
    tmp_path: Path, masks: dict[str, Image.Image], message: str
) -> None:
    folder = _make(tmp_path / "in", masks, ("a", "b"))
    with pytest.raises(InputError, match=message):
        import_masks(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_jpeg_is_not_a_mask(tmp_path: Path) -> None:
    folder = _make(tmp_path / "in", {})
    GOOD.save(folder / "masks" / "a.png", "JPEG")
    with pytest.raises(InputError, match="is JPEG of mode L; a mask is a PNG"):
        import_masks(folder, tmp_path / "out")


def test_parts_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder \S+/images"):
        import_masks(tmp_path / "gone", tmp_path / "out")
    (tmp_path / "in" / "images").mkdir(parents=True)
    Image.new("L", (3, 2)).save(tmp_path / "in" / "images" / "a.png")
    with pytest.raises(InputError, match=r"there is no folder \S+/masks; put the PNG masks"):
        import_masks(tmp_path / "in", tmp_path / "out")
