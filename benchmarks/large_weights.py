"""The memory that it takes to cut an ONNX network whose weights lie beside it and pass 2 GB.

    pip install "splittool[onnx]"
    python benchmarks/large_weights.py [--gigabytes 2.2]

Each way of cutting is a process of its own. Printed are its peak resident memory, and how much of
that was its own at most: pages of a mapped file are in the first figure and not in the second.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

SIDE = 5000  # of a weight, 100 MB
MB = 2**20
EXTRACT = """
import sys
from pathlib import Path
from splittool.graph.onnx_extraction import extract_halves
extract_halves(Path(sys.argv[1]), [sys.argv[2]], Path(sys.argv[3]))
"""


def write_network(folder: Path, gigabytes: float) -> tuple[Path, str]:
    """A chain of matrix products and ReLUs; the path, and the operation in its middle."""
    layers = round(gigabytes * 1e9 / (4 * SIDE**2))
    rng = np.random.default_rng(0)
    nodes, weights = [], []
    with (folder / "large.weights").open("wb") as file:
        for layer in range(layers):
            values = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * (2 / SIDE) ** 0.5
            weights.append(_external(f"w{layer}", file.tell(), values.nbytes))
            file.write(values.tobytes())
            source = f"r{layer - 1}" if layer else "x"
            nodes.append(helper.make_node("MatMul", [source, f"w{layer}"], [f"m{layer}"]))
            nodes.append(helper.make_node("Relu", [f"m{layer}"], [f"r{layer}"], name=f"r{layer}"))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, SIDE])
        for name in ("x", f"r{layers - 1}")
    ]
    graph = helper.make_graph(nodes, "large", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "large.onnx").write_bytes(model.SerializeToString())
    return folder / "large.onnx", f"r{layers // 2}"


def _external(name: str, offset: int, length: int) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[SIDE, SIDE])
    tensor.data_location = TensorProto.EXTERNAL
    said = {"location": "large.weights", "offset": str(offset), "length": str(length)}
    for key, value in said.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def peaks(command: list[str]) -> tuple[float, float]:
    """Peak resident memory of a command and its peak of pages that are no file's, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    resident = own = 0.0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = dict(re.findall(r"(VmHWM|RssAnon):\s+(\d+) kB", status))
        resident = max(resident, int(found.get("VmHWM", 0)) / 1024)
        own = max(own, int(found.get("RssAnon", 0)) / 1024)
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return resident, own


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.2)
    parser.add_argument("--folder", type=Path, help="where to put the files [default: temporary]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        path, at = write_network(folder, arguments.gigabytes)
        size = (folder / "large.weights").stat().st_size / MB
        cut = [sys.executable, "-m", "splittool", "cut", str(path), "--json"]
        ways = {
            "cut --list": [*cut, "--list"],
            "cut --at, OpenVINO IR, proved": [*cut, "--at", at, "-o", str(folder / "ir")],
            "extract_halves, ONNX, not proved": [
                *(sys.executable, "-c", EXTRACT),
                *(str(path), at, str(folder)),
            ],
            "cut --at --target onnx, proved in both runtimes": [
                *(*cut, "--at", at, "--target", "onnx"),
                *("-o", str(folder / "onnx")),
            ],
        }
        print(f"weights of {size:.0f} MB, cut at {at}:")
        for name, command in ways.items():
            resident, own = peaks(command)
            figures = f"{resident:7.0f} MB resident x {resident / size:.2f}, {own:7.0f} MB its own"
            print(f"  {name:48s} {figures} x {own / size:.2f}", flush=True)


if __name__ == "__main__":
    main()
