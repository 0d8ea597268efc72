"""Operations, parameters and memory of a network."""

from typing import TYPE_CHECKING

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.cut import RefusedRecord, SplitRecord, proofs, remarks
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.table import Table


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

    def line(self) -> str:
        """The two figures, and what makes them larger."""
        indices, weights = self.index_output_elements / 1e6, self.weight_conversion_elements / 1e6
        return (
            f"Model Analyzer would say {self.gflops:.4f} GFLOPs and MaxMem"
            f" {self.max_memory_elements / 1e6:.4f} M: it also counts the index outputs of"
            f" poolings (+{self.index_output_gflops:.7f} GFLOPs, +{indices:.4f} M) and the"
            f" conversion of 16-bit weights (+{weights:.4f} M)"
        )


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

    def tables(self, layers: bool = True) -> "Sequence[RenderableType]":
        """Layers, split points and totals.

        Args:
            layers: Show every operation.
        """
        lines = [
            f"total: {self.gflops:.4f} GFLOPs, {self.gmacs:.4f} GMACs,"
            f" {self.parameters:,} parameters in {self.weight_bytes:,} bytes\n"
            f"activations: MinMem {self.min_memory_elements / 1e6:.4f} M elements"
            f" ({self.min_memory_bytes:,} bytes), MaxMem {self.max_memory_elements / 1e6:.4f} M"
            f" ({self.max_memory_bytes:,} bytes)",
            self.model_analyzer.line(),
        ]
        if self.not_counted:
            unknown = ", ".join(f"{name} x{number}" for name, number in self.not_counted.items())
            lines.append(f"not counted, because their FLOPs are not defined here: {unknown}")
        return [
            *([self._layers_table()] if layers else []),
            self._splits_table(),
            *lines,
            *proofs(self.splits),
            *remarks(self.refused, self.renamed),
        ]

    def _layers_table(self) -> "Table":
        rows = [
            [
                layer.name,
                short(layer.gflops),
                short(layer.gmacs),
                f"{layer.parameters:,}",
                f"{layer.elements / 1e6:.3f}",
                short(layer.cumulative_gflops),
                short(layer.cumulative_elements / 1e6, 2),
            ]
            for layer in self.layers
        ]
        columns = ["layer", "GFLOPs", "GMACs", "params", "M elem", "sum\nGFLOPs", "sum\nM elem"]
        return make_table(f"layers of {self.source.path}", columns, rows)

    def _splits_table(self) -> "Table":
        rows = [
            [
                split.point,
                f"{split.elements:,}",
                short(split.head_gflops),
                short(split.head_gmacs),
                f"{split.head_gflops_share:.1%}",
                f"{split.head_parameters:,}",
                short(split.head_live_elements / 1e6, 2),
                short(split.head_sum_elements / 1e6, 2),
            ]
            for split in self.splits
        ]
        columns = ["head of", "sends", "GFLOPs", "GMACs", "share", "params", "MinMem", "MaxMem"]
        return make_table("split points", columns, rows)
