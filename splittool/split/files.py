"""The files of a cut: head and tail as IR, and cut.json that describes and vouches for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from splittool.codec.latent_model import LatentModel
from splittool.files import (
    filled_folder,
    output_errors,
    refuse_existing,
    replace_together,
    temporary_folder,
)
from splittool.graph.halves import Halves, Verification
from splittool.reports import (
    BlobRecord,
    CutReport,
    FileRecord,
    VerificationRecord,
    encode,
    file_record,
)
from splittool.runtime.ir import core, write_ir
from splittool.runtime.myriad import blob_record, compile_blob
from splittool.runtime.targets import TARGETS

# The order in which they appear: weights before the graph that names them, the description last.
HEAD = ("head.bin", "head.xml")
TAIL = ("tail.bin", "tail.xml")
BLOB = "head.blob"
CODEC_MODEL = "latent.model"
OPTIONAL = (BLOB, CODEC_MODEL)
DESCRIPTION = "cut.json"


@dataclass(frozen=True)
class Form:
    """What the halves are written for.

    Attributes:
        target: A name in `splittool.runtime.targets.TARGETS`.
        compiler: Compiles the head for Myriad X, too; None makes no blob.
        shaves: SHAVE processors to compile for; None leaves it to the compiler.
    """

    target: str = "openvino"
    compiler: Path | None = None
    shaves: int | None = None


class Written(NamedTuple):
    """Halves that are on disk, but not in place yet.

    Attributes:
        halves: Head and tail as they are read from there.
        head: The head's files, under the names they will have.
        tail: The tail's files.
        blob: What was compiled of the head, if anything.
        codec_model: The model of codec `learned`, if there is one.
    """

    halves: Halves
    head: list[FileRecord]
    tail: list[FileRecord]
    blob: BlobRecord | None
    codec_model: FileRecord | None = None


def write_halves(
    folder: Path,
    halves: Halves,
    describe: Callable[[Written], CutReport],
    form: Form,
    force: bool = False,
    codec_model: LatentModel | None = None,
) -> CutReport:
    """Write both halves and their description, all of them or none.

    Weights keep the precision they have.

    Args:
        folder: Where the files go.
        halves: Head and tail.
        describe: Proves the halves as written, and describes them.
        form: What they are written for.
        force: Replace files that exist.
        codec_model: The model of codec `learned`, for a cut at a latent.

    Raises:
        InputError: A half has an operation that the target cannot read.
        OutputError: The files exist or cannot be written.
        Whatever `describe` raises; nothing is in place then.
    """
    more = (*((BLOB,) if form.compiler else ()), *((CODEC_MODEL,) if codec_model else ()))
    names = (*HEAD, *more, *TAIL, DESCRIPTION)
    if folder.exists():
        refuse_existing([folder / name for name in (*names, *OPTIONAL)], force)
    with (
        filled_folder(folder),
        output_errors(folder),
        temporary_folder(folder) as written,
    ):
        for half, name in zip(halves, ("head.xml", "tail.xml"), strict=True):
            write_ir(half, written / name, False, TARGETS[form.target])
        if codec_model:
            (written / CODEC_MODEL).write_bytes(codec_model.to_bytes())
        report = describe(_read_again(written, form))
        (written / DESCRIPTION).write_bytes(encode(report))
        replace_together([(written / name, folder / name) for name in names])
        for name in set(OPTIONAL) - set(names):
            (folder / name).unlink(missing_ok=True)  # of an earlier cut
    return report


def _read_again(folder: Path, form: Form) -> Written:
    head, tail = (core().read_model(folder / name) for name in ("head.xml", "tail.xml"))
    blob = None
    if form.compiler:
        made = compile_blob(form.compiler, folder / "head.xml", folder / BLOB, head, form.shaves)
        blob = blob_record(made, BLOB)
    records = [[file_record(folder / name, name) for name in names] for names in (HEAD, TAIL)]
    model = folder / CODEC_MODEL
    codec_model = file_record(model, CODEC_MODEL) if model.exists() else None
    return Written(Halves(head, tail), records[0], records[1], blob, codec_model)


def verification_record(proof: Verification) -> VerificationRecord:
    """A proof as cut.json has it."""
    return VerificationRecord(
        proof.difference, proof.output_range, proof.tolerance, device="CPU", precision="f32"
    )
