import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from splittool.data.images import Canvas
from splittool.errors import InputError, OutputError
from splittool.models import build
from splittool.models.checkpoints import MODEL, STATE, load, model_content, restore_model, save

OPTIONS = {"widths": [4], "bottleneck": 4, "activation": "elu", "norm": "none"}


def _content() -> dict[str, Any]:
    model = build("unet", 2, OPTIONS, 90.0, 40.0)
    return model_content(model, "unet", OPTIONS, ("a", "b"), Canvas(32, 48, "resize"))


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    path, content = tmp_path / "net.pt", _content()
    save(path, content)
    read = load(path, MODEL)
    state, read_state = content.pop("state"), read.pop("state")
    assert read == content
    assert all(torch.equal(state[key], read_state[key]) for key in state)
    model = restore_model(path, {**read, "state": read_state})
    assert not model.training
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert Canvas(**read["canvas"]) == Canvas(32, 48, "resize")


def test_what_is_saved_does_not_change_with_the_model(tmp_path: Path) -> None:
    model = build("unet", 2, OPTIONS)
    content = model_content(model, "unet", OPTIONS, ("a", "b"), Canvas(32, 32))
    before = model.classifier.weight.detach().clone()
    with torch.no_grad():
        model.classifier.weight.zero_()
    assert torch.equal(content["state"]["network.classifier.weight"], before)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*net\.pt; .*splittool train"):
        load(tmp_path / "net.pt", MODEL)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_cut_off_file_is_damaged(tmp_path: Path, share: float) -> None:
    path = tmp_path / "net.pt"
    save(path, _content())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match="is damaged"):
        load(path, MODEL)


def test_a_flipped_byte_raises_nothing_unexpected(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    save(path, _content())
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(InputError):  # what is not noticed is a weight, or nothing
            load(path, MODEL)


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
        load(path, MODEL)
    assert not mark.exists()
    pickle.loads(pickle.dumps(_Evil(mark)))  # the trap works
    assert mark.exists()


def test_a_bare_pickle_is_never_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "net.pt", tmp_path / "it-ran"
    path.write_bytes(pickle.dumps(_Evil(mark)))
    with pytest.raises(InputError, match=r"net\.pt .*pickle.* is never run"):
        load(path, MODEL)
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
        load(tmp_path / "net.pt", MODEL)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="is damaged"):
        load(tmp_path / "net.pt", MODEL)


def test_a_model_and_a_training_state_are_told_apart(tmp_path: Path) -> None:
    save(tmp_path / "net.pt", _content())
    with pytest.raises(InputError, match="is a splittool checkpoint, not a splittool training st"):
        load(tmp_path / "net.pt", STATE)
    save(tmp_path / "net.state.pt", {"format": STATE})
    with pytest.raises(InputError, match="is a splittool training state, not a splittool check"):
        load(tmp_path / "net.state.pt", MODEL)


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in _content().items() if name != key}


@pytest.mark.parametrize(
    "content",
    [
        _without("classes"),
        _without("options"),
        _without("state"),
        _without("canvas"),
        {**_content(), "options": {"width": 4}},
        {**_content(), "classes": ["a"]},
        {**_content(), "canvas": {"height": 32}},
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"net\.pt does not hold a whole unet"):
        restore_model(Path("net.pt"), content)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(InputError, match="holds network 'vit', unknown here"):
        restore_model(Path("net.pt"), {**_content(), "arch": "vit"})


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    save(tmp_path / "net.pt", _content())
    before = (tmp_path / "net.pt").read_bytes()
    with pytest.raises(Exception, match="pickle"):
        save(tmp_path / "net.pt", {"bad": lambda: None})
    assert (tmp_path / "net.pt").read_bytes() == before
    with pytest.raises(OutputError, match="cannot write"):
        save(tmp_path / "gone" / "net.pt", _content())
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]
