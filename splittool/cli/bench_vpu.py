"""`splittool bench-vpu`: frames per second on a device, over time."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import Shapes
from splittool.cli.output import Output
from splittool.progress import counter
from splittool.tables import make_table, short

Hint = Literal["throughput", "latency"]
Other = Literal["benchmark_app"]
Chip = Literal["myriad-x"]

ROUNDS = 5

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.bench.measurement import Plan
    from splittool.bench.session import Settings, Subject
    from splittool.progress import Progress
    from splittool.reports import BenchReport, BenchSetReport, ReferenceRecord


def bench_vpu(
    ctx: typer.Context,
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL...",
            help=".pt checkpoints, or .xml, .onnx or .tflite models; several are compared.",
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option(help="AUTO, CPU, GPU, NPU or MYRIAD. [default: a VPU if there is, else AUTO]"),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="How long each. [default: 1]")] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Measure so many frames instead.")
    ] = None,
    warmup: Annotated[float, typer.Option(min=0, help="Seconds before measuring.")] = 2.0,
    window: Annotated[float, typer.Option(min=0.1, help="Seconds per row of the report.")] = 10.0,
    hint: Annotated[Hint, typer.Option(help="throughput or latency.")] = "throughput",
    precision: Annotated[
        str, typer.Option(help="auto, f32, f16 or bf16; the report says what was used.")
    ] = "auto",
    requests: Annotated[
        int | None, typer.Option(min=1, max=1024, help="In flight. [default: the device's choice]")
    ] = None,
    streams: Annotated[
        int | None, typer.Option(min=1, help="Frames side by side. [default: the hint's choice]")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(help="Folder, image or .txt list to measure with. [default: random pixels]"),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for compiled models: the next start is quicker.")
    ] = None,
    splits: Annotated[
        bool, typer.Option("--splits", help="Measure the head of every named split point, too.")
    ] = False,
    interleave: Annotated[
        bool, typer.Option("--interleave", help="Measure all in turn, in rounds: fair ratios.")
    ] = False,
    against: Annotated[
        Other | None, typer.Option(help="benchmark_app: run it in turn with us; the ratio.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help=f"Turns to take in each. [default: {ROUNDS}]")
    ] = None,
    runtime_python: Annotated[
        Path | None,
        typer.Option(help="Interpreter of an old runtime to measure in, as MYRIAD needs."),
    ] = None,
    estimate: Annotated[
        Chip | None,
        typer.Option(help="myriad-x: a rough answer without a device; measures nothing."),
    ] = None,
    shape: Shapes = None,
    min_fps: Annotated[float | None, typer.Option(help="Exit with 5 if a model is slower.")] = None,
    max_drift: Annotated[
        float | None,
        typer.Option(help="Exit with 5 if the FPS at the end differ more, such as 0.05."),
    ] = None,
) -> None:
    """Measure frames per second over time.

    The device and precision in the report are those really used. Ctrl-C ends the run and reports
    what was measured, marked as interrupted. Drift compares the last five minutes with the first,
    or the last third of a shorter run with its first. Several models, --splits and --against give
    one report with a run for each. MYRIAD, which today's OpenVINO cannot drive, is measured in an
    older runtime (--runtime-python); splittool doctor says how to get one.

    --estimate is no measurement: each step takes as long as its operations at the chip's peak rate
    or its traffic at peak bandwidth, from public figures that the report names. Steps are the
    compiler's stages where it is here, else the operations of the graph with bias, ReLU and pooling
    fused into convolutions. Real devices are several times slower; it ranks cuts.
    """
    output: Output = ctx.obj
    if estimate:
        _estimate(output, estimate, models, shape or [], splits)
        return
    from splittool.bench.old_session import require_old_runtime
    from splittool.bench.run import check_device
    from splittool.bench.session import Settings

    plan = _plan(minutes, iterations, warmup, window, requests)
    _check_limits(min_fps, max_drift)
    settings = Settings(device, precision, hint, streams, cache, runtime_python)
    settings = require_old_runtime(settings, _old_runtime(settings))
    check_device(settings)
    turns = _turns(interleave, against, rounds)
    subjects = _subjects(models, shape or [], splits, images)
    report, exit_code = _measure(output, subjects, settings, plan, turns, against)
    if len(subjects) == 1 and against is None:
        output.emit(report.runs[0], _tables(report.runs[0]))
    else:
        output.emit(report, _set_tables(report))
    if exit_code is not None:
        sys.stdout.flush()
        raise typer.Exit(exit_code)
    _check(report, min_fps, max_drift)


def _estimate(
    output: Output, chip_name: Chip, models: list[Path], shapes: list[str], splits: bool
) -> None:
    from splittool.bench.estimate import CHIPS
    from splittool.bench.estimates import estimate_all
    from splittool.reports import EstimateReport
    from splittool.runtime.myriad import find_compiler

    chip = CHIPS[chip_name]
    subjects = _subjects(models, shapes, splits, None)
    with output.progress() as progress:
        advance = counter(progress, len(subjects), "estimating")
        estimates = estimate_all(chip, subjects, find_compiler(), advance, output.note)
    report = EstimateReport(
        chip=chip.name, measured=False, assumptions=list(chip.sources), estimates=estimates
    )
    rows = [
        [
            record.model,
            f"{record.fps:.1f}",
            *(
                short(ms, 1)
                for ms in (record.latency_ms, record.engine_ms, record.shaves_ms, record.link_ms)
            ),
            f"{record.ddr_bytes / 1e6:.1f}",
        ]
        for record in estimates
    ]
    columns = ["model or head at", "FPS", "ms", "engine", "SHAVEs", "USB", "DDR MB"]
    title = f"ESTIMATE for {chip.name}, not measured: FPS at most, ms at least"
    notes = [f"from {record.what}: {record.value:g}; {record.source}" for record in chip.sources]
    basis = f"by {estimates[0].basis}, {estimates[0].shaves} SHAVEs; use it to rank cuts"
    output.emit(report, [make_table(title, columns, rows), basis, *notes])


def _plan(
    minutes: float | None,
    iterations: int | None,
    warmup: float,
    window: float,
    requests: int | None,
) -> "Plan":
    from splittool.bench.measurement import Plan
    from splittool.cli.options import positive
    from splittool.errors import UsageError

    if minutes is not None and iterations is not None:
        raise UsageError("give either --minutes or --iterations")
    positive([] if minutes is None else [minutes], "--minutes")
    seconds = None if iterations is not None else (minutes or 1.0) * 60
    return Plan(seconds, iterations, warmup, window, requests)


def _check_limits(min_fps: float | None, max_drift: float | None) -> None:
    from splittool.cli.options import positive

    positive([] if min_fps is None else [min_fps], "--min-fps")
    positive([] if max_drift is None else [max_drift], "--max-drift")


def _turns(interleave: bool, against: Other | None, rounds: int | None) -> int | None:
    from splittool.errors import UsageError

    if interleave or against:
        return rounds or ROUNDS
    if rounds is not None:
        raise UsageError("--rounds is for --interleave and --against; give one of them")
    return None


def _old_runtime(settings: "Settings") -> Path | None:
    from splittool.bench.old_runtime import find_runtime

    return find_runtime() if settings.device == "MYRIAD" else None


def _subjects(
    models: list[Path], shapes: list[str], splits: bool, images: list[str] | None
) -> "list[Subject]":
    """The models, and the heads of the first if those are asked for."""
    from splittool.bench.subjects import heads, load_frames, subject
    from splittool.data.image_lists import expand_inputs
    from splittool.errors import UsageError

    if splits and len(models) > 1:
        raise UsageError("--splits is for one model; give one")
    paths = expand_inputs(images) if images else []
    found = [subject(path, shapes) for path in models]
    if splits:
        found = [*heads(found[0]), *found]
    return [load_frames(one, paths) for one in found] if paths else found


def _measure(
    output: Output,
    subjects: "list[Subject]",
    settings: "Settings",
    plan: "Plan",
    turns: int | None,
    against: Other | None,
) -> "tuple[BenchSetReport, int | None]":
    from splittool.bench.benchmark_app import Reference
    from splittool.bench.run import run_benchmarks
    from splittool.errors import UsageError

    if against and settings.runtime_python:
        raise UsageError("--against is for the modern runtime; leave out --runtime-python")
    reference = Reference(settings.hint, settings.streams) if against else None
    with output.progress() as progress:
        tick = _live(progress, plan, len(subjects) * (turns or 1), turns or 1)
        return run_benchmarks(subjects, settings, plan, turns, reference, output.note, tick)


def _live(
    progress: "Progress", plan: "Plan", turns: int, rounds: int
) -> Callable[[str, float, int], None]:
    """A bar that fills with time or frames; the current rate, and how far it is from the first."""
    whole = (plan.seconds or plan.iterations or 0) * turns / rounds
    state: dict[str, float] = {"at": 0.0, "frames": 0.0, "done": 0.0, "turn": 0.0, "first": 0.0}

    def tick(name: str, seconds: float, frames: int) -> None:
        if seconds < state["at"]:  # the next model's turn
            state.update(at=0.0, frames=0.0, done=state["done"] + state["turn"], first=0.0)
        rate = (frames - state["frames"]) / max(seconds - state["at"], 1e-9)
        state["first"] = state["first"] or rate
        change = rate / state["first"] - 1 if state["first"] else 0.0
        state.update(at=seconds, frames=frames)
        state["turn"] = seconds if plan.seconds is not None else frames
        text = f"{Path(name).name[:20]} {rate:7.1f} FPS {change:+6.1%}"
        progress(min(state["done"] + state["turn"], whole), whole, text)

    return tick


def _tables(report: "BenchReport") -> "list[Table | str]":
    rows = [
        [
            f"{window.start_s:.0f}",
            str(window.frames),
            f"{window.fps:.1f}",
            *(short(ms, 2) for ms in (window.p50_ms, window.p90_ms, window.p99_ms, window.max_ms)),
        ]
        for window in report.windows
    ]
    latencies = (report.p50_ms, report.p90_ms, report.p99_ms, report.max_ms)
    rows.append(
        ["all", str(report.frames), f"{report.fps:.1f}", *(short(ms, 2) for ms in latencies)]
    )
    columns = ["second", "frames", "FPS", "p50 ms", "p90 ms", "p99 ms", "max ms"]
    used = f"{', '.join(report.device_used)}: {report.device_name}"
    return [make_table(f"{report.source.path} on {used}", columns, rows), _conditions(report)]


def _conditions(report: "BenchReport") -> str:
    parts = [
        f"precision {report.precision_actual} (asked for {report.precision_requested}),"
        f" {report.requests_in_flight} requests in flight, {report.hint} hint, {report.runtime}"
    ]
    if report.drift is not None:
        parts.append(
            f"drift {report.drift:+.1%}: the last {report.drift_stretch_s:.0f} s against the first"
        )
    if report.temperatures:
        first, last = report.temperatures[0], report.temperatures[-1]
        parts.append(f"{last.sensor}: {first.celsius:.0f} to {last.celsius:.0f} degrees Celsius")
    if report.throttled:
        parts.append(f"slowed down for its heat {report.throttled} times")
    return "\n".join(parts) + ("; interrupted" if report.interrupted else "")


def _set_tables(report: "BenchSetReport") -> "list[Table | str]":
    first = report.runs[0]
    rows = [
        [
            run.point or run.source.path,
            str(run.frames),
            f"{run.fps:.1f}",
            f"{run.fps / first.fps:.2f}",
            *(short(ms, 2) for ms in (run.p50_ms, run.p99_ms)),
            "" if run.drift is None else f"{run.drift:+.1%}",
        ]
        for run in report.runs
    ]
    columns = ["model or head at", "frames", "FPS", "ratio", "p50 ms", "p99 ms", "drift"]
    how = f"{report.rounds} rounds in turn" if report.interleaved else "one after the other"
    title = f"{', '.join(first.device_used)}: {first.device_name}, {how}"
    references = [_reference_table(report.references)] if report.references else []
    return [make_table(title, columns, rows), *references, _conditions(first)]


def _reference_table(records: "list[ReferenceRecord]") -> "Table":
    rows = [
        [
            record.model,
            f"{sum(record.our_fps) / len(record.our_fps):.1f}",
            f"{sum(record.fps) / len(record.fps):.1f}",
            f"{record.median_ratio:.3f}",
            " ".join(f"{ratio:.2f}" for ratio in record.ratios),
        ]
        for record in records
    ]
    columns = ["model", "FPS here", records[0].tool, "median ratio", "by round"]
    return make_table(f"side by side with {records[0].tool}", columns, rows)


def _check(report: "BenchSetReport", min_fps: float | None, max_drift: float | None) -> None:
    from splittool.errors import ThresholdError

    for run in report.runs:
        name = run.point or run.source.path
        if min_fps is not None and run.fps < min_fps:
            raise ThresholdError(
                f"{name} runs at {run.fps:.2f} FPS, below --min-fps {min_fps:g}; cut earlier, or"
                " take a faster device"
            )
        if max_drift is not None and abs(run.drift or 0.0) > max_drift:
            raise ThresholdError(
                f"{name} drifts by {run.drift:+.1%}, more than --max-drift {max_drift:g}; cool the"
                " device, or stop what else runs on it"
            )
