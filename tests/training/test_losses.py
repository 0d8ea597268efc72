import math
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from splittool.training.losses import bce_dice_loss

Dice = Literal["image", "batch"]
BOTH = pytest.mark.parametrize("dice", ["image", "batch"])


def _batch(seed: int, images: int = 4, classes: int = 3) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shape = (images, classes, 6, 5)
    logits = torch.randn(shape, generator=generator)
    masks = (torch.rand(shape, generator=generator) < 0.3).float()
    masks[:, 0] = 0  # a class that is absent
    rows = torch.randint(3, 7, (images, 1, 1, 1), generator=generator)
    valid = (torch.arange(6)[None, None, :, None] < rows).float().expand(images, 1, 6, 5)
    return logits, masks * valid, valid


@BOTH
def test_a_perfect_prediction_costs_nothing(dice: Dice) -> None:
    _, masks, valid = _batch(0)
    assert bce_dice_loss((masks * 2 - 1) * 50, masks, valid, dice) == pytest.approx(0, abs=1e-5)


@BOTH
def test_the_opposite_costs_more_than_chance(dice: Dice) -> None:
    _, masks, valid = _batch(0)
    chance = bce_dice_loss(torch.zeros_like(masks), masks, valid, dice)
    assert bce_dice_loss((1 - masks * 2) * 5, masks, valid, dice) > chance + 1


@BOTH
@pytest.mark.parametrize(("hardest", "own"), [(1.0, 0.0), (0.2, 0.5)])
@given(seed=st.integers(0, 999), first=st.integers(1, 3))
def test_processes_that_share_a_batch_have_the_loss_of_the_whole(
    dice: Dice, hardest: float, own: float, seed: int, first: int
) -> None:
    whole = _batch(seed)
    parts = [tuple(t[:first] for t in whole), tuple(t[first:] for t in whole)]
    sent: list[list[torch.Tensor]] = [[], []]

    def note(rank: int) -> None:
        def add_up(tensor: torch.Tensor) -> torch.Tensor:
            sent[rank].append(tensor)
            return tensor

        bce_dice_loss(*parts[rank], dice, add_up, hardest, own)  # type: ignore[misc]

    note(0)
    note(1)
    sums = iter([a + b for a, b in zip(*sent, strict=True)])
    loss = bce_dice_loss(*parts[0], dice, lambda tensor: next(sums), hardest, own)  # type: ignore[misc]
    expected = float(bce_dice_loss(*whole, dice, hardest=hardest, own=own))  # type: ignore[misc]
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_loss_by_hand() -> None:
    logits = torch.zeros(1, 1, 1, 4)  # every probability is one half
    masks = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    valid = torch.ones(1, 1, 1, 4)
    # BCE is ln 2; Dice is (2 * 1 + 1) / (2 + 2 + 1).
    loss = float(bce_dice_loss(logits, masks, valid, "image"))
    assert loss == pytest.approx(0.693147 + 1 - 3 / 5, abs=1e-5)


def test_dice_over_the_batch_takes_all_images_as_one() -> None:
    """A defect found in one image and missed in another: the same as if both were one image."""
    logits, masks, valid = _batch(5, images=6)
    tall = [t.transpose(0, 1).reshape(1, t.shape[1], -1, 5) for t in (logits, masks, valid)]
    apart = float(bce_dice_loss(logits, masks, valid, "batch"))
    assert apart == pytest.approx(float(bce_dice_loss(*tall, "batch")), rel=1e-5)


@BOTH
def test_padding_does_not_count(dice: Dice) -> None:
    logits, masks, valid = _batch(3)
    noise = torch.randn_like(logits) * 9 * (1 - valid)
    loss = bce_dice_loss(logits, masks, valid, dice)
    assert bce_dice_loss(logits + noise, masks, valid, dice) == pytest.approx(float(loss))


@BOTH
def test_seeing_a_class_that_is_absent_costs(dice: Dice) -> None:
    _, masks, valid = _batch(2)
    logits = (masks * 2 - 1) * 9
    seen = logits.clone()
    seen[:, 0] = 1
    losses = [float(bce_dice_loss(x, masks, valid, dice)) for x in (logits, seen)]
    assert losses[1] > losses[0] + 0.1


