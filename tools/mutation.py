"""Which small faults in the code would the tests notice? A sample of mutants by cosmic-ray.

    pip install cosmic-ray coverage
    python tools/mutation.py codec --minutes 20 -o codec.jsonl

Mutants are cosmic-ray's, and one kind more: a statement that is nothing but a call is taken out.
Left out: annotations, which nobody runs, and all but one of the changes that an operator knows for
one place, chosen by the seed. The order is the seed's, too, so those tried within the time are a
random sample of all.

A mutant meets the tests of its own room alone, of them the ones that run its line, the quickest
first. Each mutant is a process of its own, forked from one that has imported the heavy packages.
Tests slower than `--slowest` seconds of the processor are left out.
"""

import argparse
import difflib
import importlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
import parso
import pytest
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

HEAVY = ("torch", "openvino", "onnx", "numpy", "PIL.Image", "networkx", "hypothesis", "msgspec")
TESTS = {"files": ("tests/test_files.py", "tests/test_formats.py")}  # of others: tests/ROOM
PYTEST = ("-q", "-n0", "-p", "no:cacheprovider", "--no-header", "--tb=line", "-W", "default")
MEMORY = 16 * 2**30  # bytes of address space
LONGEST_S = 30  # of the processor, more than the tests took


class RemoveCall(Operator):
    """Takes out a statement that is nothing but a call."""

    def mutation_positions(self, node):
        if node.type == "expr_stmt" or node.type != "simple_stmt":
            return
        first = node.children[0]
        if first.type in ("atom_expr", "power") and first.children[-1].type == "trailer":
            yield (first.start_pos, first.end_pos)

    def mutate(self, node, index):
        node.children[0] = parso.python.tree.Name(
            "pass", node.children[0].start_pos, node.children[0].get_first_leaf().prefix
        )
        return node

    @classmethod
    def examples(cls):
        return ()


@dataclass(frozen=True)
class Choice:
    """One of the changes that an operator of cosmic-ray knows for one place."""

    path: str
    line: int
    kind: str
    operator: type[Operator]
    occurrence: int

    def apply(self) -> tuple[str, str]:
        """The changed code, and how it differs."""
        code = Path(self.path).read_text()
        changed = mutate_code(code, self.operator(), self.occurrence)
        diff = difflib.unified_diff(code.splitlines(), changed.splitlines(), lineterm="", n=0)
        return changed, "\n".join(list(diff)[3:])


@dataclass
class Tested:
    """What ran which line, and how long each test took."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]

    def of(self, mutant: Choice) -> list[str]:
        """The tests for a mutant, quickest first."""
        found = set(self.lines.get(mutant.path, {}).get(str(mutant.line), []))
        if "" in found:  # run by an import or by a fixture, on which any test may rely
            found = set(self.seconds)
        return sorted(found & set(self.seconds), key=self.seconds.__getitem__)


# -- mutants --------------------------------------------------------------------------------------


def places(path: str) -> list[list[Choice]]:
    """Where a file can be changed: for each place and kind of operator, the changes it knows."""
    root = parso.parse(Path(path).read_text())
    operators = {name.split("/")[1]: get_operator(name) for name in operator_names()}
    operators["RemoveCall"] = RemoveCall
    found: dict[tuple[object, str], list[Choice]] = {}
    for name, operator in operators.items():
        if operator.arguments():
            continue
        positions = (p for node in ast_nodes(root) for p in operator().mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if not _annotates(root, start):
                kind = name.split("_")[0]
                choice = Choice(path, start[0], kind, operator, occurrence)
                found.setdefault(((start, end), kind), []).append(choice)
    return list(found.values())


def _annotates(root: parso.tree.BaseNode, position: tuple[int, int]) -> bool:
    """Whether a place is within an annotation, which nothing runs for its value."""
    node = root.get_leaf_for_position(position)
    while node is not None and node.parent is not None:
        parent = node.parent
        if parent.type in ("tfpdef", "annassign") and node is parent.children[1]:
            return True
        if parent.type == "funcdef" and node is parent.annotation:
            return True
        node = parent
    return False


# -- tests ----------------------------------------------------------------------------------------


class Chosen:
    """Makes pytest run some tests, in an order."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: number for number, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid]
        )


