"""Outputs that appear whole or not at all, and inputs that are what they claim to be."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
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

    Raises:
        OutputError: A path exists and `force` is off, or its folder is missing or not writable.
    """
    for path in paths:
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


def make_folder(folder: Path) -> None:
    """Create an output folder and its parents.

    Raises:
        OutputError: It cannot be created or written to.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not _writable(folder):
        raise OutputError(f"cannot write to folder {folder}; {_FIXES[EACCES]}")


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
    is_device = path.exists() and not path.is_file()
    folder = Path(tempfile.gettempdir()) if is_device else path.parent
    temporary = folder / f".{path.name}.{os.getpid()}.tmp{path.suffix}"
    try:
        with output_errors(path):
            yield temporary
            if is_device:
                with temporary.open("rb") as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
            else:
                os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


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
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; {fix}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a file; {fix}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {describe(error)}; {fix}") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
