import os
from errno import ENOSPC
from pathlib import Path

import pytest

from splittool.errors import InputError, OutputError
from splittool.files import (
    make_folder,
    output_errors,
    refuse_existing,
    replacing,
    require_file,
    write_bytes,
)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"abc")
    write_bytes(tmp_path / "f", b"xyz")
    assert (tmp_path / "f").read_bytes() == b"xyz"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "f") as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_devices_are_written_to_and_stay(tmp_path: Path) -> None:
    write_bytes(Path("/dev/null"), b"abc")
    assert not Path("/dev/null").is_file()


def test_what_the_system_says_becomes_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*no such file or directory"):
        write_bytes(tmp_path / "gone" / "f", b"")
    full = pytest.raises(OutputError, match="no space left on device; free some space")
    with full, output_errors(tmp_path):
        raise OSError(ENOSPC, os.strerror(ENOSPC))


def test_outputs_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(OutputError, match=r"f exists; give `force`"):
        refuse_existing([tmp_path / "g", tmp_path / "f"], force=False)
    refuse_existing([tmp_path / "g", tmp_path / "f"], force=True)
    with pytest.raises(OutputError, match="is a folder"):
        refuse_existing([tmp_path], force=True)
    with pytest.raises(OutputError, match=r"there is no folder .*gone; create it"):
        refuse_existing([tmp_path / "gone" / "f"], force=True)


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "f").touch()
    with pytest.raises(OutputError, match="cannot write"):
        make_folder(tmp_path / "f" / "b")


def test_inputs_are_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*f; do this"):
        require_file(tmp_path / "f", "do this")
    with pytest.raises(InputError, match="is a folder, not a file; do this"):
        require_file(tmp_path, "do this")
    (tmp_path / "f").touch()
    require_file(tmp_path / "f", "do this")
