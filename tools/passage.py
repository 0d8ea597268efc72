"""The files of splittool that a command passes through, in the order of their first call.

    python tools/passage.py cut unet.pt --at maxpool_2

What a reader opens who follows the command: files of which a function is called. Importing a file
does not count. The list goes to stderr, with the functions called first.
"""

import runpy
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = f"{ROOT / 'splittool'}/"
FUNCTION = 1  # CO_OPTIMIZED: of functions, not of the bodies of classes and modules


class Passage:
    """Takes down what is called.

    Attributes:
        files: Names of functions, by file.
    """

    def __init__(self) -> None:
        self.files: dict[str, list[str]] = {}
        self._seen: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """A profile function; see `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or code in self._seen or not code.co_flags & FUNCTION:
            return
        self._seen.add(code)
        if code.co_filename.startswith(PACKAGE) and not _importing(frame):
            name = code.co_filename.removeprefix(PACKAGE)
            self.files.setdefault(name, []).append(code.co_name)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if code.co_name == "<module>" and code.co_filename.startswith(PACKAGE):
            return "__main__" not in code.co_filename
        frame = frame.f_back
    return False


def main() -> None:
    """Run the command, and print what it passed."""
    passage = Passage()
    sys.path.insert(0, str(ROOT))
    threading.setprofile(passage)
    sys.setprofile(passage)
    try:
        runpy.run_module("splittool", run_name="__main__")
    finally:
        sys.setprofile(None)
        for name, functions in passage.files.items():
            print(f"{name:28} {', '.join(functions[:6])}", file=sys.stderr)
        print(f"{len(passage.files)} files", file=sys.stderr)


if __name__ == "__main__":
    main()
