"""Model repositories: folders that other servers take their models from."""

import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

from splittool.files import (
    filled_folder,
    make_folder,
    output_errors,
    refuse_existing,
    replace_together,
    temporary_folder,
)
from splittool.reports import RepositoryReport, file_record
from splittool.serving.models import Place

Content = bytes | Path


def write_repository(
    folder: Path,
    files: Mapping[str, Content],
    stale: Iterable[str] = (),
    rewritten: Collection[str] = (),
    force: bool = False,
) -> None:
    """Write a repository, all of its files or none.

    Args:
        folder: The repository.
        files: By name, with folders in it: what to write, or which file to copy. The last one
            appears last.
        stale: Names that an earlier one may have left, which go if they are not among the files.
        rewritten: Files that may be there, whatever `force` says: what to write has what they said.
        force: Replace files that exist.

    Raises:
        OutputError: The files exist or cannot be written.
    """
    every = [folder / name for name in files]
    there = [name for name in files if (folder / name).exists() and name not in rewritten]
    refuse_existing([folder / name for name in there], force)
    with filled_folder(folder), output_errors(folder), temporary_folder(folder) as temporary:
        written = [temporary / str(number) for number in range(len(files))]
        for path, content in zip(written, files.values(), strict=True):
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                shutil.copyfile(content, path)
        for path in every:
            make_folder(path.parent)
        replace_together(list(zip(written, every, strict=True)))
        for name in set(stale) - set(files):
            (folder / name).unlink(missing_ok=True)


def describe_repository(
    place: Place, target: Literal["triton", "ovms"], folder: Path, files: Iterable[str]
) -> RepositoryReport:
    """A repository that was written.

    Args:
        place: The cut in it.
        target: The server that it is for.
        folder: The repository.
        files: Names of the files that were written.
    """
    return RepositoryReport(
        source=file_record(place.path),
        target=target,
        folder=str(folder),
        model=place.name,
        version=place.version,
        files=[file_record(folder / name, name) for name in files],
    )
