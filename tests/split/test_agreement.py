"""cut.json against the halves: what it says is true, or the cut is refused."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op
from rich.console import Console

from splittool.cost.splits import input_split
from splittool.errors import InputError
from splittool.network.network import Network
from splittool.reports import CutReport, read_report
from splittool.runtime.ir import core
from splittool.split.split_network import SplitNetwork

Change = Callable[[dict[str, Any]], object]


def _tensor(number: int, **changes: Any) -> Change:
    return lambda cut: cut["split"]["tensors"][number].update(changes)


def _drop(cut: dict[str, Any]) -> None:
    dropped = cut["split"]["tensors"].pop()
    cut["split"]["elements"] -= dropped["elements"]


def _add(cut: dict[str, Any]) -> None:
    cut["split"]["tensors"].append(cut["split"]["tensors"][0])
    cut["split"]["elements"] += cut["split"]["tensors"][0]["elements"]


def _swap(cut: dict[str, Any]) -> None:
    cut["split"]["tensors"].reverse()


# Both records of the input, which must agree.
def _input(**changes: Any) -> Change:
    return lambda cut: [each.update(changes) for each in (cut["input"], *cut["inputs"])]


CHANGES: dict[str, Change] = {
    "type": _tensor(0, type="u64", bits=64),
    "type alone": _tensor(0, type="f16"),
    "bits": _tensor(0, bits=16),
    "shape": _tensor(0, shape=[1, 4, 96, 64]),
    "flat": _tensor(0, shape=[1, 4 * 64 * 96]),
    "name": _tensor(0, name="conv"),
    "dropped": _drop,
    "added": _add,
    "order": _swap,
    "input shape": _input(shape=[1, 3, 96, 64]),
    "input type": _input(type="f32", bits=32),
    "input name": _input(name="image"),
    "no inputs": lambda cut: cut["inputs"].append(cut["input"]),
    "classes": lambda cut: cut.update(classes=["4", "3", "2", "1"]),
    "fit": lambda cut: cut.update(fit="resize"),
}
CONTRADICTIONS: dict[str, Change] = {
    "elements of a tensor": _tensor(0, elements=7),
    "shape below 0": _tensor(0, shape=[-1, -4, 64, 96]),
    "elements": lambda cut: cut["split"].update(elements=7),
    "input": lambda cut: cut["input"].update(name="image"),
}


@pytest.fixture
def copied(cut_folder: Path, tmp_path: Path) -> Path:
    """A cut that may be spoilt."""
    return Path(shutil.copytree(cut_folder, tmp_path / "cut"))


def _spoil(folder: Path, change: Change) -> SplitNetwork:
    path = folder / "cut.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return SplitNetwork.open(folder)


def test_a_cut_as_it_was_written_agrees(copied: Path) -> None:
    assert _spoil(copied, lambda cut: None).halves


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_halves_are_not_is_refused(copied: Path, change: str) -> None:
    with pytest.raises(InputError, match=r"cut\.json says .*; make the cut again"):
        _ = _spoil(copied, CHANGES[change]).halves


@pytest.mark.parametrize("change", ["type", "dropped", "added", "order"])
def test_and_never_run(copied: Path, change: str) -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    with pytest.raises(InputError, match=r"cut\.json says that crossing tensors are"):
        _spoil(copied, CHANGES[change]).run(pixels)


def test_the_tail_alone_is_held_against_it_too(copied: Path) -> None:
    head = SplitNetwork.open(copied).head()
    with pytest.raises(InputError, match="crossing tensors"):
        _spoil(copied, _swap).tail(head)


@pytest.mark.parametrize("change", CONTRADICTIONS)
def test_a_contradiction_is_refused_without_the_halves(copied: Path, change: str) -> None:
    with pytest.raises(InputError, match="not a splittool report"):
        _spoil(copied, CONTRADICTIONS[change])


def test_a_cut_from_before_inputs_were_listed_is_read(copied: Path) -> None:
    assert _spoil(copied, lambda cut: cut.pop("inputs")).halves


def _two_inputs() -> ov.Model:
    """a - 2 b, where b comes first in the graph's order and second in the network's."""
    a, b = (op.parameter([1, 256], ov.Type.f32, name=name) for name in "ab")
    doubled = op.multiply(b, op.constant(np.float32(2)))
    doubled.set_friendly_name("doubled")
    difference = op.subtract(a, doubled)
    difference.set_friendly_name("difference")
    return ov.Model([op.result(op.relu(difference))], [a, b], "two")


def test_all_inputs_are_described_in_the_networks_order(tmp_path: Path) -> None:
    network = Network.load(_two_inputs())
    network.cut("difference").write(tmp_path)
    report = read_report(tmp_path / "cut.json", CutReport)
    assert [record.name for record in report.inputs] == ["a", "b"]
    assert report.input == report.inputs[0]
    assert input_split(report).elements == 512
    shown = io.StringIO()
    Console(file=shown, width=200).print(*report.tables(tmp_path))
    assert "head([a, b])" in shown.getvalue()
    head, tail = (
        core().compile_model(tmp_path / f"{half}.xml", "CPU") for half in ("head", "tail")
    )
    a, b = np.full((1, 256), 5, np.float32), np.full((1, 256), 1, np.float32)
    assert np.all(tail(list(head([a, b]).values()))[0] == 3)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_head_keeps_whatever_order_the_network_has(order: str) -> None:
    whole = _two_inputs()
    given = {node.get_friendly_name(): node for node in whole.get_parameters()}
    whole = ov.Model(whole.get_results(), [given[name] for name in order], "two")
    head = Network.load(whole).cut("difference").head
    assert [port.get_node().get_friendly_name() for port in head.inputs] == list(order)
