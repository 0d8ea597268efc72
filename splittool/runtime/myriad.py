"""The offline compiler for Myriad X: where it is, and blobs made with it.

The compiler is part of OpenVINO 2021.3 under Intel's licence, so users fetch it themselves;
`splittool doctor` prints the commands. It needs neither a stick nor an old Python.
"""

import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from splittool.errors import DeviceError, InputError, SplittoolError, UsageError
from splittool.reports import BlobRecord, file_record
from splittool.runtime.libraries import library_error, missing_library

COMPILER_VARIABLE = "SPLITTOOL_MYRIAD_COMPILE"
MOST_SHAVES = 16  # of a Myriad X
_TIMEOUT_S = 900
# What the dynamic loader says of a library that is there and too old.
_WRONG_SYSTEM = re.compile(r"version `\S+' not found|symbol lookup error|undefined symbol")


def tools_folder() -> Path:
    """Where the commands that `splittool doctor` prints put old compilers and runtimes."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "splittool"


def find_compiler() -> Path | None:
    """The compiler that the variable names, else the one on the path, else the fetched one."""
    named = os.environ.get(COMPILER_VARIABLE)
    if named:
        return Path(named)
    on_path = shutil.which("myriad_compile")
    fetched = tools_folder() / "openvino-2021.3" / "openvino" / "libs" / "myriad_compile"
    return Path(on_path) if on_path else fetched if fetched.is_file() else None


def compiler_for(target: str, shaves: int | None) -> Path | None:
    """The compiler where a target needs it; None where it is not installed.

    Raises:
        UsageError: SHAVEs are given for a target without them.
        DeviceError: SHAVEs are given, and the compiler is not installed.
    """
    if target != "myriad":
        if shaves is not None:
            raise UsageError("`blob_shaves` is for `target` myriad; give both")
        return None
    compiler = find_compiler()
    if compiler is None and shaves is not None:
        raise DeviceError("`blob_shaves` needs the Myriad compiler; splittool doctor says how")
    return compiler


def blob_record(blob: "Blob", shown: str | None = None) -> BlobRecord:
    """A blob as reports show it; `shown` is the name to record in place of its path."""
    return BlobRecord(
        file=file_record(blob.path, shown),
        shaves=blob.shaves,
        stages=len(blob.stages),
        hardware_stages=sum(stage.hardware for stage in blob.stages),
        ddr_bytes=blob.ddr_bytes,
        cmx_bytes=blob.cmx_bytes,
    )


@dataclass(frozen=True)
class Stage:
    """A step that the device runs.

    Attributes:
        layer: The layer of the network that the stage comes from, or a name of its own.
        kind: The compiler's type of stage; "MyriadXHwOp" runs on the neural compute engine.
        ddr_bytes: Bytes that it reads from and writes to the device's slow memory.
    """

    layer: str
    kind: str
    ddr_bytes: int

    @property
    def hardware(self) -> bool:
        """Whether the stage runs on the neural compute engine; all others run on the SHAVEs."""
        return self.kind == "MyriadXHwOp"


@dataclass(frozen=True)
class Blob:
    """A compiled network.

    Attributes:
        path: The .blob file.
        shaves: Number of SHAVE processors that it was compiled for.
        ddr_bytes: Bytes of activations in the device's slow memory.
        cmx_bytes: Largest number of bytes held in its fast memory at once.
        stages: The steps that do work, in order.
    """

    path: Path
    shaves: int
    ddr_bytes: int
    cmx_bytes: int
    stages: tuple[Stage, ...]


def compile_blob(
    compiler: Path, path: Path, blob: Path, model: ov.Model, shaves: int | None = None
) -> Blob:
    """Compile IR v10 for Myriad X.

    Args:
        compiler: `find_compiler()`.
        path: The .xml file.
        blob: The .blob file to write.
        model: The same graph in memory. Its 8-bit inputs stay 8-bit; all others become FP16.
        shaves: Number of SHAVE processors to use; None leaves it to the compiler.

    Raises:
        DeviceError: The compiler is missing or does not start.
        InputError: The compiler cannot compile the network.
    """
    if not compiler.is_file():
        raise DeviceError(f"there is no compiler at {compiler}; run: splittool doctor")
    with tempfile.TemporaryDirectory() as temporary:
        dump, config = Path(temporary) / "stages.dot", Path(temporary) / "config"
        config.write_text(f"MYRIAD_DUMP_INTERNAL_GRAPH_FILE_NAME {dump}\n")
        command: list[str | Path] = [compiler, "-m", path, "-o", blob, "-c", config]
        command += ["-iop", _precisions(model)]
        if shaves is not None:  # each SHAVE works in its own slice of the fast memory
            command += ["-VPU_NUMBER_OF_SHAVES", str(shaves)]
            command += ["-VPU_NUMBER_OF_CMX_SLICES", str(shaves)]
        finished = _run(command, compiler.parent)
        if finished.returncode or not blob.is_file():
            raise _explain(path, finished)
        return _read_stages(blob, dump.read_text() if dump.is_file() else "")


def _precisions(model: ov.Model) -> str:
    return ",".join(
        port.get_node().get_friendly_name()
        + (":U8" if port.get_element_type() == ov.Type.u8 else ":FP16")
        for port in model.inputs
    )


def _run(command: Sequence[str | Path], libraries: Path) -> "subprocess.CompletedProcess[str]":
    before = os.environ.get("LD_LIBRARY_PATH")
    path = f"{libraries}:{before}" if before else str(libraries)
    try:
        return subprocess.run(
            command,
            env={**os.environ, "LD_LIBRARY_PATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"{command[0]} was stopped after {_TIMEOUT_S} s; compile a smaller head"
        ) from None
    except OSError as error:
        raise DeviceError(
            f"{command[0]} does not start ({error.strerror}); run: splittool doctor"
        ) from None


def _explain(model: Path, finished: "subprocess.CompletedProcess[str]") -> SplittoolError:
    said = [line.strip() for line in (finished.stderr + "\n" + finished.stdout).splitlines()]
    library = missing_library("\n".join(said))
    if library:
        return library_error("the Myriad compiler", library)
    unusable = next((line for line in said if _WRONG_SYSTEM.search(line)), None)
    if unusable:
        return DeviceError(f"the Myriad compiler does not run on this system ({unusable[:200]})")
    # Lines begin with where they come from in the compiler's own sources.
    causes = [line for line in said if line and "Warning" not in line and line != "Done"]
    errors = [line for line in causes if re.search(r"error|unsupported|cannot|fail", line, re.I)]
    silent = f"signal {-finished.returncode}" if finished.returncode < 0 else "no reason given"
    cause = (errors or causes or [silent])[0][:200].rstrip(".")
    return InputError(
        f"{model.name}: the Myriad compiler cannot compile it ({cause});"
        " cut earlier, or leave the layer to the cloud"
    )


def _read_stages(blob: Path, dump: str) -> Blob:
    """Read the compiler's description of its result: Graphviz, a node for each stage and tensor."""
    summary = dump.partition('label="Graph')[2].partition('"')[0]
    graph = {
        name: int(value) for name, value in re.findall(r"(numSHAVEs|BSS|CMX) = (\d+)", summary)
    }
    traffic = _traffic(dump)
    # [index among those that run / index among all]; -1 marks bookkeeping that takes no time.
    nodes = re.findall(
        r'(stage_\w+) \[[^"]*label="\[(-?\d+) / \d+\] Stage ([^"]*?)\\ltype = (\w+)\\l([^"]*)"',
        dump,
    )
    stages = [
        Stage(_layer(name, details), kind, traffic.get(node, 0))
        for node, index, name, kind, details in nodes
        if int(index) >= 0
    ]
    return Blob(
        path=blob,
        shaves=graph.get("numSHAVEs", 0),
        ddr_bytes=graph.get("BSS", 0),
        cmx_bytes=graph.get("CMX", 0),
        stages=tuple(stages),
    )


