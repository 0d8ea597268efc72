"""Halves in OpenVINO and in ONNX Runtime, each head before each tail, held against the whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from splittool.graph.halves import (
    Array,
    Halves,
    Verification,
    Verifier,
    random_input,
    run_in_f32,
)
from splittool.runtime.onnx_runtime import OnnxSession

OPENVINO, ONNXRUNTIME = "openvino", "onnxruntime"

# Two runtimes add in different orders, so they differ where one of them agrees with itself exactly.
ACROSS = 1e-4


@dataclass(frozen=True)
class RuntimeProof:
    """A head in one runtime and a tail in one, against the whole in the tail's.

    Attributes:
        head: The head's runtime.
        tail: The tail's.
        proof: How far they are from the whole.
    """

    head: str
    tail: str
    proof: Verification

    @property
    def where(self) -> str:
        """The runtimes, for messages."""
        return self.tail if self.head == self.tail else f"{self.head} and {self.tail}"


@dataclass(frozen=True)
class OnnxFiles:
    """Where the ONNX files are.

    Attributes:
        whole: The network.
        head: The head; None if it is written for OpenVINO.
        tail: The tail; None if it is written for OpenVINO.
    """

    whole: Path
    head: Path | None
    tail: Path | None


def prove_across(
    whole: ov.Model, halves: Halves, files: OnnxFiles, tolerance: float
) -> list[RuntimeProof]:
    """Run a random input through every runtime that a half can be in.

    One model is in memory at a time, beside the graphs.

    Args:
        whole: The network.
        halves: Head and tail as OpenVINO reads them from their files.
        files: The files of those that ONNX Runtime reads.
        tolerance: Largest difference allowed within one runtime, as a share of the output's range;
            from one runtime to the other it is at least `ACROSS`.

    Returns:
        The proof of both halves in their own runtime first.

    Raises:
        InputError: ONNX Runtime cannot run a file.
        MissingExtraError: ONNX Runtime is not installed.
    """
    inputs = random_input(whole)
    wholes = {
        OPENVINO: Verifier(inputs, run_in_f32(whole, list(inputs.values()))),
        ONNXRUNTIME: Verifier(inputs, _run_onnx(files.whole, inputs)),
    }
    names = [port.get_node().get_friendly_name() for port in halves.head.inputs]
    crossing = {OPENVINO: run_in_f32(halves.head, [inputs[name] for name in names])}
    if files.head:
        crossing[ONNXRUNTIME] = _run_onnx(files.head, inputs)
    found = []
    for head, tensors in crossing.items():
        for tail in (OPENVINO, ONNXRUNTIME) if files.tail else (OPENVINO,):
            if tail == OPENVINO:
                outputs = run_in_f32(halves.tail, tensors)
            else:
                assert files.tail is not None
                outputs = OnnxSession(files.tail).run(tensors)
            allowed = tolerance if head == tail else max(tolerance, ACROSS)
            found.append(RuntimeProof(head, tail, wholes[tail].compare(outputs, allowed)))
    own = (ONNXRUNTIME if files.head else OPENVINO, ONNXRUNTIME if files.tail else OPENVINO)
    return sorted(found, key=lambda each: (each.head, each.tail) != own)


def _run_onnx(path: Path, inputs: Mapping[str, Array]) -> list[Array]:
    session = OnnxSession(path)
    return session.run([inputs[port.name] for port in session.inputs])
