"""A cut in memory: both halves of a network, their price and their proof."""

from functools import cached_property
from pathlib import Path

import msgspec
import openvino as ov

from splittool.cost.operations import operation_costs
from splittool.cost.splits import describe_split
from splittool.errors import InputError, VerificationError
from splittool.graph.graph import Graph, TensorInfo
from splittool.graph.halves import Halves, Verification, Verifier, make_halves
from splittool.graph.split_points import Cut
from splittool.reports import CutReport, FileRecord, SplitRecord
from splittool.runtime.ir import read_info
from splittool.split.agreement import port_record
from splittool.split.files import (
    DESCRIPTION,
    Form,
    Written,
    verification_record,
    write_halves,
)
from splittool.split.latent import model_of
from splittool.split.link import tensor_spec
from splittool.split.split_network import SplitNetwork

TOLERANCE = 1e-5


class NetworkCut:
    """A network cut at a split point, in memory; `Network.cut` makes one.

    Args:
        model: The whole.
        graph: Its operations.
        cut: The division of the operations.
        record: The file of the whole.
    """

    def __init__(self, model: ov.Model, graph: Graph, cut: Cut, record: FileRecord) -> None:
        self._model, self._graph, self._record = model, graph, record
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
        """
        form = Form(form) if isinstance(form, str) else form
        folder = Path(folder)
        halves = self.halves
        if not halves.head.inputs:
            raise InputError(f"the head cut at {self.point!r} takes no input; nothing would be run")

        def describe(written: Written) -> CutReport:
            return self._report(written, self._hold(written.halves, tolerance), form)

        specs = [tensor_spec(record) for record in self.price.tensors]
        model = model_of(read_info(self._model), specs)
        report = write_halves(folder, halves, describe, form, force, model)
        return SplitNetwork(folder / DESCRIPTION, report)

    def _hold(self, halves: Halves, tolerance: float) -> Verification:
        proof = Verifier.of(self._model).verify(halves, tolerance)
        if not proof.holds:
            raise VerificationError(
                f"head and tail cut at {self.point!r} do not compute the whole: they differ by"
                f" {proof.difference:.2e}, more than {proof.tolerance:g} of the output's range"
                f" {proof.output_range:.2e}; nothing was written; raise `tolerance` if you know why"
            )
        return proof

    def _report(self, written: Written, proof: Verification, form: Form) -> CutReport:
        info = read_info(self._model)
        inputs = [port_record(port) for port in written.halves.head.inputs]
        return CutReport(
            source=self._record,
            split=msgspec.structs.replace(self.price, difference=proof.share),
            head=written.head,
            tail=written.tail,
            input=inputs[0],
            inputs=inputs,
            classes=info.classes,
            fit=info.fit,
            verification=verification_record(proof),
            target=form.target,
            blob=written.blob,
            codec_model=written.codec_model,
        )
