"""Words that options and reports choose from, each list in one place."""

from typing import Literal

LATENT = "latent"  # the split point of a network made to be split
LATENT_LARGEST = 127  # the largest magnitude of its whole numbers: they fit a signed byte
LATENT_BITS = 8  # of each of them, sent without the codec that knows them

# Largest image, in pixels (8192x8192): infer takes about 35 bytes of memory for each.
MAX_PIXELS = 2**26

Fit = Literal["pad", "resize"]
RangesFrom = Literal["frame", "calibrated"]
RangesUsed = Literal["frame", "calibrated", "latent"]  # of a latent: one for each whole number
RangesMethod = Literal["best", "min-max", "percentile", "mse"]
# Precisions as other tools spell them: ours.
PRECISION_SYNONYMS = {"fp32": "f32", "fp16": "f16"}

ExportTargetName = Literal["openvino", "openvino-2022", "myriad", "triton", "ovms"]
HalfTargetName = Literal["openvino", "openvino-2022", "myriad", "onnx"]
RuntimeName = Literal["openvino", "onnxruntime"]
Objective = Literal["latency", "fps", "energy"]
FigureKind = Literal[
    "layers", "cost", "output", "tradeoff", "training", "time", "comparison", "energy"
]
