"""What `compare` makes of networks that take real numbers."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as op
from torch.nn import functional
from torch_programs import export, trace

import splittool as st
from splittool.cli.main import run
from splittool.errors import InputError
from splittool.runtime.ir import core, save_ir
from splittool.split.options import Normalisation

RNG = np.random.default_rng(4)
FIRST = RNG.normal(0, 0.4, (4, 3, 3, 3)).astype(np.float32)
SECOND = RNG.normal(0, 0.6, (2, 4, 3, 3)).astype(np.float32)
RUN = st.RunOptions(precision="f32", normalisation=Normalisation(100.0, 50.0))


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    """Real numbers to the probabilities of two classes."""
    image = op.parameter([1, 3, 12, 16], ov.Type.f32, name="image")
    x = op.relu(op.convolution(image, op.constant(FIRST), [1, 1], [1, 1], [1, 1], [1, 1]))
    x.set_friendly_name("features")
    maps = op.sigmoid(op.convolution(x, op.constant(SECOND), [1, 1], [1, 1], [1, 1], [1, 1]))
    path = tmp_path / "segmenter.xml"
    save_ir(ov.Model([op.result(maps)], [image], "m"), path, half=False)
    return path


def test_pixels_are_normalised_once_on_every_way(segmenter: Path) -> None:
    network = st.load(segmenter)
    images = list(RNG.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8))
    truth = [network.run(image, RUN).masks for image in images]
    assert all(0.05 < masks.mean() < 0.95 for masks in truth)
    how = st.CompareOptions(codecs=["raw"], formats=["png"], run=RUN)
    report = st.compare(network, images, ["features"], [16], truth, how)
    by_kind = {arm.kind: arm for arm in report.arms}
    assert by_kind["whole"].dice == by_kind["image"].dice == 1
    assert by_kind["cut"].dice == pytest.approx(1, abs=0.01)
    assert network.model.inputs[0].get_element_type() == ov.Type.f32  # it is as it was


def test_the_command_takes_what_its_message_asks_for(
    segmenter: Path, steel: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(segmenter), str(steel / "train_images"), "--at", "features"]
    command += ["--fit", "resize", "--bits", "8", "--formats", "png", "--quiet"]
    assert run(command) == 3
    assert "give --mean M --scale S" in capfd.readouterr().err
    assert run([*command, "--mean", "0", "--scale", "255"]) == 3
    assert "has class '3', but the model predicts 1, 2" in capfd.readouterr().err


class Same(torch.nn.Module):
    """What the segmenter is, in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Parameter(torch.tensor(FIRST))
        self.second = torch.nn.Parameter(torch.tensor(SECOND))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(functional.conv2d(image, self.first, padding=1))
        return torch.sigmoid(functional.conv2d(x, self.second, padding=1))


@pytest.fixture
def open_rivals(segmenter: Path, tmp_path: Path) -> list[Path]:
    """The segmenter as IR of any size, as TorchScript, and as a program of any batch."""
    paths = [tmp_path / name for name in ("open.xml", "same.ts", "same.pt2")]
    model = core().read_model(segmenter)
    model.reshape([-1, 3, -1, -1])
    save_ir(model, paths[0], half=False)
    trace(Same().eval(), paths[1])
    export(Same().eval(), paths[2], (12, 16))
    return paths


def test_open_rivals_get_the_shape_of_the_network(segmenter: Path, open_rivals: list[Path]) -> None:
    images = list(RNG.integers(0, 256, (2, 12, 16, 3), dtype=np.uint8))
    network = st.load(segmenter)
    truth = [network.run(image, RUN).masks for image in images]
    how = st.CompareOptions(
        codecs=["raw"],
        formats=["png"],
        run=RUN,
        halved=False,
        rivals=st.Rivals(devices=open_rivals, trust=True),
    )
    report = st.compare(network, images, ["features"], [16], truth, how)
    whole = [arm for arm in report.arms if arm.kind == "answer" and arm.scale == 1]
    answers = {arm.network: arm.dice for arm in whole}
    assert answers == dict.fromkeys([None, *map(str, open_rivals)], 1)
    with pytest.raises(InputError, match=r"open\.xml: input 'image' has the open shape"):
        st.load(open_rivals[0])
