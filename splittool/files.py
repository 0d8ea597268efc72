"""Outputs that appear whole or not at all, and inputs that are what they claim to be."""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, ENOSPC, EPERM, EROFS
from pathlib import Path

from splittool.errors import InputError, OutputError

_FIXES = {
    ENOSPC: "free some space or write elsewhere with `output`",
    EDQUOT: "free some space or write elsewhere with `output`",
    EFBIG: "raise the limit on file sizes (ulimit -f) or write elsewhere with `output`",
    EACCES: "choose a place you may write to with `output`",
    EPERM: "choose a place you may write to with `output`",
    EROFS: "choose a place you may write to with `output`",
}


def describe(error: OSError) -> str:
    """The system's words for what went wrong, without the number and the file name."""
    return (error.strerror or str(error)).lower()


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into one line that names the fix.

    Raises:
        OutputError: In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, "check the path given with `output`")
        raise OutputError(f"cannot write {path}: {describe(error)}; {fix}") from error


def refuse_existing(paths: Iterable[Path], force: bool) -> None:
    """Stop before any work when an output is already there, or has nowhere to go.

    What an earlier run that was killed has left beside them is removed; see `sweep`.

    Raises:
        OutputError: A path exists and `force` is off, or its folder is missing or not writable.
        InputError: A path is not UTF-8 text.
    """
    for path in paths:
        _require_text(path)
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file with `output`")
        if path.is_file() and not force:
            raise OutputError(
                f"{path} exists; give `force` to replace it or another name with `output`"
            )
        folder = path.parent
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file, not a folder; name a folder with `output`")
        if not folder.is_dir():
            raise OutputError(f"there is no folder {folder}; create it: mkdir -p {folder}")
        if not _writable(folder):
            raise OutputError(f"cannot write to folder {folder}; {_FIXES[EACCES]}")
        sweep(folder)


def _require_text(path: Path) -> None:
    """Refuse a name that no report can hold, before anything is written under it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise InputError(f"{shown} is not UTF-8 text; give another name with `output`") from None


def make_folder(folder: Path) -> None:
    """Create an output folder and its parents, and sweep it.

    Raises:
        OutputError: It cannot be created or written to.
        InputError: Its name is not UTF-8 text.
    """
    _require_text(folder)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not _writable(folder):
        raise OutputError(f"cannot write to folder {folder}; {_FIXES[EACCES]}")
    sweep(folder)


@contextmanager
def filled_folder(folder: Path) -> Iterator[None]:
    """Make a folder; when nothing comes of it, it goes again if it was not there before."""
    existed = folder.exists()
    make_folder(folder)
    try:
        yield
    except BaseException:
        if not existed:
            with suppress(OSError):
                folder.rmdir()
        raise


def _writable(folder: Path) -> bool:
    """Whether a file can be made there; trying is the only test that is right for every user."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno in (ENOSPC, EDQUOT)  # a full disk is reported when it matters


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; put it in place when the block ends well.

    Devices such as /dev/stdout cannot be replaced and are written to at the end.

    Raises:
        OutputError: The file cannot be written; whatever was at `path` is untouched.
    """
    folder = Path(tempfile.gettempdir()) if _is_device(path) else path.parent
    with output_errors(path), _temporary_file(folder, path.suffix) as temporary:
        yield temporary
        _put(temporary, path)


def replace_together(files: Sequence[tuple[Path, Path]]) -> None:
    """Put several files in place, all of them or none.

    What was there goes away before anything new appears, and the last file appears last: let it be
    the one that names the others. Whoever is killed in between leaves a file missing, never new
    files among old ones.

    Args:
        files: Where each file is, and where it goes, in the same file system.

    Raises:
        OutputError: One cannot be replaced; all that was there is there again.
    """
    put_aside: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        for _, target in reversed(files):
            if (target.is_symlink() or target.exists()) and not _is_device(target):
                aside = _temporary_name(target.parent, target.suffix)
                put_aside.append((aside, target))
                with output_errors(target):
                    target.rename(aside)
        for source, target in files:
            with output_errors(target):
                placed.append(target)
                _put(source, target)
    except BaseException:
        _put_back(placed, put_aside)
        raise
    for aside, _ in put_aside:
        with suppress(OSError):
            aside.unlink()


def _put_back(placed: Iterable[Path], put_aside: Iterable[tuple[Path, Path]]) -> None:
    for target in placed:
        if not _is_device(target):
            with suppress(OSError):
                target.unlink()
    for aside, target in put_aside:
        with suppress(OSError):  # it was not put aside yet
            aside.replace(target)


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _put(source: Path, target: Path) -> None:
    if _is_device(target):
        with source.open("rb") as content, target.open("wb") as device:
            shutil.copyfileobj(content, device)
    else:
        source.replace(target)


# What is being written has such a name, which nobody can guess, and is locked by whoever writes it.
# The system gives the lock up when the process ends, however it ends: what is there and not locked
# is an orphan.
_TEMPORARY = re.compile(r"\.splittool-[0-9a-f]{16}\.tmp(\.\w+)?")
_CREATION_S = 1.0  # longer than it takes from making a file to locking it


def _temporary_name(folder: Path, suffix: str) -> Path:
    known = suffix if len(suffix) <= 10 else ""
    return folder / f".splittool-{secrets.token_hex(8)}.tmp{known}"


@contextmanager
def _temporary_file(folder: Path, suffix: str) -> Iterator[Path]:
    """An empty file of no other name or owner; it is gone at the end if it is still there."""
    path = _temporary_name(folder, suffix)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, 0o666)
    try:
        _lock(descriptor)
        yield path
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder for what is put in place when it is whole; it is gone at the end.

    Raises:
        OSError: It cannot be made.
    """
    path = _temporary_name(parent, "")
    path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _lock(descriptor)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file or folder, if nobody else has and the file system can."""
    # Not by filelock, as locks.py does: it locks another file, which a kill would leave there.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sweep(folder: Path) -> None:
    """Remove what splittool was writing into a folder when it was killed."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                _remove_orphan(Path(entry.path))


def _remove_orphan(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if time.time() - found.st_ctime < _CREATION_S or not _lock(descriptor):
                return
            if stat.S_ISDIR(found.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def require_file(path: Path, fix: str) -> None:
    """Check that an input file is there, is a file and can be read.

    Args:
        path: The file.
        fix: What to do when it is missing, for the message.

    Raises:
        InputError: It is not.
    """
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # opening it may take for ever
            raise InputError(f"{path} is a pipe or a device, not a file; {fix}")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; {fix}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a file; {fix}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {describe(error)}; {fix}") from error


def require_size(path: Path, most: int) -> None:
    """Check that a file is not too large to be read into memory.

    Raises:
        InputError: It has more than `most` bytes.
    """
    size = path.stat().st_size
    if size > most:
        raise InputError(
            f"{path} has {size:,} bytes, and {most:,} are read at most; check the file"
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
