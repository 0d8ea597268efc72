"""Latency and throughput of every split point."""

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.cut import RefusedRecord
from splittool.reports.energy import EnergyRecord
from splittool.reports.fleet import FleetRecord
from splittool.reports.plan_rows import (
    OUTSIDE,
    UNKNOWN,
    LimitsRecord,
    PlanRow,
    RateRecord,
    short_limit,
)
from splittool.tables import make_table, verbatim
from splittool.vocabulary import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class PlanReport(Report, tag="splittool.plan/1"):
    """Every split point under the rates of edge, link and cloud, and the best one.

    `rows` are edge only, cloud only, and the cuts. `chosen` is the number of the best row within
    the limits, null if there is none. `best_cut` is that of the best cut with a convolution or
    matrix product in its head, within the limits if any such cut is, null if there is no such cut.
    `optimum` is that of the least latency over all closed cuts, whatever the limits; it need not be
    a split point in topological order. `shapes` are the input shapes that were asked for,
    and `trust` says whether programs that can run code were let in.
    `answer_bytes` are those of edge only; `answer` says how they are known, null in older plans,
    where edge only sent nothing. `energy` is null where energies are not known, and
    `energy_optimum` is the row of the least energy over all closed cuts; `fps` is the frame rate
    that was asked for. `implied` names the limits that nobody gave: a least Dice where any was
    measured, and `fps`. `shown` are the rows that were asked for, the best first; null for the
    named, measured and chosen ones. `fleet` is what many devices need that send as the chosen row
    does, null where their number was not given or no row is within the limits.
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
    trust: bool = False
    answer_bytes: float = 0.0
    answer: Literal["given", "measured", "estimated"] | None = None
    energy: EnergyRecord | None = None
    energy_optimum: int | None = None
    fps: float | None = None
    implied: list[str] = msgspec.field(default_factory=list)
    shown: list[int] | None = None
    fleet: FleetRecord | None = None

    @property
    def best(self) -> PlanRow | None:
        """The chosen row; None if none is within the limits."""
        return None if self.chosen is None else self.rows[self.chosen]

    def tables(self, every: bool = False) -> "Sequence[RenderableType]":
        """The rows that matter, what they rest on, and the command that makes the cut.

        Args:
            every: Show all rows.
        """
        numbers = list(range(len(self.rows))) if every else self._numbers()
        columns = ["  point", "head+link\n+tail ms", "total\nms", "FPS", "slow-\nest"]
        columns += ["edge\nshare", "kB", "Dice"]
        rows = [self._marked(number, self.rows[number].cells()) for number in numbers]
        title = f"plans for {self.source.path}; * is chosen for {self.objective}"
        if any(self.rows[number].excluded for number in numbers):
            title += f", {OUTSIDE} is outside a limit"
        remarks = self._remarks(len(self.rows) - len(rows))
        table = make_table(title, *_without_empty(columns, rows))
        return [table, *self._energies(numbers), *remarks, *self._next()]

    def _energies(self, numbers: "Sequence[int]") -> "list[RenderableType]":
        """Energies of the same rows, where they are known."""
        if self.energy is None:
            return []
        waiting = "" if self.energy.idle_watts is None else "+waiting"
        columns = ["  point", f"computing+radio\n{waiting} mJ", "total\nmJ", "battery\nhours"]
        rows = [self._marked(number, self.rows[number].energy_cells()) for number in numbers]
        return [make_table("energy of the device for a frame", *_without_empty(columns, rows))]

    def _marked(self, number: int, cells: list[str]) -> list[str]:
        """Cells of a row, with a mark where it is chosen."""
        mark = "* " if number == self.chosen else "  "
        return [mark + cells[0].replace("\n", "\n  "), *cells[1:]]

    def _numbers(self) -> list[int]:
        """The rows of the table in order: those asked for and the chosen one, or the usual ones."""
        if self.shown is None:
            return sorted(self._usual())
        more = [] if self.chosen is None or self.chosen in self.shown else [self.chosen]
        return [*self.shown, *more]

    def _usual(self) -> set[int]:
        """Rows of named, measured and chosen split points, each sent in the best way there is."""
        found = {self.chosen, self.best_cut, self.optimum, self.energy_optimum} - {None}
        best: dict[tuple[str, ...], int] = {}
        for number, row in enumerate(self.rows):
            if row.named or row.measured or row.kind != "cut":
                place = (row.kind, *row.at)
                before = self.rows[best.setdefault(place, number)]
                if _rank(row, self.objective) < _rank(before, self.objective):
                    best[place] = number
        return {number for number in (*found, *best.values()) if number is not None}

    def _remarks(self, hidden: int) -> list[str]:
        lines = [
            f"edge {self.edge.shown()}, cloud {self.cloud.shown()}; link {self.link}"
            f" ({self.link_mbps:g} Mbit/s), {self.rtt_ms:g} ms round trip;"
            f" features in {self.bits} bits",
            *self._answer(),
            *self._requests(),
            *self._coding(),
            f"least latency of all closed cuts: {self._least(self.optimum, 'latency')}",
            *self._energy(),
            *self._dice(),
            *self._fleet(),
        ]
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

    def _least(self, number: int, objective: Objective) -> str:
        """The best row of an objective, and why it is not chosen, if it is not."""
        row = self.rows[number]
        text = f"{_value(row, objective)}, {row.place()}"
        if number == self.chosen:
            return text
        if row.excluded:
            return f"{text}; out for {', '.join(map(short_limit, row.excluded))}"
        chosen = self.best
        if chosen and objective == self.objective:
            return f"{text}; as good as the chosen one"
        return f"{text}; the choice is for {self.objective}"

    def _dice(self) -> list[str]:
        """What the choice loses, or that nobody knows."""
        chosen, whole, least = self.best, self.rows[0].dice, self.limits.min_dice
        if least is None and all(row.dice is None for row in self.rows):
            return ["no Dice was measured: what is chosen may lose some; --infer takes reports"]
        if least is None:
            return [
                "Dice was measured of the whole network or of some ways alone: what is chosen may"
                " lose some; --infer takes reports of both"
            ]
        lines = []
        if "min_dice" in self.implied:
            lines.append(
                f"chosen among those that lose least, with Dice {least:.4g} or more; --min-dice"
                " sets another least"
            )
        if chosen and chosen.dice is not None and whole is not None:
            lines.append(f"Dice {chosen.dice:.4g} where chosen, {whole:.4g} of the whole")
        return lines

    def _coding(self) -> list[str]:
        """Whether coding is part of the times."""
        timed = sum(row.encode_ms is not None for row in self.rows)
        if not timed:
            return []
        return [f"with the time of coding, as it was measured: {timed} of {len(self.rows)} rows"]

    def _requests(self) -> list[str]:
        """That latencies are those of several frames at once, where they are."""
        sides = {"edge": self.edge, "cloud": self.cloud}
        several = [name for name, rate in sides.items() if (rate.requests_in_flight or 1) > 1]
        return [
            f"{name}: latency as measured with {sides[name].requests_in_flight} requests in flight;"
            " bench-vpu --hint latency measures one"
            for name in several
        ]

    def _energy(self) -> list[str]:
        """The least energy there is, and what energies rest on."""
        if self.energy is None or self.energy_optimum is None:
            return []
        lines = [
            f"least energy of all closed cuts: {self._least(self.energy_optimum, 'energy')}",
            *self.energy.remarks(),
        ]
        if self.energy.battery_wh is not None:
            rate = "each row's own FPS" if self.fps is None else f"{self.fps:g} FPS"
            lines.append(f"hours on {self.energy.battery_wh:g} Wh at {rate}")
        return lines

    def _fleet(self) -> list[str]:
        """What many devices need, and what that rests on."""
        row = self.best
        if self.fleet is None or row is None:
            return []
        size = "measured" if row.measured else "computed"
        rate = "given" if self.cloud.report is None else "measured"
        decoding = "not counted" if row.decode_ms is None else "measured"
        basis = f"bytes {size}, the cloud's rate {rate}, decoding {decoding}"
        return [self.fleet.shown(basis)]

    def _next(self) -> "list[RenderableType]":
        """The command that makes the chosen cut, or else the best one there is."""
        chosen = self.best
        if chosen and chosen.kind == "cut":
            return ["make this cut with:", verbatim(self._cut_command(chosen))]
        if self.best_cut is None:
            return []
        row = self.rows[self.best_cut]
        value = _value(row, self.objective)
        why = f"{chosen.point} needs no cut" if chosen else "nothing is within the limits"
        return [f"{why}; the best cut ({value}) is made with:", verbatim(self._cut_command(row))]

    def _cut_command(self, row: PlanRow) -> str:
        words = ["splittool", "cut", self.source.path, *(["--trust"] if self.trust else [])]
        for option, values in (("--shape", self.shapes), ("--at", row.at)):
            words += [word for value in values for word in (option, value)]
        return shlex.join(words)


def _rank(row: PlanRow, objective: Objective) -> tuple[bool, float, float]:
    """Orders rows: those within the limits first, then the best, then those with more Dice."""
    return bool(row.excluded), row.merits(objective)[0], -(row.dice or 0.0)


def _value(row: PlanRow, objective: Objective) -> str:
    """How good a row is, with its unit."""
    if objective == "fps" and row.fps is not None:
        return f"{row.fps:.4g} FPS"
    if objective == "energy" and row.energy_mj is not None:
        return f"{row.energy_mj:.4g} mJ"
    return f"{row.latency_ms:.4g} ms"


def _without_empty(columns: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A table without the columns in which nothing is known."""
    kept = [n for n in range(len(columns)) if any(row[n] != UNKNOWN for row in rows)]
    return [columns[n] for n in kept], [[row[n] for n in kept] for row in rows]
