"""`splittool bench-vpu`: frames per second on a device, over time."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import RuntimeOption, Shapes, Trust, positive
from splittool.cli.output import Output
from splittool.errors import UsageError

Hint = Literal["throughput", "latency"]
Other = Literal["benchmark_app"]
Chip = Literal["myriad-x"]

ROUNDS = 5

if TYPE_CHECKING:
    from splittool.reports import BenchReport, BenchSetReport


def bench_vpu(
    ctx: typer.Context,
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL...",
            help="Networks, as cut takes them; several are compared.",
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option(
            help="AUTO, CPU, GPU, NPU or MYRIAD; of ONNX Runtime CPU, CUDA, TensorRT. [default: a"
            " VPU if there is, else AUTO; of ONNX Runtime CPU]"
        ),
    ] = None,
    runtime: RuntimeOption = "openvino",
    minutes: Annotated[
        float | None, typer.Option(help="Minutes to measure each model. [default: 1]")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Measure this many frames instead.")
    ] = None,
    warmup: Annotated[float, typer.Option(min=0, help="Seconds before measuring.")] = 2.0,
    window: Annotated[
        float, typer.Option(min=0.1, help="Seconds that each row of the report covers.")
    ] = 10.0,
    hint: Annotated[
        Hint, typer.Option(help="What the device is tuned for: throughput or latency.")
    ] = "throughput",
    precision: Annotated[
        str, typer.Option(help="auto, f32, f16 or bf16; the report gives the one really used.")
    ] = "auto",
    requests: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Requests in flight. [default: the device's choice]"),
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option(min=1, help="Frames computed side by side. [default: the hint's choice]"),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(help="Folder, image or .txt list to measure with. [default: random pixels]"),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder to keep compiled models in, so that the next start is quicker."),
    ] = None,
    splits: Annotated[
        bool, typer.Option("--splits", help="Measure the head of every named split point as well.")
    ] = False,
    interleave: Annotated[
        bool,
        typer.Option(
            "--interleave", help="Measure the models in interleaved rounds, for fair ratios."
        ),
    ] = False,
    against: Annotated[
        Other | None,
        typer.Option(help="benchmark_app: measure with it in turn, and give the ratio."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help=f"Number of interleaved rounds. [default: {ROUNDS}]")
    ] = None,
    runtime_python: Annotated[
        Path | None,
        typer.Option(help="Python interpreter of an old OpenVINO to measure in, as MYRIAD needs."),
    ] = None,
    watts: Annotated[
        float | None,
        typer.Option(help="Watts that the device draws while it computes, measured by hand."),
    ] = None,
    estimate: Annotated[
        Chip | None,
        typer.Option(help="myriad-x: estimate FPS without a device; nothing is measured."),
    ] = None,
    shape: Shapes = None,
    trust: Trust = False,
    min_fps: Annotated[
        float | None, typer.Option(help="Exit with 5 if a model is slower than this.")
    ] = None,
    max_drift: Annotated[
        float | None,
        typer.Option(help="Exit with 5 if FPS drift by more than this share, such as 0.05."),
    ] = None,
) -> None:
    """Measure frames per second over time.

    The report names the device and the precision really used. Ctrl-C ends the run and reports what
    was measured, marked as interrupted. Drift compares the FPS of the last five minutes with the
    first five, or the last third of a shorter run with its first third. Several models, --splits
    and --against give one report with a run for each model. MYRIAD, which today's OpenVINO cannot
    drive, is measured in an old one (--runtime-python); splittool doctor says how to get it.
    --runtime onnxruntime measures .onnx files; the report names the execution providers it got.

    Where Linux has a sensor of power, joules per frame are measured: the rail that feeds a board,
    RAPL counters, hwmon or IIO sensors, or a battery that discharges. The idle machine is watched
    before, for as long as --warmup; the report gives energy with and above it, and the sensor, what
    it covers, its range and resolution. Without a sensor there are no joules; --watts gives power
    by hand, marked so.

    --estimate measures nothing: it assumes that each step takes as long as its operations at the
    chip's peak rate or its traffic at peak bandwidth, from public figures that the report names.
    Steps are the compiler's stages where the compiler is here, else the operations of the graph,
    with bias, ReLU and pooling fused into convolutions. Real devices are several times slower; use
    it to rank cuts.
    """
    output: Output = ctx.obj
    from splittool.benchmark.estimate import estimate as estimate_fps
    from splittool.benchmark.options import DeviceOptions, Schedule
    from splittool.benchmark.run import bench
    from splittool.benchmark.workload import Workload
    from splittool.interrupt import Interrupt

    if estimate:
        with output.progress() as progress:
            workload = Workload(models, shape or [], splits, trust=trust)
            estimated = estimate_fps(workload, estimate, progress, output.note)
        output.emit(estimated)
        return
    positive([] if min_fps is None else [min_fps], "--min-fps")
    positive([] if watts is None else [watts], "--watts")
    positive([] if max_drift is None else [max_drift], "--max-drift")
    with output.progress() as progress, Interrupt() as interrupt:
        report = bench(
            Workload(models, shape or [], splits, images or [], trust),
            minutes,
            DeviceOptions(
                device, precision, hint, streams, requests, cache, runtime_python, runtime
            ),
            Schedule(
                iterations=iterations,
                warmup_s=warmup,
                window_s=window,
                rounds=_rounds(interleave, against, rounds),
                against=against,
                watts=watts,
            ),
            progress,
            output.note,
            interrupt,
        )
    output.emit(report)
    if interrupt.exit_code is not None:
        sys.stdout.flush()
        raise typer.Exit(interrupt.exit_code)
    _check(report, min_fps, max_drift)


def _rounds(interleave: bool, against: Other | None, rounds: int | None) -> int | None:
    """Rounds to take turns in; None measures one model after the other."""
    if interleave or against:
        return rounds or ROUNDS
    if rounds is not None:
        raise UsageError("--rounds is for --interleave and --against; give one of them")
    return None


def _check(
    report: "BenchReport | BenchSetReport", min_fps: float | None, max_drift: float | None
) -> None:
    """Hold every run against the limits.

    Raises:
        ThresholdError: A run does not keep one.
    """
    from splittool.errors import ThresholdError
    from splittool.reports import BenchSetReport

    for run in report.runs if isinstance(report, BenchSetReport) else [report]:
        if min_fps is not None and run.fps < min_fps:
            raise ThresholdError(
                f"{run.name} runs at {run.fps:.2f} FPS, below --min-fps {min_fps:g}; cut earlier,"
                " or take a faster device"
            )
        if max_drift is not None and abs(run.drift or 0.0) > max_drift:
            raise ThresholdError(
                f"{run.name} drifts by {run.drift:+.1%}, more than --max-drift {max_drift:g}; cool"
                " the device, or stop what else runs on it"
            )
