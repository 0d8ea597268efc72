from pathlib import Path

import numpy as np
import pytest
from onnx_networks import two_levels

from splittool.benchmark import onnx_session
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.run import bench
from splittool.benchmark.workload import Workload
from splittool.errors import DeviceError, UsageError
from splittool.interrupt import Interrupt
from splittool.network.network import Network
from splittool.reports import BenchReport, BenchSetReport
from splittool.runtime.onnx_runtime import OnnxSession

FIVE = Schedule(iterations=5, warmup_s=0, window_s=1)
ORT = DeviceOptions(runtime="onnxruntime")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_levels(tmp_path_factory.mktemp("net") / "net.onnx")


def test_a_benchmark_names_the_providers_it_got(path: Path) -> None:
    notes: list[str] = []
    run = bench(path, options=ORT, schedule=FIVE, note=notes.append)
    assert isinstance(run, BenchReport)
    assert run.device_used == ["CPUExecutionProvider"]
    assert run.runtime
    assert run.runtime.startswith("onnxruntime 1.")
    assert (run.precision_actual, run.frames) == ("f32", 5)
    assert run.requests_in_flight == onnx_session._cores()
    assert 0 < run.p50_ms <= run.max_ms
    assert run.fps == pytest.approx(5 / run.seconds)
    assert not notes  # that there is no VPU is for OpenVINO to say


@pytest.mark.parametrize(
    ("device", "hint", "given", "requests"),
    [
        ("CPU", "latency", None, 1),
        ("CPU", "throughput", 3, 3),
        ("CUDA", "throughput", None, 2),
        ("CUDA", "latency", None, 1),
    ],
)
def test_the_hint_decides_how_many_requests_are_in_flight(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    hint: str,
    given: int | None,
    requests: int,
) -> None:
    asked: list[tuple[str, int | None]] = []

    def here(path: Path, device: str, threads: int | None) -> OnnxSession:
        asked.append((device, threads))
        return OnnxSession(path, "CPU", threads)

    monkeypatch.setattr(onnx_session, "OnnxSession", here)
    monkeypatch.setattr("splittool.benchmark.run.require_provider", lambda name: ())
    monkeypatch.setattr(onnx_session, "_cores", lambda: 6)
    options = DeviceOptions(device, hint=hint, requests=given, runtime="onnxruntime")  # type: ignore[arg-type]
    run = bench(path, options=options, schedule=FIVE)
    assert isinstance(run, BenchReport)
    assert run.requests_in_flight == requests
    assert asked == [(device, 6 // requests if device == "CPU" else None)]


def test_a_duration_is_kept_to_and_a_signal_ends_it(path: Path) -> None:
    run = bench(path, options=ORT, schedule=Schedule(seconds=0.3, warmup_s=0.1))
    assert isinstance(run, BenchReport)
    assert run.seconds == pytest.approx(0.3, abs=0.3)
    assert run.frames > 0
    with Interrupt() as interrupt:

        def stop(done: float, total: float, text: str) -> None:
            interrupt.exit_code = 130

        ended = bench(
            path,
            options=ORT,
            schedule=Schedule(seconds=600, warmup_s=0),
            progress=stop,
            interrupt=interrupt,
        )
    assert isinstance(ended, BenchReport)
    assert ended.interrupted
    assert ended.seconds < 60


def test_halves_take_turns_and_get_their_inputs_by_name(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tail has two inputs, of different sizes."""
    seen: set[tuple[tuple[int, ...], ...]] = set()

    class Watched(OnnxSession):
        def run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:  # type: ignore[override]
            seen.add(tuple(values.shape for values in inputs))
            return super().run(inputs)  # type: ignore[arg-type]

    Network.load(path).cut("op/pool").write(tmp_path, form="onnx")
    monkeypatch.setattr(onnx_session, "OnnxSession", Watched)
    files = [tmp_path / "head.onnx", tmp_path / "tail.onnx"]
    report = bench(files, options=ORT, schedule=Schedule(iterations=4, warmup_s=0, rounds=2))
    assert isinstance(report, BenchSetReport)
    assert [run.frames for run in report.runs] == [4, 4]
    assert seen == {((1, 4, 6, 6),), ((1, 4, 6, 6), (1, 4, 3, 3))}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"streams": 2}, "`streams` is for OpenVINO"),
        ({"cache": Path("c")}, "`cache` is for OpenVINO"),
        ({"runtime_python": Path("p")}, "`runtime_python` is for OpenVINO"),
        ({"precision": "f16"}, "`precision` f16 is not what ONNX Runtime computes .* which is f32"),
        ({"device": "GPU"}, "unknown device 'GPU' of ONNX Runtime; give one of: CPU, CUDA"),
    ],
)
def test_what_onnx_runtime_has_not_is_refused(
    path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        bench(path, options=DeviceOptions(runtime="onnxruntime", **options), schedule=FIVE)  # type: ignore[arg-type]


def test_other_files_and_heads_in_memory_are_refused(exported: Path) -> None:
    with pytest.raises(UsageError, match=r"runs \.onnx files; .*tiny\.xml is none"):
        bench(exported, options=ORT, schedule=FIVE)
    with pytest.raises(UsageError, match="maxpool_1 is none: cut with `target` onnx"):
        bench(Workload([exported], splits=True), options=ORT, schedule=FIVE)


@pytest.mark.parametrize("device", ["CUDA", "TensorRT"])
def test_a_gpu_that_is_not_here_is_said_before_a_model_is_read(device: str) -> None:
    """The installed onnxruntime is for the CPU alone."""
    options = DeviceOptions(device, runtime="onnxruntime")
    with pytest.raises(DeviceError, match=r"no \w+ExecutionProvider is in onnxruntime"):
        bench("no-such-file.onnx", options=options, schedule=FIVE)
