"""What cut.json says of a cut, held against head and tail themselves."""

import math
from collections.abc import Sequence
from pathlib import Path

import openvino as ov

from splittool.errors import InputError
from splittool.reports import CutReport, TensorRecord
from splittool.runtime.ir import read_info


def hold_head(path: Path, report: CutReport, head: ov.Model) -> None:
    """Check that the head takes and puts out what cut.json says.

    Args:
        path: The cut.json, for messages.
        report: Its content.
        head: The head.

    Raises:
        InputError: An input, a crossing tensor, the classes or the fit is another one.
    """
    taken = _records(head.inputs, report.every_input)
    _same(path, "the head's inputs", report.every_input, taken)
    _same(path, "crossing tensors", report.split.tensors, _crossing(head.outputs, report))
    _hold_info(path, report, head)


def hold_tail(path: Path, report: CutReport, tail: ov.Model) -> None:
    """Check that the tail takes what cut.json says crosses.

    Args:
        path: The cut.json, for messages.
        report: Its content.
        tail: The tail.

    Raises:
        InputError: A crossing tensor, the classes or the fit is another one.
    """
    _same(path, "crossing tensors", report.split.tensors, _crossing(tail.inputs, report))
    _hold_info(path, report, tail)


def _crossing(ports: Sequence[ov.Output], report: CutReport) -> list[TensorRecord]:
    return _records(ports, report.split.tensors)


def _records(ports: Sequence[ov.Output], said: Sequence[TensorRecord]) -> list[TensorRecord]:
    """What ports are; a port may have several names, and the one that was said is taken."""
    names = [record.name for record in said] + [""] * len(ports)
    return [port_record(port, name) for port, name in zip(ports, names, strict=False)]


def port_record(port: ov.Output, name: str = "") -> TensorRecord:
    """An input or output of a half, under `name` if that is one of its names."""
    own = port.get_node().get_friendly_name()
    shape, kind = [int(size) for size in port.get_shape()], port.get_element_type()
    return TensorRecord(
        name=name if name in port.get_names() else own,
        shape=shape,
        type=kind.get_type_name(),
        bits=kind.get_bitwidth(),
        elements=math.prod(shape),
    )


def _same(
    path: Path, what: str, said: Sequence[TensorRecord], found: Sequence[TensorRecord]
) -> None:
    if list(said) == list(found):
        return
    raise InputError(
        f"{path} says that {what} are {_listed(said)}, and the cut's files have"
        f" {_listed(found)}; make the cut again"
    )


def _listed(records: Sequence[TensorRecord]) -> str:
    shown = [f"{r.name} {'x'.join(map(str, r.shape))} {r.type}" for r in records[:4]]
    more = [f"{len(records) - 4} more"] if len(records) > 4 else []
    return ", ".join([*shown, *more]) or "none"


def _hold_info(path: Path, report: CutReport, half: ov.Model) -> None:
    info = read_info(half)
    if (report.classes, report.fit) != (info.classes, info.fit):
        raise InputError(
            f"{path} says classes {report.classes} and fit {report.fit}, and the cut's files say"
            f" {info.classes} and {info.fit}; make the cut again"
        )