_BYTES = {"U8": 1, "FP16": 2, "FP32": 4, "S32": 4}


def _traffic(dump: str) -> dict[str, int]:
    """Bytes that each stage reads from and writes to slow memory."""
    sizes = {}
    for node, label in re.findall(r'(data_\w+) \[[^"]*label="([^"]*)"', dump):
        place = re.search(r"dataLocation = (\w+)", label)
        kind = re.search(r"type = (\w+)", label)
        dims = re.search(r"dims = \[([^\]]*)\]", label)
        if place and kind and dims and place.group(1) not in ("CMX", "None"):
            count = math.prod(int(size) for size in re.findall(r" (\d+)", f" {dims.group(1)}"))
            sizes[node] = count * _BYTES.get(kind.group(1), 2)
    traffic: dict[str, int] = {}
    for start, end in re.findall(r"(\w+) -> (\w+) \[", dump):
        for stage, data in ((end, start), (start, end)):
            if stage.startswith("stage_") and data in sizes:
                traffic[stage] = traffic.get(stage, 0) + sizes[data]
    return traffic


def _layer(stage: str, details: str) -> str:
    """The layer of the network that a stage comes from, or the stage's own name."""
    found = re.search(r"origLayer = \[\\l\s*name = (.*?)\\l", details)
    return found.group(1) if found else stage.partition("@")[0]
