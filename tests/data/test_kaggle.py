from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from splittool.data.kaggle import find_labels, read_folder, read_labels, write_labels
from splittool.errors import InputError

MakeFolder = Callable[[str], Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """A function that makes a data set of three 4x6 images with the given train.csv."""

    def make(table: str) -> Path:
        (tmp_path / "train_images").mkdir()
        for name in ("a.jpg", "b.jpg", "c_1.jpg"):
            Image.new("L", (6, 4), 50).save(tmp_path / "train_images" / name)
        (tmp_path / "train.csv").write_text(table, encoding="utf-8")
        return tmp_path

    return make


def _runs(folder: Path) -> dict[str, dict[str, list[list[int]]]]:
    samples, _ = read_folder(folder)
    return {s.path.name: {n: r.tolist() for n, r in s.runs.items()} for s in samples}


EXPECTED = {
    "a.jpg": {"1": [[1, 2]], "3": [[5, 4], [20, 1]]},
    "b.jpg": {},
    "c_1.jpg": {"1": [[3, 1]]},
}


def test_the_header_with_three_columns(make_folder: MakeFolder) -> None:
    table = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\na.jpg,3,5 4 20 1\nc_1.jpg,1,3 1\n"
    assert _runs(make_folder(table)) == EXPECTED


def test_the_header_with_two_columns(make_folder: MakeFolder) -> None:
    table = "ImageId_ClassId,EncodedPixels\na.jpg_1,1 2\na.jpg_3,5 4 20 1\nc_1.jpg_1,3 1\n"
    assert _runs(make_folder(table)) == EXPECTED


def test_rows_without_pixels_are_clean_images_of_a_known_class(make_folder: MakeFolder) -> None:
    table = "ImageId_ClassId,EncodedPixels\na.jpg_1,1 2\na.jpg_2,\nb.jpg_1,\n"
    samples, classes = read_folder(make_folder(table))
    assert classes == ("1", "2")
    assert [set(sample.runs) for sample in samples] == [{"1"}, set(), set()]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_marks_line_ends_blanks_and_empty_lines(
    make_folder: MakeFolder, ending: str
) -> None:
    lines = ["\ufeffImageId, ClassId ,EncodedPixels", "a.jpg , 1,1 2", "", "c_1.jpg,1, 3 1 "]
    folder = make_folder("")
    (folder / "train.csv").write_bytes(ending.join(lines).encode())
    assert _runs(folder) == {"a.jpg": {"1": [[1, 2]]}, "b.jpg": {}, "c_1.jpg": {"1": [[3, 1]]}}


def test_classes_that_are_numbers_come_in_numeric_order(make_folder: MakeFolder) -> None:
    table = "ImageId,ClassId,EncodedPixels\na.jpg,10,1 1\na.jpg,9,2 1\nb.jpg,2,1 1\n"
    assert read_folder(make_folder(table))[1] == ("2", "9", "10")


def test_classes_that_are_equal_numbers_have_one_order(make_folder: MakeFolder) -> None:
    table = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 1\na.jpg,01,2 1\na.jpg,001,3 1\n"
    assert read_folder(make_folder(table))[1] == ("001", "01", "1")


def test_classes_with_names_come_in_alphabetic_order(make_folder: MakeFolder) -> None:
    table = "ImageId,ClassId,EncodedPixels\na.jpg,scratch,1 1\na.jpg,10,2 1\nb.jpg,Fleck,1 1\n"
    assert read_folder(make_folder(table))[1] == ("10", "Fleck", "scratch")


def test_masks_are_drawn_in_the_order_asked_for(make_folder: MakeFolder) -> None:
    table = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 4\na.jpg,2,24 1\n"
    samples, _ = read_folder(make_folder(table))
    masks = samples[0].masks(("2", "1", "absent"))
    assert masks.shape == (3, 4, 6)
    assert np.argwhere(masks[0]).tolist() == [[3, 5]]
    assert masks[1, :, 0].all()
    assert masks[1].sum() == 4
    assert not masks[2].any()


def test_a_row_for_an_image_that_is_not_there(make_folder: MakeFolder) -> None:
    folder = make_folder("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\nc_2.jpg,1,1 2\n")
    with pytest.raises(InputError, match=r"line 3: no image c_2\.jpg.*did you mean c_1\.jpg"):
        read_folder(folder)


def test_the_same_image_and_class_twice(make_folder: MakeFolder) -> None:
    folder = make_folder("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\na.jpg,1,9 1\n")
    with pytest.raises(InputError, match=r"line 3: a\.jpg has class 1 already on line 2"):
        read_folder(folder)


def test_a_mask_beyond_its_image(make_folder: MakeFolder) -> None:
    folder = make_folder("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\nb.jpg,1,20 6\n")
    with pytest.raises(InputError, match=r"line 3: the mask reaches pixel 25, but b\.jpg is 4x6"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the header is 'nothing'"),
        ("a,b,c\n", "the header is 'a,b,c'"),
        ("EncodedPixels,ImageId_ClassId\n", "the header is"),
        ("ImageId,ClassId,EncodedPixels\n", "names no defects"),
        ("ImageId,ClassId,EncodedPixels\na.jpg,1\n", "line 2: 2 columns instead of 3"),
        ("ImageId,ClassId,EncodedPixels\na.jpg,1,1,2\n", "line 2: 4 columns instead of 3"),
        ("ImageId,ClassId,EncodedPixels\n,1,1 2\n", "line 2: the image or the class is missing"),
        ("ImageId,ClassId,EncodedPixels\na.jpg, ,1 2\n", "line 2: the image or the class"),
        ("ImageId_ClassId,EncodedPixels\na.jpg,1 2\n", "line 2: the image or the class"),
        ("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2 3\n", "line 2: mask of a.jpg, class 1: 3 num"),
    ],
)
def test_malformed_tables_are_refused_with_the_line(
    make_folder: MakeFolder, table: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_folder(make_folder(table))


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"ImageId,ClassId,EncodedPixels\n\xff\xfe\x00")
    with pytest.raises(InputError, match="not a CSV text file"):
        read_labels(tmp_path / "train.csv")


