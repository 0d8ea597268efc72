"""Networks, cuts and compressed inputs, side by side."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

import msgspec

from splittool.reports.arm_energy import energy_tables
from splittool.reports.base import FileRecord, Report
from splittool.reports.energy import EnergyRecord
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


ArmKind = Literal["whole", "answer", "cut", "image"]

# Interpolated between two rates of six or more; the one rate that there is; the lowest rate, which
# may still be more than needed; Dice that no rate reaches; and rates too few to interpolate.
Reached = Literal["interpolated", "measured", "at most", "not reached", "too few rates"]


class ArmRecord(msgspec.Struct, frozen=True):
    """One way to get masks: a network wholly on the device, a cut with its link, or a sent input.

    `kind` is `whole` for the network itself, `answer` for a network on the device whose coded masks
    are sent, `cut` and `image`. `network` is the file of another network than the one compared, or
    of a cut on disk; `scale` is the share of height and width at which the input was sent, or the
    masks were. Bytes are means per frame, `bare_bytes_per_frame` without the container of the image
    format.

    `dice` is over defective pairs, `dice_interval` is its 95 % confidence interval, from the
    `dice_interval_images` images that have a defect; `dice_loss` is from the whole network on the
    images as they are, with the interval of a bootstrap of pairs over the same images. `energy_mj`
    is the device's for a frame, computing and radio, null where it is not known. `encode_ms` and
    `decode_ms` are means of this machine, while other images were under way; null where nothing is
    coded.
    """

    kind: ArmKind
    point: str | None = None
    bits: int | None = None
    codec: str | None = None
    quality: int | None = None
    edge_gflops: float = 0.0
    payload_bytes_per_frame: float = 0.0
    bits_per_pixel: float = 0.0
    dice: float | None = None
    dice_interval: tuple[float, float] | None = None
    dice_loss: float | None = None
    pooled_dice: float | None = None
    kaggle: float | None = None
    dice_interval_images: int | None = None
    network: str | None = None
    scale: float = 1.0
    bare_bytes_per_frame: float | None = None
    dice_loss_interval: tuple[float, float] | None = None
    edge_parameters: int | None = None
    cloud_gflops: float | None = None
    cloud_parameters: int | None = None
    energy_mj: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None

    @property
    def series(self) -> str:
        """What it is called in tables and figures; arms of one series differ in their rate."""
        behind = f" -> {Path(self.network).stem}" if self.network else ""
        if self.kind == "image":
            return f"{self.codec}{' half' if self.scale == 0.5 else ''}{behind}"
        if self.kind == "cut":
            return f"cut {_folder(self.network)}{self.point}, {self.codec}"
        name = Path(self.network).stem if self.network else "whole network"
        return f"{name}, masks sent" if self.kind == "answer" else name

    @property
    def scale_name(self) -> str:
        """The share of height and width that was sent: "1", "1/2"."""
        return "1" if self.scale == 1 else f"1/{1 / self.scale:.3g}"


def _folder(cut: str | None) -> str:
    """Where a cut on disk lies; two parts tell apart what one name would join."""
    if cut is None:
        return ""
    parts = Path(cut).parent.parts[-2:]
    return f"{Path(*parts) if parts else cut}: "


class EqualDiceRecord(msgspec.Struct, frozen=True):
    """What a series of arms sends for some Dice; bytes are null where it does not reach it."""

    series: str
    dice: float
    rates: int
    how: Reached
    payload_bytes_per_frame: float | None = None
    bare_bytes_per_frame: float | None = None


class CompareReport(Report, tag="splittool.compare/1"):
    """Networks, cuts and image codecs on the same labelled images.

    `floor` is the Kaggle metric of predicting nothing; `networks` are the other files that were
    compared. `device_used` are OpenVINO's devices or ONNX Runtime's execution providers. `energy`
    says what energies rest on, and `link_mbps` at which rate the radio sends; null without them.
    """

    source: FileRecord
    device: str
    precision_requested: str
    precision_actual: str
    threshold: float
    images: int
    defective_pairs: int
    floor: float
    arms: list[ArmRecord]
    networks: list[FileRecord] = msgspec.field(default_factory=list)
    equal_dice: list[EqualDiceRecord] = msgspec.field(default_factory=list)
    runtime: str = "openvino"
    device_used: list[str] = msgspec.field(default_factory=list)
    energy: EnergyRecord | None = None
    link_mbps: float | None = None

    @property
    def _where(self) -> str:
        if self.runtime == "openvino":
            return self.device
        return f"{', '.join(self.device_used)} of {self.runtime}"

    def tables(self) -> "Sequence[RenderableType]":
        """Networks and answers, cuts, the compressed input, and bytes at equal Dice."""
        whole = self.arms[0]
        title = (
            f"{self.source.path} whole: Dice {_dice(whole, ' ')}, {whole.edge_gflops:.3f} GFLOPs"
        )
        return [
            *_answer_tables([arm for arm in self.arms if arm.kind == "answer"]),
            *_cut_tables(title, [arm for arm in self.arms if arm.kind == "cut"]),
            *_image_tables([arm for arm in self.arms if arm.kind == "image"]),
            *_equal_tables(self.equal_dice),
            *coding_tables(self.arms),
            *energy_tables(self.arms, self.energy, self.link_mbps),
            f"{self.images} images, {self.defective_pairs} defective pairs;"
            f" computed in {self.precision_actual} on {self._where}; intervals are 95 % of a"
            f" bootstrap over the {whole.dice_interval_images or 'defective'} images with a defect,"
            " of pairs for the loss",
        ]


def _answer_tables(arms: Sequence[ArmRecord]) -> "list[Table]":
    if not arms:
        return []  # reports of before
    lines = [
        [
            Path(arm.network).stem if arm.network else "whole network",
            arm.scale_name,
            _bytes(arm.payload_bytes_per_frame),
            _dice(arm),
            _loss(arm),
            f"{arm.edge_gflops:.3g}",
            _thousands(arm.edge_parameters),
        ]
        for arm in arms
    ]
    columns = ["on the device", "scale", "bytes", "Dice", "loss", "edge\nGFLOPs", "edge\nkparams"]
    return [make_table("no cut: the coded masks are sent", columns, lines)]


def _cut_tables(title: str, arms: Sequence[ArmRecord]) -> "list[RenderableType]":
    """What cuts send, and what they leave to each side: in one table no name would fit."""
    if not arms:
        return [title]
    codecs = list(dict.fromkeys(arm.codec for arm in arms))
    rows: dict[tuple[str, int | None], list[ArmRecord]] = {}
    for arm in arms:
        rows.setdefault((_place(arm), arm.bits), []).append(arm)
    sent = [
        [
            place,
            "-" if number is None else str(number),
            *(_sizes(members, codec) for codec in codecs),
            _dice(members[0]),
            _loss(members[0]),
        ]
        for (place, number), members in rows.items()
    ]
    sides = [
        [
            place,
            _sides(arm.edge_gflops, arm.cloud_gflops, "{:.2f}"),
            _sides(_kilo(arm.edge_parameters), _kilo(arm.cloud_parameters), "{:,.0f}"),
        ]
        for place, arm in {_place(arm): arm for arm in arms}.items()
    ]
    columns = ["cut at", "bits", *(f"{codec}\nbytes" for codec in codecs), "Dice", "loss"]
    left = ["cut at", "GFLOPs, edge+cloud", "kparams, edge+cloud"]
    return [
        make_table(title, columns, sent),
        make_table("what each cut leaves to both sides", left, sides),
    ]


def _place(arm: ArmRecord) -> str:
    return str(arm.point) if arm.network is None else f"{arm.network}\n{arm.point}"


def _image_tables(arms: Sequence[ArmRecord]) -> "list[RenderableType]":
    if not arms:
        return []
    series: dict[str, list[ArmRecord]] = {}
    for arm in arms:
        series.setdefault(arm.series, []).append(arm)
    lines = [
        [
            name,
            "" if arm.quality is None else str(arm.quality),
            _bytes(arm.payload_bytes_per_frame),
            _bytes(arm.bare_bytes_per_frame),
            short(arm.dice, 4),
            short(arm.dice_loss, 4),
            _ends(arm.dice_loss_interval),
        ]
        for name, members in series.items()
        for arm in members
    ]
    columns = ["input as", "quality", "bytes", "bare", "Dice", "loss", "95 % of it"]
    table = make_table("the input, compressed; bare is without its container", columns, lines)
    clouds = {arm.network: arm for arm in arms if arm.cloud_gflops is not None}
    return [table, *(_cloud(arm) for arm in clouds.values())]


def _cloud(arm: ArmRecord) -> str:
    """What runs in the cloud behind a sent input."""
    name = Path(arm.network).stem if arm.network else "whole network"
    work = f"{arm.cloud_gflops:.3g} GFLOPs, {_thousands(arm.cloud_parameters)} thousand parameters"
    return f"behind the input: {name}, {work}"


def _ends(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _equal_tables(found: Sequence[EqualDiceRecord]) -> "list[Table]":
    tables = []
    for dice in dict.fromkeys(record.dice for record in found):
        records = [record for record in found if record.dice == dice]
        records.sort(key=lambda record: record.payload_bytes_per_frame or float("inf"))
        lines = [
            [
                record.series,
                _bytes(record.payload_bytes_per_frame),
                _bytes(record.bare_bytes_per_frame),
                record.how,
                str(record.rates),
            ]
            for record in records
        ]
        columns = ["series", "bytes", "bare", "how", "rates"]
        tables.append(make_table(f"bytes at Dice {dice:.4f}", columns, lines))
    return tables


def coding_tables(arms: Sequence[ArmRecord]) -> "list[Table]":
    """How long each series takes to be coded and decoded, in the mean over its rates."""
    series: dict[str, list[tuple[float, float]]] = {}
    for arm in arms:
        if arm.encode_ms is not None and arm.decode_ms is not None:
            series.setdefault(arm.series, []).append((arm.encode_ms, arm.decode_ms))
    if not series:
        return []  # reports of before
    lines = [
        [name, *(short(fmean(each), 2) for each in zip(*of, strict=True))]
        for name, of in series.items()
    ]
    title = "time of coding on this machine, ms a frame, in the mean over rates"
    return [make_table(title, ["series", "encode", "decode"], lines)]


def _bytes(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _sizes(members: Sequence[ArmRecord], codec: str | None) -> str:
    return ", ".join(_bytes(a.payload_bytes_per_frame) for a in members if a.codec == codec) or "-"


def _kilo(value: int | None) -> float | None:
    return None if value is None else value / 1e3


def _thousands(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e3:,.0f}"


def _sides(edge: float | None, cloud: float | None, form: str) -> str:
    return "+".join("-" if value is None else form.format(value) for value in (edge, cloud))


def _loss(arm: ArmRecord) -> str:
    ends = arm.dice_loss_interval
    return short(arm.dice_loss, 4) + (f"\n({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")


def _dice(arm: ArmRecord, between: str = "\n") -> str:
    if arm.dice is None:
        return "-"
    ends = arm.dice_interval
    return f"{arm.dice:.4f}" + (f"{between}({ends[0]:.2f}-{ends[1]:.2f})" if ends else "")
