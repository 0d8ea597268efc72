"""What a latent costs in bits."""

import math

import pytest
import torch

from splittool.models.priors import (
    LEAST,
    ContextPrior,
    MixturePrior,
    bytes_of,
)

PASSES = (((0, 0, 2),), ((1, 1, 2),), ((0, 1, 2), (1, 0, 2)))
BOTH = pytest.mark.parametrize("kind", ["factorised", "context"])


def _made(kind: str, channels: int) -> MixturePrior | ContextPrior:
    if kind == "factorised":
        return MixturePrior(channels)
    return ContextPrior(channels, PASSES, groups=2)


def _shaken(kind: str, channels: int = 2) -> MixturePrior | ContextPrior:
    torch.manual_seed(1)
    prior = _made(kind, channels)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return prior


@BOTH
def test_probabilities_of_all_symbols_add_up_to_one(kind: str) -> None:
    prior = _shaken(kind)
    seen = torch.randint(-3, 4, (1, 2, 4, 5)).float()
    symbols = torch.arange(-3000.0, 3001)[:, None, None, None]
    probability = torch.exp2(-prior(symbols.expand(-1, 2, 4, 5), seen.expand(6001, -1, -1, -1)))
    assert torch.allclose(probability.sum(0), torch.ones(2, 4, 5), atol=1e-4)


def test_a_single_logistic_by_hand() -> None:
    prior = MixturePrior(1, components=1)
    with torch.no_grad():
        prior.mean.zero_()
        prior.log_scale.zero_()
    bits = prior(torch.tensor([[[[0.0, 2.0]]]]), torch.zeros(1, 1, 1, 2))
    expected = [
        -math.log2(1 / (1 + math.exp(-0.5)) - 1 / (1 + math.exp(0.5))),
        -math.log2(1 / (1 + math.exp(-2.5)) - 1 / (1 + math.exp(-1.5))),
    ]
    assert bits.flatten().tolist() == pytest.approx(expected, rel=1e-4)
    assert float(bytes_of(bits).detach()) == pytest.approx(sum(expected) / 8, rel=1e-4)


def test_far_symbols_cost_the_same_on_both_sides_and_have_gradients() -> None:
    prior = MixturePrior(1, components=1)
    with torch.no_grad():
        prior.mean.zero_()
        prior.log_scale.zero_()
    far = torch.tensor([[[[-15.0, 15.0]]]], requires_grad=True)
    bits = prior(far, far)
    left, right = bits.flatten().tolist()
    assert left == pytest.approx(right)
    bits.sum().backward()
    assert far.grad is not None
    assert far.grad[0, 0, 0, 0] < 0 < far.grad[0, 0, 0, 1]
    assert float(prior(far.detach() * 9, far)[0, 0, 0, 0].detach()) == pytest.approx(
        -math.log2(LEAST)
    )


def test_the_context_prior_sees_only_what_the_decoder_has() -> None:
    prior = _shaken("context", 4)
    latent = torch.randn(1, 4, 7, 9).round()
    before = prior(latent, latent)
    order = torch.empty(7, 9)
    for number, grids in enumerate(PASSES):
        for row, column, step in grids:
            order[row::step, column::step] = number
    for row, column, channel in ((2, 4, 1), (3, 3, 0), (3, 4, 3), (0, 1, 2)):
        changed = latent.clone()
        changed[:, channel, row, column] = 2.0 * (latent[:, channel, row, column] == 0)
        differ = before != prior(latent, changed)  # the symbols priced stay; what is seen changes
        assert not differ[0, :, (order < order[row, column])].any()
        here = differ[0, :, order == order[row, column]]
        assert here.any(1).tolist() == [each > channel // 2 * 2 + 1 for each in range(4)]
        assert not differ[0, :, row, column][: channel // 2 * 2 + 2].any()
        later = order > order[row, column]
        assert differ[0, :, later].any() == bool(later.any())


def test_the_context_prior_starts_as_its_mixture() -> None:
    latent = torch.randn(2, 3, 5, 5).round()
    context, mixture = ContextPrior(3, PASSES), MixturePrior(3)
    assert torch.equal(context(latent, latent), mixture(latent, latent))


def test_neighbours_that_repeat_are_learnt() -> None:
    """Rows that repeat the row above: nothing for a factorised prior, much for a context."""
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(-1, 2, (32, 1, 1, 8), generator=generator).float()
    latent = row.expand(32, 1, 8, 8).contiguous()
    costs = {}
    for kind in ("factorised", "context"):
        torch.manual_seed(0)
        prior = _made(kind, 1)
        optimiser = torch.optim.Adam(prior.parameters(), 0.02)
        for _ in range(200):
            optimiser.zero_grad()
            cost = prior(latent, latent).mean()
            cost.backward()
            optimiser.step()
        costs[kind] = float(cost.detach())
    assert costs["factorised"] > math.log2(3) - 0.1  # no free lunch: the entropy of three symbols
    assert costs["context"] < 0.6 * costs["factorised"]
