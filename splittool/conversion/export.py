"""From a checkpoint to OpenVINO IR on disk."""

from dataclasses import replace
from pathlib import Path

from splittool.conversion.checkpoint import Exported, compare_with_torch, convert
from splittool.errors import InputError, UsageError
from splittool.files import refuse_existing, replacing
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
    save_ir(exported.model, output, stored == "fp16", TARGETS[target])
    blob = None
    if compiler:
        with replacing(blob_file) as temporary:
            made = compile_blob(compiler, output, temporary, exported.model, shaves)
        blob = blob_record(replace(made, path=blob_file))
    return _report(source, output, exported, stored, target, blob)


def _report(
    source: Path,
    output: Path,
    exported: Exported,
    stored: str,
    target: str,
    blob: BlobRecord | None,
) -> ExportReport:
    return ExportReport(
        source=file_record(source),
        model=file_record(output),
        weights=file_record(output.with_suffix(".bin")),
        weight_precision="fp16" if stored == "fp16" else "fp32",
        input_shape=list(exported.model.inputs[0].get_shape()),
        output_shape=list(exported.model.outputs[0].get_shape()),
        classes=exported.info.classes,
        split_points=exported.info.split_points,
        difference=compare_with_torch(exported, output),
        target=target,
        blob=blob,
    )
