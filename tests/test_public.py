"""The public face: light to import, complete, and typed."""

import subprocess
import sys
from pathlib import Path

import pytest

import splittool

HEAVY = ("torch", "openvino", "numpy", "PIL", "rich", "msgspec", "tqdm", "typer")


def _python(code: str) -> str:
    root = Path(__file__).resolve().parent.parent
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    return result.stdout.strip()


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, splittool; print([n for n in {HEAVY!r} if n in sys.modules])"
    assert _python(code) == "[]"


def test_names_are_found_when_they_are_used() -> None:
    assert "load" in dir(splittool)
    assert _python("import splittool as st; print(st.load.__name__, 'load' in vars(st))") == (
        "load True"
    )


@pytest.mark.parametrize("name", [name for name in splittool.__all__ if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(splittool, name)
    assert found.__doc__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'splittool' has no attribute 'laod'"):
        _ = splittool.laod


def test_it_says_that_it_is_typed() -> None:
    assert Path(splittool.__file__).with_name("py.typed").is_file()
