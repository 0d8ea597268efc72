"""What all reports share: their files, time and versions; reports as text, and back."""

import hashlib
import platform
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Union, overload

import msgspec

from splittool import __version__
from splittool.errors import InputError
from splittool.files import require_file, require_size, sha256
from splittool.tables import as_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


MOST_BYTES = 2**28  # of a report: the split points of a graph of a million operations


class FileRecord(msgspec.Struct, frozen=True):
    """A file that was read or written."""

    path: str
    bytes: int
    sha256: str


class Report(msgspec.Struct, kw_only=True, tag_field="schema"):
    """What all reports share.

    Attributes:
        command: The command that writes one; empty where a command of the report's name prints it.
    """

    command: ClassVar[str] = ""
    created: str = msgspec.field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )
    versions: dict[str, str] = msgspec.field(default_factory=lambda: versions())

    def tables(self) -> "Sequence[RenderableType]":
        """What a person reads: tables and lines for a terminal 80 columns wide."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """The tables, in a notebook."""
        return as_html(self.tables())


def versions() -> dict[str, str]:
    """Versions of what decides a result; torch only where it was used."""
    found = {"splittool": __version__, "python": platform.python_version()}
    for name in ("openvino", "numpy", "zstandard", "imagecodecs", "torch"):
        if name in sys.modules:
            found[name] = metadata.version(name)
    return found


def file_record(path: Path, shown: str | None = None) -> FileRecord:
    """Describe a file; `shown` is the name to record in place of its path."""
    return FileRecord(shown or str(path), path.stat().st_size, sha256(path))


def folder_record(path: Path) -> FileRecord:
    """Describe a folder: the size of all its files, and the SHA-256 of their names and SHA-256s.

    It is what `sha256sum` says of its own output for the files in the order of their names.
    """
    files = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    lines = "".join(f"{sha256(path / file)}  {file.as_posix()}\n" for file in files)
    size = sum((path / file).stat().st_size for file in files)
    return FileRecord(str(path), size, hashlib.sha256(lines.encode()).hexdigest())


@cache
def _any_report() -> Any:
    """The union of all kinds of reports."""
    return Union[tuple(Report.__subclasses__())]  # noqa: UP007, of kinds that are found here


R = TypeVar("R", bound=Report)
S = TypeVar("S", bound=Report)


def encode(report: Report) -> bytes:
    """A report as indented JSON text with a line end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(text: bytes, name: str, *kinds: type[R]) -> R:
    """Read a report of one of some kinds.

    Args:
        text: The JSON.
        name: Where it came from, for messages.
        kinds: The report classes expected.

    Raises:
        InputError: It is not JSON, not a report of ours, or of another kind.
    """
    wanted = " or ".join(str(kind.__struct_config__.tag) for kind in kinds) + " report"
    found = decode_any(text, name, wanted)
    if not isinstance(found, kinds):
        raise InputError(f"{name} is a {found.__struct_config__.tag} report; give a {wanted}")
    return found


def decode_any(text: bytes, name: str, wanted: str = "report of splittool") -> Report:
    """Read a report of any kind.

    Args:
        text: The JSON.
        name: Where it came from, for messages.
        wanted: What was expected, for messages.

    Raises:
        InputError: It is not JSON, or not a report of ours.
    """
    try:
        found: Report = msgspec.json.decode(text, type=_any_report())
    except msgspec.ValidationError as error:
        raise InputError(f"{name} is not a splittool report ({error}); make it again") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply; give a {wanted}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not JSON ({error}); give a {wanted}") from None
    return found


@overload
def read_report(path: Path, kind: type[R]) -> R: ...
@overload
def read_report(path: Path, kind: type[R], other: type[S]) -> R | S: ...
def read_report(path: Path, kind: type[Report], other: type[Report] | None = None) -> Report:
    """Read a report file of one or another kind; see `decode`."""
    require_file(path, f"make one with: {kind.command or _printed(kind, path)}")
    require_size(path, MOST_BYTES)
    kinds = [kind] if other is None else [kind, other]
    return decode(path.read_bytes(), str(path), *kinds)


def _printed(kind: type[Report], path: Path) -> str:
    """The command that prints a report, which `path` holds then."""
    name = str(kind.__struct_config__.tag).removeprefix("splittool.").partition("/")[0]
    return f"splittool {name} --json > {path}"
