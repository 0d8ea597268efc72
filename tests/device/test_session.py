import os
import signal
from pathlib import Path

import pytest

from splittool.device.benchmark import Plan
from splittool.device.session import run_benchmark
from splittool.errors import DeviceError, ExitCode, InputError

PLAN = Plan(None, 5, 0, 1, None)


def test_a_benchmark_says_what_was_measured(exported: Path) -> None:
    notes: list[str] = []
    report, code = run_benchmark(exported, "CPU", "f32", "latency", PLAN, note=notes.append)
    assert code is None
    assert report.frames == 5
    assert report.fps == pytest.approx(5 / report.seconds)
    assert report.device_used == ["CPU"]
    assert (report.precision_requested, report.precision_actual) == ("f32", "f32")
    assert report.p50_ms <= report.p90_ms <= report.p99_ms <= report.max_ms
    assert sum(window.frames for window in report.windows) == 5
    assert not report.interrupted
    assert bool(notes) != report.vpu_present


def test_an_interrupted_benchmark_is_marked(exported: Path) -> None:
    report, code = run_benchmark(
        exported,
        "CPU",
        "f32",
        "throughput",
        Plan(3600, None, 0, 1, None),
        tick=lambda seconds, frames: os.kill(os.getpid(), signal.SIGINT),
    )
    assert code == ExitCode.INTERRUPTED
    assert report.interrupted
    assert report.frames > 0


def test_the_device_is_checked_before_the_model_is_read(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no MYRIAD is here"):
        run_benchmark(tmp_path / "gone.xml", "MYRIAD", "auto", "latency", PLAN)
    with pytest.raises(InputError, match="there is no file"):
        run_benchmark(tmp_path / "gone.xml", "CPU", "auto", "latency", PLAN)
