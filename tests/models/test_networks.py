"""What holds for every network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_gradients_everywhere

from splittool.conversion.checkpoint import convert
from splittool.data.images import Canvas
from splittool.graph.graph import read_graph
from splittool.graph.halves import Verifier, make_halves
from splittool.graph.split_points import find_cut
from splittool.models import NETWORKS, Segmenter, build, options_of
from splittool.models.checkpoints import Checkpoint, weights_of
from splittool.runtime.ir import core
from splittool.training.losses import bce_dice_loss

FCN = {"widths": [4, 4, 6, 6, 8], "fully_connected": 12}
TINY: dict[str, dict[str, Any]] = {
    "unet": {"widths": [4, 6, 8], "bottleneck": 8},
    "fcn32s": FCN,
    "fcn16s": FCN,
    "fcn8s": FCN,
    "pspnet": {"widths": [4, 4, 4, 8], "blocks": [1, 2, 1, 1]},
    "splitnet": {"widths": [4, 6, 8], "bottleneck": 3},
}
POINTS = {
    "unet": ["maxpool_1", "maxpool_2", "maxpool_3"],
    **{f"fcn{n}s": [f"maxpool_{level}" for level in range(1, 6)] for n in (32, 16, 8)},
    "pspnet": ["maxpool_1", "layer1", "layer2", "layer3", "layer4"],
    "splitnet": ["latent"],
}

every_network = pytest.mark.parametrize("arch", NETWORKS)


def _make(arch: str, classes: int = 2, **options: Any) -> Segmenter:
    torch.manual_seed(0)
    return build(arch, classes, {**TINY[arch], **options}, mean=100.0, std=50.0)


def _save(path: Path, arch: str, options: dict[str, Any], size: tuple[int, int]) -> Path:
    """A checkpoint whose batch normalisations have something to fold."""
    torch.manual_seed(0)
    model = build(arch, 4, options, 100.0, 50.0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
    Checkpoint(
        arch=arch,
        options=options,
        classes=["a", "b", "c", "d"],
        canvas=Canvas(*size),
        state=weights_of(model),
    ).save(path)
    return path


@every_network
@pytest.mark.parametrize("steps", [(1, 1), (1, 3), (3, 2), (5, 1)])
def test_logits_have_the_size_of_the_image(arch: str, steps: tuple[int, int]) -> None:
    model = _make(arch, classes=3).eval()
    height, width = (step * model.stride for step in steps)
    pixels = torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8)
    assert model(pixels).shape == (2, 3, height, width)


@every_network
def test_one_image_of_the_smallest_size_can_be_trained_on(arch: str) -> None:
    model = _make(arch)
    options = {"norm": "none"} if "norm" in options_of(arch) else {}
    model = _make(arch, **options)
    side = max(model.stride, 16)
    model(torch.zeros(1, 3, side, side)).sum().backward()


@every_network
def test_gradients_reach_every_parameter(arch: str) -> None:
    assert_gradients_everywhere(_make(arch))


@every_network
def test_four_images_are_learnt_by_heart(arch: str) -> None:
    torch.manual_seed(0)
    wide = {"widths": [8, 8, 16, 16, 16], "fully_connected": 32}
    options = {"pspnet": {"widths": [8, 8, 8, 8], "blocks": [1, 1, 1, 1]}}
    model = build(
        arch, 1, options.get(arch, wide if "fcn" in arch else {"widths": [8, 8]}), 128, 64
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = 0.0
    pixels = torch.full((4, 3, 64, 64), 60.0)
    masks = torch.zeros(4, 1, 64, 64)
    for image, (top, left) in enumerate([(0, 0), (32, 0), (0, 32), (32, 32)]):
        pixels[image, :, top : top + 32, left : left + 32] = 200.0
        masks[image, :, top : top + 32, left : left + 32] = 1.0
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    valid = torch.ones(4, 1, 64, 64)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = bce_dice_loss(model(pixels), masks, valid, "batch")
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[-10:]) < losses[0] / 4
    common = ((model(pixels) > 0) & (masks > 0)).sum()
    assert 2 * common / ((model(pixels) > 0).sum() + masks.sum()) > 0.9


@every_network
@pytest.mark.parametrize("size", [(64, 96), (96, 32)])
def test_the_exported_graph_computes_the_network(
    arch: str, size: tuple[int, int], tmp_path: Path
) -> None:
    exported = convert(_save(tmp_path / "net.pt", arch, TINY[arch], size))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, *size), dtype=np.uint8)
    compiled = core().compile_model(exported.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with torch.no_grad():
        expected = torch.sigmoid(exported.network(torch.from_numpy(pixels))).numpy()
    assert np.ptp(expected) > 1e-3
    assert np.abs(compiled(pixels)[0] - expected).max() < 1e-4


@every_network
def test_batch_normalisation_is_folded_away(arch: str, tmp_path: Path) -> None:
    graph = read_graph(convert(_save(tmp_path / "net.pt", arch, TINY[arch], (64, 96))).model)
    kinds = [operation.type for operation in graph.by_name.values()]
    assert "BatchNormInference" not in kinds
    assert kinds.count("Multiply") <= 1  # the normalisation of the pixels


@every_network
def test_every_named_point_is_a_cut_that_holds(arch: str, tmp_path: Path) -> None:
    exported = convert(_save(tmp_path / "net.pt", arch, TINY[arch], (64, 96)))
    assert exported.info.split_points == POINTS[arch]
    graph, reference = read_graph(exported.model), Verifier.of(exported.model)
    assert graph.renamed == {}
    last = 0
    for point in POINTS[arch]:
        cut = find_cut(graph, point)
        assert len(cut.head) > last
        last = len(cut.head)
        assert reference.verify(make_halves(exported.model, graph, cut), 1e-5).holds


@pytest.mark.slow
@every_network
def test_every_named_cut_at_full_size(arch: str, tmp_path: Path) -> None:
    exported = convert(_save(tmp_path / "net.pt", arch, {}, (256, 1600)))
    graph, reference = read_graph(exported.model), Verifier.of(exported.model)
    for point in exported.info.split_points:
        proof = reference.verify(make_halves(exported.model, graph, find_cut(graph, point)), 1e-5)
        assert proof.holds


@pytest.mark.parametrize(
    ("arch", "millions"), [("fcn32s", 134.35), ("fcn8s", 134.29), ("pspnet", 46.58)]
)
def test_the_published_networks_have_their_size(arch: str, millions: float) -> None:
    with torch.device("meta"):
        model = build(arch, 4, {})
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_fcn_starts_with_bilinear_interpolation() -> None:
    model = _make("fcn32s", classes=1)
    up = model.network.get_submodule("up")
    flat = torch.ones(1, 1, 4, 4)
    inner = up(flat)[:, :, 32:-32, 32:-32]
    assert torch.allclose(inner, torch.ones_like(inner), atol=1e-5)


def test_the_last_stages_of_pspnet_keep_their_size() -> None:
    model = _make("pspnet").eval()
    sizes: dict[str, Any] = {}
    hook: Callable[..., None]
    for name in POINTS["pspnet"]:

        def hook(_: Any, __: Any, output: torch.Tensor, name: str = name) -> None:
            sizes[name] = tuple(output.shape[2:])

        model.network.get_submodule(name).register_forward_hook(hook)
    model(torch.zeros(1, 3, 64, 128))
    assert [sizes[name] for name in POINTS["pspnet"]] == [(16, 32), (16, 32), *[(8, 16)] * 3]
