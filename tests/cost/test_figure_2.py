"""The data of the paper's Fig. 2: bitrate and layers on the device, for every network and point."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from splittool.conversion.checkpoint import to_graph
from splittool.cost.bitrate import split_row
from splittool.cost.splits import describe_splits
from splittool.data.images import Canvas
from splittool.graph.graph import read_graph
from splittool.models import Segmenter, build
from splittool.training.settings import RECIPES

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "golden" / "figure_2.json").read_text()
)


def _network(arch: str) -> Segmenter:
    """Only the graph counts here: any weights do that are not optimised away."""
    with torch.device("meta"):
        network = build(arch, 4, RECIPES["paper"].options.get(arch, {}))
    network.to_empty(device="cpu")
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data.fill_(0.5)
    network.normalise.mean.fill_(0.0)
    return network


@pytest.mark.parametrize("arch", GOLDEN)
def test_every_network_at_the_papers_size(arch: str) -> None:
    graph = read_graph(to_graph(_network(arch), Canvas(256, 1600)))
    found = {
        split.point: {
            "elements": split.elements,
            "mbps_16_bit_10_fps": split_row(split, 16, [10.0], {}).mbps["10"],
            "head_weighted_layers": split.head_weighted_layers,
            "head_operations": split.head_operations,
            "head_gflops": round(split.head_gflops, 4),
            "tail_gflops": round(split.tail_gflops, 4),
            "head_parameters": split.head_parameters,
        }
        for split in describe_splits(graph, GOLDEN[arch])
    }
    assert found == GOLDEN[arch]


def _column(arch: str, name: str) -> list[float]:
    return [row[name] for point, row in GOLDEN[arch].items() if point != "input"]


def test_fcn_32s_varies_most_from_point_to_point() -> None:
    """The paper: "the FCN-X provides more variations in the bitrate". As a ratio, one of them."""
    ratios = {
        arch: max(_column(arch, "elements")) / min(_column(arch, "elements")) for arch in GOLDEN
    }
    assert max(ratios, key=lambda arch: ratios[arch]) == "fcn32s"
    assert ratios == pytest.approx(
        {"unet": 1.53, "fcn32s": 32, "fcn16s": 8, "fcn8s": 4, "pspnet": 8}, abs=0.01
    )


def test_pspnet_varies_most_in_mbit_per_second() -> None:
    """What the paper's sentence leaves out: the last stages of PSPNet are large."""
    spread = {
        arch: max(_column(arch, "mbps_16_bit_10_fps")) - min(_column(arch, "mbps_16_bit_10_fps"))
        for arch in GOLDEN
    }
    assert max(spread, key=lambda arch: spread[arch]) == "pspnet"


def test_pspnet_puts_more_layers_on_the_device_from_its_second_point() -> None:
    layers = {arch: _column(arch, "head_weighted_layers") for arch in GOLDEN}
    for arch in GOLDEN:
        if arch != "pspnet":
            assert layers["pspnet"][0] < layers[arch][0]
            assert all(p > q for p, q in zip(layers["pspnet"][1:], layers[arch][1:], strict=True))
