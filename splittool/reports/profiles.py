"""Operations, parameters and memory of a network."""

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.cut import RefusedRecord, SplitRecord


class LayerRecord(msgspec.Struct, frozen=True):
    """One operation.

    `gflops` is null when its type has no definition, `shape` when it depends on the data.
    """

    name: str
    type: str
    shape: list[int] | None
    gflops: float | None
    gmacs: float
    parameters: int
    weight_bytes: int
    elements: int
    bytes: int
    cumulative_gflops: float
    cumulative_gmacs: float
    cumulative_parameters: int
    cumulative_elements: int


class ModelAnalyzerRecord(msgspec.Struct, frozen=True):
    """What OpenVINO Model Analyzer says of the same graph, and the parts that are its mistakes."""

    gflops: float
    max_memory_elements: int
    index_output_gflops: float
    index_output_elements: int
    weight_conversion_elements: int


class ProfileReport(Report, tag="splittool.profile/1"):
    """Operations and memory of a model, its layers and its split points.

    `min_memory_elements` and `max_memory_elements` are by Model Analyzer's definitions of MinMem
    (the largest live set) and MaxMem (the sum of all outputs), without its mistakes.
    """

    source: FileRecord
    gflops: float
    gmacs: float
    parameters: int
    weight_bytes: int
    min_memory_elements: int
    min_memory_bytes: int
    max_memory_elements: int
    max_memory_bytes: int
    model_analyzer: ModelAnalyzerRecord
    not_counted: dict[str, int]
    layers: list[LayerRecord]
    splits: list[SplitRecord]
    refused: list[RefusedRecord] = msgspec.field(default_factory=list)
    renamed: dict[str, str] = msgspec.field(default_factory=dict)
