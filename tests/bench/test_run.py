import os
import signal
import statistics
from pathlib import Path

import pytest

from splittool.bench.benchmark_app import Reference
from splittool.bench.measurement import Plan
from splittool.bench.run import check_device, run_benchmarks
from splittool.bench.session import Settings
from splittool.bench.subjects import heads, load_frames, subject
from splittool.errors import DeviceError, ExitCode, InputError, StoppedError, UsageError

PLAN = Plan(None, 5, 0, 1, None)
CPU = Settings("CPU", "f32", "latency")


def test_a_benchmark_says_what_was_measured(exported: Path) -> None:
    notes: list[str] = []
    report, code = run_benchmarks([subject(exported)], CPU, PLAN, note=notes.append)
    assert code is None
    assert (report.rounds, report.interleaved, report.interrupted) == (1, False, False)
    (run,) = report.runs
    assert run.frames == 5
    assert run.fps == pytest.approx(5 / run.seconds)
    assert report.fps == [[run.fps]]
    assert run.device_used == ["CPU"]
    assert (run.precision_requested, run.precision_actual) == ("f32", "f32")
    assert run.p50_ms <= run.p90_ms <= run.p99_ms <= run.max_ms
    assert sum(window.frames for window in run.windows) == 5
    assert not run.interrupted
    assert run.runtime
    assert run.runtime.startswith("openvino 20")
    assert run.compile_ms
    assert bool(notes) != run.vpu_present


def test_memory_is_that_of_the_measured_process(exported: Path) -> None:
    report, _ = run_benchmarks([subject(exported)], CPU, Plan(1.2, None, 0, 1, None))
    (run,) = report.runs
    assert run.resident_first_bytes
    assert run.resident_last_bytes
    assert run.resident_last_bytes == pytest.approx(run.resident_first_bytes, rel=0.05)


def test_an_interrupted_benchmark_is_marked(exported: Path) -> None:
    report, code = run_benchmarks(
        [subject(exported), subject(exported)],
        Settings("CPU", "f32"),
        Plan(3600, None, 0, 1, None),
        tick=lambda name, seconds, frames: os.kill(os.getpid(), signal.SIGINT),
    )
    assert code == ExitCode.INTERRUPTED
    assert report.interrupted
    (run,) = report.runs  # the second was not measured, and is not there
    assert run.interrupted
    assert run.frames > 0


def test_interrupted_before_the_first_frame(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = subject(exported)
    monkeypatch.setattr(
        "splittool.bench.run.throttle_events", lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(StoppedError, match="before the first frame") as stopped:
        run_benchmarks([whole, whole], CPU, PLAN)
    assert stopped.value.exit_code == ExitCode.TERMINATED


def test_models_take_turns(exported: Path) -> None:
    whole = subject(exported)
    order: list[str] = []
    report, _ = run_benchmarks(
        [*heads(whole), whole],
        CPU,
        Plan(3.0, None, 0, 1, None),
        rounds=2,
        tick=lambda name, seconds, frames: order.append(name),
    )
    assert [run.point for run in report.runs] == ["maxpool_1", "maxpool_2", None]
    assert report.interleaved
    assert [len(fps) for fps in report.fps] == [2, 2, 2]
    turns = [name for index, name in enumerate(order) if order[index - 1 : index] != [name]]
    assert turns == ["maxpool_1", "maxpool_2", str(exported)] * 2
    for run in report.runs:
        assert run.seconds == pytest.approx(3, abs=1)
        assert sum(window.frames for window in run.windows) == run.frames


def test_side_by_side_with_benchmark_app(exported: Path) -> None:
    reference = Reference("latency", None)
    report, _ = run_benchmarks([subject(exported)], CPU, Plan(None, 40, 0, 1, None), 2, reference)
    (record,) = report.references
    assert (record.tool, record.model) == ("benchmark_app", str(exported))
    assert len(record.fps) == len(record.our_fps) == len(record.ratios) == 2
    for theirs, ours, ratio in zip(record.fps, record.our_fps, record.ratios, strict=True):
        assert ratio == pytest.approx(ours / theirs)
    assert record.median_ratio == statistics.median(record.ratios)
    assert record.our_fps == report.fps[0]


def test_a_head_with_several_inputs(exported: Path, tmp_path: Path) -> None:
    from networks import write_cut

    write_cut(exported, ["maxpool_2"], tmp_path, 1e-5)
    report, _ = run_benchmarks([subject(tmp_path / "tail.xml")], CPU, PLAN)
    assert report.runs[0].frames == 5


def test_images_as_input(exported: Path, steel: Path, tmp_path: Path) -> None:
    images = sorted((steel / "train_images").iterdir())
    loaded = load_frames(subject(exported), images)
    assert len(loaded.frames) == len(images) == 12
    assert loaded.frames[0][0].shape == (1, 3, 64, 96)
    report, _ = run_benchmarks([loaded], CPU, PLAN)
    assert report.runs[0].input == "12 images"
    from networks import write_cut

    write_cut(exported, ["maxpool_2"], tmp_path, 1e-5)
    with pytest.raises(InputError, match=r"tail\.xml takes no image of bytes"):
        load_frames(subject(tmp_path / "tail.xml"), images)


def test_streams_and_cache(exported: Path, tmp_path: Path) -> None:
    settings = Settings("CPU", "f32", "throughput", streams=1, cache=tmp_path / "cache")
    report, _ = run_benchmarks([subject(exported)], settings, PLAN)
    assert report.runs[0].streams == 1
    assert report.runs[0].cached
    assert list((tmp_path / "cache").iterdir())


def test_the_device_is_checked_first() -> None:
    with pytest.raises(UsageError, match="did you mean CPU"):
        check_device(Settings("CPUS"))
    with pytest.raises(DeviceError, match="no GPU is here"):
        check_device(Settings("GPU"))
