"""`splittool bench-vpu`: frames per second on a device, over time."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import ModelArgument, Shapes
from splittool.cli.output import Output, make_table, short

Hint = Literal["throughput", "latency"]

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from splittool.device.benchmark import Plan
    from splittool.reports import BenchReport


def bench_vpu(
    ctx: typer.Context,
    model: ModelArgument,
    device: Annotated[
        str | None,
        typer.Option(help="AUTO, CPU, GPU or NPU. [default: a VPU if there is one, else AUTO]"),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="How long. [default: 1]")] = None,
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
    shape: Shapes = None,
) -> None:
    """Measure frames per second over time.

    The device in the report is the one really used. Ctrl-C ends the run and reports what was
    measured, marked as interrupted.
    """
    output: Output = ctx.obj
    from splittool.cli.options import positive
    from splittool.device.benchmark import Plan
    from splittool.errors import UsageError

    if minutes is not None and iterations is not None:
        raise UsageError("give either --minutes or --iterations")
    positive([] if minutes is None else [minutes], "--minutes")
    seconds = None if iterations is not None else (minutes or 1.0) * 60
    plan = Plan(seconds, iterations, warmup, window, requests)
    from splittool.device.session import run_benchmark
    from splittool.errors import ExitCode

    with output.progress() as progress:
        tick = _live(progress, plan)
        report, exit_code = run_benchmark(
            model, device, precision, hint, plan, shape or [], output.note, tick
        )
    output.emit(report, _tables(report))
    if exit_code is not None:
        sys.stdout.flush()
        raise typer.Exit(int(exit_code or ExitCode.INTERRUPTED))


def _live(progress: "Progress", plan: "Plan") -> Callable[[float, int], None]:
    """A bar that fills with time or frames and shows the current rate."""
    task = progress.add_task("warming up", total=plan.seconds or plan.iterations)
    before = (0.0, 0)

    def tick(seconds: float, frames: int) -> None:
        nonlocal before
        rate = (frames - before[1]) / max(seconds - before[0], 1e-9)
        before = (seconds, frames)
        done = seconds if plan.seconds is not None else frames
        progress.update(task, completed=int(done), description=f"{rate:7.1f} FPS")

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
    return [
        make_table(f"{report.source.path} on {used}", columns, rows),
        f"precision {report.precision_actual} (asked for {report.precision_requested}),"
        f" {report.requests_in_flight} requests in flight, {report.hint} hint"
        + ("; interrupted" if report.interrupted else ""),
    ]
