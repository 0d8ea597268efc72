"""Networks whose crossing tensors are made again from one latent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_gradients_everywhere

from splittool.conversion.checkpoint import convert, to_graph
from splittool.cost.splits import describe_splits
from splittool.data.images import Canvas
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import Verifier, make_halves
from splittool.graph.split_points import find_cut
from splittool.models import LatentCut, Segmenter, build, checkpoints, has_latent, options_of
from splittool.models.checkpoints import Checkpoint, weights_of
from splittool.models.crossing import tail_of
from splittool.models.latent import symbols
from splittool.runtime.ir import core
from splittool.training.losses import bce_dice_loss

TINY: dict[str, dict[str, Any]] = {
    "unet": {"widths": [4, 6, 8], "bottleneck": 8},
    "fcn8s": {"widths": [4, 4, 6, 6, 8], "fully_connected": 12},
    "pspnet": {"widths": [4, 4, 4, 8], "blocks": [1, 2, 1, 1]},
}
# A cut above the latent's resolution and one below it, where there is one.
CUTS = [
    ("unet", "maxpool_1"),
    ("unet", "maxpool_3"),
    ("fcn8s", "maxpool_2"),
    ("fcn8s", "maxpool_5"),
    ("pspnet", "maxpool_1"),
    ("pspnet", "layer4"),
]
every_cut = pytest.mark.parametrize(("arch", "at"), CUTS)


def _network(model: Segmenter) -> LatentCut:
    assert isinstance(model.network, LatentCut)
    return model.network


def _make(arch: str, at: str | None = None, classes: int = 2) -> Segmenter:
    torch.manual_seed(0)
    cut = {"at": at, "latent_channels": 3} if at else {}
    return build(arch, classes, {**TINY[arch], **cut}, 100.0, 50.0)


def _graph(model: Segmenter) -> Graph:
    return read_graph(to_graph(model, Canvas(64, 96)))


@every_cut
def test_what_is_made_again_is_what_crosses_the_networks_own_cut(arch: str, at: str) -> None:
    graph = _graph(_make(arch))
    crossing = find_cut(graph, at).tensors
    names = {tensor.name for tensor in crossing}
    made = _network(_make(arch, at)).remake.crossing
    # A block is known by its own name here, and by its last operation in the graph.
    assert {each.name for each in made} == {name.partition(".")[0] for name in names}
    shapes = sorted(tuple(tensor.shape or ()) for tensor in crossing)
    assert sorted((1, c, 64 // s, 96 // s) for _, c, s in made) == shapes


@every_cut
def test_the_latent_alone_crosses_a_cut_that_holds(arch: str, at: str) -> None:
    model = _make(arch, at)
    exported = to_graph(model, Canvas(64, 96))
    graph = read_graph(exported)
    cut = find_cut(graph, "latent")
    assert [tensor.name for tensor in cut.tensors] == ["latent"]
    assert Verifier.of(exported).verify(make_halves(exported, graph, cut), 1e-5).holds
    (split,) = describe_splits(graph, ["latent"])
    assert split.elements == 3 * 8 * 12  # an eighth of the resolution


@every_cut
def test_behind_the_cut_it_is_the_network_that_it_started_from(arch: str, at: str) -> None:
    """Given what really crosses, the tail says what the whole network does."""
    torch.manual_seed(1)
    whole, network = _make(arch).eval(), _network(_make(arch, at)).eval()
    for value in whole.network.parameters():
        torch.nn.init.normal_(value, std=0.1)
    network.start_from(whole.network)
    found: dict[str, torch.Tensor] = {}
    for name, module in whole.network.named_children():

        def keep(_: Any, __: Any, output: torch.Tensor, name: str = name) -> None:
            found[name] = output.clone()

        module.register_forward_hook(keep)
    logits = whole.network(torch.randn(1, 3, 64, 96))
    assert torch.equal(
        network.tail(*(found[each.name] for each in network.remake.crossing)), logits
    )
    assert not set(dict(network.tail.named_children())) & {at, "encoder_1", "conv1"}


def test_a_host_that_has_rounded_the_latent_changes_nothing() -> None:
    network = _network(_make("unet", "maxpool_2")).eval()
    x = torch.randn(1, 3, 64, 32)
    latent = network.encode(x)
    assert torch.equal(network(x), network.decode(symbols(latent)))
    assert not torch.equal(network(x), network.decode(latent))


def test_the_device_has_at_most_a_quarter_of_the_work_of_a_unet() -> None:
    """And FCN and PSPNet have many times its work; the encoder is the same in front of all."""

    def macs(point: str, **options: Any) -> tuple[float, float]:
        graph = read_graph(to_graph(build("unet", 4, options).eval(), Canvas(64, 96)))
        (split,) = describe_splits(graph, [point])
        return split.head_gmacs / (64 * 96e-9), split.tail_gmacs / (64 * 96e-9)

    ours, _ = macs("latent", at="maxpool_2")
    assert ours == pytest.approx(2745)
    assert ours / sum(macs("maxpool_2")) == pytest.approx(0.234, abs=0.005)


def test_gradients_reach_every_parameter() -> None:
    for arch, at in (("unet", "maxpool_2"), ("pspnet", "layer1")):
        assert_gradients_everywhere(_make(arch, at))


def test_four_images_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    model = build("unet", 1, {"widths": [8, 8], "at": "maxpool_2"}, 128, 64)
    pixels = torch.full((4, 3, 64, 64), 60.0)
    masks = torch.zeros(4, 1, 64, 64)
    for image, (top, left) in enumerate([(0, 0), (32, 0), (0, 32), (32, 32)]):
        pixels[image, :, top : top + 32, left : left + 32] = 200.0
        masks[image, :, top : top + 32, left : left + 32] = 1.0
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        loss = bce_dice_loss(model(pixels), masks, torch.ones(4, 1, 64, 64), "batch")
        loss.backward()
        optimiser.step()
    common = ((model(pixels) > 0) & (masks > 0)).sum()
    assert 2 * common / ((model(pixels) > 0).sum() + masks.sum()) > 0.9


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a checkpoint of a cut U-Net with these options changed."""

    def save(**changes: Any) -> Path:
        options = {**TINY["unet"], "at": "maxpool_2", "latent_channels": 3}
        model = build("unet", 2, options, 100.0, 50.0)
        Checkpoint(
            arch="unet",
            options={**options, **changes},
            classes=["a", "b"],
            canvas=Canvas(64, 96),
            state=weights_of(model),
        ).save(tmp_path / "net.pt")
        return tmp_path / "net.pt"

    return save


