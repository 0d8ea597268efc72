"""From a checkpoint to OpenVINO IR on disk."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from splittool.conversion.checkpoint import Exported, compare_with_torch, convert
from splittool.errors import InputError, UsageError, VerificationError
from splittool.files import output_errors, refuse_existing, replace_together, temporary_folder
from splittool.formats import how_to_convert
from splittool.reports import BlobRecord, ExportReport, file_record
from splittool.runtime.ir import save_ir
from splittool.runtime.myriad import blob_record, compile_blob, compiler_for
from splittool.runtime.targets import TARGETS

# Reports spell precisions of weights differently.
_SPELLINGS = {"f16": "fp16", "f32": "fp32", "fp16": "fp16", "fp32": "fp32"}


def export(
    source: str | Path,
    output: str | Path,
    size: tuple[int, int] | None = None,
    precision: str = "f16",
    target: str = "openvino",
    shaves: int | None = None,
    force: bool = False,
) -> ExportReport:
    """Convert a checkpoint to OpenVINO IR, and compare the result with torch.

    Args:
        source: The checkpoint, a .pt.
        output: The .xml to write; its .bin goes beside it, and for "myriad" a .blob, if the
            vendor's compiler is installed.
        size: (height, width) of the input in place of the one trained on.
        precision: Precision of the stored weights, "f16" or "f32".
        target: The OpenVINO to write for, a name of `TARGETS`.
        shaves: SHAVE processors to compile a blob for; None leaves it to the compiler.
        force: Replace files that are already there.

    Raises:
        InputError: The checkpoint cannot be used, or an operation is too new for the target.
        UsageError: The size, the precision, the target or the output's name cannot be used.
        OutputError: An output exists or cannot be written.
        VerificationError: The result or torch computes something that is not a number; nothing is
            written.
        DeviceError: SHAVEs are given, and the compiler is not installed.
    """
    source, output = Path(source), Path(output)
    if output.suffix != ".xml":
        raise UsageError(f"`output` {output}: OpenVINO IR ends in .xml")
    if source.suffix != ".pt":
        known = how_to_convert(source) or "is not a .pt checkpoint; only these need exporting"
        raise InputError(f"{source} {known}")
    if precision not in _SPELLINGS:
        raise UsageError(f"unknown precision {precision!r} of weights; give f16 or f32")
    if target not in TARGETS:
        raise UsageError(f"unknown target {target!r}; give one of: {', '.join(TARGETS)}")
    blob_file = output.with_suffix(".blob")
    blobs = [blob_file] if target == "myriad" else []
    refuse_existing([output, output.with_suffix(".bin"), *blobs], force)
    compiler = compiler_for(target, shaves)
    exported = convert(source, size)
    stored = _SPELLINGS[precision]
    with output_errors(output), temporary_folder(output.parent) as folder:
        written = folder / output.name
        save_ir(exported.model, written, stored == "fp16", TARGETS[target])
        blob = None
        if compiler:
            compiled = written.with_suffix(".blob")
            made = compile_blob(compiler, written, compiled, exported.model, shaves)
            blob = blob_record(replace(made, path=compiled), str(blob_file))
        # Before anything is replaced: what cannot be compared is no reason to lose what was there.
        difference = _compare(exported, written, source)
        made_of = Written(written, stored, difference, target, blob)
        report = _report(source, output, exported, made_of)
        names = [written.with_suffix(".bin").name, *([blob_file.name] if blob else []), output.name]
        replace_together([(folder / name, output.parent / name) for name in names])
    return report


def _compare(exported: Exported, written: Path, source: Path) -> float:
    difference = compare_with_torch(exported, written)
    if not math.isfinite(difference):
        raise VerificationError(
            f"{source} and the graph made of it do not compute finite numbers; nothing was"
            " written; train again with a lower learning rate"
        )
    return difference


class Written(NamedTuple):
    """IR that is on disk, but not in place yet.

    Attributes:
        path: The .xml.
        stored: Precision of its weights.
        difference: The largest difference of a probability from torch's.
        target: What it is written for.
        blob: What was compiled of it, if anything.
    """

    path: Path
    stored: str
    difference: float
    target: str
    blob: BlobRecord | None


def _report(source: Path, output: Path, exported: Exported, written: Written) -> ExportReport:
    weights = output.with_suffix(".bin")
    return ExportReport(
        source=file_record(source),
        model=file_record(written.path, str(output)),
        weights=file_record(written.path.with_suffix(".bin"), str(weights)),
        weight_precision="fp16" if written.stored == "fp16" else "fp32",
        input_shape=list(exported.model.inputs[0].get_shape()),
        output_shape=list(exported.model.outputs[0].get_shape()),
        classes=exported.info.classes,
        split_points=exported.info.split_points,
        difference=written.difference,
        target=written.target,
        blob=written.blob,
    )
