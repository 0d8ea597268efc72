"""From a checkpoint to OpenVINO IR."""

import base64
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from splittool.codec.latent_model import read_model
from splittool.data.images import Canvas
from splittool.errors import InputError, UsageError
from splittool.models import Segmenter, checkpoints
from splittool.runtime.ir import (
    ModelInfo,
    core,
    fold_shapes,
    halve_weights,
    unique_names,
    write_info,
)


@dataclass(frozen=True)
class Exported:
    """A converted network and what it was made of.

    Attributes:
        model: The graph: (1, 3, H, W) uint8 pixels in, (1, C, H, W) probabilities out.
        canvas: Its input size.
        info: What the graph says about itself.
        network: The torch module, for comparison.
    """

    model: ov.Model
    canvas: Canvas
    info: ModelInfo
    network: Segmenter


def convert(path: Path, size: tuple[int, int] | None = None) -> Exported:
    """Convert a checkpoint to a graph with 32-bit weights.

    Args:
        path: The checkpoint.
        size: (height, width) of the input in place of the one trained on.

    Raises:
        InputError: The checkpoint cannot be used.
        UsageError: The size is not a multiple of the network's stride.
    """
    checkpoint = checkpoints.load(path)
    network = checkpoints.restore(path, checkpoint)
    canvas = checkpoint.canvas
    if size is not None:
        if size[0] % network.stride or size[1] % network.stride:
            raise UsageError(
                f"`size` {size[0]}x{size[1]}: {checkpoint.arch} takes multiples of {network.stride}"
            )
        canvas = replace(canvas, height=size[0], width=size[1])
    model = to_graph(network, canvas)
    info = describe(path, checkpoint, network)
    write_info(model, info)
    return Exported(model, canvas, info, network)


def describe(path: Path, checkpoint: checkpoints.Checkpoint, network: Segmenter) -> ModelInfo:
    """What a graph made of a checkpoint says about itself.

    Raises:
        InputError: The checkpoint's model of codec `learned` is damaged.
    """
    return ModelInfo(
        arch=checkpoint.arch,
        classes=checkpoint.classes,
        fit=checkpoint.canvas.fit,
        split_points=list(network.split_points),
        codec_model=_codec_model(path, checkpoint),
    )


def _codec_model(path: Path, checkpoint: checkpoints.Checkpoint) -> str:
    """The model of codec `learned` as a graph holds it.

    Raises:
        InputError: It is damaged.
    """
    if checkpoint.codec_model is None:
        return ""
    content = checkpoint.codec_model.numpy().tobytes()
    try:
        read_model(content)
    except InputError as error:
        raise InputError(f"{path}: {error}; train a new one") from None
    return base64.b64encode(content).decode()


def to_graph(network: Segmenter, canvas: Canvas) -> ov.Model:
    """Convert a network, which stays as it is.

    Batch normalisation is folded into the convolutions, and operations are named after the modules
    they come from: the last one of module `maxpool_1` is `maxpool_1`.
    """
    model = _trace(folded(network), canvas)
    _name_operations(model, network.split_points)
    return model


def folded(network: Segmenter) -> Segmenter:
    """A copy with each batch normalisation folded into the convolution before it."""
    network = deepcopy(network).eval()
    for parent in network.modules():
        names = list(parent._modules)
        for first, second in pairwise(names):
            conv, norm = parent._modules[first], parent._modules[second]
            if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                parent._modules[first] = fuse_conv_bn_eval(conv, norm)
                parent._modules[second] = torch.nn.Identity()
    return network


class Probabilities(torch.nn.Module):
    """A network with the sigmoid that training leaves to the loss."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.normalise = segmenter.normalise
        self.network = segmenter.network
        self.sigmoid = torch.nn.Sigmoid()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) uint8 pixels to (B, C, H, W) probabilities."""
        return self.sigmoid(self.network(self.normalise(pixels)))  # type: ignore[no-any-return]


def _trace(network: Segmenter, canvas: Canvas) -> ov.Model:
    # A small example: tracing runs the network, and no size is written into the trace.
    side = 2 * network.stride
    pixels = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # OpenVINO traces the module; torch calls tracing deprecated, but its successor loses the
        # module names and takes four times as long to convert.
        warnings.simplefilter("ignore")
        model = ov.convert_model(Probabilities(network).eval(), example_input=pixels)
    model.reshape([1, 3, canvas.height, canvas.width])
    fold_shapes(model)
    model.inputs[0].get_node().set_friendly_name("pixels")
    model.inputs[0].get_tensor().set_names({"pixels"})
    model.outputs[0].get_tensor().set_names({"probabilities"})
    return model


def _name_operations(model: ov.Model, split_points: Sequence[str]) -> None:
    """Turn "__module.network.maxpool_1/aten::max_pool2d/MaxPool" into "maxpool_1".

    The last operation of a module gets the module's name, those before it the type behind it, and
    those of the network itself the type alone; equal names are numbered. A split point that is a
    module of modules is its last operation.
    """
    nodes = [
        node
        for node in model.get_ordered_ops()
        if node.get_friendly_name().startswith("__module.") and node.get_type_name() != "Constant"
    ]
    modules = [_module(node.get_friendly_name().partition("/")[0]) for node in nodes]
    names = module_names(modules, [node.get_type_name() for node in nodes], split_points)
    for node, name in zip(nodes, names, strict=True):
        node.set_friendly_name(name)


def module_names(
    modules: Sequence[str], kinds: Sequence[str], split_points: Sequence[str]
) -> list[str]:
    """Unique names of operations, from the modules that they come from and their types.

    Args:
        modules: The module of each operation in topological order; empty for the network itself.
        kinds: Their types.
        split_points: Modules whose last operation gets their name, whatever is in them.
    """
    last = {module: place for place, module in enumerate(modules)}
    names = [
        module if module and last[module] == place else f"{module}/{kind}".lstrip("/")
        for place, (module, kind) in enumerate(zip(modules, kinds, strict=True))
    ]
    for point in split_points:
        inside = [i for i, module in enumerate(modules) if f"{module}.".startswith(f"{point}.")]
        names[inside[-1]] = point
    return unique_names(names)


def _module(path: str) -> str:
    """The module that an operation comes from; empty for the network itself."""
    path = path.removeprefix("__module.")
    return "" if path == "network" else path.removeprefix("network.")


# The only note on an operation that a file keeps. Others change how it is compiled, and so the last
# bit of what it computes.
_HALVED = "decompression_0"


def export_in_memory(path: Path, size: tuple[int, int] | None = None) -> ov.Model:
    """Convert a checkpoint to the graph that `splittool export` writes, 16-bit weights included."""
    model = convert(path, size).model
    halve_weights(model)
    for node in model.get_ops():
        notes = node.get_rt_info()
        for key in list(notes.keys()):
            if key != _HALVED:
                del notes[key]
    return model


def compare_with_torch(exported: Exported, path: Path, seed: int = 0) -> float:
    """The largest difference of a probability between the written IR and the torch network.

    Both compute in 32 bits on the same random image. The weights of the IR may have 16 bits.
    """
    canvas = exported.canvas
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (1, 3, canvas.height, canvas.width), dtype=np.uint8)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core().compile_model(path, "CPU", options)
    ours = compiled(pixels)[0]
    with torch.no_grad():
        theirs = torch.sigmoid(exported.network(torch.from_numpy(pixels))).numpy()
    return float(np.abs(ours - theirs).max())
