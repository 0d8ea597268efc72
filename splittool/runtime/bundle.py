"""A cut on disk: head and tail as IR, and cut.json that describes and vouches for them."""

import tempfile
from pathlib import Path

from splittool.analysis.operations import operation_costs
from splittool.analysis.splits import describe_split, tensor_record
from splittool.errors import VerificationError
from splittool.files import make_folder, output_errors, refuse_existing
from splittool.ir.cutting import Verification, split, verify
from splittool.ir.engine import core
from splittool.ir.graph import read_graph
from splittool.ir.info import read_info
from splittool.ir.load import load_model
from splittool.ir.saving import write_ir
from splittool.ir.splits import find_cut
from splittool.reports import CutReport, VerificationRecord, encode, file_record

# The order in which they appear: weights before the graph that names them, the description last.
HEAD = ("head.bin", "head.xml")
TAIL = ("tail.bin", "tail.xml")
DESCRIPTION = "cut.json"


def write_cut(
    source: Path, point: str, folder: Path, tolerance: float, force: bool = False
) -> CutReport:
    """Cut a model, prove the cut on the files as written, and put them in place.

    Args:
        source: Any model file.
        point: Where to cut.
        folder: Where the five files go.
        tolerance: Largest difference allowed, as a share of the output's range.
        force: Replace files that exist.

    Raises:
        InputError: The model or the split point is not usable.
        VerificationError: Head and tail differ from the whole; nothing is written.
        OutputError: The files exist or cannot be written.
    """
    names = (*HEAD, *TAIL, DESCRIPTION)
    if folder.exists():
        refuse_existing([folder / name for name in names], force)
    whole = load_model(source)
    graph = read_graph(whole)
    cut = find_cut(graph, point)
    head, tail = split(whole, graph, cut)
    make_folder(folder)
    with (
        output_errors(folder),
        tempfile.TemporaryDirectory(dir=folder, prefix=".cut-") as temporary,
    ):
        written = Path(temporary)
        write_ir(head, written / "head.xml")
        write_ir(tail, written / "tail.xml")
        halves = [core().read_model(written / name) for name in ("head.xml", "tail.xml")]
        proof = verify(halves[0], halves[1], whole, tolerance)
        _require_proof(point, proof)
        info = read_info(whole)
        report = CutReport(
            source=file_record(source),
            split=describe_split(graph, cut, operation_costs(graph)),
            head=[file_record(written / name, name) for name in HEAD],
            tail=[file_record(written / name, name) for name in TAIL],
            input=tensor_record(graph.parameters[0].outputs[0]),
            classes=info.classes,
            fit=info.fit,
            verification=VerificationRecord(
                proof.difference, proof.output_range, proof.tolerance, "CPU", "f32"
            ),
        )
        (written / DESCRIPTION).write_bytes(encode(report))
        for name in names:
            (written / name).replace(folder / name)
    return report


def _require_proof(point: str, proof: Verification) -> None:
    if not proof.holds:
        raise VerificationError(
            f"the cut at {point!r} is wrong: tail(head(x)) differs from the whole by"
            f" {proof.difference:.2e}, more than {proof.tolerance:g} of the output's range"
            f" {proof.output_range:.2e}; nothing was written; raise --tolerance if you know why"
        )
