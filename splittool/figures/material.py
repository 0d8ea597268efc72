"""The data of figures, collected from reports: split points, benchmarks, comparisons, histories."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from splittool.errors import InputError, UsageError
from splittool.files import require_file
from splittool.reports import (
    ArmRecord,
    BenchReport,
    BenchSetReport,
    CompareReport,
    CutReport,
    ProfileReport,
    Report,
    SplitRecord,
    SplitsReport,
    TrainReport,
    decode_any,
    read_report,
)


@dataclass
class Material:
    """The data found in one or more reports.

    Attributes:
        networks: Split points, by the network's name.
        runs: Benchmarks, by split point or file.
        named: The split points that the user named.
        arms: Cuts and image formats that were compared.
        history: Records of a training run.
    """

    networks: dict[str, Sequence[SplitRecord]] = field(default_factory=dict)
    runs: dict[str, BenchReport] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    arms: list[ArmRecord] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def add(self, source: str | Path | Report) -> None:
        """Add the data of a report.

        Args:
            source: The report, its file, "-" for standard input, a .history.jsonl file, or
                "NAME=FILE" for a report with a name of its own: the split point that a benchmark
                was made at, or what to call a network.

        Raises:
            InputError: A file is missing or damaged, or a report of its kind has no figure.
        """
        name = "" if isinstance(source, Report) else str(source)
        if name.endswith(".jsonl"):
            self.history = read_history(Path(name.rpartition("=")[2]))
            return
        self._add_report(*open_report(source))

    def _add_report(self, report: Report, point: str, shown: str) -> None:
        if isinstance(report, TrainReport):
            self.history = read_history(Path(report.history))
        elif isinstance(report, BenchReport):
            self.runs[point or shown] = report
            self.named |= {point} - {""}
        elif isinstance(report, BenchSetReport):
            self.runs.update({run.point or run.source.path: run for run in report.runs})
        elif isinstance(report, CompareReport):
            self.arms += report.arms
        elif isinstance(report, SplitsReport | ProfileReport):
            label = point or Path(report.source.path).stem
            while label in self.networks:
                label += "'"
            self.networks[label] = report.splits
        else:
            raise InputError(
                f"{shown} is a {report.__struct_config__.tag} report, which has no figure; give one"
                " of cut --list, cut --all, profile, bench-vpu, compare or train"
            )

    @property
    def powered(self) -> list[ArmRecord]:
        """The arms whose energy is known."""
        return [arm for arm in self.arms if arm.energy_mj is not None]

    def fps_by_point(self, points: set[str]) -> dict[str, float]:
        """Measured FPS of heads at some split points; those of a whole model are left out.

        Raises:
            UsageError: A benchmark was made at another split point, or does not say at which.
        """
        found = {}
        for name, run in self.runs.items():
            known = name in points or name in self.named
            point = name if known else run.point or _measured_point(run, name)
            if point is not None and point not in points:
                raise UsageError(f"no split point {point!r} is in the list to draw its FPS at")
            if point is not None:
                found[point] = run.fps
        return found


def open_report(source: str | Path | Report) -> tuple[Report, str, str]:
    """A report, the name that the user gave it, and what to call its file.

    Args:
        source: The report, its file, "-" for standard input, or "NAME=FILE".

    Raises:
        InputError: The file is missing or damaged.
    """
    if isinstance(source, Report):
        return source, "", str(source.__struct_config__.tag)
    point, _, name = str(source).rpartition("=")
    shown = "standard input" if name == "-" else name
    return decode_any(_read(name), shown), point, shown


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read the history of a training run, one record for each epoch.

    Raises:
        InputError: The file is missing, damaged, empty or something else.
    """
    require_file(path, "splittool train writes it beside the model")
    try:
        records = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        whole = all(_is_epoch(record) for record in records)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        whole, records = False, []
    if not whole or not records:
        raise InputError(
            f"{path} is not a training history; give a .history.jsonl of splittool train"
        )
    return records


def _read(name: str) -> bytes:
    if name != "-":
        require_file(Path(name), f"make one with: splittool COMMAND --json > {name}")
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise InputError("standard input is closed; pipe a report into it")
    return sys.stdin.buffer.read()


def _is_epoch(record: Any) -> bool:
    """Whether this is an epoch of `splittool train`."""
    try:
        scores = [record[part][key] for part in ("train", "validation") for key in ("loss", "dice")]
        return isinstance(record["epoch"], int) and all(
            score is None or isinstance(score, int | float) for score in scores
        )
    except (KeyError, TypeError):
        return False


def _measured_point(report: BenchReport, shown: str) -> str | None:
    """The split point whose head was measured, from the cut.json beside it.

    None where `shown` is the model itself: a whole one in a set.
    """
    cut = Path(report.source.path).parent / "cut.json"
    try:
        return read_report(cut, CutReport).split.point
    except InputError:
        if shown == report.source.path:
            return None
        raise UsageError(
            f"{shown} does not say at which split point it was measured; give POINT={shown}"
        ) from None
