"""COCO annotations become Kaggle's layout."""

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from splittool.data.coco import draw_runs, import_coco
from splittool.data.images import list_images
from splittool.data.kaggle import read_folder
from splittool.errors import InputError, MissingExtraError, OutputError

mask_api = pytest.importorskip("pycocotools.mask")

HEIGHT, WIDTH = 4, 6
SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]
Change = Callable[[dict[str, Any]], object]


def _content() -> dict[str, Any]:
    images = [
        {"id": number, "file_name": f"{name}.png", "height": HEIGHT, "width": WIDTH}
        for number, name in ((7, "a"), (8, "b"))
    ]
    categories = [{"id": 1, "name": "fine crack"}, {"id": 90, "name": "Straße, 日本"}]
    region = {"id": 5, "image_id": 7, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0}
    return {"info": {}, "images": images, "categories": categories, "annotations": [region]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of two images and annotations.json with one square."""
    folder = tmp_path / "coco"
    (folder / "images").mkdir(parents=True)
    for name in ("a", "b"):
        Image.new("L", (WIDTH, HEIGHT), 50).save(folder / "images" / f"{name}.png")
    _change(folder, lambda content: None)
    return folder


def _change(folder: Path, change: Change) -> None:
    content = _content()
    change(content)
    (folder / "annotations.json").write_text(json.dumps(content))


def _masks(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    samples, classes = read_folder(folder)
    return {
        (sample.name, name): mask
        for sample in samples
        for name, mask in zip(classes, sample.masks(classes), strict=True)
        if mask.any()
    }


def test_a_polygon_is_drawn_and_its_class_keeps_its_name(source: Path, tmp_path: Path) -> None:
    report = import_coco(source, tmp_path / "out")
    ((key, mask),) = _masks(tmp_path / "out").items()
    assert key == ("a.png", "fine crack")
    assert np.argwhere(mask).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert (report.images, report.clean_images) == (2, 1)
    assert report.images_per_class == {"fine crack": 1}
    assert report.pixel_share_per_class == {"fine crack": 4 / 48}
    assert report.classes_without_masks == ["Straße, 日本"]
    assert report.crowd_regions == 0
    for path in list_images(tmp_path / "out" / "train_images"):
        assert path.read_bytes() == (source / "images" / path.name).read_bytes()


def test_regions_of_a_class_are_joined_and_crowds_counted(source: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        runs = {"size": [HEIGHT, WIDTH], "counts": [0, 2, 22]}
        crowd = {"image_id": 7, "category_id": 1, "segmentation": runs, "iscrowd": 1}
        other = {"image_id": 7, "category_id": 90, "segmentation": [SQUARE]}
        content["annotations"] += [crowd, other]

    _change(source, change)
    report = import_coco(source, tmp_path / "out")
    masks = _masks(tmp_path / "out")
    assert set(masks) == {("a.png", "fine crack"), ("a.png", "Straße, 日本")}
    assert masks["a.png", "fine crack"].sum() == 6
    assert report.crowd_regions == 1


@pytest.mark.parametrize("compressed", [True, False])
def test_synthetic_steel_goes_through_coco_and_back(
    steel: Path, tmp_path: Path, compressed: bool
) -> None:
    samples, classes = read_folder(steel)
    content: dict[str, Any] = {"annotations": [], "images": []}
    content["categories"] = [{"id": name, "name": f"kind {name}"} for name in classes]
    for number, sample in enumerate(samples):
        size = {"height": sample.height, "width": sample.width}
        content["images"].append({"id": number, "file_name": sample.name, **size})
        for name, mask in zip(classes, sample.masks(classes), strict=True):
            runs = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
            counts = runs["counts"].decode() if compressed else _lengths(mask)
            shape = {"size": runs["size"], "counts": counts}
            if mask.any():
                region = {"image_id": number, "category_id": name, "segmentation": shape}
                content["annotations"].append(region)
    folder = tmp_path / "coco"
    shutil.copytree(steel / "train_images", folder / "train2017")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    import_coco(folder, tmp_path / "out")
    expected = {(image, f"kind {name}"): mask for (image, name), mask in _masks(steel).items()}
    found = _masks(tmp_path / "out")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in found)


def _lengths(mask: np.ndarray) -> list[int]:
    pixels = mask.T.ravel()
    edges = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff([0, *edges, len(pixels)]).tolist()
    return [0, *lengths] if pixels[0] else lengths


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_runs_are_drawn_as_pycocotools_wrote_them(mask: np.ndarray) -> None:
    runs = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert np.array_equal(draw_runs(runs["counts"].decode(), *mask.shape), mask)
    assert np.array_equal(draw_runs(_lengths(mask), *mask.shape), mask)


@given(st.text(st.characters(max_codepoint=130), max_size=20) | st.lists(st.integers(-3, 30)))
def test_damaged_runs_draw_nothing_else(counts: str | list[int]) -> None:
    try:
        mask = draw_runs(counts, HEIGHT, WIDTH)
    except ValueError:
        return
    assert mask.shape == (HEIGHT, WIDTH)
    text = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert np.array_equal(draw_runs(text, HEIGHT, WIDTH), mask)


def _first(part: str, /, **values: Any) -> Change:
    return lambda content: content[part][0].update(values)


def _again(part: str, /, **values: Any) -> Change:
    return lambda content: content[part].append({**content[part][0], **values})


def _runs(counts: Any, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Change:
    return _first("annotations", segmentation={"size": size, "counts": counts})


BAD: list[tuple[str, Change, str]] = [
    ("no annotations", lambda c: c.pop("annotations"), "not a COCO file of instances.*annotations"),
    ("no images", lambda c: c.update(images=[]), "names no images"),
    ("no masks", lambda c: c.update(annotations=[]), "has no masks"),
    ("not numbers", _first("annotations", segmentation=[["x"]]), r"segmentation.*export it again"),
    ("a box alone", _first("annotations", segmentation=[]), r"annotation 5 \(a\.png\) has no seg"),
    (
        "nothing at all",
        _first("annotations", segmentation=None),
        "cannot be made from a box",
    ),
    ("two corners", _first("annotations", segmentation=[[1, 1, 2, 2]]), "polygon of 4 numbers"),
    ("odd numbers", _first("annotations", segmentation=[[*SQUARE, 1]]), "polygon of 9 numbers"),
    ("outside", _first("annotations", segmentation=[[*SQUARE, 1, 99]]), "outside its image of 4x6"),
    ("far outside", _first("annotations", segmentation=[[*SQUARE, 1e300, 1]]), "outside its image"),
    ("runs too short", _runs([3, 4]), "do not add up to 4x6 = 24 pixels"),
    ("runs too long", _runs([3, 40]), "do not add up"),
    ("negative runs", _runs([-1, 25]), "do not add up"),
    ("compressed too short", _runs("04"), "do not add up"),
    ("compressed nonsense", _runs("~~~"), "compressed runs are damaged"),
    ("compressed, broken off", _runs("o"), "compressed runs break off"),
    ("runs of another size", _runs([0, 24], (6, 4)), "a mask of 6x4 on an image of 4x6"),
    ("unknown image", _first("annotations", image_id=99), "annotation 5 is of image id 99"),
    ("unknown category", _first("annotations", category_id=3), "of category 3; the file has 1, 90"),
    ("image id twice", _again("images", file_name="c.png"), "image id 7 is there twice"),
    ("category id twice", _again("categories", name="x"), "category 1 .*twice"),
    ("category name twice", _again("categories", id=2), "category 2 .*twice"),
    ("no name", _first("categories", name=" "), "category 1 has no name"),
    ("no file", _first("images", file_name="gone.png"), r"there is no image gone\.png in"),
    ("another size", _first("images", height=5, width=7), "is 4x6, but .* says 5x7"),
    ("turned", _first("images", height=WIDTH, width=HEIGHT), "outside|EXIF data turn it"),
    ("leads out", _first("images", file_name="../a.png"), "leads out of the folder"),
    ("absolute", _first("images", file_name="/etc/passwd"), "leads out of the folder"),
    ("same name", _again("images", id=9), "have the same name"),
    ("not an image", _first("images", file_name="text.png"), r"text\.png is not an image"),
]


@pytest.mark.parametrize(("change", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_does_not_fit_is_refused_and_nothing_is_left(
    source: Path, tmp_path: Path, change: Change, message: str
) -> None:
    (source / "images" / "text.png").write_text("text")
    _change(source, change)
    if message == "have the same name":
        _same_name_in_a_subfolder(source)
    with pytest.raises(InputError, match=message):
        import_coco(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _same_name_in_a_subfolder(source: Path) -> None:
    (source / "images" / "deep").mkdir()
    shutil.copy(source / "images" / "a.png", source / "images" / "deep" / "a.png")
    _change(source, _again("images", id=9, file_name="deep/a.png"))


@pytest.mark.parametrize("text", ["", "[", '{"images": 1}', '"\ud800"'])
def test_what_is_not_coco_is_refused(source: Path, tmp_path: Path, text: str) -> None:
    (source / "annotations.json").write_text(text, errors="surrogatepass")
    with pytest.raises(InputError, match="not a COCO file of instances"):
        import_coco(source, tmp_path / "out")


def test_the_annotations_are_found_or_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        import_coco(tmp_path / "gone", tmp_path / "out")
    with pytest.raises(InputError, match=r"there is no file .*gone\.json"):
        import_coco(source, tmp_path / "out", annotations=tmp_path / "gone.json")
    shutil.copy(source / "annotations.json", source / "other.json")
    with pytest.raises(InputError, match=r"holds several \.json files.*`annotations`"):
        import_coco(source, tmp_path / "out")
    import_coco(source, tmp_path / "out", source / "other.json", source / "images")
    (source / "other.json").unlink()
    (source / "annotations.json").unlink()
    with pytest.raises(InputError, match=r"holds a \.json file"):
        import_coco(source, tmp_path / "more")


def test_outputs_that_exist_are_kept_unless_forced(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    import_coco(source, out)
    before = _masks(out)
    with pytest.raises(OutputError, match="exists; give `force`"):
        import_coco(source, out)
    _change(source, _first("annotations", segmentation=[]))
    with pytest.raises(InputError):
        import_coco(source, out, force=True)
    assert _masks(out).keys() == before.keys()
    _change(source, _first("annotations", image_id=8))
    import_coco(source, out, force=True)
    assert set(_masks(out)) == {("b.png", "fine crack")}
    (out / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"holds notes\.txt, which is not part"):
        import_coco(source, out, force=True)
    assert sorted(path.name for path in out.iterdir()) == ["notes.txt", "train.csv", "train_images"]


def test_progress_is_told(source: Path, tmp_path: Path) -> None:
    told: list[tuple[float, float]] = []
    import_coco(
        source, tmp_path / "out", progress=lambda done, total, what: told.append((done, total))
    )
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_without_pycocotools_polygons_say_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'splittool\[coco\]'"):
        import_coco(source, tmp_path / "out")
    _change(source, _runs([0, 2, 22]))
    import_coco(source, tmp_path / "out")