def test_the_exported_graph_computes_the_network(saved: Callable[..., Path]) -> None:
    exported = convert(saved())
    assert exported.info.split_points == ["latent"]
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    compiled = core().compile_model(exported.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with torch.no_grad():
        expected = torch.sigmoid(exported.network(torch.from_numpy(pixels))).numpy()
    assert np.ptp(expected) > 1e-3
    assert np.abs(compiled(pixels)[0] - expected).max() < 1e-4


@pytest.mark.parametrize(
    "changes",
    [{"at": "maxpool_9"}, {"at": 5}, {"latent_channels": 4}, {"latent_channels": "3"}],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    saved: Callable[..., Path], changes: dict[str, Any]
) -> None:
    path = saved(**changes)
    with pytest.raises(InputError, match=r"net\.pt does not hold a whole unet"):
        checkpoints.restore(path, checkpoints.load(path))


def test_a_split_point_must_be_one_of_the_networks() -> None:
    with pytest.raises(ValueError, match="no split point 'layer1'; it has: maxpool_1, maxpool_2"):
        tail_of(lambda: build("unet", 2, TINY["unet"]).network, "layer1")
    with pytest.raises(ValueError, match="`latent_channels` needs `at`"):
        build("unet", 2, {"latent_channels": 3})


def test_networks_say_whether_they_have_a_latent() -> None:
    assert has_latent("splitnet", {})
    assert has_latent("unet", {"at": "maxpool_2"})
    assert not has_latent("unet", {})
    assert options_of("fcn8s")[-2:] == ["at", "latent_channels"]
    assert "at" not in options_of("splitnet")
