"""Latency and throughput of every split point."""

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.cut import RefusedRecord
from splittool.tables import make_table, short, verbatim
from splittool.vocabulary import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class HeadRateRecord(msgspec.Struct, frozen=True):
    """A measured head of the planned model; `point` is null for the whole of it."""

    point: str | None
    gflops: float
    fps: float


class RateRecord(msgspec.Struct, frozen=True):
    """Compute rate of a side: as given, or frames per second of a benchmark x GFLOPs of its model.

    Where heads were measured, each operation takes its share, by FLOPs, of the time by which the
    smallest head that has it is slower than the one before; `fps` and `model_gflops` are then those
    of the largest head, whose mean rate applies to the operations that no head has.
    """

    given: str
    gflops_per_second: float
    report: FileRecord | None = None
    device: str | None = None
    fps: float | None = None
    model_gflops: float | None = None
    heads: list[HeadRateRecord] = msgspec.field(default_factory=list)

    def shown(self) -> str:
        """The rate in a few words."""
        if self.report is None:
            return self.given
        heads = f", {len(self.heads)} heads measured" if self.heads else ""
        return f"{self.gflops_per_second:.4g} GFLOPS ({self.given}{heads})"


class LimitsRecord(msgspec.Struct, frozen=True):
    """The limits that a row must keep to; null where there is none."""

    min_dice: float | None = None
    max_edge_gflops: float | None = None
    min_fps: float | None = None
    max_latency_ms: float | None = None


class PlanRow(msgspec.Struct, frozen=True):
    """One division of the work between edge and cloud.

    `latency_ms` is head, transfer, round trip and tail, one after the other; `fps` that of the
    slowest of edge, link and cloud, all at work on different frames, and null where nothing takes
    time. `payload_bytes` are measured where `measured` is true, else elements x bits; `bits` is
    null where no feature is sent, or where tensors differ; `codec` and `quality` say how features
    or the input were compressed. `excluded` names the limits that the row does not keep to.
    """

    point: str
    at: list[str]
    kind: Literal["edge-only", "cloud-only", "cut"]
    named: bool
    bits: int | None
    measured: bool
    payload_bytes: float
    dice: float | None
    head_gflops: float
    tail_gflops: float
    head_gflops_share: float
    head_weighted_layers: int
    head_ms: float
    transfer_ms: float
    tail_ms: float
    latency_ms: float
    fps: float | None
    bottleneck: Literal["edge", "link", "cloud"] | None
    excluded: list[str] = msgspec.field(default_factory=list)
    codec: str | None = None
    quality: int | None = None

    def cells(self) -> list[str]:
        """What a table shows of it."""
        names = self.at if self.kind == "cut" else [self.point]
        lines = [*names, f"({self._way()})"] if self.measured else names
        return [
            "\n".join(lines),
            "+".join(map(_number, (self.head_ms, self.transfer_ms, self.tail_ms))),
            _number(self.latency_ms),
            _number(self.fps),
            self.bottleneck or "-",
            f"{self.head_gflops_share:.0%}",
            _kilobytes(self.payload_bytes),
            short(self.dice, 3),
        ]

    def _way(self) -> str:
        """How the input or the crossing tensors were compressed."""
        if self.kind == "edge-only":
            return "masks"
        if self.kind == "cloud-only":
            return f"{self.codec}{'' if self.quality is None else f' q{self.quality}'}"
        bits = "mixed bits" if self.bits is None else f"{self.bits}-bit"
        return f"{bits} {self.codec or ''}".rstrip()


