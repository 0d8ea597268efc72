import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import write_cut

from splittool.cli.main import run
from splittool.codec.tensors import TensorSpec
from splittool.errors import ExitCode, InputError
from splittool.reports import CalibrationReport, InferReport, decode, read_report
from splittool.split.bit_search import LADDER, Judge, search_bits


class FakeJudge:
    """Each tensor needs some bits; every bit below costs 0.01."""

    def __init__(self, needs: dict[str, int], sizes: dict[str, int]) -> None:
        self.needs = needs
        self.specs = [TensorSpec(name, (1, 1, size)) for name, size in sizes.items()]
        self.task = SimpleNamespace(samples=[])
        self.asked: list[dict[str, int]] = []

    def dice(self, bits: dict[str, int] | None) -> float:
        if bits is None:
            return 0.9
        self.asked.append(bits)
        return 0.9 - 0.01 * sum(max(0, need - bits[name]) for name, need in self.needs.items())


def _search(judge: FakeJudge, loss: float) -> Any:
    return search_bits(cast(Judge, judge), loss)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(LADDER), min_size=1), st.integers(0, 9)
)
def test_every_tensor_gets_what_it_needs(needs: dict[str, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    judge = FakeJudge(needs, {name: int(random.integers(1, 1000)) for name in needs})
    found = _search(judge, 0.005)
    assert found.bits == needs
    assert found.dice == pytest.approx(0.9)
    assert found.measurements == len(judge.asked) <= 1 + len(needs) * len(LADDER)


def test_what_may_be_lost_is_spent_on_the_largest() -> None:
    judge = FakeJudge({"small": 8, "large": 8}, {"small": 10, "large": 1000})
    found = _search(judge, 0.025)
    assert found.bits == {"small": 8, "large": 6}
    assert found.dice_unquantised - found.dice <= 0.025


def test_bits_that_never_suffice() -> None:
    with pytest.raises(InputError, match=r"even 8 bits lose 0\.0300.*`max_dice_loss` 0\.005"):
        _search(FakeJudge({"a": 11}, {"a": 5}), 0.005)


@pytest.fixture
def cut(exported: Path, tmp_path: Path) -> Path:
    write_cut(exported, ["maxpool_2"], tmp_path / "cut", 1e-5)
    return tmp_path / "cut" / "cut.json"


def test_infer_uses_the_bits_that_were_found(
    cut: Path, steel: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images = str(steel / "train_images")
    command = ["calibrate", str(cut), images, "--auto-bits", "--max-dice-loss", "0.02", "--quiet"]
    assert run(command) == 0
    report = read_report(cut.parent / "calibration.json", CalibrationReport)
    assert report.search
    assert report.search.dice_unquantised - report.search.dice <= 0.02
    assert min(report.search.bits.values()) < 8
    assert report.search.images == 12
    capfd.readouterr()
    assert run(["infer", str(cut), images, "-o", str(tmp_path / "out"), "--quiet"]) == 0
    found = decode(capfd.readouterr().out.encode(), "stdout", InferReport)
    assert found.bits_per_tensor == report.search.bits
    assert found.scores
    assert found.scores.dice == pytest.approx(report.search.dice, abs=1e-6)
    given_bits = ["infer", str(cut), images, "-o", str(tmp_path / "two"), "--bits", "8"]
    assert run([*given_bits, "--quiet"]) == 0
    assert set(json.loads(capfd.readouterr().out)["bits_per_tensor"].values()) == {8}


def test_what_it_needs(cut: Path, steel: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images = str(steel / "train_images")
    assert run(["calibrate", str(cut), images, "--auto-bits", "--bits", "4"]) == ExitCode.USAGE
    loose = str(next(iter((steel / "train_images").iterdir())))
    (cut.parent / "one.png").write_bytes(Path(loose).read_bytes())
    alone = ["calibrate", str(cut), str(cut.parent / "one.png"), "--auto-bits", "--quiet"]
    capfd.readouterr()
    assert run(alone) == ExitCode.BAD_INPUT
    assert "give --labels" in capfd.readouterr().err
    assert not (cut.parent / "calibration.json").exists()
