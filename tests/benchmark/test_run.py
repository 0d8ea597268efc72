import os
import signal
import statistics
import threading
from pathlib import Path

import pytest
from networks import write_cut

import splittool
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.run import bench
from splittool.benchmark.workload import Subject, Workload, heads, subject
from splittool.errors import DeviceError, ExitCode, InputError, StoppedError, UsageError
from splittool.graph.reading import load_model
from splittool.interrupt import Interrupt
from splittool.network.network import Network
from splittool.reports import BenchReport, BenchSetReport, file_record

FIVE = Schedule(iterations=5, warmup_s=0, window_s=1)
CPU = DeviceOptions("CPU", "f32", "latency")


def one(models: str | Path | Workload, schedule: Schedule = FIVE) -> BenchReport:
    report = bench(models, options=CPU, schedule=schedule)
    assert isinstance(report, BenchReport)
    return report


def test_a_benchmark_says_what_was_measured(exported: Path) -> None:
    notes: list[str] = []
    run = bench(exported, options=CPU, schedule=FIVE, note=notes.append)
    assert isinstance(run, BenchReport)
    assert run.source == file_record(exported)
    assert run.frames == 5
    assert run.fps == pytest.approx(5 / run.seconds)
    assert run.device_used == ["CPU"]
    assert (run.precision_requested, run.precision_actual) == ("f32", "f32")
    assert run.p50_ms <= run.p90_ms <= run.p99_ms <= run.max_ms
    assert sum(window.frames for window in run.windows) == 5
    assert not run.interrupted
    assert run.runtime
    assert run.runtime.startswith("openvino 20")
    assert run.compile_ms
    assert bool(notes) != run.vpu_present


def test_minutes_and_the_name_of_a_device(exported: Path) -> None:
    run = bench(str(exported), 0.3 / 60, "CPU", Schedule(warmup_s=0))
    assert isinstance(run, BenchReport)
    assert run.device_requested == "CPU"
    assert run.seconds == pytest.approx(0.3, abs=0.3)
    for minutes, schedule in ((1, FIVE), (0, None), (float("nan"), None)):
        with pytest.raises(UsageError, match="`minutes`"):
            bench(exported, minutes, "CPU", schedule)


def test_models_in_memory(exported: Path) -> None:
    """They have the record of the file that they would be written to."""
    model = load_model(exported)
    models = [model, Network.load(exported), Subject(model, file_record(exported))]
    report = bench(models, options=CPU, schedule=FIVE)
    assert isinstance(report, BenchSetReport)
    first, second, third = report.runs
    assert first.source.path == model.get_friendly_name()
    assert second.source == third.source == file_record(exported)
    assert first.source.sha256 == second.source.sha256


def test_the_public_name_is_the_function(exported: Path) -> None:
    """The folder with the benchmark has a name of its own, so that neither hides the other."""
    assert splittool.bench is bench
    assert splittool.DeviceOptions is DeviceOptions


def test_memory_is_that_of_the_measured_process(exported: Path) -> None:
    run = one(exported, Schedule(1.2, warmup_s=0))
    assert run.resident_first_bytes
    assert run.resident_last_bytes
    assert run.resident_last_bytes == pytest.approx(run.resident_first_bytes, rel=0.05)


def test_an_interrupted_benchmark_is_marked(exported: Path) -> None:
    with Interrupt() as interrupt:
        report = bench(
            [exported, exported],
            60,
            DeviceOptions("CPU", "f32"),
            Schedule(warmup_s=0),
            progress=lambda done, total, what: os.kill(os.getpid(), signal.SIGINT),
            interrupt=interrupt,
        )
    assert interrupt.exit_code == ExitCode.INTERRUPTED
    assert isinstance(report, BenchSetReport)
    assert report.interrupted
    (run,) = report.runs  # the second was not measured, and is not there
    assert run.interrupted
    assert run.frames > 0


