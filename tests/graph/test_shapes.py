import openvino as ov
import pytest

from splittool.errors import InputError, UsageError
from splittool.graph.shapes import fixed_shapes

INPUTS = {
    "pixels": ov.PartialShape([-1, 3, 16, 16]),
    "size": ov.PartialShape([2]),
}


def test_what_is_fixed_needs_no_shape() -> None:
    found = fixed_shapes("net.pt2", INPUTS, ["pixels=1x3x16x16"])
    assert found == {"pixels": [1, 3, 16, 16], "size": [2]}


def test_anything_fits_what_says_nothing() -> None:
    open_input = {"x": ov.PartialShape.dynamic()}
    assert fixed_shapes("net.ts", open_input, ["4x5"]) == {"x": [4, 5]}
    with pytest.raises(InputError, match=r"open shape \[\.\.\.\]; fix it with: `shape` x=1x3x224"):
        fixed_shapes("net.ts", open_input, [])


@pytest.mark.parametrize("shape", ["pixels=1x3x32x32", "pixels=1x3x16", "size=3"])
def test_another_shape_than_it_was_made_for(shape: str) -> None:
    with pytest.raises(UsageError, match=r"net\.pt2 cannot take `shape` .* it was made for \["):
        fixed_shapes("net.pt2", INPUTS, [shape])


def test_an_open_input_is_told() -> None:
    with pytest.raises(InputError, match=r"'pixels' has the open shape \[\?,3,16,16\]"):
        fixed_shapes("net.pt2", INPUTS, ["size=2"])
