"""How each type of operation is counted; docs/operations.md is made from this table.

Where Model Analyzer has a definition, it is this one. Elsewhere the same reckoning goes on: adding,
comparing and choosing are one floating-point operation (FLOP) each, and so is an elementary
function such as exp or sqrt: with these Model Analyzer's Sigmoid, exp, add and divide, has its 3.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from splittool.graph.graph import Graph, Operation

Count = Callable[[Graph, Operation], int | None]


@dataclass(frozen=True)
class Rule:
    """How the operations of some type are counted.

    Attributes:
        text: The rule in words.
        count: FLOPs, or MACs where `macs`; the sizes are fixed. None where this use has no rule.
        macs: Whether it counts multiply-accumulates, of 2 FLOPs each.
        more: FLOPs beside the MACs.
        analyzer: Whether Model Analyzer defines it so.
    """

    text: str
    count: Count
    macs: bool = False
    more: Count | None = None
    analyzer: bool = False


def shape_of(graph: Graph, operation: Operation, place: int) -> tuple[int, ...]:
    """The shape of an input, which must be fixed."""
    shape = graph.tensor(operation.inputs[place]).shape
    assert shape is not None
    return shape


def kernel(pooling: Operation) -> int:
    """Elements of a pooling's window."""
    return math.prod(map(int, pooling.attributes["kernel"]))


def _words(text: str) -> list[str]:
    return text.split()


def _out(operation: Operation) -> int:
    return operation.outputs[0].elements


def _in(graph: Graph, operation: Operation) -> int:
    return math.prod(shape_of(graph, operation, 0))


def _each(flops: int, why: str = "", analyzer: bool = False) -> Rule:
    """So many FLOPs for each output element."""
    text = f"{flops} for each output element" + (f": {why}" if why else "")
    return Rule(text, lambda _, op: flops * _out(op), analyzer=analyzer)


def _each_input(flops: int, why: str, more: int = 0) -> Rule:
    """So many FLOPs for each input element, and `more` for each output element."""
    text = f"{flops} for each input element" + (f", {more} for each output" if more else "")
    return Rule(
        f"{text}: {why}", lambda graph, op: flops * _in(graph, op) + more * op.outputs[0].elements
    )


def _convolution(graph: Graph, operation: Operation) -> int:
    weights = shape_of(graph, operation, 1)  # (Cout, Cin, *kernel)
    return _out(operation) * math.prod(weights[1:])


def _group_convolution(graph: Graph, operation: Operation) -> int:
    weights = shape_of(graph, operation, 1)  # (groups, Cout/groups, Cin/groups, *kernel)
    return _out(operation) * math.prod(weights[2:])


def _transposed(graph: Graph, operation: Operation) -> int:
    weights = shape_of(graph, operation, 1)  # (Cin, Cout, *kernel)
    work = _out(operation) * weights[0] * math.prod(weights[2:])
    return work // math.prod(map(int, operation.attributes["strides"]))


def _group_transposed(graph: Graph, operation: Operation) -> int:
    weights = shape_of(graph, operation, 1)  # (groups, Cin/groups, Cout/groups, *kernel)
    work = _out(operation) * weights[1] * math.prod(weights[3:])
    return work // math.prod(map(int, operation.attributes["strides"]))


def _matrix_product(graph: Graph, operation: Operation) -> int:
    first = shape_of(graph, operation, 0)
    transposed = operation.attributes.get("transpose_a") and len(first) > 1
    inner: int = first[-2] if transposed else first[-1]
    return _out(operation) * inner


def _einsum(graph: Graph, operation: Operation) -> int | None:
    terms = str(operation.attributes["equation"]).replace(" ", "").partition("->")[0].split(",")
    if len(terms) != 2 or any("." in term for term in terms):
        return None
    sizes: dict[str, int] = {}
    for place, term in enumerate(terms):
        sizes |= dict(zip(term, shape_of(graph, operation, place), strict=True))
    return math.prod(sizes.values())


def _attention(graph: Graph, operation: Operation) -> int:
    query, value = shape_of(graph, operation, 0), shape_of(graph, operation, 2)
    return math.prod(query[:-1]) * value[-2] * (query[-1] + value[-1])


def _attention_softmax(graph: Graph, operation: Operation) -> int:
    query, key = shape_of(graph, operation, 0), shape_of(graph, operation, 1)
    return 6 * math.prod(query[:-1]) * key[-2]


