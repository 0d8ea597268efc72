"""The network made to be split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from splittool.conversion.checkpoint import convert, to_graph
from splittool.cost.splits import describe_splits
from splittool.data.images import Canvas
from splittool.graph.graph import Graph, read_graph
from splittool.graph.split_points import find_cut
from splittool.models import build
from splittool.models.checkpoints import Checkpoint, weights_of
from splittool.models.latent import LIMIT, ResidualBlock, straight_through, symbols
from splittool.models.splitnet import SplitNet
from splittool.runtime.ir import core


def _graph(arch: str, **options: Any) -> Graph:
    torch.manual_seed(0)
    return read_graph(to_graph(build(arch, 4, options), Canvas(256, 1600)))


@pytest.mark.parametrize(
    ("widths", "pixel_macs"), [([24], 2682), ([24, 48], 2745), ([24, 48, 96], 2812.5)]
)
def test_the_device_has_at_most_a_quarter_of_the_work_of_a_unet(
    widths: list[int], pixel_macs: float
) -> None:
    (split,) = describe_splits(_graph("splitnet", widths=widths), ["latent"])
    (whole,) = describe_splits(_graph("unet"), ["maxpool_1"])
    unet = whole.head_gmacs + whole.tail_gmacs
    assert split.head_gmacs == pytest.approx(pixel_macs * 256 * 1600 / 1e9)
    assert split.head_gmacs / unet == pytest.approx(pixel_macs / 11_744, abs=1e-4)
    assert split.head_gmacs < unet / 4


def test_the_latent_of_the_usual_network_is_at_an_eighth() -> None:
    (split,) = describe_splits(_graph("splitnet"), ["latent"])
    assert split.elements == 12 * 32 * 200


@pytest.mark.parametrize(("widths", "part"), [([8], 4), ([8, 8], 8), ([8, 8, 8], 16)])
def test_the_number_of_widths_sets_the_resolution_of_the_latent(
    widths: list[int], part: int
) -> None:
    network = SplitNet(2, widths=widths, bottleneck=5).eval()
    assert (network.latent_stride, network.stride) == (part, 16)
    assert network.encode(torch.zeros(1, 3, 64, 32)).shape == (1, 5, 64 // part, 32 // part)
    assert network(torch.zeros(1, 3, 64, 32)).shape == (1, 2, 64, 32)


def test_the_depths_are_options() -> None:
    def blocks(module: torch.nn.Module) -> int:
        return sum(isinstance(child, ResidualBlock) for child in module.modules())

    network = SplitNet(2, widths=[4, 4], depths=[3, 1], cloud_depths=[1, 5, 2])
    assert [blocks(part) for part in (network.encoder, network.cloud, network.summary)] == [4, 6, 2]


@pytest.mark.parametrize("name", ["depths", "cloud_depths"])
def test_lists_of_another_length_than_the_levels_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"3 levels need as many `{name}`, not 2"):
        SplitNet(2, widths=[4, 4, 4], **{name: [1, 1]})  # type: ignore[arg-type]


@pytest.mark.parametrize("widths", [[6], [6, 8], [6, 8, 10]])
def test_the_cloud_sees_as_much_of_the_image_whatever_the_latents_resolution(
    widths: list[int],
) -> None:
    """A change at one end of the image reaches masks at the other, by the summary below."""
    torch.manual_seed(0)
    network = SplitNet(2, widths=widths).eval()
    latent = torch.randn(1, 12, 256 // network.latent_stride, 32 // network.latent_stride)
    changed = latent.clone()
    changed[:, :, -1] += 100
    one, other = network.decode(latent), network.decode(changed)
    assert not torch.equal(one[:, :, :4], other[:, :, :4])


def test_the_head_is_convolution_activation_and_sum_and_ends_in_a_convolution() -> None:
    graph = _graph("splitnet", widths=[4, 6, 8])
    head = [graph.operations[index] for index in find_cut(graph, "latent").head]
    normalisation = {"Convert", "Subtract", "Multiply"}
    kinds = [op.type for op in head if not op.name.startswith("normalise")]
    assert set(kinds) <= {"Convolution", "Add", "Relu"} | normalisation
    assert [op.type for op in head if op.name == "latent"] == ["Add"]  # the convolution's bias
    assert not {"Multiply", "Round", "Clamp"} & set(kinds)


def test_a_host_that_has_rounded_the_latent_changes_nothing() -> None:
    torch.manual_seed(0)
    network = SplitNet(2, widths=[4, 6, 8]).eval()
    x = torch.randn(1, 3, 64, 32)
    latent = network.encode(x)
    assert latent.round().unique().numel() > 2
    assert torch.equal(network(x), network.decode(symbols(latent)))
    assert torch.equal(symbols(symbols(latent)), symbols(latent))
    assert not torch.equal(network(x), network.decode(latent))


def test_symbols_fit_a_signed_byte_and_halves_go_to_even() -> None:
    latent = torch.tensor([0.5, 1.5, -2.5, 3.49, 1e6, -1e6])
    assert symbols(latent).tolist() == [0, 2, -2, 3, LIMIT, -LIMIT]


def test_rounding_lets_the_gradient_through() -> None:
    latent = torch.tensor([0.3, 1.7, -2.2], requires_grad=True)
    sent = straight_through(latent)
    assert torch.equal(sent.detach(), symbols(latent.detach()))
    (sent * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert latent.grad is not None
    assert latent.grad.tolist() == [1, 2, 3]


def test_the_gain_is_part_of_the_exported_weights(tmp_path: Path) -> None:
    """Twice the gain is twice the latent of the written head."""
    torch.manual_seed(0)
    options = {"widths": [4, 6, 8], "bottleneck": 3}
    model = build("splitnet", 4, options, 100.0, 50.0).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    with torch.no_grad():
        expected = model.network.encode(model.normalise(torch.from_numpy(pixels))).numpy()  # type: ignore[operator]
        model.network.latent.gain.mul_(2)  # type: ignore[operator, union-attr]
    Checkpoint(
        arch="splitnet",
        options=options,
        classes=list("abcd"),
        canvas=Canvas(64, 96),
        state=weights_of(model),
    ).save(tmp_path / "net.pt")
    exported = convert(tmp_path / "net.pt").model
    nodes = {op.get_friendly_name(): op for op in exported.get_ops()}
    exported.add_outputs(nodes["latent"].output(0))
    compiled = core().compile_model(exported, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert compiled(pixels)[1] == pytest.approx(2 * expected, abs=1e-4)
