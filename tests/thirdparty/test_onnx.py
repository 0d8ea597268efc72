"""Networks of other people's packages cut to ONNX, run in ONNX Runtime and in OpenVINO."""

from pathlib import Path

import pytest
from thirdparty import test_packages as packages

from splittool.cost.splits import describe_split_points
from splittool.errors import InputError
from splittool.graph.halves import Halves, make_halves
from splittool.graph.onnx_graph import OnnxReading
from splittool.graph.onnx_halves import OnnxHalves
from splittool.graph.onnx_operations import OnnxCut
from splittool.graph.onnx_proof import OnnxFiles, prove_across
from splittool.graph.reading import load_model
from splittool.runtime.ir import core
from splittool.runtime.onnx_file import OnnxFile

NETWORKS = {
    name: network for name, network in packages.NETWORKS.items() if network.file.endswith(".onnx")
}
FEW, MANY = 3, 20  # cuts that are run; every one is looked at in both graphs
QUICK = ("whisper", "lstm-states")


def _cuts(reading: OnnxReading, at: list[tuple[str, ...]]) -> list[OnnxCut]:
    """The cuts at these places that are between operations of the ONNX graph."""
    found = []
    for names in at:
        try:
            found.append(reading.find_cut(*names))
        except InputError as error:
            assert "only a part of an operation" in str(error)  # noqa: PT017
    return found


def _check(network: packages.Network, path: Path, count: int, folder: Path) -> None:
    """Every cut is the same in both graphs; some of them are run in each pair of runtimes."""
    shapes, tolerance = network.shapes, network.tolerance
    whole = load_model(path, shapes)
    reading = OnnxReading(OnnxFile(path), whole)
    graph = reading.graph
    places, _ = describe_split_points(graph)
    cuts = _cuts(reading, [tuple(place.at) for place in places[1:]])
    cuts = [each for each in cuts if each.cut.head and each.cut.tail]
    assert cuts
    fixed = [op.outputs[0] for op in graph.parameters] if shapes else None
    step = max(1, len(cuts) // count)
    for each in cuts[::step][:count]:
        halves = OnnxHalves(reading.file, each, fixed)
        files = OnnxFiles(path, folder / "head.onnx", folder / "tail.onnx")
        halves.write_head(folder / "head.onnx")
        halves.write_tail(folder / "tail.onnx")
        read = Halves(*(core().read_model(folder / name) for name in ("head.onnx", "tail.onnx")))
        theirs = make_halves(whole, graph, each.cut)
        for ours, other in zip(read, theirs, strict=True):
            assert [tuple(p.get_shape()) for p in ours.outputs] == [
                tuple(p.get_shape()) for p in other.outputs
            ]
        for proof in prove_across(whole, read, files, tolerance):
            assert proof.proof.holds, f"{each.cut.name}: {proof}"


@pytest.mark.parametrize("name", QUICK)
def test_a_packaged_network_is_cut_to_onnx(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    _check(network, packages._find(network.package, network.file), FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_many_cuts_of_a_packaged_network(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    _check(network, packages._find(network.package, network.file), MANY, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", packages.LIGHT)
def test_many_cuts_of_a_zoo_network(name: str, tmp_path: Path) -> None:
    file = f"onnx/backend/test/data/light/light_{name}.onnx"
    written = tmp_path / f"{name}.onnx"
    packages._randomise(packages._find("onnx", file), written)
    _check(packages.Network("onnx", file, 0), written, MANY, tmp_path)
