"""From a checkpoint, or any network that was read, to OpenVINO IR on disk."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import openvino as ov

from splittool.conversion.checkpoint import Exported, compare_with_torch, convert
from splittool.errors import InputError, UsageError, VerificationError
from splittool.files import output_errors, refuse_existing, replace_together, temporary_folder
from splittool.formats import how_to_convert
from splittool.reports import BlobRecord, ExportReport, FileRecord, file_record
from splittool.runtime.ir import ModelInfo, save_ir
from splittool.runtime.myriad import blob_record, compile_blob, compiler_for
from splittool.runtime.targets import TARGETS

# Reports spell precisions of weights differently.
_SPELLINGS = {"f16": "fp16", "f32": "fp32", "fp16": "fp16", "fp32": "fp32"}


class Converted(NamedTuple):
    """A network as a graph.

    Attributes:
        source: The file that it was made of.
        model: The graph.
        info: What it says about itself.
    """

    source: FileRecord
    model: ov.Model
    info: ModelInfo


@dataclass(frozen=True)
class IrForm:
    """What IR to write, and where.

    Attributes:
        output: The .xml; its .bin goes beside it, and for "myriad" a .blob, if the vendor's
            compiler is installed.
        precision: Precision of the stored weights, "f16" or "f32".
        target: The OpenVINO to write for, a name of `TARGETS`.
        shaves: SHAVE processors to compile a blob for; None leaves it to the compiler.
        force: Replace files that are already there.
    """

    output: Path
    precision: str = "f16"
    target: str = "openvino"
    shaves: int | None = None
    force: bool = False

    @property
    def stored(self) -> str:
        """The precision as reports spell it."""
        return _SPELLINGS[self.precision]

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: The output's name, the precision or the target cannot be used.
        """
        if self.output.suffix != ".xml":
            raise UsageError(f"`output` {self.output}: OpenVINO IR ends in .xml")
        if self.precision not in _SPELLINGS:
            raise UsageError(f"unknown precision {self.precision!r} of weights; give f16 or f32")
        if self.target not in TARGETS:
            raise UsageError(f"unknown target {self.target!r}; give one of: {', '.join(TARGETS)}")

    def ready(self) -> Path | None:
        """The compiler of the blob, if there is to be one, after a look for outputs that exist.

        Raises:
            OutputError: An output exists.
            UsageError: SHAVEs are given for another target.
            DeviceError: SHAVEs are given, and the compiler is not installed.
        """
        suffixes = [".xml", ".bin", *([".blob"] if self.target == "myriad" else [])]
        refuse_existing([self.output.with_suffix(suffix) for suffix in suffixes], self.force)
        return compiler_for(self.target, self.shaves)


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
    source, form = Path(source), IrForm(Path(output), precision, target, shaves, force)
    form.check()
    if source.suffix != ".pt":
        known = how_to_convert(source) or "is not a .pt checkpoint; only these need exporting"
        cut = "; a cut is exported with `target` triton or ovms" if source.suffix == ".json" else ""
        raise InputError(f"{source} {known}{cut}")
    compiler = form.ready()
    exported = convert(source, size)
    network = Converted(file_record(source), exported.model, exported.info)
    return write_network(network, form, compiler, lambda path: _compare(exported, path, source))


def write_network(
    network: Converted,
    form: IrForm,
    compiler: Path | None,
    compare: Callable[[Path], float] | None = None,
) -> ExportReport:
    """Write a converted network as IR.

    Args:
        network: The network.
        form: What to write.
        compiler: What `form.ready` gave.
        compare: Measures how far the IR at a path is from what the network was made of.

    Raises:
        InputError: An operation is too new for the target.
        OutputError: An output cannot be written.
        Whatever `compare` raises; nothing is written then.
    """
    output, blob_file = form.output, form.output.with_suffix(".blob")
    with output_errors(output), temporary_folder(output.parent) as folder:
        written = folder / output.name
        save_ir(network.model, written, form.stored == "fp16", TARGETS[form.target])
        blob = None
        if compiler:
            compiled = written.with_suffix(".blob")
            made = compile_blob(compiler, written, compiled, network.model, form.shaves)
            blob = blob_record(replace(made, path=compiled), str(blob_file))
        # Before anything is replaced: what cannot be compared is no reason to lose what was there.
        difference = compare(written) if compare else None
        report = _report(network, form, written, difference, blob)
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


def _report(
    network: Converted,
    form: IrForm,
    written: Path,
    difference: float | None,
    blob: BlobRecord | None,
) -> ExportReport:
    weights = form.output.with_suffix(".bin")
    return ExportReport(
        source=network.source,
        model=file_record(written, str(form.output)),
        weights=file_record(written.with_suffix(".bin"), str(weights)),
        weight_precision="fp16" if form.stored == "fp16" else "fp32",
        input_shape=list(network.model.inputs[0].get_shape()),
        output_shape=list(network.model.outputs[0].get_shape()),
        classes=network.info.classes,
        split_points=network.info.split_points,
        difference=difference,
        target=form.target,
        blob=blob,
    )