class PlanReport(Report, tag="splittool.plan/1"):
    """Every split point under the rates of edge, link and cloud, and the best one.

    `rows` are edge only, cloud only, and the cuts. `chosen` is the number of the best row within
    the limits, null if there is none. `best_cut` is that of the best cut with a convolution or
    matrix product in its head, within the limits if any such cut is, null if there is no such cut.
    `optimum` is that of the least latency over all closed cuts, whatever the limits; it need not be
    a split point in topological order. `shapes` are the input shapes that were asked for.
    `answer_bytes` are those of edge only; `answer` says how they are known, null in older plans,
    where edge only sent nothing.
    """

    source: FileRecord
    edge: RateRecord
    cloud: RateRecord
    link: str
    link_mbps: float
    rtt_ms: float
    bits: int
    image_bytes: float | None
    objective: Objective
    limits: LimitsRecord
    inferred: list[FileRecord]
    rows: Annotated[list[PlanRow], msgspec.Meta(min_length=2)]
    chosen: int | None
    best_cut: int | None
    optimum: int
    not_counted: dict[str, int] = msgspec.field(default_factory=dict)
    refused: list[RefusedRecord] = msgspec.field(default_factory=list)
    shapes: list[str] = msgspec.field(default_factory=list)
    answer_bytes: float = 0.0
    answer: Literal["given", "measured", "estimated"] | None = None

    @property
    def best(self) -> PlanRow | None:
        """The chosen row; None if none is within the limits."""
        return None if self.chosen is None else self.rows[self.chosen]

    def tables(self, every: bool = False) -> "Sequence[RenderableType]":
        """The rows that matter, what they rest on, and the command that makes the cut.

        Args:
            every: Show all rows.
        """
        numbers = sorted(range(len(self.rows)) if every else self._shown())
        rows = []
        for number in numbers:
            name, *cells = self.rows[number].cells()
            mark = "* " if number == self.chosen else "  "
            rows.append([mark + name.replace("\n", "\n  "), *cells])
        columns = ["  point", "head+link\n+tail ms", "total\nms", "FPS", "slow-\nest"]
        columns += ["edge\nshare", "kB", "Dice"]
        if all(row.dice is None for row in self.rows):
            columns.pop()
            rows = [row[:-1] for row in rows]
        title = f"plans for {self.source.path}; * is chosen for {self.objective}"
        remarks = self._remarks(len(self.rows) - len(rows))
        return [make_table(title, columns, rows), *remarks, *self._next()]

    def _shown(self) -> set[int]:
        """Rows of named, measured and chosen split points, each sent in the best way there is."""
        found = {self.chosen, self.best_cut, self.optimum} - {None}
        best: dict[tuple[str, ...], int] = {}
        for number, row in enumerate(self.rows):
            if row.named or row.measured or row.kind != "cut":
                place = (row.kind, *row.at)
                before = self.rows[best.setdefault(place, number)]
                if _rank(row, self.objective) < _rank(before, self.objective):
                    best[place] = number
        return {number for number in (*found, *best.values()) if number is not None}

    def _remarks(self, hidden: int) -> list[str]:
        optimum = self.rows[self.optimum]
        lines = [
            f"edge {self.edge.shown()}, cloud {self.cloud.shown()}; link {self.link}"
            f" ({self.link_mbps:g} Mbit/s), {self.rtt_ms:g} ms round trip;"
            f" features in {self.bits} bits",
            *self._answer(),
            f"least latency of all closed cuts: {optimum.latency_ms:.4g} ms, {optimum.point}",
        ]
        chosen, whole = self.best, self.rows[0].dice
        told = self.limits.min_dice is not None
        if chosen and chosen.dice is not None and whole is not None and not told:
            lines.append(
                f"Dice {chosen.dice:.4g} where chosen, {whole:.4g} of the whole; --min-dice sets"
                " the least"
            )
        if hidden:
            lines.append(f"{hidden} more rows with --all")
        if self.not_counted:
            unknown = ", ".join(f"{name} x{number}" for name, number in self.not_counted.items())
            lines.append(
                f"counted as taking no time, because their FLOPs are not defined here: {unknown}"
            )
        return lines

    def _answer(self) -> list[str]:
        if self.answer is None:
            return []
        how = {"given": "as given", "measured": "measured", "estimated": "an estimate"}
        hint = "; --answer-bytes sets it" if self.answer == "estimated" else ""
        return [
            f"edge only sends its answer, {self.answer_bytes:.0f} bytes, {how[self.answer]}{hint}"
        ]

    def _next(self) -> "list[RenderableType]":
        """The command that makes the chosen cut, or else the best one there is."""
        chosen = self.best
        if chosen and chosen.kind == "cut":
            return ["make this cut with:", verbatim(self._cut_command(chosen))]
        if self.best_cut is None:
            return []
        row = self.rows[self.best_cut]
        value = f"{row.latency_ms:.4g} ms"
        if self.objective == "fps" and row.fps is not None:
            value = f"{row.fps:.4g} FPS"
        why = f"{chosen.point} needs no cut" if chosen else "nothing is within the limits"
        return [f"{why}; the best cut ({value}) is made with:", verbatim(self._cut_command(row))]

    def _cut_command(self, row: PlanRow) -> str:
        words = ["splittool", "cut", self.source.path]
        for option, values in (("--shape", self.shapes), ("--at", row.at)):
            words += [word for value in values for word in (option, value)]
        return shlex.join(words)


def _rank(row: PlanRow, objective: str) -> tuple[bool, float, float]:
    """Orders rows: those within the limits first, then the best, then those with more Dice."""
    slowness = row.latency_ms if objective == "latency" or not row.fps else 1 / row.fps
    return bool(row.excluded), slowness, -(row.dice or 0.0)


def _number(value: float | None) -> str:
    """At most four characters below 10,000."""
    if value is None:
        return "-"
    digits = 0 if value == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


def _kilobytes(size: float) -> str:
    return f"{size / 1e3:.0f}" if size >= 1e3 or not size else f"{size / 1e3:.2g}"
