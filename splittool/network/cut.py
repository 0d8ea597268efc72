"""A cut in memory: both halves of a network, their price and their proof."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import openvino as ov

from splittool.codec.latent_model import LatentModel
from splittool.cost.operations import operation_costs
from splittool.cost.splits import describe_split
from splittool.errors import InputError, UsageError, VerificationError
from splittool.graph.graph import Graph, TensorInfo
from splittool.graph.halves import Halves, Verification, Verifier, make_halves
from splittool.graph.onnx_graph import OnnxReading
from splittool.graph.onnx_halves import OnnxHalves
from splittool.graph.onnx_proof import OPENVINO, OnnxFiles, RuntimeProof, prove_across
from splittool.graph.split_points import Cut
from splittool.reports import CutReport, FileRecord, SplitRecord
from splittool.runtime.ir import read_info
from splittool.runtime.onnx_file import OnnxFile
from splittool.runtime.onnx_runtime import require_onnxruntime
from splittool.split.agreement import port_record
from splittool.split.files import (
    DESCRIPTION,
    ONNX,
    BothForms,
    Form,
    Written,
    verification_record,
    write_halves,
)
from splittool.split.latent import model_of
from splittool.split.link import tensor_spec
from splittool.split.split_network import SplitNetwork

TOLERANCE = 1e-5


@dataclass(frozen=True)
class OnnxSource:
    """A network's ONNX file.

    Attributes:
        path: The file.
        fixed: Whether the shapes of its inputs were set, and are not those in the file.
        owner: Whoever removes the file when it goes away itself; it stays as long as this does.
    """

    path: Path
    fixed: bool = False
    owner: object = None

    def cut(self, model: ov.Model, graph: Graph, at: Sequence[str]) -> tuple[Cut, OnnxHalves]:
        """Cut the file where a cut of OpenVINO's graph is.

        Raises:
            InputError: The ONNX graph cannot be cut there, or one side would be empty.
        """
        reading = OnnxReading(OnnxFile(self.path), model, graph)
        found = reading.find_cut(*at)
        inputs = [op.outputs[0] for op in graph.parameters] if self.fixed else None
        # Both halves name what crosses as the file does, whatever they are written for.
        tensors = zip(found.cut.tensors, found.values, strict=True)
        named = replace(found.cut, tensors=tuple(replace(t, name=value) for t, value in tensors))
        return named, OnnxHalves(reading.file, found, inputs)


class NetworkCut:
    """A network cut at a split point, in memory; `Network.cut` makes one.

    Args:
        model: The whole.
        graph: Its operations.
        cut: The division of the operations.
        record: The file of the whole.
        onnx: The same as an ONNX file, where there is one.
    """

    def __init__(
        self,
        model: ov.Model,
        graph: Graph,
        cut: Cut,
        record: FileRecord,
        onnx: OnnxSource | None = None,
    ) -> None:
        self._model, self._graph, self._record, self._onnx = model, graph, record, onnx
        self.division = cut

    @property
    def point(self) -> str:
        """The split point."""
        return self.division.name

    @property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """The crossing tensors, in the order in which head and tail have them."""
        return self.division.tensors

    @cached_property
    def halves(self) -> Halves:
        """Head and tail as models.

        Raises:
            InputError: One side would be empty.
        """
        return make_halves(self._model, self._graph, self.division)

    @property
    def head(self) -> ov.Model:
        """The half that runs on the device."""
        return self.halves.head

    @property
    def tail(self) -> ov.Model:
        """The half that runs in the cloud."""
        return self.halves.tail

    @cached_property
    def price(self) -> SplitRecord:
        """What crosses the cut, and what each side has to do."""
        return describe_split(self._graph, self.division, operation_costs(self._graph))

    def verify(self, tolerance: float = TOLERANCE) -> Verification:
        """Run head, tail and whole on the same random input, in 32 bits on the CPU.

        Args:
            tolerance: Largest difference allowed, as a share of the output's range.
        """
        return Verifier.of(self._model).verify(self.halves, tolerance)

    def write(
        self,
        folder: str | Path = ".",
        tolerance: float = TOLERANCE,
        form: Form | str = "openvino",
        force: bool = False,
    ) -> SplitNetwork:
        """Write both halves and cut.json, after proving them as they are written.

        Args:
            folder: Where the files go.
            tolerance: Largest difference allowed, as a share of the output's range.
            form: What the halves are written for: the name of a target, or all of it.
            force: Replace files that exist.

        Raises:
            InputError: One side would be empty, the head takes no input, or there is an operation
                that the target cannot read.
            VerificationError: Head and tail differ from the whole; nothing is written.
            OutputError: The files exist or cannot be written.
            UsageError: There is no such target, or no ONNX file to cut for it.
            MissingExtraError: ONNX Runtime, which proves ONNX halves, is not installed.
        """
        form = Form(form) if isinstance(form, str) else form
        form.check()
        if ONNX not in form.targets:
            return self._write(Path(folder), tolerance, form, force)
        if self._onnx is None:
            raise UsageError("target 'onnx' is for a network that is an .onnx file, or a .pt")
        require_onnxruntime()
        # The same cut, with the whole of each operation of the ONNX graph on one side.
        division, onnx = self._onnx.cut(self._model, self._graph, self.division.at)
        cut = NetworkCut(self._model, self._graph, division, self._record, self._onnx)
        return cut._write(Path(folder), tolerance, form, force, onnx)

    def _write(
        self,
        folder: Path,
        tolerance: float,
        form: Form,
        force: bool,
        onnx: OnnxHalves | None = None,
    ) -> SplitNetwork:
        halves = self.halves
        if not halves.head.inputs:
            raise InputError(f"the head cut at {self.point!r} takes no input; nothing would be run")

        def describe(written: Written) -> CutReport:
            return self._report(written, self._hold(written, form, tolerance), form)

        forms = BothForms(halves, onnx, self._codec_model)
        report = write_halves(folder, forms, describe, form, force)
        return SplitNetwork(folder / DESCRIPTION, report)

    @property
    def _codec_model(self) -> LatentModel | None:
        """The model of codec `learned`, if the network has one and its latent crosses."""
        info = read_info(self._model)
        if not info.codec_model:
            return None
        return model_of(info, [tensor_spec(record) for record in self.price.tensors])

    def _hold(self, written: Written, form: Form, tolerance: float) -> list[RuntimeProof]:
        proofs = self._prove(written, form, tolerance)
        for each in proofs:
            if not each.proof.holds:
                raise VerificationError(
                    f"head and tail cut at {self.point!r} do not compute the whole in {each.where}:"
                    f" they differ by {each.proof.difference:.2e}, more than"
                    f" {each.proof.tolerance:g} of the output's range"
                    f" {each.proof.output_range:.2e}; nothing was written; raise `tolerance` if you"
                    " know why"
                )
        return proofs

    def _prove(self, written: Written, form: Form, tolerance: float) -> list[RuntimeProof]:
        """Every pair of runtimes that can read the halves, their own first."""
        if ONNX not in form.targets or self._onnx is None:
            proof = Verifier.of(self._model).verify(written.halves, tolerance)
            return [RuntimeProof(OPENVINO, OPENVINO, proof)]
        head, tail = (
            written.folder / f"{name}.onnx" if target == ONNX else None
            for name, target in zip(("head", "tail"), form.targets, strict=True)
        )
        files = OnnxFiles(self._onnx.path, head, tail)
        return prove_across(self._model, written.halves, files, tolerance)

    def _report(self, written: Written, proofs: list[RuntimeProof], form: Form) -> CutReport:
        info = read_info(self._model)
        records = [verification_record(each.proof, each.head, each.tail) for each in proofs]
        inputs = [port_record(port) for port in written.halves.head.inputs]
        return CutReport(
            source=self._record,
            split=msgspec.structs.replace(self.price, difference=proofs[0].proof.share),
            head=written.head,
            tail=written.tail,
            input=inputs[0],
            inputs=inputs,
            classes=info.classes,
            fit=info.fit,
            verification=records[0],
            target=form.target,
            blob=written.blob,
            codec_model=written.codec_model,
            tail_target=form.tail_target,
            crossed=records[1:],
        )
