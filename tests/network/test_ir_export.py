from pathlib import Path

import pytest

from splittool.conversion.export import IrForm
from splittool.errors import OutputError, UsageError
from splittool.network.ir_export import export_network
from splittool.network.network import Network


def test_a_network_is_written_as_ir_that_says_the_same(exported: Path, tmp_path: Path) -> None:
    report = export_network(exported, IrForm(tmp_path / "again.xml", "f32"))
    assert report.difference is None  # from what it was made of, nothing is measured
    first, again = Network.load(exported), Network.load(tmp_path / "again.xml")
    assert (again.info, again.flops) == (first.info, first.flops)


def test_what_cannot_be_written_is_refused_before_the_network_is_read(tmp_path: Path) -> None:
    """Converting a program takes long; here there is none."""
    missing = tmp_path / "missing.pt2"
    with pytest.raises(UsageError, match=r"ends in \.xml"):
        export_network(missing, IrForm(tmp_path / "net.onnx"), trust=True)
    (tmp_path / "net.xml").touch()
    with pytest.raises(OutputError, match="exists"):
        export_network(missing, IrForm(tmp_path / "net.xml"), trust=True)
