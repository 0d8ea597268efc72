"""A cut on disk: head and tail as IR, and cut.json that describes and vouches for them."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from splittool.cost.operations import operation_costs
from splittool.cost.splits import describe_split, tensor_record
from splittool.errors import VerificationError
from splittool.files import make_folder, output_errors, refuse_existing
from splittool.graph.graph import read_graph
from splittool.graph.halves import Halves, make_halves
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.graph.verification import Verifier
from splittool.reports import CutReport, SplitRecord, VerificationRecord, encode, file_record
from splittool.runtime.core import core
from splittool.runtime.info import read_info
from splittool.runtime.ir import write_ir
from splittool.runtime.myriad import blob_record, compile_blob
from splittool.runtime.targets import TARGETS

# The order in which they appear: weights before the graph that names them, the description last.
HEAD = ("head.bin", "head.xml")
TAIL = ("tail.bin", "tail.xml")
BLOB = "head.blob"
DESCRIPTION = "cut.json"


def write_cut(
    source: Path,
    at: Sequence[str],
    folder: Path,
    tolerance: float,
    shapes: Sequence[str] = (),
    force: bool = False,
    target: str = "openvino",
    compiler: Path | None = None,
    shaves: int | None = None,
) -> CutReport:
    """Cut a model, prove the cut on the files as written, and put them in place.

    Weights keep the precision they have in the source.

    Args:
        source: Any model file.
        at: The operations to cut after.
        folder: Where the five files go.
        tolerance: Largest difference allowed, as a share of the output's range.
        shapes: Input shapes to set, as `load_model` takes them.
        force: Replace files that exist.
        target: Whose IR to write, of `splittool.runtime.targets.TARGETS`.
        compiler: Compiles the head for Myriad X, too.
        shaves: SHAVE processors to compile for; None leaves it to the compiler.

    Raises:
        InputError: The model or the split point is not usable, or not on the target.
        VerificationError: Head and tail differ from the whole; nothing is written.
        OutputError: The files exist or cannot be written.
    """
    blobs = (BLOB,) if compiler else ()
    names = (*HEAD, *blobs, *TAIL, DESCRIPTION)
    if folder.exists():
        refuse_existing([folder / name for name in (*names, BLOB)], force)
    whole = load_model(source, shapes)
    graph = read_graph(whole)
    cut = find_cut(graph, *at)
    head, tail = make_halves(whole, graph, cut)
    make_folder(folder)
    with (
        output_errors(folder),
        tempfile.TemporaryDirectory(dir=folder, prefix=".cut-") as temporary,
    ):
        written = Path(temporary)
        write_ir(head, written / "head.xml", False, TARGETS[target])
        write_ir(tail, written / "tail.xml", False, TARGETS[target])
        halves = [core().read_model(written / name) for name in ("head.xml", "tail.xml")]
        proof = Verifier.of(whole).verify(Halves(*halves), tolerance)
        if not proof.holds:
            raise VerificationError(
                f"head and tail cut at {cut.name!r} do not compute the whole: they differ by"
                f" {proof.difference:.2e}, more than {proof.tolerance:g} of the output's range"
                f" {proof.output_range:.2e}; nothing was written; raise --tolerance if you know why"
            )
        blob = None
        if compiler:
            made = compile_blob(compiler, written / "head.xml", written / BLOB, halves[0], shaves)
            blob = blob_record(made, BLOB)
        info = read_info(whole)
        priced = describe_split(graph, cut, operation_costs(graph))
        report = CutReport(
            source=file_record(source),
            split=msgspec.structs.replace(priced, difference=proof.share),
            head=[file_record(written / name, name) for name in HEAD],
            tail=[file_record(written / name, name) for name in TAIL],
            input=tensor_record(graph.parameters[0].outputs[0]),
            classes=info.classes,
            fit=info.fit,
            verification=VerificationRecord(
                proof.difference, proof.output_range, proof.tolerance, "CPU", "f32"
            ),
            target=target,
            blob=blob,
        )
        (written / DESCRIPTION).write_bytes(encode(report))
        (folder / BLOB).unlink(missing_ok=True)  # of an earlier head
        for name in names:
            (written / name).replace(folder / name)
    return report


def verify_splits(
    source: Path,
    splits: Sequence[SplitRecord],
    tolerance: float,
    shapes: Sequence[str] = (),
    tick: Callable[[], object] = lambda: None,
) -> tuple[list[SplitRecord], list[str]]:
    """Make every one of some cuts in memory, and hold it against the whole.

    Args:
        source: The model file that the splits are of.
        splits: The cuts; one that leaves a side empty has nothing to be compared.
        tolerance: Largest difference allowed, as a share of the output's range.
        shapes: Input shapes to set.
        tick: Called after each.

    Returns:
        The splits with their `difference`, and the names of those that do not hold.
    """
    whole = load_model(source, shapes)
    graph = read_graph(whole)
    reference = Verifier.of(whole)
    verified, failed = [], []
    for record in splits:
        cut = find_cut(graph, *record.at)
        if cut.head and cut.tail:
            proof = reference.verify(make_halves(whole, graph, cut), tolerance)
            failed += [] if proof.holds else [cut.name]
            record = msgspec.structs.replace(record, difference=proof.share)
        verified.append(record)
        tick()
    return verified, failed
