"""Where a network can be cut, and its two halves."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.export import BlobRecord, blob_line
from splittool.tables import make_table, verbatim

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MOST_ROWS = 20  # more split points than these get one line each


class TensorRecord(msgspec.Struct, frozen=True, gc=False):
    """A tensor that crosses a cut; `bits` is what one element takes in the graph."""

    name: str
    shape: list[int]
    type: str
    bits: int
    elements: int

    def __post_init__(self) -> None:
        """Refuse a number of elements that is not the product of the shape."""
        if min(self.shape, default=1) < 0 or math.prod(self.shape) != self.elements:
            raise ValueError(
                f"{self.name} of the shape {self.shape} has not {self.elements} elements"
            )


class SplitRecord(msgspec.Struct, frozen=True, gc=False):
    """One split point and what each side has to do.

    `at` holds the operations to cut after, one `--at` each; `difference` is that of head and tail
    together from the whole, as a share of the output's range, where it was measured.
    """

    point: str
    at: list[str]
    elements: int
    tensors: Annotated[list[TensorRecord], msgspec.Meta(min_length=1)]
    head_operations: int
    tail_operations: int
    head_weighted_layers: int
    head_gflops: float
    tail_gflops: float
    head_gmacs: float
    tail_gmacs: float
    head_gflops_share: float
    head_parameters: int
    head_weight_bytes: int
    head_live_elements: int
    head_live_bytes: int
    head_sum_elements: int
    head_sum_bytes: int
    difference: float | None = None


class VerificationRecord(msgspec.Struct, frozen=True):
    """Head and tail, each in its runtime, against the whole in the tail's, on a random input."""

    difference: float
    output_range: float
    tolerance: float
    device: str
    precision: str
    head_runtime: str = "openvino"
    tail_runtime: str = "openvino"


class BakedRecord(msgspec.Struct, frozen=True):
    """A quantiser inside head and tail: `tensors` are those it stands for."""

    bits: Literal[8, 4]
    tensors: list[TensorRecord]


class CutReport(Report, tag="splittool.cut/1"):
    """A cut, as `cut.json` describes it; file names are relative to it.

    `codec_model` is the model of codec `learned`, where a latent of whole numbers crosses.

    `inputs` are those of the head, in the network's order; `input` is the first of them. Cuts of
    networks with one input made before `inputs` was there lack it. `target` is the head's, and the
    tail's where `tail_target` is null; `verification` is of both in their own runtime, `crossed` of
    ONNX halves in the others that read them.
    """

    command = "splittool cut MODEL --at NAME"
    source: FileRecord
    split: SplitRecord
    head: Annotated[list[FileRecord], msgspec.Meta(min_length=1)]
    tail: Annotated[list[FileRecord], msgspec.Meta(min_length=1)]
    input: TensorRecord
    classes: list[str]
    fit: Literal["pad", "resize"]
    verification: VerificationRecord
    target: str = "openvino"
    blob: BlobRecord | None = None
    baked: BakedRecord | None = None
    codec_model: FileRecord | None = None
    inputs: list[TensorRecord] = msgspec.field(default_factory=list)
    tail_target: str | None = None
    crossed: list[VerificationRecord] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a description that contradicts itself."""
        crossing = sum(tensor.elements for tensor in self.split.tensors)
        if self.split.elements != crossing:
            raise ValueError(
                f"split.elements is {self.split.elements}, and the tensors have {crossing}"
            )
        if self.inputs and self.inputs[0] != self.input:
            raise ValueError("input is not the first of inputs")

    @property
    def every_input(self) -> list[TensorRecord]:
        """The inputs of the whole network that the head takes, in the network's order."""
        return self.inputs or [self.input]

    def tables(
        self, folder: Path | None = None, calibrated: bool = False
    ) -> "Sequence[RenderableType]":
        """The cut, its proof, and how to run the halves.

        Args:
            folder: Where the files were written; None leaves the files out.
            calibrated: Whether a calibration.json was written, too.
        """
        proof = self.verification
        allowed = proof.tolerance * proof.output_range
        other = "the halves joined by the codec" if self.baked else "the whole"
        lines: list[RenderableType] = [
            splits_table(f"{self.source.path} cut at {self.split.point}", [self.split]),
            f"largest difference of tail(head(x)) from {other}: {proof.difference:.1e}\n"
            f"({proof.precision} on {proof.device}, allowed {allowed:.1e})",
            *(_crossed_line(each) for each in self.crossed),
        ]
        if self.blob:
            lines.append(blob_line(self.blob))
        if folder is not None:
            model = [self.codec_model] if self.codec_model else []
            names = [record.path for record in (*self.head, *self.tail, *model)]
            names += ["cut.json", *(["calibration.json"] if calibrated else [])]
            lines += [f"wrote {', '.join(names)}", verbatim(self._snippet(folder))]
        return lines

    def _snippet(self, folder: Path) -> str:
        """Python that runs both halves."""
        files = [str(folder / half[-1].path) for half in (self.head, self.tail)]
        names = [record.name for record in self.every_input]
        given = "pixels" if len(names) == 1 else f"[{', '.join(names)}]"
        if all(file.endswith(".onnx") for file in files):
            return _onnx_snippet(files, given)
        return _openvino_snippet(files, given)


