import io
import sys
from pathlib import Path

import pytest

from splittool.data.images import list_images
from splittool.data.samples import expand_inputs, labels_for
from splittool.errors import InputError


@pytest.fixture(scope="module")
def images(steel: Path) -> list[Path]:
    return list_images(steel / "train_images")


def test_a_folder_is_its_images(steel: Path, images: list[Path]) -> None:
    assert expand_inputs([str(steel / "train_images")]) == images


def test_inputs_come_in_the_order_given(images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"\n{images[3]}\n  {images[1]}  \n\n")
    given = [str(images[5]), str(tmp_path / "list.txt"), str(images[0])]
    assert expand_inputs(given) == [images[5], images[3], images[1], images[0]]


def test_standard_input_lists_paths(images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{images[2]}\n{images[0]}\n"))
    assert expand_inputs(["-"]) == [images[2], images[0]]


def test_a_list_of_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list.txt").write_text("\n \n")
    with pytest.raises(InputError, match=r"list\.txt lists no images"):
        expand_inputs([str(tmp_path / "list.txt")])
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(InputError, match="standard input lists no images"):
        expand_inputs(["-"])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        expand_inputs(["-"])


@pytest.mark.parametrize("name", ["gone", "gone.txt", "gone/"])
def test_what_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"there is no file or folder .*gone"):
        expand_inputs([str(tmp_path / name)])


def test_labels_are_the_table_named_or_the_one_beside(
    steel: Path, images: list[Path], tmp_path: Path
) -> None:
    found = labels_for(images, None)
    assert found is not None
    assert found.path == steel / "train.csv"
    (tmp_path / "mine.csv").write_text("ImageId,ClassId,EncodedPixels\n")
    named = labels_for(images, tmp_path / "mine.csv")
    assert named is not None
    assert named.path == tmp_path / "mine.csv"
    assert labels_for([tmp_path / "x.png"], None) is None
    with pytest.raises(InputError, match="there is no file"):
        labels_for(images, tmp_path / "gone.csv")
