"""Imports between the folders run one way, as docs/architecture.md draws them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "splittool"

# Each may import those before it, those in its own brackets not included.
LAYERS: list[set[str]] = [
    {"vocabulary", "errors", "progress", "tables"},
    {"quantities"},
    {"files", "formats", "interrupt"},
    {"reports", "locks"},
    {"data"},
    {"codec", "models", "runtime"},
    {"training", "conversion"},
    {"graph"},
    {"cost"},
    {"split"},
    {"network", "serving"},
    {"benchmark", "figures"},
    {"cli"},
]
WITHOUT_TORCH = {
    "reports",
    "data",
    "codec",
    "runtime",
    "graph",
    "cost",
    "split",
    "network",
    "serving",
}


def level(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import, those within functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def sources() -> list[Path]:
    return [p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem not in SPECIAL]


SPECIAL = ("__init__", "__main__")


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for line, module in imports(path):
        top, _, rest = module.partition(".")
        other = rest.partition(".")[0]
        if top == "splittool" and other and other != room:
            assert level(other) < level(room), f"{path}:{line} imports {module}"


@pytest.mark.parametrize("room", sorted(WITHOUT_TORCH))
def test_torch_stays_in_its_rooms(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        for line, module in imports(path):
            assert module.partition(".")[0] != "torch", f"{path}:{line} imports torch"


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_functions_are_small() -> None:
    """A command has as many options as it needs, and a short body; nothing else takes over 7."""
    for path, function in functions():
        names = parameters(function)
        if "ctx" not in names:
            assert len(names) <= 7, f"{path}: {function.name} takes {len(names)}"
            continue
        first = function.body[1 if ast.get_docstring(function) else 0]
        lines = (function.end_lineno or 0) - first.lineno + 1
        assert lines <= 40, f"{path}: the body of {function.name} has {lines} lines"


def test_the_library_names_no_option_of_the_command_line():
    """An error says `max_dice_loss`; only `cli` spells it --max-dice-loss, or a whole command."""
    named = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "cli" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                text = "".join(
                    part.value
                    for part in ast.walk(node.exc)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )
                before = re.split(r"(?:^|\s)(?:--[a-z]|-o\b)", text)[0]
                if before != text and not re.search("splittool |python| of cut", before):
                    named.append(f"{path.name}:{node.lineno}: {text}")
    assert not named
