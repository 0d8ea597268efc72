"""From models to benchmark reports: several in turn, beside another tool, interrupted or not."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from splittool.bench.benchmark_app import Reference
from splittool.bench.measurement import Plan, Samples, drift, join, percentiles, windows
from splittool.bench.old_session import LegacySession
from splittool.bench.sensors import throttle_events
from splittool.bench.session import Log, ModernSession, Session, Settings, Setup, Subject, Tick
from splittool.errors import DeviceError, ExitCode, StoppedError
from splittool.interrupt import Interrupt
from splittool.reports import BenchReport, BenchSetReport
from splittool.runtime.core import core
from splittool.runtime.devices import default_device, require_device


class OpenSessions:
    """Sessions for several subjects; all are closed at the end."""

    def __init__(self, subjects: Sequence[Subject], settings: Settings) -> None:
        kind = ModernSession if settings.runtime_python is None else LegacySession
        self.sessions: list[Session] = []
        try:
            for subject in subjects:
                self.sessions.append(kind(subject, settings))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every session."""
        for session in self.sessions:
            session.close()


def check_device(settings: Settings) -> None:
    """Find out whether the device is there before a model is read.

    Raises:
        UsageError: There is no such kind of device.
        DeviceError: There is, but not here.
    """
    if settings.runtime_python is None:
        require_device(core(), settings.device or default_device(core()))


def run_benchmarks(
    subjects: Sequence[Subject],
    settings: Settings,
    plan: Plan,
    rounds: int | None = None,
    reference: Reference | None = None,
    note: Callable[[str], None] = lambda message: None,
    tick: Callable[[str, float, int], None] = lambda name, seconds, frames: None,
) -> tuple[BenchSetReport, ExitCode | None]:
    """Measure models on a device.

    Args:
        subjects: What to measure.
        settings: On what, and how.
        plan: How long each, over all rounds together.
        rounds: Measure all in turn so often, so that ratios hold on a busy machine; None
            measures one after the other.
        reference: Another tool that takes every turn as well.
        note: Tells the user what device is really used.
        tick: Called about twice a second with the source, and the seconds and frames of this turn.

    Returns:
        The report, and the exit code if a signal ended the run early.

    Raises:
        InputError: A model is not usable.
        DeviceError: The device is not there.
        StoppedError: A signal came before the first frame was done.
    """
    turns = rounds or 1
    part = _share(plan, turns)
    samples: list[list[Samples]] = [[] for _ in subjects]
    logs = [Log() for _ in subjects]
    with OpenSessions(subjects, settings) as opened, Interrupt() as interrupt:
        sessions = opened.sessions
        if sessions[0].setup.vpu_present is False:
            note(_no_vpu(sessions[0].setup))
        for _ in range(turns):
            for index, (session, log) in enumerate(zip(sessions, logs, strict=True)):
                if interrupt.exit_code is not None:
                    break
                told = partial(tick, subjects[index].point or subjects[index].source.path)
                with _unless(interrupt):
                    samples[index].append(_turn(session, part, interrupt, log, told))
                if reference is not None and samples[index]:
                    with _unless(interrupt):
                        reference.run(
                            index, subjects[index], part, session.setup, samples[index][-1]
                        )
        if not any(samples):
            raise StoppedError(
                "interrupted before the first frame was done; nothing was measured",
                interrupt.exit_code or ExitCode.INTERRUPTED,
            )
        reports = [
            _report(subject, settings, plan, session.setup, parts, log)
            for subject, session, parts, log in zip(subjects, sessions, samples, logs, strict=True)
            if parts
        ]
    report = BenchSetReport(
        rounds=turns,
        interleaved=rounds is not None,
        runs=reports,
        fps=[[len(part.done_s) / part.seconds for part in parts] for parts in samples if parts],
        references=reference.records() if reference else [],
        interrupted=interrupt.exit_code is not None,
    )
    return report, interrupt.exit_code


@contextmanager
def _unless(interrupt: Interrupt) -> Iterator[None]:
    """Ctrl-C ends a turn early, and the other tool, too: that is no failure of theirs."""
    try:
        yield
    except DeviceError:
        if interrupt.exit_code is None:
            raise


def _share(plan: Plan, turns: int) -> Plan:
    seconds = None if plan.seconds is None else plan.seconds / turns
    iterations = None if plan.iterations is None else -(-plan.iterations // turns)
    return replace(plan, seconds=seconds, iterations=iterations)


def _no_vpu(setup: Setup) -> str:
    return (
        f"note: no VPU is here ({setup.runtime}); measuring on"
        f" {', '.join(setup.device_used)}: {setup.device_name}"
    )


def _turn(session: Session, plan: Plan, interrupt: Interrupt, log: Log, tick: Tick) -> Samples:
    """One measurement, and what the sensors say before and after."""
    throttled = throttle_events()
    samples = session.measure(plan, interrupt, tick, log)
    if throttled is not None:
        log.throttled = (log.throttled or 0) + (throttle_events() or 0) - throttled
    return samples


def _report(
    subject: Subject,
    settings: Settings,
    plan: Plan,
    setup: Setup,
    parts: Sequence[Samples],
    log: Log,
) -> BenchReport:
    samples = join(parts)
    p50, p90, p99, worst = percentiles(samples.latency_ms)
    change = drift(samples)
    return BenchReport(
        source=subject.source,
        device_requested=settings.device or setup.device_used[0],
        device_used=setup.device_used,
        device_name=setup.device_name,
        vpu_present=setup.vpu_present,
        precision_requested=settings.precision,
        precision_actual=setup.precision_actual,
        hint=settings.hint,
        requests_in_flight=samples.requests,
        streams=setup.streams,
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
        point=subject.point,
        runtime=setup.runtime,
        input=subject.shown,
        compile_ms=setup.compile_ms,
        cached=settings.cache is not None,
        drift=change[0] if change else None,
        drift_stretch_s=change[1] if change else None,
        temperatures=log.temperatures,
        throttled=log.throttled,
        resident_first_bytes=log.first_bytes,
        resident_last_bytes=log.last_bytes,
    )
