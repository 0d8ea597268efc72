from pathlib import Path

import numpy as np
import pytest

from splittool.data.kaggle import Sample
from splittool.training.balance import BY_CLASS, balance_classes, choose_class
from splittool.training.dataset import systematic_sample


def _samples(*shown: str) -> list[Sample]:
    run = np.array([[1, 1]])
    return [Sample(Path("x.jpg"), 4, 4, dict.fromkeys(names, run)) for names in shown]


MIXED = _samples(*["a"] * 30, "b", "b", "ab", *[""] * 40)


def test_every_class_is_chosen_equally_often() -> None:
    balance = balance_classes(MIXED, ("a", "b"))
    shares = (balance.weights[:, None] * balance.focus).sum(0) / balance.weights.sum()
    assert shares == pytest.approx([BY_CLASS / 2] * 2)
    assert balance.weights.sum() == pytest.approx(1)


def test_windows_are_drawn_as_often_for_each_class() -> None:
    balance = balance_classes(MIXED, ("a", "b"))
    rng = np.random.default_rng(0)
    drawn = [
        choose_class(balance.focus[index], rng)
        for _ in range(200)
        for index in systematic_sample(balance.weights, rng)
    ]
    counts = [drawn.count(kind) / len(drawn) for kind in (0, 1, None)]
    assert counts == pytest.approx([1 / 3] * 3, abs=0.02)


def test_images_of_rare_classes_are_shown_more_and_clean_ones_are_shown() -> None:
    weights = balance_classes(MIXED, ("a", "b")).weights
    common, rare, both, clean = weights[0], weights[30], weights[32], weights[-1]
    assert both > rare > 3 * common
    assert common > clean > 0


def test_a_window_is_chosen_for_a_class_the_image_shows() -> None:
    balance = balance_classes(MIXED, ("a", "b"))
    assert not balance.focus[0, 1]
    assert not balance.focus[30, 0]
    assert not balance.focus[-1].any()
    assert (balance.focus.sum(1) < 1).all()


def test_a_class_without_images_takes_nothing_from_the_others() -> None:
    with_it = balance_classes(MIXED, ("a", "missing", "b"))
    without = balance_classes(MIXED, ("a", "b"))
    assert with_it.weights == pytest.approx(without.weights)
    assert with_it.focus[:, [0, 2]] == pytest.approx(without.focus)


def test_clean_images_alone_are_shown_alike() -> None:
    balance = balance_classes(_samples("", "", ""), ("a",))
    assert balance.weights.tolist() == [1, 1, 1]
    assert choose_class(balance.focus[0], np.random.default_rng(0)) is None
