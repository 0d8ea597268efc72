"""The files of a cut: head and tail as IR or ONNX, and cut.json that vouches for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from splittool.codec.latent_model import LatentModel
from splittool.errors import UsageError
from splittool.files import (
    filled_folder,
    output_errors,
    refuse_existing,
    replace_together,
    temporary_folder,
)
from splittool.graph.halves import Halves, Verification
from splittool.graph.onnx_halves import OnnxHalves
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
ONNX_HEAD = ("head.onnx.data", "head.onnx")  # the first only where weights lie beside the whole
ONNX_TAIL = ("tail.onnx.data", "tail.onnx")
BLOB = "head.blob"
CODEC_MODEL = "latent.model"
DESCRIPTION = "cut.json"
ONNX = "onnx"


@dataclass(frozen=True)
class Form:
    """What the halves are written for.

    Attributes:
        target: A name in `splittool.runtime.targets.TARGETS`, or "onnx"; the head's where the tail
            has its own.
        compiler: Compiles the head for Myriad X, too; None makes no blob.
        shaves: SHAVE processors to compile for; None leaves it to the compiler.
        tail_target: The tail's target; None is the same.
    """

    target: str = "openvino"
    compiler: Path | None = None
    shaves: int | None = None
    tail_target: str | None = None

    @property
    def targets(self) -> tuple[str, str]:
        """The targets of head and tail."""
        return self.target, self.tail_target or self.target

    def check(self) -> None:
        """Refuse a target that there is not.

        Raises:
            UsageError: There is one.
        """
        for name in self.targets:
            if name != ONNX and name not in TARGETS:
                known = ", ".join((*TARGETS, ONNX))
                raise UsageError(f"unknown target {name!r}; give one of: {known}")


class Written(NamedTuple):
    """Halves that are on disk, but not in place yet.

    Attributes:
        halves: Head and tail as they are read from there.
        head: The head's files, under the names they will have.
        tail: The tail's files.
        blob: What was compiled of the head, if anything.
        folder: Where they are.
        codec_model: The model of codec `learned`, if there is one.
    """

    halves: Halves
    head: list[FileRecord]
    tail: list[FileRecord]
    blob: BlobRecord | None
    folder: Path
    codec_model: FileRecord | None = None


@dataclass(frozen=True)
class BothForms:
    """The halves of a cut in the forms that they can be written in, and what goes with them.

    Attributes:
        models: The halves as OpenVINO's graphs.
        onnx: The halves cut out of an ONNX file, where there is one.
        codec_model: The model of codec `learned`, for a cut at a latent.
    """

    models: Halves
    onnx: OnnxHalves | None = None
    codec_model: LatentModel | None = None

    def write(self, folder: Path, form: Form) -> None:
        """Write head and tail, each for its target.

        Raises:
            InputError: An operation is too new for a target, or weights are missing.
            UsageError: ONNX is asked for, and there is no ONNX file to cut.
        """
        for name, target in zip(("head", "tail"), form.targets, strict=True):
            if target != ONNX:
                model = getattr(self.models, name)
                write_ir(model, folder / f"{name}.xml", False, TARGETS[target])
            elif self.onnx is None:
                raise UsageError("target 'onnx' is for a network that is an .onnx file, or a .pt")
            else:
                getattr(self.onnx, f"write_{name}")(folder / f"{name}.onnx")
        if self.codec_model:
            (folder / CODEC_MODEL).write_bytes(self.codec_model.to_bytes())


def write_halves(
    folder: Path,
    halves: BothForms,
    describe: Callable[[Written], CutReport],
    form: Form,
    force: bool = False,
) -> CutReport:
    """Write both halves and their description, all of them or none.

    Weights keep the precision they have.

    Args:
        folder: Where the files go.
        halves: Head and tail.
        describe: Proves the halves as written, and describes them.
        form: What they are written for.
        force: Replace files that exist.

    Raises:
        InputError: A half has an operation that the target cannot read.
        OutputError: The files exist or cannot be written.
        Whatever `describe` raises; nothing is in place then.
    """
    form.check()
    every = (*HEAD, *ONNX_HEAD, BLOB, CODEC_MODEL, *TAIL, *ONNX_TAIL, DESCRIPTION)
    if folder.exists():
        refuse_existing([folder / name for name in every], force)
    with (
        filled_folder(folder),
        output_errors(folder),
        temporary_folder(folder) as written,
    ):
        halves.write(written, form)
        report = describe(_read_again(written, form))
        (written / DESCRIPTION).write_bytes(encode(report))
        names = [name for name in every if (written / name).exists()]
        replace_together([(written / name, folder / name) for name in names])
        for name in set(every) - set(names):
            (folder / name).unlink(missing_ok=True)  # of an earlier cut
    return report


def _read_again(folder: Path, form: Form) -> Written:
    names = [
        [name for name in (*ir, *onnx) if (folder / name).exists()]
        for ir, onnx in ((HEAD, ONNX_HEAD), (TAIL, ONNX_TAIL))
    ]
    head, tail = (core().read_model(folder / each[-1]) for each in names)
    blob = None
    if form.compiler:
        made = compile_blob(form.compiler, folder / "head.xml", folder / BLOB, head, form.shaves)
        blob = blob_record(made, BLOB)
    records = [[file_record(folder / name, name) for name in each] for each in names]
    model = folder / CODEC_MODEL
    codec_model = file_record(model, CODEC_MODEL) if model.exists() else None
    return Written(Halves(head, tail), records[0], records[1], blob, folder, codec_model)


def verification_record(
    proof: Verification, head: str = "openvino", tail: str = "openvino"
) -> VerificationRecord:
    """A proof as cut.json has it; head and tail are the runtimes that they ran in."""
    return VerificationRecord(
        proof.difference,
        proof.output_range,
        proof.tolerance,
        device="CPU",
        precision="f32",
        head_runtime=head,
        tail_runtime=tail,
    )
