import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from networks import write_cut

from splittool.errors import InputError, OutputError, VerificationError
from splittool.graph.halves import Halves, make_halves
from splittool.network import cut as cutting
from splittool.reports import CutReport, read_report
from splittool.runtime.ir import core

FILES = ["cut.json", "head.bin", "head.xml", "tail.bin", "tail.xml"]


def _listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_cut_is_five_files(cut_folder: Path) -> None:
    assert _listed(cut_folder) == FILES


def test_the_description_vouches_for_the_files(cut_folder: Path, exported: Path) -> None:
    report = read_report(cut_folder / "cut.json", CutReport)
    assert [record.path for record in (*report.head, *report.tail)] == [
        "head.bin",
        "head.xml",
        "tail.bin",
        "tail.xml",
    ]
    for record in (*report.head, *report.tail):
        content = (cut_folder / record.path).read_bytes()
        assert record.bytes == len(content)
        assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert report.source.path == str(exported)
    assert report.source.sha256 == hashlib.sha256(exported.read_bytes()).hexdigest()


def test_the_description_says_what_crosses(cut_folder: Path) -> None:
    report = read_report(cut_folder / "cut.json", CutReport)
    assert report.split.point == "maxpool_2"
    assert [tensor.shape for tensor in report.split.tensors] == [
        [1, 4, 64, 96],
        [1, 6, 32, 48],
        [1, 6, 16, 24],
    ]
    assert report.split.elements == sum(tensor.elements for tensor in report.split.tensors)
    assert report.input.shape == [1, 3, 64, 96]
    assert report.input.type == "u8"
    assert report.classes == ["1", "2", "3", "4"]
    assert report.fit == "pad"
    proof = report.verification
    assert proof.difference <= proof.tolerance * proof.output_range


def test_the_halves_are_models(cut_folder: Path) -> None:
    head, tail = (core().read_model(cut_folder / name) for name in ("head.xml", "tail.xml"))
    assert len(head.outputs) == len(tail.inputs) == 3
    assert list(tail.outputs[0].get_shape()) == [1, 4, 64, 96]


def test_a_checkpoint_can_be_cut(checkpoint: Path, tmp_path: Path) -> None:
    report = write_cut(checkpoint, ["maxpool_1"], tmp_path / "new" / "folder", 1e-3)
    assert report.source.path == str(checkpoint)
    assert _listed(tmp_path / "new" / "folder") == FILES


@pytest.mark.parametrize("name", FILES)
def test_files_that_exist_are_replaced_only_by_force(
    exported: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("precious")
    (tmp_path / "other.txt").write_text("mine")
    with pytest.raises(OutputError, match=f"{name} exists; give `force`"):
        write_cut(exported, ["maxpool_1"], tmp_path, 1e-3)
    assert (tmp_path / name).read_text() == "precious"
    write_cut(exported, ["maxpool_1"], tmp_path, 1e-3, force=True)
    assert _listed(tmp_path) == sorted([*FILES, "other.txt"])
    assert (tmp_path / "other.txt").read_text() == "mine"


def test_nothing_is_written_when_the_proof_fails(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_wrong_tail(*arguments: Any) -> Halves:
        head, tail = make_halves(*arguments)
        for node in tail.get_ordered_ops():
            if node.get_type_name() == "Relu":
                source = node.input(0).get_source_output()
                node.output(0).replace(source)
        tail.validate_nodes_and_infer_types()
        return Halves(head, tail)

    monkeypatch.setattr(cutting, "make_halves", with_a_wrong_tail)
    with pytest.raises(
        VerificationError, match=r"cut at 'maxpool_1' do not compute the whole.*nothing was written"
    ):
        write_cut(exported, ["maxpool_1"], tmp_path, 1e-3)
    assert _listed(tmp_path) == []
    (tmp_path / "cut.json").write_text("precious")
    with pytest.raises(VerificationError):
        write_cut(exported, ["maxpool_1"], tmp_path, 1e-3, force=True)
    assert _listed(tmp_path) == ["cut.json"]
    assert (tmp_path / "cut.json").read_text() == "precious"


@pytest.mark.parametrize("point", ["input", "sigmoid", "maxpool_9"])
def test_points_that_are_no_cut_write_nothing(exported: Path, tmp_path: Path, point: str) -> None:
    with pytest.raises(InputError, match=r"leaves the (head|tail) empty|no split point"):
        write_cut(exported, [point], tmp_path, 1e-3)
    assert _listed(tmp_path) == []


def test_a_damaged_model_writes_nothing(exported: Path, tmp_path: Path) -> None:
    shutil.copy(exported, tmp_path / "net.xml")
    with pytest.raises(InputError, match=r"net\.bin"):
        write_cut(tmp_path / "net.xml", ["maxpool_1"], tmp_path, 1e-3)
    assert _listed(tmp_path) == ["net.xml"]


def test_a_cut_can_be_cut_again(cut_folder: Path, tmp_path: Path) -> None:
    report = write_cut(cut_folder / "head.xml", ["maxpool_1"], tmp_path, 1e-3)
    assert report.split.point == "maxpool_1"