@BOTH
def test_predicting_nothing_where_nothing_is_costs_nothing(dice: Dice) -> None:
    logits, valid = torch.full((2, 2, 8, 8), -30.0), torch.ones(2, 1, 8, 8)
    loss = float(bce_dice_loss(logits, torch.zeros(2, 2, 8, 8), valid, dice))
    assert loss == pytest.approx(0, abs=1e-6)


@BOTH
@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_huge_logits_give_a_finite_loss_and_gradient(dice: Dice, size: float) -> None:
    _, masks, valid = _batch(1)
    logits = torch.full_like(masks, size, requires_grad=True)
    loss = bce_dice_loss(logits, masks, valid, dice)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def _by_hand(logits: list[int], masks: list[int], hardest: float) -> float:
    """Difference to the loss in which all of the first 8 pixels count; the rest is padding."""
    shape = (1, 1, 1, len(logits))
    valid = torch.ones(shape)
    valid[..., 8:] = 0
    tensors = (
        torch.tensor(logits).float().reshape(shape),
        torch.tensor(masks).float().reshape(shape),
        valid,
    )
    some, every = (float(bce_dice_loss(*tensors, "batch", hardest=h)) for h in (hardest, 1.0))
    return some - every


ALARM, MISSED, REST = (math.log1p(math.exp(x)) for x in (2, 1, -3))


def test_the_hardest_pixels_by_hand() -> None:
    """The hardest quarter is two pixels: a false alarm and a quiet one; without, all are eight."""
    found = _by_hand([-3, -3, -3, -3, -3, 2, -3, -3, 9, 9], [0] * 10, 0.25)
    assert found == pytest.approx((ALARM + REST) / 2 - (ALARM + 7 * REST) / 8, abs=1e-5)


def test_a_defect_counts_with_two_pixels_that_have_none_for_each_of_its_own() -> None:
    found = _by_hand([-3, -3, -3, -3, -3, 2, -3, -1, 9, 9], [0] * 7 + [1, 0, 0], 0.01)
    counted, everything = ALARM + MISSED + REST, ALARM + MISSED + 6 * REST
    assert found == pytest.approx(counted / 3 - everything / 8, abs=1e-5)


def test_the_pixels_of_a_class_by_hand() -> None:
    """The mean of -log p over the pixels of each class that the batch shows."""
    masks = torch.zeros(2, 3, 1, 4)
    masks[0, 0, 0, :2] = masks[1, 0, 0, 3] = masks[1, 2, 0, 1] = 1
    logits = torch.tensor([0.3, -1, 2, 1] * 6).reshape(masks.shape)
    valid = torch.ones(2, 1, 1, 4)
    with_own, without = (bce_dice_loss(logits, masks, valid, "batch", own=o) for o in (0.5, 0))
    first, last = (
        sum(math.log1p(math.exp(-x)) for x in each) / len(each) for each in ([0.3, -1, 1], [-1])
    )
    assert float(with_own - without) == pytest.approx(0.5 * (first + last) / 2, rel=1e-5)


def test_a_batch_without_defects_has_no_pixels_of_its_own() -> None:
    logits, masks = torch.randn(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    losses = [
        float(bce_dice_loss(logits, masks, torch.ones(2, 1, 4, 4), "batch", own=own))
        for own in (0.0, 1.0)
    ]
    assert losses[0] == losses[1]


def test_no_more_pixels_count_than_there_are() -> None:
    assert _by_hand([2, -1, 0, 1, 0, -2, 1, 1, 9, 9], [1] * 8 + [0, 0], 0.01) == pytest.approx(
        0, abs=1e-6
    )


@BOTH
def test_padding_is_never_among_the_hardest(dice: Dice) -> None:
    logits, masks, valid = _batch(3)
    noise = torch.randn_like(logits) * 9 * (1 - valid)
    losses = [
        float(bce_dice_loss(x, masks, valid, dice, hardest=0.3)) for x in (logits, logits + noise)
    ]
    assert losses[0] == pytest.approx(losses[1])
