import re
from pathlib import Path

import openvino as ov
import pytest

from splittool.cost.rules import FLOPS, FREE, FREE_ANALYZER, MACS, NOT_COUNTED

GROUPS = {
    "MACs": set(MACS),
    "FLOPs": set(FLOPS),
    "free": {*FREE, *FREE_ANALYZER},
    "not counted": set(NOT_COUNTED),
}


def _types() -> set[str]:
    """The operations of the installed OpenVINO's operation sets, as its own package makes them."""
    texts = [file.read_text() for file in Path(ov.__file__).parent.glob("opset*/ops.py")]
    made = {name for text in texts for name in re.findall(r'\.create\(\s*"(\w+)"', text)}
    return made | {"Parameter", "Constant", "Result", "If", "Loop", "TensorIterator"}


def test_every_operation_of_openvino_has_a_rule_or_is_listed() -> None:
    types = _types()
    assert len(types) > 150
    assert types - set().union(*GROUPS.values()) == set()


@pytest.mark.parametrize("name", GROUPS)
def test_nothing_is_in_two_groups(name: str) -> None:
    for other in GROUPS.keys() - {name}:
        assert not GROUPS[name] & GROUPS[other]
