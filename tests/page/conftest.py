"""Reports of a tiny network, and pages of them."""

import shutil
from pathlib import Path

import pytest

from splittool.benchmark.options import Schedule
from splittool.benchmark.run import bench
from splittool.benchmark.workload import Workload
from splittool.network.compare_options import CompareOptions
from splittool.network.comparison import compare
from splittool.network.network import Network
from splittool.reports import Report, encode

TERMS = {"edge": "100GFLOPS", "cloud": "5TFLOPS", "link": "100Mbps"}
ENERGY = {"edge_energy": "0.02J/GFLOP", "radio": "wifi", "idle_power": "0.5W"}
POWER = {"edge_energy": "1.5W", "radio": "lte"}


@pytest.fixture(scope="session")
def folder(models: Path, steel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, images, and reports of them: compare, plan, cut --all, bench-vpu, infer."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("tiny.xml", "tiny.bin"):
        shutil.copy(models / name, folder)
    shutil.copytree(steel, folder / "steel")
    network = Network.load(folder / "tiny.xml")
    how = CompareOptions(codecs=["fast"], formats=["jpeg"], qualities=[80, 20], halved=False)
    images = folder / "steel" / "train_images"
    write(folder / "compare.json", compare(network, images, bits=[8, 2], how=how))
    write(folder / "cuts.json", network.cuts(every=True))
    heads = Workload([folder / "tiny.xml"], splits=True)
    write(folder / "heads.json", bench(heads, schedule=Schedule(iterations=4, warmup_s=0)))
    network.evaluate(images, folder=folder / "whole")
    split = network.cut("maxpool_1").write(folder / "cut")
    split.evaluate(images, bits=2, folder=folder / "split")
    infer = [folder / "compare.json"]
    write(folder / "plan.json", network.plan(**TERMS, **ENERGY, infer=infer))
    write(folder / "timed.json", network.plan(**TERMS, infer=infer))
    measured = {**TERMS, "edge": folder / "heads.json"}
    write(folder / "measured.json", network.plan(**measured, **POWER, rtt="5ms", infer=infer))
    return folder


def write(path: Path, report: Report) -> None:
    path.write_bytes(encode(report))
