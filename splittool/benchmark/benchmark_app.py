"""OpenVINO's own benchmark_app, run side by side with ours on the same model and settings."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splittool.benchmark.measurement import Samples
from splittool.benchmark.options import Schedule
from splittool.errors import DeviceError
from splittool.reports import ReferenceRecord
from splittool.runtime.ir import write_ir

if TYPE_CHECKING:
    from splittool.benchmark.session import Setup
    from splittool.benchmark.workload import Subject

_SLACK_S = 300.0  # that it may take to load and compile


class BenchmarkApp:
    """The program benchmark_app, and what it measured.

    Args:
        hint: What the device is tuned for.
        streams: Frames computed side by side; None leaves it to the hint.

    Raises:
        DeviceError: The program is not installed.
    """

    def __init__(self, hint: str, streams: int | None) -> None:
        beside = Path(sys.executable).with_name("benchmark_app")
        found = str(beside) if beside.is_file() else shutil.which("benchmark_app")
        if found is None:
            raise DeviceError("there is no benchmark_app; install it with: pip install openvino")
        self._command, self._hint, self._streams = found, hint, streams
        self._rounds: dict[int, list[tuple[str, dict[str, Any], Samples]]] = {}

    def run(self, subject: "Subject", schedule: Schedule, setup: "Setup", ours: Samples) -> None:
        """Measure a model right after we did, for as long and with as many requests.

        Raises:
            DeviceError: The program failed.
        """
        with tempfile.TemporaryDirectory(prefix="splittool-") as folder:
            model = Path(folder) / "model.xml"
            write_ir(subject.model, model, False)
            counted = schedule.iterations is not None
            seconds = 0 if counted else max(1, round(schedule.seconds))
            length = ["-niter", str(schedule.iterations)] if counted else ["-t", str(seconds)]
            command = [self._command, "-m", str(model), "-d", setup.device_used[0], *length]
            command += ["-hint", self._hint, "-nireq", str(ours.requests)]
            command += ["-json_stats", "-report_type", "no_counters", "-report_folder", folder]
            if setup.precision_actual in ("f32", "f16", "bf16"):
                command += ["-infer_precision", setup.precision_actual]
            if self._streams is not None:
                command += ["-nstreams", str(self._streams)]
            results = _run(command, Path(folder), seconds + _SLACK_S)
        self._rounds.setdefault(id(subject), []).append((subject.name, results, ours))

    def records(self) -> list[ReferenceRecord]:
        """One record for each model, in the order in which they were first measured."""
        return [_record(rounds) for rounds in self._rounds.values()]


def _run(command: list[str], folder: Path, timeout_s: float) -> dict[str, Any]:
    try:
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(f"benchmark_app did not end within {timeout_s:.0f} s") from None
    report = folder / "benchmark_report.json"
    if finished.returncode or not report.is_file():
        lines = (finished.stdout + finished.stderr).strip().splitlines() or ["no reason given"]
        raise DeviceError(f"benchmark_app failed ({lines[-1].strip()[:160]}); run it by hand")
    results: dict[str, Any] = json.loads(report.read_text())["execution_results"]
    return results


def _record(rounds: list[tuple[str, dict[str, Any], Samples]]) -> ReferenceRecord:
    theirs = [float(results["throughput"]) for _, results, _ in rounds]
    ours = [len(samples.done_s) / samples.seconds for _, _, samples in rounds]
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    return ReferenceRecord(
        tool="benchmark_app",
        model=rounds[0][0],
        fps=theirs,
        our_fps=ours,
        ratios=ratios,
        median_ratio=statistics.median(ratios),
        p50_ms=[float(results["latency (ms)"]) for _, results, _ in rounds],
        our_p50_ms=[float(statistics.median(samples.latency_ms)) for _, _, samples in rounds],
    )
