"""Imports between the folders run one way, as docs/architecture.md draws them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from splittool.cli.main import COMMANDS

PACKAGE = Path(__file__).resolve().parent.parent / "splittool"

# Each may import those before it, those in its own brackets not included.
LAYERS: list[set[str]] = [
    {"vocabulary", "errors", "progress", "tables"},
    {"quantities"},
    {"files", "formats", "interrupt"},
    {"reports", "locks"},
    {"data", "journal"},
    {"codec", "models", "runtime"},
    {"training", "conversion"},
    {"graph"},
    {"cost"},
    {"split"},
    {"network", "serving"},
    {"benchmark", "figures"},
    {"page"},
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
    "page",
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


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[Path, Function]]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield path, node


def parameters(function: Function) -> list[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [each.arg for each in every if each and each.arg not in ("self", "cls")]


def is_command(path: Path, function: Function) -> bool:
    return path.parent == PACKAGE / "cli" and parameters(function)[:1] == ["ctx"]


def test_every_command_is_seen_as_one() -> None:
    """One function for each name that `splittool --help` lists, of those in `data` one each."""
    names = [function.name for path, function in functions() if is_command(path, function)]
    own = {name.replace("-", "_") for name in COMMANDS} - {"data"}
    assert own <= set(names)


def test_nothing_but_a_command_takes_more_than_seven_parameters() -> None:
    for path, function in functions():
        if not is_command(path, function):
            names = parameters(function)
            assert len(names) <= 7, f"{path}: {function.name} takes {len(names)}"


def test_bodies_of_commands_are_short() -> None:
    """Besides the signature and the help."""
    for path, function in functions():
        if is_command(path, function):
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
