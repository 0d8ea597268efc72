from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch

from splittool.conversion.checkpoint import compare_with_torch, convert
from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.reading import load_model
from splittool.models import Segmenter
from splittool.runtime.ir import core, save_ir


def test_split_points_have_their_names(paper_graph: Graph) -> None:
    for level in range(1, 6):
        assert paper_graph.by_name[f"maxpool_{level}"].type == "MaxPool"


def test_operations_are_named_after_their_modules(exported: Path) -> None:
    names = read_graph(load_model(exported)).by_name
    assert {
        "normalise",
        "maxpool_1",
        "maxpool_2",
        "bottleneck.relu_2",
        "up_1",
        "classifier",
    } <= set(names)
    assert not any("__module" in name or "aten" in name for name in names)


@pytest.mark.parametrize("name", ["tiny.pt", "tiny.xml"])
def test_batch_normalisation_is_folded_away(models: Path, name: str) -> None:
    graph = read_graph(load_model(models / name))
    assert not any("Norm" in operation.type for operation in graph.operations)
    # One multiplication: the normalisation of the pixels. A network without any has as many.
    kinds = [operation.type for operation in graph.by_name.values()]
    assert kinds.count("Multiply") == 1
    assert kinds.count("Convolution") == 11


def test_pixels_in_probabilities_out(exported: Path, network: Segmenter) -> None:
    model = load_model(exported)
    assert model.inputs[0].get_element_type() == ov.Type.u8
    assert model.inputs[0].get_names() == {"pixels"}
    assert model.outputs[0].get_names() == {"probabilities"}
    pixels = np.random.default_rng(3).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    found = core().compile_model(model, "CPU", options)(pixels)[0]
    with torch.no_grad():
        expected = torch.sigmoid(network(torch.from_numpy(pixels))).numpy()
    assert found == pytest.approx(expected, abs=2e-3)
    assert np.ptp(expected) > 0.01  # else the comparison says nothing


def test_the_ir_is_compared_with_torch(checkpoint: Path, tmp_path: Path) -> None:
    converted = convert(checkpoint)
    save_ir(converted.model, tmp_path / "full.xml", half=False)
    assert compare_with_torch(converted, tmp_path / "full.xml") < 1e-5


def test_the_comparison_notices_another_network(
    checkpoint: Path, tmp_path: Path, write_checkpoint: Callable[..., Path]
) -> None:
    options = {"widths": [4, 6], "bottleneck": 8, "activation": "relu", "norm": "batch"}
    other = write_checkpoint(tmp_path / "other.pt", options, 1)
    save_ir(convert(other).model, tmp_path / "other.xml")
    assert compare_with_torch(convert(checkpoint), tmp_path / "other.xml") > 1e-2


def test_half_weights_take_half_the_space(checkpoint: Path, tmp_path: Path) -> None:
    model = convert(checkpoint).model
    for half in (True, False):
        save_ir(model, tmp_path / f"{half}.xml", half)
    halved, full = ((tmp_path / f"{half}.bin").stat().st_size for half in (True, False))
    assert halved < 0.6 * full


def test_another_size(checkpoint: Path) -> None:
    converted = convert(checkpoint, (32, 64))
    assert list(converted.model.inputs[0].get_shape()) == [1, 3, 32, 64]
    assert list(converted.model.outputs[0].get_shape()) == [1, 4, 32, 64]
    assert (converted.canvas.height, converted.canvas.width) == (32, 64)
    with pytest.raises(UsageError, match="`size` 30x64: unet takes multiples of 4"):
        convert(checkpoint, (30, 64))


def test_a_damaged_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(InputError, match=r"net\.pt is damaged"):
        convert(tmp_path / "net.pt")