class Watched:
    """Notes what each test runs, and how long it takes."""

    def __init__(self, watch: coverage.Coverage) -> None:
        self.watch, self.seconds = watch, dict[str, float]()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self.watch.switch_context(item.nodeid)
        started = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - started
        self.watch.switch_context("")


def watch_tests(targets: tuple[str, ...], sources: list[str], slowest: float) -> Tested:
    """Run the tests of a room once, and see what each of them runs."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.json")

        def act() -> int:
            sys.dont_write_bytecode = False
            watch = coverage.Coverage(data_file=None, include=[f"{Path.cwd()}/splittool/*"])
            plugin = Watched(watch)
            watch.start()
            code = pytest.main([*PYTEST, *targets], plugins=[plugin])
            watch.stop()
            data = watch.get_data()
            lines = {path: data.contexts_by_lineno(str(Path(path).absolute())) for path in sources}
            found.write_text(json.dumps([plugin.seconds, lines]))
            return int(code)

        code, _ = in_child(act, 3600, quiet=False)
        if code:
            sys.exit(f"the tests fail without a mutant: pytest ended with {code}")
        seconds, lines = json.loads(found.read_text())
    return Tested({test: s for test, s in seconds.items() if s < slowest}, lines)


def meet(mutant: Choice, code: str, tested: Tested) -> str:
    """Put a mutant in its place, run the tests for it, and take it out again."""
    tests = tested.of(mutant)
    if not tests:
        return "no test"
    path = Path(mutant.path)
    good, written = path.read_text(), path.stat().st_mtime
    files = sorted({test.split("::")[0] for test in tests})
    path.write_text(code)
    os.utime(path, (written + 10, written + 10))  # the compiled file is of another time
    try:
        limit = LONGEST_S + 3 * sum(tested.seconds[test] for test in tests)
        code, timed_out = in_child(
            lambda: int(pytest.main([*PYTEST, "-x", *files], plugins=[Chosen(tests)])), limit
        )
    finally:
        path.write_text(good)
        os.utime(path, (written, written))
    if timed_out:
        return "killed by time"
    return "survived" if code == 0 else "killed"


def in_child(act: Callable[[], int], limit_s: float, quiet: bool = True) -> tuple[int, bool]:
    """Run a function in a process of its own: how it ended, and whether its time was over."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s)))
        if quiet:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
        code = 1
        try:
            code = act()
        finally:
            os._exit(code)
    end = time.monotonic() + 10 * limit_s  # of a machine with much else to do
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    code = os.waitstatus_to_exitcode(ended[1])
    return code, code in (-signal.SIGKILL, -signal.SIGXCPU)


# -- all of it ------------------------------------------------------------------------------------


def copy_repository(folder: str) -> None:
    """Copy the tracked files."""
    files = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True).stdout
    subprocess.run(
        ["cp", "--parents", *filter(None, files.decode().split("\0")), folder], check=True
    )


def main() -> None:
    """Try mutants of a room until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("room", help="a folder or a module of splittool")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slowest", type=float, default=4)
    parser.add_argument("-o", type=Path, default=Path("mutants.jsonl"), help="all that was tried")
    arguments = parser.parse_args()
    output = arguments.o.absolute()
    for name in HEAVY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        copy_repository(folder)
        os.chdir(folder)
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        source = Path("splittool", arguments.room)
        sources = [str(p) for p in sorted(source.glob("*.py")) or [source.with_suffix(".py")]]
        targets = TESTS.get(arguments.room, (f"tests/{arguments.room}",))
        tested = watch_tests(targets, sources, arguments.slowest)
        chance = random.Random(arguments.seed)
        found = [chance.choice(choices) for path in sources for choices in places(path)]
        chance.shuffle(found)
        outcomes: Counter[str] = Counter()
        end = time.monotonic() + 60 * arguments.minutes
        with output.open("w") as lines:
            for mutant in found:
                if time.monotonic() > end:
                    break
                code, change = mutant.apply()
                outcome = meet(mutant, code, tested)
                outcomes[outcome] += 1
                entry = [outcome, mutant.path, mutant.line, mutant.kind, change]
                print(json.dumps(entry), file=lines, flush=True)
        print(f"{arguments.room}: {outcomes.total()} of {len(found)} mutants: {dict(outcomes)}")
        os.chdir("/")


if __name__ == "__main__":
    main()