def test_parts_of_the_layout_that_are_missing(tmp_path: Path, make_folder: MakeFolder) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        read_folder(tmp_path / "gone")
    folder = make_folder("")
    (folder / "train.csv").unlink()
    with pytest.raises(InputError, match=r"there is no file .*train\.csv"):
        read_folder(folder)


def test_a_run_text_longer_than_csvs_default_limit(make_folder: MakeFolder) -> None:
    text = " ".join(f"{start} 1" for start in range(1, 40001, 2))
    assert len(text) > 131072
    folder = make_folder(f"ImageId,ClassId,EncodedPixels\na.jpg,1,{text}\n")
    assert len(read_labels(folder / "train.csv").runs["a.jpg"]["1"]) == 20000


def test_a_table_that_was_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(write_labels([("a.jpg", "1", "1 2"), ("b.jpg", "crack", "3 4 9 1")]))
    labels = read_labels(path)
    assert labels.classes == ("1", "crack")
    assert labels.runs["b.jpg"]["crack"].tolist() == [[3, 4], [9, 1]]


def test_labels_are_found_beside_or_above_an_image(make_folder: MakeFolder) -> None:
    folder = make_folder("x")
    assert find_labels(folder / "train_images" / "a.jpg") == folder / "train.csv"
    assert find_labels(folder / "loose.jpg") == folder / "train.csv"
    (folder / "train.csv").unlink()
    assert find_labels(folder / "train_images" / "a.jpg") is None


NAMES = st.text(min_size=1, max_size=12).map(str.strip).filter(bool)


@pytest.mark.filterwarnings("error")
@given(rows=st.dictionaries(st.tuples(NAMES, NAMES), st.sampled_from(["1 2", "3 4 9 1"])))
@example(rows={('=cmd|"/C calc"!A1,b\nc\rd.jpg', "a,b"): "1 2", ("x\ry", ";"): "1 2"})
def test_any_names_come_back_from_a_table(
    rows: dict[tuple[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "labels.csv"
    path.write_bytes(write_labels((*names, runs) for names, runs in rows.items()))
    labels = read_labels(path)
    found = {
        (image, name): " ".join(map(str, runs.ravel()))
        for image, classes in labels.runs.items()
        for name, runs in classes.items()
    }
    assert found == rows


def test_blanks_around_a_file_name_do_not_hide_its_masks(make_folder: MakeFolder) -> None:
    folder = make_folder("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\n")
    (folder / "train_images" / "a.jpg").rename(folder / "train_images" / " a.jpg")
    assert [len(sample.runs) for sample in read_folder(folder)[0]] == [1, 0, 0]


def test_a_line_end_in_a_file_name_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\n")
    (folder / "train_images" / "b.jpg").rename(folder / "train_images" / "b\n.jpg")
    with pytest.raises(InputError, match=r"b\\n\.jpg' has a line end in its name.*rename it"):
        read_folder(folder)
