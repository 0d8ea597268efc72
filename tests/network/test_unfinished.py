"""A comparison that is stopped goes on where it was, and comes to what one in one go does."""

import os
import signal
from pathlib import Path

import pytest
from plan_cases import untimed

import splittool as st
from splittool.errors import ExitCode, InputError, OutputError, StoppedError
from splittool.network.compare_options import CompareOptions
from splittool.network.unfinished import state_file
from splittool.progress import Progress, nobody
from splittool.reports import CompareReport, read_report

FAST = {"codecs": ["fast"], "formats": ["png"], "run": st.RunOptions(precision="f32")}


def compare(
    exported: Path, images: Path, progress: Progress = nobody, at_bits: int = 4, **how: object
) -> CompareReport:
    options = CompareOptions(**FAST, **how)  # type: ignore[arg-type]
    network = st.load(exported)
    return st.compare(network, images, ["maxpool_2"], [at_bits], how=options, progress=progress)


def stop(number: signal.Signals, after: int) -> Progress:
    def show(done: float, total: float, what: str) -> None:
        if done == after:
            os.kill(os.getpid(), number)

    return show


@pytest.fixture
def images(steel: Path) -> Path:
    return steel / "train_images"


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_a_stopped_comparison_goes_on(
    exported: Path, images: Path, tmp_path: Path, number: signal.Signals, code: ExitCode
) -> None:
    report = tmp_path / "report.json"
    with pytest.raises(StoppedError, match=r"of 12 images.*report.state.jsonl.*`resume`") as error:
        compare(exported, images, stop(number, 3), output=report)
    assert error.value.exit_code == code
    assert not report.exists()
    kept = state_file(report).read_bytes().splitlines()
    assert 3 <= len(kept) <= 12

    # What a killed process was writing is done again.
    with state_file(report).open("ab") as file:
        file.write(kept[-1][:20])
    seen = []
    found = compare(
        exported, images, lambda done, *_: seen.append(done), output=report, resume=True
    )
    assert seen[0] == len(kept) - 1
    whole = compare(exported, images)
    assert untimed(found.arms) == untimed(whole.arms)
    assert read_report(report, CompareReport).arms == found.arms
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json"]


def test_what_was_stopped_is_not_lost_nor_mixed(
    exported: Path, images: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    with pytest.raises(StoppedError):
        compare(exported, images, stop(signal.SIGINT, 2), output=report)
    state = state_file(report)
    before = state.read_bytes()
    with pytest.raises(OutputError, match="`resume` to go on, or `force` to begin anew"):
        compare(exported, images, output=report)
    with pytest.raises(OutputError, match="is of other networks, images or options"):
        compare(exported, images, output=report, resume=True, at_bits=8)
    assert state.read_bytes() == before
    first, second, *rest = before.splitlines(keepends=True)
    state.write_bytes(b"".join([first, b"{}\n", second, *rest]))
    with pytest.raises(InputError, match=r"report.state.jsonl is damaged"):
        compare(exported, images, output=report, resume=True)
    compare(exported, images, output=report, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_report_is_not_replaced_unasked(exported: Path, images: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        compare(exported, images, output=report)
    assert report.read_text() == "mine"
