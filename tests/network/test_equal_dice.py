from math import sqrt

import pytest

from splittool.network.equal_dice import equal_dice
from splittool.reports import ArmRecord, EqualDiceRecord

DICE = (0.5, 0.6, 0.7, 0.75, 0.78, 0.8)


def _jpeg(*found: float, sizes: tuple[float, ...] = (100, 200, 400, 800, 1600, 3200)) -> list:
    return [
        ArmRecord(
            "image",
            codec="jpeg",
            quality=number,
            payload_bytes_per_frame=size,
            bare_bytes_per_frame=size / 2,
            dice=dice,
        )
        for number, (size, dice) in enumerate(zip(sizes, found, strict=False), start=1)
    ]


def _one(arms: list, dice: float) -> EqualDiceRecord:
    (found,) = equal_dice(arms, [dice])
    return found


def test_between_two_rates_dice_is_linear_in_the_logarithm() -> None:
    found = _one(_jpeg(*DICE), 0.65)
    assert (found.how, found.rates, found.series) == ("interpolated", 6, "jpeg")
    assert found.payload_bytes_per_frame == pytest.approx(200 * sqrt(2))
    assert found.bare_bytes_per_frame == pytest.approx(100 * sqrt(2))


def test_the_order_of_arms_does_not_matter() -> None:
    assert _one(_jpeg(*DICE)[::-1], 0.65) == _one(_jpeg(*DICE), 0.65)


def test_a_rate_that_is_met_is_taken() -> None:
    assert _one(_jpeg(*DICE), 0.7).payload_bytes_per_frame == 400


def test_nothing_is_extrapolated() -> None:
    above, below = _one(_jpeg(*DICE), 0.81), _one(_jpeg(*DICE), 0.4)
    assert (above.how, above.payload_bytes_per_frame) == ("not reached", None)
    assert (below.how, below.payload_bytes_per_frame) == ("at most", 100)


def test_five_rates_are_too_few() -> None:
    found = _one(_jpeg(*DICE[1:]), 0.65)
    assert (found.how, found.rates, found.payload_bytes_per_frame) == ("too few rates", 5, None)


def test_one_rate_is_measured() -> None:
    arms = [ArmRecord("answer", payload_bytes_per_frame=80, dice=0.8)]
    assert _one(arms, 0.79) == EqualDiceRecord(
        "whole network, masks sent", 0.79, 1, "measured", 80.0, None
    )
    assert _one(arms, 0.81).how == "not reached"


def test_where_dice_falls_again_the_fewest_bytes_count() -> None:
    assert _one(_jpeg(0.5, 0.7, 0.6, 0.65, 0.7, 0.8), 0.7).payload_bytes_per_frame == 200


def test_series_are_told_apart() -> None:
    arms = [
        ArmRecord("whole", dice=0.8),
        *_jpeg(*DICE),
        ArmRecord("image", codec="jpeg", scale=0.5, payload_bytes_per_frame=50, dice=0.7),
        ArmRecord("image", codec="jpeg", network="a/big.pt", payload_bytes_per_frame=9, dice=0.7),
        ArmRecord("answer", network="a/small.pt", payload_bytes_per_frame=70, dice=0.7),
        ArmRecord("cut", "latent", 8, "learned", network="b/cut.json", dice=0.8),
        ArmRecord("cut", "maxpool_2", 8, "fast", dice=0.8),
    ]
    assert [record.series for record in equal_dice(arms, [0.6])] == [
        "jpeg",
        "jpeg half",
        "jpeg -> big",
        "small, masks sent",
        "cut b: latent, learned",
        "cut maxpool_2, fast",
    ]
