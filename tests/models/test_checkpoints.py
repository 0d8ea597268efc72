import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import torch

from splittool.data.images import Canvas
from splittool.errors import InputError, OutputError
from splittool.models import build
from splittool.models.checkpoints import (
    MODEL,
    STATE,
    Checkpoint,
    PartitionRecord,
    load,
    read,
    restore,
    weights_of,
    write,
)
from splittool.reports import EpochRecord, PartRecord

OPTIONS = {"widths": [4], "bottleneck": 4, "activation": "elu", "norm": "none"}


def _checkpoint(seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    model = build("unet", 2, OPTIONS, 90.0, 40.0)
    return Checkpoint(
        arch="unet",
        options=OPTIONS,
        classes=["a", "b"],
        canvas=Canvas(32, 48, "resize"),
        state=weights_of(model),
    )


def _content() -> dict[str, Any]:
    """The plain values of a checkpoint's file."""
    with TemporaryDirectory() as folder:
        _checkpoint().save(Path(folder) / "net.pt")
        return read(Path(folder) / "net.pt", MODEL)


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    path, checkpoint = tmp_path / "net.pt", _checkpoint()
    checkpoint.save(path)
    found = load(path)
    for field in ("arch", "options", "classes", "canvas", "split", "training"):
        assert getattr(found, field) == getattr(checkpoint, field)
    assert found.state.keys() == checkpoint.state.keys()
    model = restore(path, found)
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(checkpoint.state[name], value)


def test_the_file_holds_plain_values_of_these_names() -> None:
    content = _content()
    names = ["format", "arch", "options", "classes", "canvas", "state"]
    assert list(content) == names
    assert content["canvas"] == {"height": 32, "width": 48, "fit": "resize"}
    assert type(content["canvas"]) is dict


def test_how_it_was_made_comes_back(tmp_path: Path) -> None:
    path, split = tmp_path / "net.pt", PartitionRecord(["a.jpg"], ["b.jpg"])
    part = PartRecord(0.5, 0.5, 0.5, None, None, [None, 0.5], 2, 1)
    epoch = EpochRecord(3, 0.1, part, part, 1.0, 0.1, 40.0)
    msgspec.structs.replace(_checkpoint(), split=split, training=epoch).save(path)
    assert (load(path).split, load(path).training) == (split, epoch)
    raw = read(path, MODEL)
    assert raw["split"] == {"training": ["a.jpg"], "validation": ["b.jpg"]}
    assert raw["training"]["validation"]["dice_per_class"] == [None, 0.5]


def test_what_is_saved_does_not_change_with_the_model() -> None:
    model = build("unet", 2, OPTIONS)
    weights = weights_of(model)
    before = model.classifier.weight.detach().clone()
    with torch.no_grad():
        model.classifier.weight.zero_()
    assert torch.equal(weights["network.classifier.weight"], before)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*net\.pt; .*splittool train"):
        load(tmp_path / "net.pt")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_cut_off_file_is_damaged(tmp_path: Path, share: float) -> None:
    path = tmp_path / "net.pt"
    _checkpoint().save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match="is damaged"):
        load(path)


def test_a_flipped_byte_raises_nothing_unexpected(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    _checkpoint().save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(InputError):  # what is not noticed is a weight, or nothing
            load(path)


class _Evil:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("modern", [True, False])
def test_pickled_code_is_never_run(tmp_path: Path, modern: bool) -> None:
    path, mark = tmp_path / "net.pt", tmp_path / "it-ran"
    content = {**_content(), "more": _Evil(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=modern)
    assert zipfile.is_zipfile(path) == modern
    with pytest.raises(InputError, match=r"net\.pt .*pickle.* is never run"):
        load(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(_Evil(mark)))  # the trap works
    assert mark.exists()


def test_a_bare_pickle_is_never_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "net.pt", tmp_path / "it-ran"
    path.write_bytes(pickle.dumps(_Evil(mark)))
    with pytest.raises(InputError, match=r"net\.pt .*pickle.* is never run"):
        load(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {}},
        {"format": "lightning"},
        {"format": 3},
        {"format": ["splittool"]},
        [1, 2],
        "text",
        torch.zeros(3),
    ],
)
def test_checkpoints_of_other_tools_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(InputError, match="is a checkpoint of another tool, not a splittool check"):
        load(tmp_path / "net.pt")


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="is damaged"):
        load(tmp_path / "net.pt")


