"""The images a command is given: folders, files, lists of paths, or paths on standard input."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from splittool.data.images import SUFFIXES, list_images
from splittool.data.kaggle import Labels, find_labels, read_labels
from splittool.errors import InputError


def expand_inputs(inputs: Sequence[str]) -> list[Path]:
    """Resolve what the user named into image paths, in the order given.

    Args:
        inputs: Folders, image files, .txt files with one path per line, or "-" for such lines on
            standard input. Paths in a list are relative to the current folder.

    Raises:
        InputError: A file or folder is missing, or a list names no images.
    """
    found: list[Path] = []
    for name in inputs:
        path = Path(name)
        if name == "-":
            found.extend(_listed(_standard_input(), "standard input"))
        elif path.is_dir():
            found.extend(list_images(path))
        elif path.suffix.lower() == ".txt" and path.is_file():
            found.extend(_listed(path.read_text(errors="replace").splitlines(), name))
        elif path.suffix.lower() in SUFFIXES or path.is_file():
            found.append(path)
        else:
            raise InputError(f"there is no file or folder {path}; check the path")
    return found


def _standard_input() -> Iterable[str]:
    if sys.stdin is None:
        raise InputError("standard input is closed; pipe image paths into it, one per line")
    try:
        return list(sys.stdin)
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not text ({error}); pipe image paths into it, one per line"
        ) from None


def _listed(lines: Iterable[str], name: str) -> list[Path]:
    paths = [Path(line.strip()) for line in lines if line.strip()]
    if not paths:
        raise InputError(f"{name} lists no images; write one path per line")
    return paths


def labels_for(images: Sequence[Path], named: Path | None) -> Labels | None:
    """Read the true masks: from the table named, else from train.csv beside the images.

    Returns:
        None if no table is named and none is found.
    """
    path = named or find_labels(images[0])
    return None if path is None else read_labels(path)
