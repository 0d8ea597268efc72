import pytest
import torch

from splittool.training.average import DECAY, average_of


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))


def test_weights_and_statistics_are_averaged_and_batches_counted() -> None:
    network = _network()
    average = average_of(network)
    average.update_parameters(network)
    before = {name: value.clone() for name, value in average.module.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network(torch.full((4, 1, 3, 3), 9.0))
    average.update_parameters(network)
    decay = 2 / 11  # the second update
    for name, value in network.state_dict().items():
        found = average.module.state_dict()[name]
        if value.is_floating_point():
            expected = decay * before[name] + (1 - decay) * value
            assert torch.allclose(found, expected), name
        else:
            assert found == value == 1


def test_in_the_long_run_the_newest_counts_one_hundredth() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    average = average_of(network)
    for _ in range(1000):
        average.update_parameters(network)
    with torch.no_grad():
        network.weight.fill_(1.0)
    average.update_parameters(network)
    assert float(average.module.weight.detach()) == pytest.approx(1 - DECAY, rel=1e-4)  # type: ignore[union-attr]
