from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splittool.data.kaggle import Sample, read_folder
from splittool.data.partition import stratified_split
from splittool.errors import InputError

NAMES = ("1", "2", "3")


def _samples(shown: list[set[str]]) -> list[Sample]:
    runs = np.array([[1, 1]])
    return [
        Sample(Path(f"{index}.jpg"), 4, 4, dict.fromkeys(sorted(names), runs))
        for index, names in enumerate(shown)
    ]


SETS = st.lists(st.sets(st.sampled_from(NAMES)), min_size=10, max_size=60)


@given(SETS, st.floats(0.15, 0.85), st.integers(0, 99))
def test_the_parts_are_disjoint_complete_sorted_and_the_same_again(
    shown: list[set[str]], fraction: float, seed: int
) -> None:
    samples = _samples(shown)
    training, validation = stratified_split(samples, fraction, seed)
    assert sorted(training + validation) == list(range(len(samples)))
    assert training == sorted(training)
    assert validation == sorted(validation)
    assert (training, validation) == stratified_split(samples, fraction, seed)


@given(st.lists(st.sampled_from(NAMES), min_size=10, max_size=60), st.floats(0.05, 0.95))
def test_every_class_of_two_images_or_more_reaches_both_parts(
    shown: list[str], fraction: float
) -> None:
    training, validation = stratified_split(_samples([{name} for name in shown]), fraction, 0)
    for name in {name for name in shown if shown.count(name) > 1}:
        assert name in {shown[i] for i in training}
        assert name in {shown[i] for i in validation}


def test_every_class_has_its_share_in_the_validation_part() -> None:
    shown = [set(), {"1"}, {"2"}, {"3"}] * 25
    _, validation = stratified_split(_samples(shown), 0.2, 7)
    assert [sum(shown[i] == s for i in validation) for s in shown[:4]] == [5, 5, 5, 5]


def test_an_image_counts_for_its_rarest_class() -> None:
    shown = [{"1", "2"}] * 5 + [{"1"}] * 20
    _, validation = stratified_split(_samples(shown), 0.2, 3)
    assert sum("2" in shown[i] for i in validation) == 1
    assert len(validation) == 5


def test_another_seed_gives_another_split() -> None:
    samples = _samples([{"1"}] * 40)
    assert stratified_split(samples, 0.5, 0) != stratified_split(samples, 0.5, 1)


def test_synthetic_steel_has_all_classes_in_both_parts(steel: Path) -> None:
    samples, _ = read_folder(steel)
    parts = stratified_split(samples, 0.2, 0)
    shown = [{name for i in part for name in samples[i].runs} for part in parts]
    often = {n for n in "1234" if sum(n in sample.runs for sample in samples) > 1}
    assert often <= shown[0]
    assert often <= shown[1]


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_images_are_refused(number: int) -> None:
    with pytest.raises(InputError, match=f"{number} images are too few"):
        stratified_split(_samples([{"1"}] * number), 0.2, 0)
