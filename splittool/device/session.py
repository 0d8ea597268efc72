"""From models to benchmark reports: on the modern runtime, or on an old one."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import openvino as ov

from splittool.device.benchmark import (
    Frames,
    Plan,
    Recorder,
    Samples,
    drift,
    join,
    measure,
    percentiles,
    random_inputs,
    windows,
)
from splittool.device.legacy import LegacyRuntime
from splittool.device.reference import Reference
from splittool.device.runtime import Hint, compile_model, default_device, require_device, vpus
from splittool.device.sensors import hottest, resident_bytes, throttle_events
from splittool.errors import DeviceError, ExitCode, StoppedError, UsageError
from splittool.interrupt import Interrupt
from splittool.ir.downgrade import TARGETS
from splittool.ir.engine import core
from splittool.ir.saving import write_ir
from splittool.reports import (
    BenchReport,
    BenchSetReport,
    FileRecord,
    TemperatureRecord,
)

Tick = Callable[[float, int], None]

_SENSE_S = 10.0  # between looks at the sensors


@dataclass(frozen=True)
class Settings:
    """What the user asks of the device.

    Attributes:
        device: As OpenVINO names it; None takes a VPU where there is one.
        precision: "auto" or a number type.
        hint: What to be fast at.
        streams: Frames computed side by side; None leaves it to the hint.
        cache: Folder for compiled models.
        runtime_python: The interpreter of an old runtime to measure in; None for the modern one.
    """

    device: str | None = None
    precision: str = "auto"
    hint: Hint = "throughput"
    streams: int | None = None
    cache: Path | None = None
    runtime_python: Path | None = None


@dataclass(frozen=True)
class Subject:
    """What to measure.

    Attributes:
        model: The graph.
        source: The file it comes from.
        point: The split point whose head it is, if it is one that was made for measuring.
        frames: Values of the inputs; random ones if empty.
        shown: What `frames` are, for the report.
    """

    model: ov.Model
    source: FileRecord
    point: str | None = None
    frames: Frames = ()
    shown: str = "random"


@dataclass(frozen=True)
class Setup:
    """What a model really runs on, in the words of `BenchReport`."""

    device_used: list[str]
    device_name: str
    vpu_present: bool
    precision_actual: str
    streams: int | None
    runtime: str
    compile_ms: float


@dataclass
class Log:
    """What the sensors said, from the start of measuring."""

    temperatures: list[TemperatureRecord] = field(default_factory=list)
    throttled: int | None = None
    first_bytes: int | None = None
    last_bytes: int | None = None

    def look(self, now: float, sensor: tuple[str, float] | None, pid: int | None = None) -> None:
        """Take down memory, and the temperature at most once in ten seconds.

        Args:
            now: Seconds since the start.
            sensor: What `hottest` says.
            pid: The process that measures; None is this one.
        """
        self.last_bytes = resident_bytes(pid)
        self.first_bytes = self.first_bytes or self.last_bytes  # warm by now
        if sensor and (
            not self.temperatures or now >= self.temperatures[-1].time_s + _SENSE_S - 0.01
        ):
            self.temperatures.append(TemperatureRecord(now, *sensor))


class Session(Protocol):
    """A model on a device, ready to be measured."""

    setup: Setup

    def measure(self, plan: Plan, interrupt: Interrupt, tick: Tick, log: Log) -> Samples:
        """Keep it busy; see `splittool.device.benchmark.measure`."""

    def close(self) -> None:
        """Let go of the device."""


class ModernSession:
    """A model on a device of the installed runtime.

    Raises:
        DeviceError: The device is not there or cannot run the model.
        UsageError: The device or precision has no such name.
    """

    def __init__(self, subject: Subject, settings: Settings) -> None:
        self._frames = subject.frames
        started = time.perf_counter()
        self._compiled = compile_model(
            core(),
            subject.model,
            settings.device or default_device(core()),
            settings.precision,
            settings.hint,
            settings.streams,
            settings.cache,
        )
        self.setup = Setup(
            device_used=self._compiled.devices,
            device_name=self._compiled.device_name,
            vpu_present=bool(vpus(core())),
            precision_actual=self._compiled.precision,
            streams=self._compiled.streams,
            runtime=f"openvino {metadata.version('openvino')}",
            compile_ms=(time.perf_counter() - started) * 1e3,
        )

    def measure(self, plan: Plan, interrupt: Interrupt, tick: Tick, log: Log) -> Samples:
        """Measure in this process."""

        def look(seconds: float, frames: int) -> None:
            log.look(seconds, hottest())
            tick(seconds, frames)

        return measure(self._compiled, plan, interrupt, look, self._frames)

    def close(self) -> None:
        """Nothing to let go of: the core lives as long as the process."""


class LegacySession:
    """A model on a device of an old runtime, in an interpreter of its own.

    Raises:
        DeviceError: The interpreter, its runtime or the device is not there.
        InputError: The old runtime cannot run the model.
    """

    def __init__(self, subject: Subject, settings: Settings) -> None:
        assert settings.runtime_python is not None
        if settings.cache is not None or settings.precision not in ("auto", "f32", "bf16"):
            raise UsageError("an old runtime has no --cache and no --precision f16; leave them out")
        device = settings.device or "MYRIAD"
        self._runtime = LegacyRuntime(settings.runtime_python)
        self._plan_requests: int | None = None
        self._hint, self._device = settings.hint, device
        self._config = _old_config(device, settings)
        self._folder = tempfile.TemporaryDirectory(prefix="splittool-")
        try:
            self._path = Path(self._folder.name) / "model.xml"
            write_ir(subject.model, self._path, False, TARGETS["myriad"])
            loaded = self._load(None)
        except BaseException:
            self.close()
            raise
        frames = subject.frames or [random_inputs(subject.model)]
        names = [port.get_node().get_friendly_name() for port in subject.model.inputs]
        self._inputs = dict(zip(names, frames[0], strict=True))
        self.setup = Setup(
            device_used=[device],
            device_name=str(loaded["device_name"]),
            vpu_present="MYRIAD" in self._runtime.devices,
            precision_actual=_old_precision(device, loaded),
            streams=int(loaded["streams"]) if str(loaded["streams"]).isdecimal() else None,
            runtime=f"openvino {self._runtime.version.partition('-')[0]}",
            compile_ms=float(loaded["compile_ms"]),
        )

    def _load(self, requests: int | None) -> dict[str, Any]:
        self._requests = requests
        loaded = self._runtime.load(self._path, self._device, self._hint, requests, self._config)
        self._count = int(loaded["requests"])
        return loaded

    def measure(self, plan: Plan, interrupt: Interrupt, tick: Tick, log: Log) -> Samples:
        """Measure in the worker; samples arrive twice a second."""
        if plan.requests != self._requests:
            self._load(plan.requests)
        recorder = Recorder(plan.iterations or 0)

        def receive(values: list[float], celsius: float | None) -> bool:
            for done_s, latency_ms in zip(values[::2], values[1::2], strict=True):
                recorder.add(done_s, latency_ms)
            if values:
                sensor = hottest() if celsius is None else (self._device, celsius)
                log.look(values[-2], sensor, self._runtime.pid)
                tick(values[-2], recorder.count)
            return interrupt.exit_code is not None

        ended = self._runtime.measure(
            self._inputs, plan.warmup_s, plan.seconds, plan.iterations, receive
        )
        return recorder.samples(ended["seconds"], self._count, bool(ended["stopped"]))

    def close(self) -> None:
        """End the worker."""
        self._runtime.close()
        self._folder.cleanup()


def _old_config(device: str, settings: Settings) -> dict[str, str]:
    """Old runtimes have no hints; these are the settings behind them."""
    config = {}
    if settings.streams is not None:
        config[f"{device}_THROUGHPUT_STREAMS"] = str(settings.streams)
    elif device == "CPU" and settings.hint == "throughput":
        config["CPU_THROUGHPUT_STREAMS"] = "CPU_THROUGHPUT_AUTO"
    if device == "CPU" and settings.precision != "auto":
        config["ENFORCE_BF16"] = "YES" if settings.precision == "bf16" else "NO"
    return config


def _old_precision(device: str, loaded: dict[str, Any]) -> str:
    if device == "MYRIAD":
        return "f16"  # the only one it has
    return "bf16" if loaded["bf16"] == "YES" else "f32"


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


def require_old_runtime(settings: Settings, found: Path | None) -> Settings:
    """Choose the old runtime for a device that only it drives.

    Raises:
        DeviceError: There is none.
    """
    if settings.runtime_python is not None or settings.device != "MYRIAD":
        return settings
    if found is None:
        raise DeviceError(
            "MYRIAD needs OpenVINO 2021.4 in Python 3.6 to 3.9: name its interpreter with"
            " --runtime-python, or see: splittool doctor"
        )
    return replace(settings, runtime_python=found)
