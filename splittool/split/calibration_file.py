"""calibration.json beside a cut.json: the quantiser's ranges that both sides know."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from splittool.codec.choices import check_bits
from splittool.codec.quantiser import Ranges
from splittool.codec.tensors import TensorSpec
from splittool.errors import InputError, UncalibratedError
from splittool.files import sha256
from splittool.reports import CalibrationReport, read_report

FILE_NAME = "calibration.json"

_LARGEST = float(np.finfo(np.float32).max)


def calibrated_specs(
    cut: Path, specs: Sequence[TensorSpec], bits: Sequence[int]
) -> list[TensorSpec]:
    """Crossing tensors with their calibrated ranges.

    Args:
        cut: The cut.json; calibration.json is beside it.
        specs: What crosses the cut.
        bits: Bits of an element of each of them.

    Raises:
        UncalibratedError: There is no calibration.json, or it is of another cut, or of other
            precisions.
        InputError: It is damaged.
    """
    path = cut.parent / FILE_NAME
    fix = f"make it: splittool calibrate {cut} IMAGES"
    if not path.is_file():
        raise UncalibratedError(f"there is no file {path}; {fix}")
    report = read_report(path, CalibrationReport)
    fix += " --force"
    if report.cut.sha256 != sha256(cut):
        raise UncalibratedError(f"{path} was made for another cut than {cut}; {fix}")
    found = []
    for spec, wanted in zip(specs, bits, strict=True):
        ranges = calibrated_ranges(report, spec, path)
        if spec.is_quantised and wanted not in ranges:
            fix += f" --bits {wanted}"
            raise UncalibratedError(f"{path} has no ranges for {spec.name} at {wanted} bits; {fix}")
        found.append(replace(spec, ranges=ranges))
    return found


def with_ranges(
    report: CalibrationReport, specs: Sequence[TensorSpec], path: Path
) -> list[TensorSpec]:
    """Crossing tensors with all ranges that a calibration has for them; `path` is for messages."""
    return [replace(spec, ranges=calibrated_ranges(report, spec, path)) for spec in specs]


def calibrated_ranges(report: CalibrationReport, spec: TensorSpec, path: Path) -> dict[int, Ranges]:
    """The ranges of one tensor by bits; none where it has none.

    Raises:
        InputError: They are not such ranges as `calibrate` makes.
    """
    found = {}
    channels = spec.shape[1] if len(spec.shape) > 1 else 1
    for tensor in report.tensors:
        for record in tensor.ranges if tensor.name == spec.name else ():
            check_bits(record.bits)
            last = [
                low + step * (2**record.bits - 1)
                for low, step in zip(record.low, record.step, strict=False)
            ]
            numbers = [*record.low, *record.step, *last]
            lengths = {len(record.low), len(record.step)}
            if lengths not in ({1}, {channels}) or not all(
                abs(number) <= _LARGEST
                for number in numbers  # so that nan is refused, too
            ):
                raise InputError(
                    f"{path} has no usable ranges for {spec.name} at {record.bits} bits;"
                    " make it again: splittool calibrate"
                )
            found[record.bits] = Ranges(
                np.array(record.low, np.float32), np.array(record.step, np.float32)
            )
    return found


def chosen_bits(cut: Path) -> dict[str, int] | None:
    """The bits that `calibrate --auto-bits` found for a cut, by tensor; None if it was not run."""
    path = cut.parent / FILE_NAME
    if not path.is_file():
        return None
    report = read_report(path, CalibrationReport)
    if report.search is None or report.cut.sha256 != sha256(cut):
        return None
    return report.search.bits
