"""Words that options and reports choose from, each list in one place."""

from typing import Literal

Fit = Literal["pad", "resize"]
RangesFrom = Literal["frame", "calibrated"]
RangesMethod = Literal["best", "min-max", "percentile", "mse"]
TargetName = Literal["openvino", "openvino-2022", "myriad"]
Objective = Literal["latency", "fps"]
FigureKind = Literal["layers", "cost", "output", "tradeoff", "training", "time", "comparison"]
