"""The look of all figures."""

import pytest

from splittool.figures.style import short_name


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("maxpool_2", "maxpool_2"),
        ("a" * 24, "a" * 24),
        ("/model/backbone/layer1/block2/relu_1", "…/layer1/block2/relu_1"),
        ("StatefulPartitionedCall.model.conv2d_17.Relu", "….model.conv2d_17.Relu"),
        ("x" * 30, "…" + "x" * 23),
    ],
)
def test_long_names_lose_their_first_parts_and_say_so(name: str, label: str) -> None:
    assert short_name(name) == label
