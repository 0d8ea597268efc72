"""What many tests make: cuts on disk, runners of networks and of cuts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as op

from splittool.network.network import Network
from splittool.reports import CutReport
from splittool.runtime.ir import save_ir
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.runners import SplitRunner, WholeRunner
from splittool.split.split_network import SplitNetwork

F32 = RunOptions(precision="f32")
_RANDOM = np.random.default_rng(3)
FILTERS = _RANDOM.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)  # of `write_classifier`
CLASSES = _RANDOM.normal(0, 1, (4, 5)).astype(np.float32)


def write_cut(
    source: Path, at: Sequence[str], folder: Path, tolerance: float = 1e-5, force: bool = False
) -> CutReport:
    """Cut a model file; returns what cut.json says."""
    return Network.load(source).cut(*at).write(folder, tolerance, force=force).report


def whole_runner(source: Path) -> WholeRunner:
    """A whole network in 32 bits."""
    return Network.load(source).runner(F32)


def split_runner(folder: Path, bits: int = 16, codec: str = "fast") -> SplitRunner:
    """The cut in a folder in 32 bits."""
    return SplitNetwork.open(folder).runner(F32, LinkOptions(bits, codec))


def assert_gradients_everywhere(model: torch.nn.Module) -> None:
    """Every parameter takes part in what a network puts out."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = 0.0
    pixels = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    model(pixels).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def write_classifier(folder: Path) -> Path:
    """Pixels of 12x16 to the probabilities of five classes, and the features they come from."""
    image = op.parameter([1, 3, 12, 16], ov.Type.u8, name="image")
    scaled = op.divide(op.convert(image, "f32"), op.constant(np.float32(255)))
    x = op.convolution(scaled, op.constant(FILTERS), [1, 1], [1, 1], [1, 1], [1, 1])
    x = op.relu(x)
    x.set_friendly_name("features")
    mean = op.reduce_mean(x, op.constant([2, 3]))
    answer = op.softmax(op.matmul(mean, op.constant(CLASSES), False, False), 1)
    for node, name in ((answer, "classes"), (mean, "mean")):
        node.output(0).set_names({name})
    path = folder / "classifier.xml"
    save_ir(ov.Model([op.result(answer), op.result(mean)], [image], "m"), path, half=False)
    return path