def test_a_model_and_a_training_state_are_told_apart(tmp_path: Path) -> None:
    _checkpoint().save(tmp_path / "net.pt")
    with pytest.raises(InputError, match="is a splittool checkpoint, not a splittool training st"):
        read(tmp_path / "net.pt", STATE)
    write(tmp_path / "net.state.pt", {"format": STATE})
    with pytest.raises(InputError, match="is a splittool training state, not a splittool check"):
        load(tmp_path / "net.state.pt")


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in _content().items() if name != key}


def _weights(change: Callable[[torch.Tensor], Any]) -> dict[str, Any]:
    """The content with other values in place of one layer's weights."""
    content, name = _content(), "network.classifier.weight"
    return {**content, "state": {**content["state"], name: change(content["state"][name])}}


@pytest.mark.parametrize(
    "content",
    [
        _without("classes"),
        _without("options"),
        _without("state"),
        _without("canvas"),
        {**_content(), "options": {"width": 4}},
        {**_content(), "options": {**OPTIONS, "widths": 4}},
        {**_content(), "options": {**OPTIONS, "widths": ["4"]}},
        {**_content(), "options": {**OPTIONS, "widths": [10**9]}},
        {**_content(), "options": {**OPTIONS, "norm": 3}},
        {**_content(), "options": {**OPTIONS, "norm": "evil"}},
        {**_content(), "options": {**OPTIONS, "activation": "swish"}},
        {**_content(), "options": {**OPTIONS, "activation": ["relu"]}},
        {**_content(), "options": None},
        {**_content(), "classes": ["a"]},
        {**_content(), "classes": "ab"},
        {**_content(), "classes": [1, 2]},
        {**_content(), "canvas": {"height": 32}},
        {**_content(), "canvas": {"height": 32, "width": "48"}},
        {**_content(), "canvas": {"height": 32, "width": 48, "fit": "crop"}},
        {**_content(), "canvas": {"height": 32, "width": 48, "fit": "evil"}},
        {**_content(), "canvas": {"height": 0, "width": 48}},
        {**_content(), "canvas": {"height": -32, "width": 48}},
        {**_content(), "canvas": {"height": 33, "width": 48}},
        {**_content(), "canvas": {"height": 2**40, "width": 48}},
        {**_content(), "state": {}},
        {**_content(), "split": {"training": []}},
        {**_content(), "training": {"epoch": 3}},
        _weights(lambda tensor: 3),
        _weights(lambda tensor: tensor[:1]),
        _weights(lambda tensor: tensor.double()),
        _weights(lambda tensor: tensor.to(torch.complex64)),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "net.pt"
    write(path, content)
    with pytest.raises(InputError, match=r"net\.pt does not hold a whole unet") as caught:
        restore(path, load(path))
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    write(path, _weights(lambda tensor: tensor / 0))
    with pytest.raises(InputError, match=r"classifier\.weight are not all finite numbers"):
        restore(path, load(path))


@pytest.mark.parametrize("arch", ["vit", None, ["unet"], 3])
def test_an_unknown_network_is_named(tmp_path: Path, arch: Any) -> None:
    write(tmp_path / "net.pt", {**_content(), "arch": arch})
    with pytest.raises(InputError, match=r"holds network .*, unknown here"):
        load(tmp_path / "net.pt")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    _checkpoint().save(tmp_path / "net.pt")
    before = (tmp_path / "net.pt").read_bytes()
    with pytest.raises(Exception, match="pickle"):
        write(tmp_path / "net.pt", {"bad": lambda: None})
    assert (tmp_path / "net.pt").read_bytes() == before
    with pytest.raises(OutputError, match="cannot write"):
        _checkpoint().save(tmp_path / "gone" / "net.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]
