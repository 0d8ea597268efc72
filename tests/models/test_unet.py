import pytest
import torch

from splittool.models import build
from splittool.models.unet import UNet

PAPER = {"activation": "elu", "norm": "none"}


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("activation", ["elu", "relu"])
def test_the_papers_network_has_its_number_of_parameters(activation: str) -> None:
    assert _parameters(UNet(4, activation=activation, norm="none")) == 686_868  # type: ignore[arg-type]


def test_normalisation_is_not_a_parameter() -> None:
    model = build("unet", 4, PAPER, mean=90.0, std=40.0)
    assert _parameters(model) == 686_868
    assert {"normalise.mean", "normalise.scale"} <= set(model.state_dict())


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("activation", ["elu", "relu"])
@pytest.mark.parametrize("size", [(32, 32), (32, 96)])
def test_logits_have_the_size_of_the_image(
    norm: str, activation: str, size: tuple[int, int]
) -> None:
    model = UNet(3, activation=activation, norm=norm).eval()  # type: ignore[arg-type]
    assert model.stride == 32
    assert model(torch.zeros(2, 3, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_number_of_levels_is_an_option(levels: int) -> None:
    model = UNet(2, widths=[4] * levels, bottleneck=6)
    assert model.stride == 2**levels
    assert model.split_points == tuple(f"maxpool_{k}" for k in range(1, levels + 1))
    assert model(torch.zeros(2, 3, 16, 24)).shape == (2, 2, 16, 24)


@pytest.mark.parametrize("options", [PAPER, {}])
def test_gradients_reach_every_parameter(options: dict[str, str]) -> None:
    torch.manual_seed(0)
    model = build("unet", 4, options)
    model(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_every_level_has_a_skip_connection() -> None:
    """A change of one corner reaches the output only near it, unless it went through the depth."""
    torch.manual_seed(0)
    model = UNet(1, **PAPER).eval()  # type: ignore[arg-type]
    seen = {}
    for level in range(1, 6):
        encoder = model.get_submodule(f"encoder_{level}")
        encoder.register_forward_hook(
            lambda _, __, output, level=level: seen.__setitem__(level, output)
        )
    torch.set_grad_enabled(True)
    model(torch.rand(1, 3, 32, 32)).sum().backward(inputs=list(model.parameters()))
    decoders = [model.get_submodule(f"decoder_{level}.conv_1") for level in range(1, 6)]
    for level, decoder in enumerate(decoders, start=1):
        assert decoder.in_channels == 2 * seen[level].shape[1]  # type: ignore[operator]


def test_pixels_are_normalised_inside_the_network() -> None:
    model = build("unet", 2, {"widths": [4], "bottleneck": 4}, mean=100.0, std=50.0).eval()
    pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(model(pixels), model.network((pixels.float() - 100) * (1 / 50)))


def test_the_normalisation_travels_with_the_weights() -> None:
    options = {"widths": [4], "bottleneck": 4}
    model, other = build("unet", 2, options, 100.0, 50.0), build("unet", 2, options)
    other.load_state_dict(model.state_dict())
    pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(model.eval()(pixels), other.eval()(pixels))
