import numpy as np
import pytest

from splittool.codec.ranges import METHODS, Sampler, channel_errors, choose_ranges
from splittool.errors import InputError
from splittool.vocabulary import RangesMethod


def _sampler(*tensors: np.ndarray, name: str = "t") -> Sampler:
    sampler = Sampler(name, len(tensors))
    for tensor in tensors:
        sampler.add(tensor.astype(np.float32))
    return sampler


@pytest.fixture(scope="module")
def heavy() -> Sampler:
    """Channels with a few large values."""
    random = np.random.default_rng(0)
    return _sampler(*(np.abs(random.standard_t(3, (1, 4, 50, 60))) for _ in range(3)))


def test_min_max_is_over_all_images() -> None:
    tensors = [np.array([[[0, 1], [5, 5]]]), np.array([[[-2, 0], [5, 8]]])]
    ranges, words = choose_ranges(_sampler(*tensors), 2, "min-max")
    assert words == "min-max"
    assert ranges.low.tolist() == [-2, 5]
    assert ranges.step.tolist() == [1, 1]


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 16])
def test_the_best_has_the_least_error_of_its_candidates(heavy: Sampler, bits: int) -> None:
    def error(method: RangesMethod) -> float:
        found = choose_ranges(heavy, bits, method)[0]
        return float(channel_errors(heavy.values(), bits, found).mean())

    assert error("best") <= min(error("min-max"), error("percentile"))
    assert error("mse") <= error("best")


def test_few_bits_clip_more_than_many(heavy: Sampler) -> None:
    words = {bits: choose_ranges(heavy, bits)[1] for bits in (2, 16)}
    assert words == {2: "percentile 99", 16: "min-max"}


def test_a_channel_that_is_nearly_always_zero_keeps_its_range() -> None:
    tensor = np.zeros((1, 2, 100, 100))
    tensor[0, 0, 0, 0] = 3
    sampler = _sampler(tensor)
    for method in METHODS:
        ranges = choose_ranges(sampler, 2, method)[0]
        assert ranges.step.tolist() == [1, 0]


def test_memory_is_bounded_and_runs_repeat() -> None:
    wide = np.random.default_rng(0).standard_normal((1, 2, 1500, 1500))
    samplers = [_sampler(*[wide] * 3) for _ in range(2)]
    assert samplers[0].values().nbytes <= 8 << 20
    found = [choose_ranges(sampler, 4)[0] for sampler in samplers]
    assert np.array_equal(found[0].low, found[1].low)
    assert np.array_equal(found[0].step, found[1].step)


def test_what_cannot_be_calibrated_is_named() -> None:
    with pytest.raises(InputError, match="crossing tensor skip_1 holds NaN or infinity"):
        _sampler(np.array([[[0, np.nan]]]), name="skip_1")
    with pytest.raises(InputError, match="crossing tensor skip_1 is empty"):
        _sampler(np.zeros((1, 0, 4)), name="skip_1")
    with pytest.raises(InputError, match="no image was seen for crossing tensor skip_1"):
        choose_ranges(Sampler("skip_1", 1), 4)
