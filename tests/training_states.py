"""Training states that are equal to the bit."""

from typing import Any

import torch

TIMES = ("seconds", "seconds_per_step", "images_per_second")


def assert_same(first: Any, second: Any) -> None:
    """Equal to the bit, whatever is nested."""
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            if key not in TIMES:
                assert_same(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    else:
        assert first == second
