"""One benchmark from a model file to a report."""

from collections.abc import Callable, Sequence
from pathlib import Path

from splittool.device.benchmark import Plan, measure, percentiles, windows
from splittool.device.runtime import Hint, compile_model, default_device, require_device, vpus
from splittool.errors import ExitCode
from splittool.interrupt import Interrupt
from splittool.ir.engine import core
from splittool.ir.load import load_model
from splittool.reports import BenchReport, file_record


def run_benchmark(
    path: Path,
    device: str | None,
    precision: str,
    hint: Hint,
    plan: Plan,
    shapes: Sequence[str] = (),
    note: Callable[[str], None] = lambda message: None,
    tick: Callable[[float, int], None] = lambda seconds, frames: None,
) -> tuple[BenchReport, ExitCode | None]:
    """Measure a model on a device.

    Args:
        path: Any model file.
        device: As OpenVINO names it; None takes a VPU where there is one.
        precision: "auto" or a number type.
        hint: What to be fast at.
        plan: How long.
        shapes: Input shapes to set, as `load_model` takes them.
        note: Tells the user what device is really used.
        tick: Called about twice a second with the seconds and frames so far.

    Returns:
        The report, and the exit code if a signal ended the run early.

    Raises:
        InputError: The model is not usable.
        DeviceError: The device is not there.
        UsageError: The device or precision has no such name.
    """
    engine = core()
    requested = device or default_device(engine)
    require_device(engine, requested)
    model = load_model(path, shapes)
    compiled = compile_model(engine, model, requested, precision, hint)
    has_vpu = bool(vpus(engine))
    if not has_vpu:
        note(
            f"note: no VPU is here (OpenVINO finds {', '.join(engine.available_devices)});"
            f" measuring on {', '.join(compiled.devices)}: {compiled.device_name}"
        )
    with Interrupt() as interrupt:
        samples = measure(compiled, plan, interrupt, tick)
    p50, p90, p99, worst = percentiles(samples.latency_ms)
    report = BenchReport(
        source=file_record(path),
        device_requested=requested,
        device_used=compiled.devices,
        device_name=compiled.device_name,
        vpu_present=has_vpu,
        precision_requested=precision,
        precision_actual=compiled.precision,
        hint=hint,
        requests_in_flight=samples.requests,
        streams=compiled.streams,
        warmup_s=plan.warmup_s,
        seconds=samples.seconds,
        frames=len(samples.done_s),
        fps=len(samples.done_s) / samples.seconds,
        mean_ms=float(samples.latency_ms.mean()),
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        max_ms=worst,
        window_s=plan.window_s,
        windows=windows(samples, plan.window_s),
        interrupted=samples.interrupted,
    )
    return report, interrupt.exit_code
