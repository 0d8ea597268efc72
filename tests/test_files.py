import os
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from splittool.errors import InputError, OutputError
from splittool.files import (
    filled_folder,
    make_folder,
    output_errors,
    refuse_existing,
    replace_together,
    replacing,
    require_file,
    require_size,
    sweep,
    temporary_folder,
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


ORPHAN = ".splittool-0123456789abcdef.tmp.pt"


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything there is was made long ago."""
    monkeypatch.setattr("splittool.files._CREATION_S", 0.0)


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path, old: None) -> None:
    (tmp_path / ORPHAN).touch()
    (tmp_path / ".splittool-0123456789abcdef.tmp").mkdir()
    (tmp_path / ".splittool-0123456789abcdef.tmp" / "head.xml").touch()
    kept = [".splittool-mine.tmp", ".splittool-0123456789abcdef.tmp.pt.txt", "f.tmp", ".f.1.tmp.pt"]
    for name in kept:
        (tmp_path / name).touch()
    refuse_existing([tmp_path / "f"], force=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_making_a_folder_sweeps_it(tmp_path: Path, old: None) -> None:
    (tmp_path / ORPHAN).touch()
    make_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_is_writing_stays(tmp_path: Path, old: None) -> None:
    with replacing(tmp_path / "f.pt") as file, temporary_folder(tmp_path) as folder:
        sweep(tmp_path)
        assert file.is_file()
        assert folder.is_dir()
        script = "import sys; from pathlib import Path; from splittool import files;"
        script += f"files._CREATION_S = 0.0; files.sweep(Path({str(tmp_path)!r}))"
        subprocess.run([sys.executable, "-c", script], check=True)
        assert file.is_file()
        file.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["f.pt"]


def test_what_was_made_a_moment_ago_stays(tmp_path: Path) -> None:
    (tmp_path / ORPHAN).touch()
    sweep(tmp_path)
    assert (tmp_path / ORPHAN).exists()


def test_a_link_is_swept_not_followed(tmp_path: Path, old: None) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / ORPHAN).symlink_to(tmp_path / "precious")
    sweep(tmp_path)
    assert (tmp_path / "precious" / "file").exists()


def test_temporary_names_cannot_be_guessed_and_links_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_text("precious")
    names = []
    for _ in range(2):
        with replacing(tmp_path / "f.pt") as temporary:
            names.append(temporary.name)
            temporary.write_text("new")
    assert names[0] != names[1]
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 16)
    planted = tmp_path / f".splittool-{'0' * 16}.tmp.pt"
    planted.symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match=r"cannot write .*f\.pt: file exists"):
        write_bytes(tmp_path / "f.pt", b"new")
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize(("mask", "mode"), [(0o027, 0o640), (0, 0o666)])
def test_files_have_the_permissions_that_the_user_wants(
    mask: int, mode: int, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "f", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == mode


def test_a_name_of_255_bytes_is_written(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".png", "ä" * 125 + ".jpg", "a." + "b" * 253):
        write_bytes(tmp_path / name, b"abc")
        assert (tmp_path / name).read_bytes() == b"abc"


def _new_files(folder: Path) -> list[tuple[Path, Path]]:
    (folder / "made").mkdir()
    pairs = [(folder / "made" / name, folder / name) for name in ("a.bin", "b.bin", "a.xml")]
    for source, target in pairs:
        source.write_text("new")
        target.write_text("old")
    return pairs


def _contents(pairs: list[tuple[Path, Path]]) -> list[str]:
    return [target.read_text() for _, target in pairs]


def test_files_are_replaced_together(tmp_path: Path) -> None:
    pairs = _new_files(tmp_path)
    pairs[1][1].unlink()  # not all need be there
    replace_together(pairs)
    assert _contents(pairs) == ["new"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "a.xml", "b.bin", "made"]


@pytest.mark.parametrize("method", ["rename", "replace"])
@pytest.mark.parametrize("call", range(3))
@pytest.mark.parametrize(
    "error", [PermissionError(1, "Operation not permitted"), KeyboardInterrupt()]
)
def test_or_not_at_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    call: int,
    error: BaseException,
) -> None:
    """One file cannot be put aside (as one that is immutable), or the new one not put in place."""
    pairs = _new_files(tmp_path)
    own, calls = getattr(Path, method), iter(range(100))

    def fail(self: Path, target: Path) -> Path:
        if next(calls) == call:
            raise error
        return own(self, target)  # type: ignore[no-any-return]

    monkeypatch.setattr(Path, method, fail)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        replace_together(pairs)
    assert _contents(pairs) == ["old"] * 3
    assert len(list(tmp_path.iterdir())) == 4


def test_no_reader_meets_new_files_under_an_old_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every moment: where the last file is, all others are of its age."""
    pairs = _new_files(tmp_path)
    seen = []
    for method in ("rename", "replace"):
        own = getattr(Path, method)

        def watch(self: Path, target: Path, own: Any = own) -> Path:
            moved = own(self, target)
            if pairs[-1][1].exists():
                seen.append({target.read_text() for _, target in pairs if target.exists()})
            return moved  # type: ignore[no-any-return]

        monkeypatch.setattr(Path, method, watch)
    replace_together(pairs)
    assert seen
    assert all(len(ages) == 1 for ages in seen)


def test_a_folder_that_is_a_file_or_may_not_be_written_to_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file is a file, not a folder; name a folder"):
        refuse_existing([tmp_path / "file" / "out"], force=True)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(OutputError, match="cannot write to folder"):
        refuse_existing([tmp_path / "out"], force=True)
    with pytest.raises(OutputError, match="cannot write to folder"):
        make_folder(tmp_path / "new")


def test_a_full_disk_is_told_when_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", fill)
    refuse_existing([tmp_path / "out"], force=True)


def test_a_name_that_is_no_text_is_refused_before_any_work(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"a\xff")
    for refuse in (lambda: refuse_existing([odd], force=True), lambda: make_folder(odd)):
        with pytest.raises(InputError, match=r"a\\xff is not UTF-8 text; give another name"):
            refuse()
    assert not list(tmp_path.iterdir())


def test_new_files_that_do_not_all_get_their_place_are_gone(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    files = [(tmp_path / "new", tmp_path / "f"), (tmp_path / "missing", tmp_path / "g")]
    with pytest.raises(OutputError):
        replace_together(files)
    assert not (tmp_path / "f").exists()


def test_a_folder_that_nothing_came_of_is_gone(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()

    def fail(folder: Path) -> None:
        with filled_folder(folder):
            raise KeyboardInterrupt

    for name in ("old", "new"):
        with pytest.raises(KeyboardInterrupt):
            fail(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_large_inputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abcd")
    require_size(tmp_path / "f", 4)
    with pytest.raises(InputError, match="has 4 bytes, and 3 are read at most"):
        require_size(tmp_path / "f", 3)


def test_no_file_stays_open(tmp_path: Path, old: None) -> None:
    before = os.listdir("/proc/self/fd")
    write_bytes(tmp_path / "f", b"")
    (tmp_path / ".splittool-0123456789abcdef.tmp").touch()
    sweep(tmp_path)
    assert os.listdir("/proc/self/fd") == before


def test_what_is_being_written_has_a_name_that_is_swept(tmp_path: Path, old: None) -> None:
    with replacing(tmp_path / "net.pt") as temporary:
        temporary.touch()
    temporary.touch()  # as a process that was killed leaves it
    sweep(tmp_path)
    assert not temporary.exists()


def test_an_input_of_a_name_that_the_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: file name too long; do this"):
        require_file(tmp_path / ("x" * 300), "do this")