def test_interrupted_before_the_first_frame(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "splittool.benchmark.run.throttle_events", lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(StoppedError, match="before the first frame") as stopped:
        bench([exported, exported], options=CPU, schedule=FIVE)
    assert stopped.value.exit_code == ExitCode.TERMINATED


def test_a_benchmark_in_a_thread(exported: Path) -> None:
    """Python handles signals in its main thread only; a benchmark runs in any."""
    reports: list[BenchReport] = []
    thread = threading.Thread(target=lambda: reports.append(one(exported)))
    thread.start()
    thread.join()
    assert reports[0].frames == 5


def test_models_take_turns(exported: Path) -> None:
    told: list[tuple[float, float, str]] = []
    report = bench(
        Workload([exported], splits=True),
        0.05,
        CPU,
        Schedule(warmup_s=0, rounds=2),
        progress=lambda *now: told.append(now),
    )
    assert isinstance(report, BenchSetReport)
    assert [run.point for run in report.runs] == ["maxpool_1", "maxpool_2", None]
    assert (report.rounds, report.interleaved) == (2, True)
    assert [len(fps) for fps in report.fps] == [2, 2, 2]
    names = [what.split()[0] for _, _, what in told]
    turns = [name for index, name in enumerate(names) if names[index - 1 : index] != [name]]
    assert turns == ["maxpool_1", "maxpool_2", exported.name] * 2
    done = [now for now, _, _ in told]
    assert done == sorted(done)
    assert {total for _, total, _ in told} == {9.0}
    assert 6 < done[-1] <= 9
    assert all(" FPS " in what and what.endswith("%") for _, _, what in told)
    for run in report.runs:
        assert run.seconds == pytest.approx(3, abs=1)
        assert sum(window.frames for window in run.windows) == run.frames


def test_side_by_side_with_benchmark_app(exported: Path) -> None:
    schedule = Schedule(iterations=40, warmup_s=0, rounds=2, against="benchmark_app")
    report = bench([exported, exported], options=CPU, schedule=schedule)
    assert isinstance(report, BenchSetReport)
    assert len(report.references) == 2
    for record, fps in zip(report.references, report.fps, strict=True):
        assert (record.tool, record.model) == ("benchmark_app", str(exported))
        assert len(record.fps) == len(record.our_fps) == len(record.ratios) == 2
        for theirs, ours, ratio in zip(record.fps, record.our_fps, record.ratios, strict=True):
            assert ratio == pytest.approx(ours / theirs)
        assert record.median_ratio == statistics.median(record.ratios)
        assert record.our_fps == fps
    with pytest.raises(UsageError, match="leave out `runtime_python`"):
        bench(exported, options=DeviceOptions(runtime_python=Path("p")), schedule=schedule)


def test_a_head_with_several_inputs(exported: Path, tmp_path: Path) -> None:
    write_cut(exported, ["maxpool_2"], tmp_path, 1e-5)
    assert one(tmp_path / "tail.xml").frames == 5


def test_images_as_input(exported: Path, steel: Path, tmp_path: Path) -> None:
    images = [str(steel / "train_images")]
    (loaded,) = Workload([exported], images=images).subjects()
    assert len(loaded.inputs) == 12
    assert loaded.inputs[0][0].shape == (1, 3, 64, 96)
    assert one(Workload([exported], images=images)).input == "12 images"
    write_cut(exported, ["maxpool_2"], tmp_path, 1e-5)
    with pytest.raises(InputError, match=r"tail\.xml takes no image of bytes"):
        Workload([tmp_path / "tail.xml"], images=images).subjects()


def test_heads_are_those_of_the_whole(exported: Path) -> None:
    whole = subject(exported)
    assert [head.name for head in heads(whole)] == ["maxpool_1", "maxpool_2"]
    assert {head.source for head in heads(whole)} == {whole.source}
    with pytest.raises(UsageError, match="`splits` is for one model"):
        Workload([exported, exported], splits=True).subjects()


def test_streams_and_cache(exported: Path, tmp_path: Path) -> None:
    options = DeviceOptions("CPU", "f32", streams=1, cache=tmp_path / "cache")
    run = bench(exported, options=options, schedule=FIVE)
    assert isinstance(run, BenchReport)
    assert (run.streams, run.cached) == (1, True)
    assert list((tmp_path / "cache").iterdir())


def test_the_device_is_checked_before_a_model_is_read() -> None:
    with pytest.raises(UsageError, match="did you mean CPU"):
        bench("gone.xml", options="CPUS")
    with pytest.raises(DeviceError, match="no GPU is here"):
        bench("gone.xml", options="GPU")


def test_tables_show_every_run(exported: Path) -> None:
    schedule = Schedule(iterations=4, warmup_s=0, rounds=2, against="benchmark_app")
    report = bench(Workload([exported], splits=True), options=CPU, schedule=schedule)
    shown = report._repr_html_()
    for word in ("maxpool_1", "maxpool_2", "2 interleaved rounds", "side by side", "latency hint"):
        assert word in shown
    assert "p99 ms" in one(exported)._repr_html_()