def _crossed_line(proof: VerificationRecord) -> str:
    return (
        f"head in {proof.head_runtime}, tail in {proof.tail_runtime}: {proof.difference:.1e}"
        f" (allowed {proof.tolerance * proof.output_range:.1e})"
    )


def _openvino_snippet(files: list[str], given: str) -> str:
    """In 32 bits; many CPUs compute in bf16 if they are not told."""
    return "\n".join(
        [
            "both halves in Python, in 32 bits as they were proved:",
            '  import openvino; f32 = dict(INFERENCE_PRECISION_HINT="f32")',
            f'  head, tail = (openvino.compile_model(f, "CPU", f32) for f in {files})',
            f"  probabilities = tail(list(head({given}).values()))[0]",
        ]
    )


def _onnx_snippet(files: list[str], given: str) -> str:
    values = given if given.startswith("[") else f"[{given}]"
    return "\n".join(
        [
            "both halves in Python; what the head puts out has the tail's names:",
            "  import onnxruntime as ort",
            f"  head, tail = (ort.InferenceSession(f) for f in {files})",
            "  names = [port.name for port in tail.get_inputs()]",
            f"  sent = head.run(names, dict(zip([p.name for p in head.get_inputs()], {values})))",
            "  probabilities = tail.run(None, dict(zip(names, sent)))[0]",
        ]
    )


class RefusedRecord(msgspec.Struct, frozen=True):
    """A place where a graph cannot be cut, and why."""

    point: str
    reason: str


class SplitsReport(Report, tag="splittool.splits/1"):
    """The split points of a model, from `cut --list` or `cut --all`.

    `renamed` holds the names that were made unique, and what they were.
    """

    source: FileRecord
    splits: list[SplitRecord]
    refused: list[RefusedRecord] = msgspec.field(default_factory=list)
    renamed: dict[str, str] = msgspec.field(default_factory=dict)

    def tables(self) -> "Sequence[RenderableType]":
        """One row for each split point, and what rows cannot say."""
        table = splits_table if len(self.splits) <= MOST_ROWS else _lines_table
        title = f"split points of {self.source.path}"
        return [
            table(title, self.splits),
            *proofs(self.splits),
            *remarks(self.refused, self.renamed),
        ]


def proofs(splits: Sequence[SplitRecord]) -> list[str]:
    """How many of some cuts were verified, in one line, if any was."""
    differences = [split.difference for split in splits if split.difference is not None]
    if not differences:
        return []
    return [
        f"{len(differences)} cuts verified in f32 on the CPU; largest difference of"
        f" tail(head(x)) from the whole: {max(differences):.1e} of the output's range"
    ]


def remarks(refused: Sequence[RefusedRecord], renamed: dict[str, str]) -> list[str]:
    """Where the network cannot be cut, and names that were changed."""
    return [
        *(f"no cut at {record.point}: {record.reason}" for record in refused),
        *(
            f"{name} is the name here of another {own!r}" if own else f"{name} had no name"
            for name, own in renamed.items()
        ),
    ]


def splits_table(title: str, splits: Sequence[SplitRecord]) -> "Table":
    """What crosses each cut and what each side does."""
    rows = [
        [
            "\n".join(split.at),
            "\n".join(
                f"{tensor.name} {'x'.join(map(str, tensor.shape))}" for tensor in split.tensors
            ),
            f"{split.elements:,}",
            f"{split.head_gflops:.3f}",
            f"{split.tail_gflops:.3f}",
            f"{split.head_gflops_share:.1%}",
        ]
        for split in splits
    ]
    columns = ["point", "crossing tensors", "elements", "head\nGFLOPs", "tail\nGFLOPs", "head"]
    return make_table(title, columns, rows, texts=2)


def _lines_table(title: str, splits: Sequence[SplitRecord]) -> "Table":
    """One line for each of many split points."""
    rows = [
        [
            " + ".join(split.at),
            str(len(split.tensors)),
            f"{split.elements:,}",
            str(split.head_operations),
            f"{split.head_gflops:.3f}",
            f"{split.head_gflops_share:.1%}",
            f"{split.head_live_elements / 1e6:.2f}",
        ]
        for split in splits
    ]
    columns = ["head up to", "sends", "elements", "ops", "GFLOPs", "share", "MinMem"]
    return make_table(title, columns, rows)
