"""Reports as text, and back."""

from pathlib import Path
from typing import TypeVar, overload

import msgspec

from splittool.errors import InputError
from splittool.files import require_file
from splittool.reports.base import Report
from splittool.reports.bench import BenchReport, BenchSetReport, EstimateReport
from splittool.reports.bitrate import BitrateReport
from splittool.reports.calibration import CalibrationReport
from splittool.reports.compare import CompareReport
from splittool.reports.cut import CutReport, SplitsReport
from splittool.reports.doctor import DoctorReport
from splittool.reports.export import ExportReport
from splittool.reports.imports import ImportReport
from splittool.reports.infer import InferReport
from splittool.reports.plan import PlanReport
from splittool.reports.plot import PlotReport
from splittool.reports.profiles import ProfileReport
from splittool.reports.synth import SynthReport
from splittool.reports.train import TrainReport

AnyReport = (
    SynthReport
    | ImportReport
    | TrainReport
    | ExportReport
    | CutReport
    | CalibrationReport
    | SplitsReport
    | ProfileReport
    | BenchReport
    | BenchSetReport
    | EstimateReport
    | BitrateReport
    | InferReport
    | PlanReport
    | PlotReport
    | CompareReport
    | DoctorReport
)


R = TypeVar("R", bound=Report)
S = TypeVar("S", bound=Report)


def encode(report: Report) -> bytes:
    """A report as indented JSON text with a line end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(text: bytes, name: str, *kinds: type[R]) -> R:
    """Read a report of one of some kinds.

    Args:
        text: The JSON.
        name: Where it came from, for messages.
        kinds: The report classes expected.

    Raises:
        InputError: It is not JSON, not a report of ours, or of another kind.
    """
    wanted = " or ".join(str(kind.__struct_config__.tag) for kind in kinds) + " report"
    found = decode_any(text, name, wanted)
    if not isinstance(found, kinds):
        raise InputError(f"{name} is a {found.__struct_config__.tag} report; give a {wanted}")
    return found


def decode_any(text: bytes, name: str, wanted: str = "report of splittool") -> AnyReport:
    """Read a report of any kind.

    Args:
        text: The JSON.
        name: Where it came from, for messages.
        wanted: What was expected, for messages.

    Raises:
        InputError: It is not JSON, or not a report of ours.
    """
    try:
        found: AnyReport = msgspec.json.decode(text, type=AnyReport)
    except msgspec.ValidationError as error:
        raise InputError(f"{name} is not a splittool report ({error}); make it again") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not JSON ({error}); give a {wanted}") from None
    return found


@overload
def read_report(path: Path, kind: type[R]) -> R: ...
@overload
def read_report(path: Path, kind: type[R], other: type[S]) -> R | S: ...
def read_report(path: Path, kind: type[Report], other: type[Report] | None = None) -> Report:
    """Read a report file of one or another kind; see `decode`."""
    require_file(path, "make one with --json")
    kinds = [kind] if other is None else [kind, other]
    return decode(path.read_bytes(), str(path), *kinds)
