from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from splittool.errors import InputError, UsageError
from splittool.models import build
from splittool.models.backbone import load_backbone

VGG = {"widths": [4, 4, 6, 6, 8], "fully_connected": 12}
DEPTHS = (2, 2, 3, 3, 3)
RESNET = {"widths": [4, 4, 4, 8], "blocks": [1, 1, 1, 1]}


def _vgg(norm: bool) -> nn.Module:
    """Torchvision's layout: numbered layers, and fully connected ones behind them."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in zip(VGG["widths"], DEPTHS, strict=True):  # type: ignore[arg-type]
        for _ in range(depth):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width)] if norm else []
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    wide = [nn.Linear(8 * 49, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 12), nn.ReLU()]
    return nn.ModuleDict({"features": nn.Sequential(*layers), "classifier": nn.Sequential(*wide)})


def _network(arch: str, **options: Any) -> nn.Module:
    return build(arch, 2, options).network


@pytest.mark.parametrize("arch", ["fcn32s", "fcn8s"])
def test_vgg_16_computes_the_same_in_its_new_place(arch: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vgg = _vgg(norm=False).eval()
    torch.save(vgg.state_dict(), tmp_path / "vgg.pth")
    network = _network(arch, **VGG, norm="none").eval()
    load_backbone(network, tmp_path / "vgg.pth")
    image = torch.rand(1, 3, 224, 224)
    features = vgg.get_submodule("features")(image)
    x = image
    for level in range(1, 6):
        x = network.get_submodule(f"maxpool_{level}")(network.get_submodule(f"encoder_{level}")(x))
    assert torch.allclose(x, features, atol=1e-6)
    # Without padding the 7x7 layer sees what the fully connected one sees.
    layer = network.get_submodule("fc6.0")
    wide = vgg.get_submodule("classifier.0")(features.flatten(1))
    assert isinstance(layer, nn.Conv2d)
    alone = nn.functional.conv2d(features, layer.weight, layer.bias)
    assert torch.allclose(alone.flatten(1), wide, atol=1e-5)


def test_vgg_16_with_batch_normalisation(tmp_path: Path) -> None:
    state = _with_statistics(_vgg(norm=True)).state_dict()
    # Torchvision's convolutions have a bias before the normalisation; ours have none.
    torch.save(state, tmp_path / "vgg.pth")
    network = _network("fcn16s", **VGG, norm="batch")
    load_backbone(network, tmp_path / "vgg.pth")
    own = network.state_dict()
    assert torch.equal(own["encoder_1.conv_1.weight"], state["features.0.weight"])
    assert torch.equal(own["encoder_5.norm_3.running_var"], state["features.41.running_var"])
    image = torch.rand(1, 3, 32, 32)
    vgg = _vgg(norm=True).eval()
    vgg.load_state_dict(state)
    expected = vgg.get_submodule("features.0")(image)
    expected = vgg.get_submodule("features.1")(expected)
    network.eval()
    found = network.get_submodule("encoder_1.conv_1")(image)
    found = network.get_submodule("encoder_1.norm_1")(found)
    assert torch.allclose(found, expected, atol=1e-5)


def _with_statistics(module: nn.Module) -> nn.Module:
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 1.5)
    return module


def test_resnet_50_fits_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = _network("pspnet", **RESNET)
    state = {
        name: tensor
        for name, tensor in other.state_dict().items()
        if name.startswith(("conv1", "bn1", "layer"))
    }
    torch.save(
        {**state, "fc.weight": torch.rand(3, 3), "fc.bias": torch.rand(3)}, tmp_path / "r.pth"
    )
    torch.manual_seed(2)
    network = _network("pspnet", **RESNET)
    before = network.state_dict()["classifier.weight"].clone()
    load_backbone(network, tmp_path / "r.pth")
    own: dict[str, Tensor] = network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in state.items())
    assert torch.equal(own["classifier.weight"], before)


def test_a_network_without_a_backbone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"for networks with a backbone: fcn\*, pspnet"):
        load_backbone(_network("unet"), tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        (b"", "is not a state dictionary"),
        (b"hello", "is not a state dictionary"),
        ([1, 2], "is not a state dictionary"),
        ({"a": 1}, "is not a state dictionary"),
        ({}, r"no tensor for conv1\.weight \[4, 3, 7, 7\]"),
        ({"conv1.weight": torch.zeros(8, 3, 7, 7)}, r"shape \[8, 3, 7, 7\] for conv1\.weight"),
    ],
)
def test_weights_that_do_not_fit(content: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "r.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=words) as error:
        load_backbone(_network("pspnet", **RESNET), path)
    assert "r.pth" in str(error.value)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "r.pth")
    with pytest.raises(InputError, match="is not a state dictionary"):
        load_backbone(_network("pspnet", **RESNET), tmp_path / "r.pth")


@pytest.mark.parametrize("norm", [False, True])
def test_normalisation_on_one_side_only(norm: bool, tmp_path: Path) -> None:
    torch.save(_vgg(norm).state_dict(), tmp_path / "vgg.pth")
    network = _network("fcn8s", **VGG, norm="none" if norm else "batch")
    with pytest.raises(InputError, match="does not fit: it has no tensor for encoder_1"):
        load_backbone(network, tmp_path / "vgg.pth")
