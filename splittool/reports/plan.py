"""Latency and throughput of every place to cut."""

from typing import Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.cut import RefusedRecord


class HeadRateRecord(msgspec.Struct, frozen=True):
    """A measured head of the planned model; `point` is null for the whole of it."""

    point: str | None
    gflops: float
    fps: float


class RateRecord(msgspec.Struct, frozen=True):
    """How quick a side is: as given, or frames per second of a benchmark x GFLOPs of its model.

    Where heads were measured, each operation takes its share, by FLOPs, of the time by which the
    smallest head that has it is slower than the one before; `fps` and `model_gflops` are then of
    the largest, whose mean rate is that of what no head has.
    """

    given: str
    gflops_per_second: float
    report: FileRecord | None = None
    device: str | None = None
    fps: float | None = None
    model_gflops: float | None = None
    heads: list[HeadRateRecord] = msgspec.field(default_factory=list)


class LimitsRecord(msgspec.Struct, frozen=True):
    """What a place must keep to; null where nothing was asked for."""

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


class PlanReport(Report, tag="splittool.plan/1"):
    """Every place to cut under the rates of edge, link and cloud, and the best.

    `chosen` is the place in `rows` of the best one within the limits, null if there is none;
    `best_cut` of the best one with a convolution or matrix product in the head, within the limits
    if any of these is, null if there is none; `optimum` of the least latency over all closed cuts,
    those that are no place in topological order included, whatever the limits.
    """

    source: FileRecord
    edge: RateRecord
    cloud: RateRecord
    link: str
    link_mbps: float
    rtt_ms: float
    bits: int
    image_bytes: float | None
    objective: Literal["latency", "fps"]
    limits: LimitsRecord
    inferred: list[FileRecord]
    rows: Annotated[list[PlanRow], msgspec.Meta(min_length=2)]
    chosen: int | None
    best_cut: int | None
    optimum: int
    not_counted: dict[str, int] = msgspec.field(default_factory=dict)
    refused: list[RefusedRecord] = msgspec.field(default_factory=list)
