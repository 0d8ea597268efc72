"""Programs of PyTorch, TorchScript and exported ones, which only trust lets in: reading runs code.

They are converted in another process, which also lets go of all that PyTorch takes.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import openvino as ov

from splittool.errors import InputError, MissingExtraError, SplittoolError, UsageError
from splittool.graph.names import name_operations
from splittool.graph.shapes import fixed_shapes, shapes_or
from splittool.runtime.ir import core, write_ir

_ROOT = Path(__file__).parents[2]
_CONVERT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from splittool.graph.programs import convert
convert(*sys.argv[1:5], sys.argv[5:])
"""
_CONVERT_S = 600
_GRAPH, _ERROR = "model.xml", "error.json"
_ERRORS = {kind.__name__: kind for kind in (InputError, UsageError, MissingExtraError)}


def read_program(
    path: Path, kind: str, shapes: Sequence[str], trust: bool, if_open: str | None = None
) -> ov.Model:
    """Read a program as a graph with fixed shapes.

    Args:
        path: The file.
        kind: What it holds, as `formats.program_kind` says.
        shapes: Input shapes; see `load_model`. TorchScript needs them, for it says none itself.
        trust: Whether its code may run.
        if_open: The shape of an open input where `shapes` is empty.

    Raises:
        InputError: It is not trusted, cannot be read or converted, or its input shapes are open.
        UsageError: A shape cannot be read, is of an unknown input, or does not fit the program.
        MissingExtraError: Torch is not installed.
    """
    if not trust:
        raise InputError(
            f"{path} is {kind}, and reading it can run code that is in it; if you trust whoever"
            " made it, give `trust`, or else have it exported to ONNX"
        )
    with tempfile.TemporaryDirectory(prefix="splittool-") as folder:
        _convert_apart(path, kind, shapes, if_open, Path(folder))
        model = core().read_model(Path(folder) / _GRAPH)
    model.set_friendly_name(path.stem)
    return model


def _convert_apart(
    path: Path, kind: str, shapes: Sequence[str], if_open: str | None, folder: Path
) -> None:
    """Have another process write the graph."""
    command = [sys.executable, "-P", "-c", _CONVERT, str(_ROOT), str(path), kind, str(folder)]
    try:
        done = subprocess.run(
            [*command, if_open or "", *shapes],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_CONVERT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        cause = f"has not ended after {_CONVERT_S} seconds"
    else:
        if done.returncode == 0:
            return
        if (folder / _ERROR).exists():
            said = json.loads((folder / _ERROR).read_text())
            raise _ERRORS[said["kind"]](said["message"])
        if done.returncode < 0:
            cause = f"ends in {signal.Signals(-done.returncode).name}"
        else:
            cause = f"fails: {_last_line(done.stderr)}"
    raise InputError(
        f"{path} cannot be read as {kind} (its conversion {cause}); export it again, or to ONNX"
    )


def _last_line(text: str) -> str:
    """What was wrong, as the end of a traceback says it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given").rstrip(".")[:160]


def convert(source: str, kind: str, folder: str, if_open: str, shapes: Sequence[str]) -> None:
    """Write the graph of a program, or what is wrong with it; the other process calls this.

    Whatever PyTorch and OpenVINO raise ends the process, and its last line is the cause.
    """
    try:
        _write_graph(Path(source), kind, Path(folder) / _GRAPH, shapes, if_open or None)
    except SplittoolError as error:
        said = {"kind": type(error).__name__, "message": str(error)}
        (Path(folder) / _ERROR).write_text(json.dumps(said))
        sys.exit(int(error.exit_code))


def _write_graph(
    path: Path, kind: str, output: Path, shapes: Sequence[str], if_open: str | None
) -> None:
    from splittool.conversion.program import exported, input_shapes, load_program, to_graph

    loaded = load_program(path, kind)
    inputs = input_shapes(path, loaded)
    if any(shape.is_dynamic for shape in inputs.values()):
        shapes = shapes_or(if_open, shapes)
    fixed = fixed_shapes(path, inputs, shapes)
    program = exported(loaded, list(fixed.values()))
    model = to_graph(program, fixed)
    name_operations(model, lambda: to_graph(program, fixed))
    write_ir(model, output, half=False)