def _recurrent(kind: str, weights: int, each: int, why: str) -> dict[str, Rule]:
    """A cell, and the sequence of it; `weights` is the place of the cell's first weights."""

    def rule(sequence: bool) -> Rule:
        place = weights + sequence  # a sequence has its lengths before the weights

        def steps(graph: Graph, operation: Operation) -> int:
            return math.prod(shape_of(graph, operation, 0)[:-1])  # batch, and time

        def macs(graph: Graph, operation: Operation) -> int:
            sizes = (shape_of(graph, operation, place + which) for which in (0, 1))
            return steps(graph, operation) * sum(map(math.prod, sizes))

        def more(graph: Graph, operation: Operation) -> int:
            recurrent = shape_of(graph, operation, place + 1)
            directions = recurrent[0] if sequence else 1
            return each * steps(graph, operation) * directions * recurrent[-1]

        text = f"2 x weights for each step, and {each} for each value of the state: {why}"
        return Rule(text, macs, macs=True, more=more)

    return {f"{kind}Cell": rule(False), f"{kind}Sequence": rule(True)}


def _adaptive_pooling(graph: Graph, operation: Operation) -> int:
    before = shape_of(graph, operation, 0)[2:]
    after = operation.outputs[0].shape
    assert after is not None
    work = math.prod(after[:2])
    for size, parts in zip(before, after[2:], strict=True):
        work *= sum(-(-(i + 1) * size // parts) - i * size // parts for i in range(parts))
    return work


def _pooling(_: Graph, operation: Operation) -> int:
    return _out(operation) * kernel(operation)


def _local_response(graph: Graph, operation: Operation) -> int | None:
    axes = len(shape_of(graph, operation, 0)) - 2
    across = math.prod(shape_of(graph, operation, 1)) == 1  # one axis, the channels
    window: int = int(operation.attributes["size"]) ** (1 if across else axes)
    return _out(operation) * (window + 5)


def _normalisation(_: Graph, operation: Operation) -> int:
    return _out(operation) * (5 if operation.attributes["normalize_variance"] else 2)


_MAC = "2 x "
MACS: dict[str, Rule] = {
    "Convolution": Rule(
        _MAC + "output elements x input channels x kernel", _convolution, True, analyzer=True
    ),
    "GroupConvolution": Rule(
        _MAC + "output elements x input channels of a group x kernel",
        _group_convolution,
        True,
        analyzer=True,
    ),
    "ConvolutionBackpropData": Rule(
        _MAC + "output elements x input channels x kernel / strides",
        _transposed,
        True,
        analyzer=True,
    ),
    "GroupConvolutionBackpropData": Rule(
        _MAC + "output elements x input channels of a group x kernel / strides",
        _group_transposed,
        True,
    ),
    "MatMul": Rule(_MAC + "output elements x inner size", _matrix_product, True, analyzer=True),
    "Einsum": Rule(
        _MAC + "all sizes of two factors; not counted for more, or with an ellipsis", _einsum, True
    ),
    "ScaledDotProductAttention": Rule(
        _MAC + "scores x (size of a key + size of a value), and 6 for each score: scale, softmax",
        _attention,
        True,
        _attention_softmax,
    ),
    **_recurrent("LSTM", 3, 33, "4 gates of 2 sums and a sigmoid or tanh, 3, a tanh, 1"),
    **_recurrent("GRU", 2, 23, "3 gates of 2 sums and a sigmoid or tanh, 1 for reset, 4"),
    **_recurrent("RNN", 2, 8, "2 sums and a tanh"),
}

_ONE = _words("""Abs Acos Acosh Asin Asinh Atan Atanh BitwiseAnd BitwiseLeftShift BitwiseNot
BitwiseOr BitwiseRightShift BitwiseXor Ceiling Cos Cosh
CumSum Equal Erf ErfInv Exp Floor FloorMod Greater
GreaterEqual IsFinite IsInf IsNaN Less LessEqual Log LogicalAnd LogicalNot LogicalOr LogicalXor
Maximum Minimum Mod Negative NotEqual Power Round Select Sign Sin Sinh Sqrt Tan""")

FLOPS: dict[str, Rule] = {
    **{name: _each(1, analyzer=True) for name in ("Add", "Divide", "Multiply", "Subtract")},
    **{name: _each(1) for name in _ONE},
    **{name: _each(2, analyzer=True) for name in ("Clamp", "PRelu", "PReLU", "Relu", "ReLU")},
    **{name: _each(3, analyzer=True) for name in ("Elu", "Sigmoid")},
    "HSwish": _each(4, analyzer=True),
    **{name: _each(5, analyzer=True) for name in ("SoftMax", "Softmax", "Swish")},
    "Tanh": _each(6, analyzer=True),
    "BatchNormInference": _each(2, "mean, variance, scale and shift are one product and one sum"),
    "FakeQuantize": _each(7, "clamp 2, subtract, scale, round, scale, add"),
    "GRN": _each(3, "square, add, divide"),
    "Gelu": _each(5, "divide, erf, add, multiply, multiply"),
    "GroupNormalization": _each(7, "as MVN with its variance, then scale and shift"),
    "HSigmoid": _each(4, "add, clamp 2, divide"),
    "HardSigmoid": _each(4, "multiply, add, clamp 2"),
    "LRN": Rule(
        "window + 5 for each output element: square, window of sums, scale, add, power, divide",
        _local_response,
    ),
    "LogSoftmax": _each(5, "maximum, subtract, exp, sum, subtract"),
    "MVN": Rule(
        "5 for each output element: mean, subtract, square, sum, divide; 2 without the variance",
        _normalisation,
    ),
    "Mish": _each(10, "exp, add, log, tanh 6, multiply"),
    "NormalizeL2": _each(3, "square, add, divide"),
    "Selu": _each(4, "as Elu, and a product"),
    "SoftPlus": _each(3, "exp, add, log"),
    "SoftSign": _each(3, "abs, add, divide"),
    "SquaredDifference": _each(2, "subtract, square"),
    **{
        f"Reduce{kind}": _each_input(1, "each value joins its group once")
        for kind in ("LogicalAnd", "LogicalOr", "Max", "Min", "Prod", "Sum")
    },
    "ReduceMean": _each_input(1, "sum, then divide", more=1),
    "ReduceL1": _each_input(2, "abs, sum"),
    "ReduceL2": _each_input(2, "square, sum, then sqrt", more=1),
    **{
        name: Rule("output elements x kernel", _pooling, analyzer=True)
        for name in ("AvgPool", "MaxPool")
    },
    **{
        name: Rule("the elements of all windows", _adaptive_pooling)
        for name in ("AdaptiveAvgPool", "AdaptiveMaxPool")
    },
}

# Moving data is not computing. Model Analyzer does not count the second group either, though the
# last of it computes.
FREE_ANALYZER = _words("""Concat Gather Reshape Split Squeeze Unsqueeze VariadicSplit
Convert Transpose Interpolate""")
FREE = _words("""Assign BatchToSpace Broadcast Constant ConvertLike ConvertPromoteTypes DepthToSpace
ExtractImagePatches Eye GatherElements GatherND GatherTree Identity OneHot Pad Parameter Range
ReadValue ReorgYolo Result ReverseSequence Roll ScatterElementsUpdate ScatterNDUpdate ScatterUpdate
ShapeOf ShuffleChannels Slice SliceScatter SpaceToBatch SpaceToDepth StridedSlice StringTensorPack
StringTensorUnpack Tile""")

NOT_COUNTED: dict[str, str] = {
    **dict.fromkeys(
        _words("""Bucketize CTCGreedyDecoder CTCGreedyDecoderSeqLen CTCLoss DetectionOutput
        ExperimentalDetectronDetectionOutput ExperimentalDetectronGenerateProposalsSingleImage
        ExperimentalDetectronTopKROIs GenerateProposals
        MatrixNms MulticlassNms NMSRotated NonMaxSuppression NonZero Proposal SearchSorted
        SparseFillEmptyRows TopK Unique"""),
        "sorts or searches: the work depends on the data",
    ),
    **dict.fromkeys(_words("If Loop TensorIterator"), "its work is that of the graph inside it"),
    **dict.fromkeys(_words("Multinomial RandomUniform"), "makes random numbers"),
    **dict.fromkeys(
        _words("""DeformableConvolution DeformablePSROIPooling
        ExperimentalDetectronROIFeatureExtractor GridSample
        PSROIPooling ROIAlign ROIAlignRotated ROIPooling"""),
        "samples at places that are computed; nobody agrees on a price",
    ),
    **dict.fromkeys(
        _words("DFT IDFT IRDFT ISTFT RDFT STFT Inverse"), "depends on how it is computed"
    ),
    **dict.fromkeys(
        _words("""EmbeddingBagOffsets EmbeddingBagOffsetsSum EmbeddingBagPacked
        EmbeddingBagPackedSum EmbeddingSegmentsSum GroupedMatMul SegmentMax"""),
        "the size of its groups depends on the data",
    ),
    **dict.fromkeys(
        _words("""BinaryConvolution Col2Im ExperimentalDetectronPriorGridGenerator
        FakeConvert I420toBGR I420toRGB NV12toBGR
        NV12toRGB PriorBox PriorBoxClustered RegionYolo"""),
        "no rule yet",
    ),
}
