"""From models to benchmark reports: several in turn, beside another tool, interrupted or not."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from splittool.benchmark.benchmark_app import BenchmarkApp
from splittool.benchmark.live import LiveRate
from splittool.benchmark.measurement import Samples, drift, join, percentiles, windows
from splittool.benchmark.old_session import OldSession, choose_runtime
from splittool.benchmark.onnx_session import OnnxBenchSession, refuse_options
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.power import PowerLog, power_log
from splittool.benchmark.sensors import throttle_events
from splittool.benchmark.session import InstalledSession, SensorLog, Session, Setup
from splittool.benchmark.workload import Model, Subject, Workload, workload
from splittool.errors import DeviceError, ExitCode, StoppedError, UsageError
from splittool.interrupt import Interrupt
from splittool.progress import Progress, nobody
from splittool.reports import BenchReport, BenchSetReport
from splittool.runtime.devices import default_device, require_device
from splittool.runtime.ir import core
from splittool.runtime.onnx_runtime import require_provider


def bench(
    models: Model | Sequence[Model] | Workload,
    minutes: float | None = None,
    options: DeviceOptions | str | None = None,
    schedule: Schedule | None = None,
    progress: Progress = nobody,
    note: Callable[[str], None] = lambda message: None,
    interrupt: Interrupt | None = None,
) -> BenchReport | BenchSetReport:
    """Measure frames per second on a device, over time.

    Args:
        models: One model or several, as files or in memory; a `Workload` adds shapes, images and
            the heads of the split points.
        minutes: Duration for each model, in place of the schedule's.
        options: What is asked of the device, or only its name.
        schedule: How long to measure, and in which order; one minute each by default.
        progress: Told the seconds or frames done, and the current FPS.
        note: Told which device is really used, where no VPU is here, and why a power sensor cannot
            be read.
        interrupt: A signal ends the run early, and the report has what was measured; give your own
            to learn the exit code.

    Returns:
        The report of a single model; of several, or beside another tool, the set of their reports.

    Raises:
        UsageError: The options contradict each other.
        InputError: A model or an image is not usable.
        DeviceError: The device is not there.
        StoppedError: A signal came before the first frame was done.
    """
    wanted = DeviceOptions(options) if isinstance(options, str) else options or DeviceOptions()
    schedule = (schedule or Schedule()).lasting(minutes)
    if wanted.runtime == "openvino":
        wanted = choose_runtime(wanted)
    check_device(wanted, schedule)
    subjects = workload(models).subjects()
    with ExitStack() as stack:
        if interrupt is None:
            interrupt = stack.enter_context(Interrupt())
        sessions = stack.enter_context(_opened(subjects, wanted))
        if wanted.runtime == "openvino" and not sessions[0].setup.vpu_present:
            note(_no_vpu(sessions[0].setup))
        power = stack.enter_context(power_log(schedule.sysfs, schedule.watts, note))
        benchmark = _Benchmark(subjects, sessions, wanted, schedule, interrupt, power)
        benchmark.measure(progress)
        report = benchmark.report()
    return report.runs[0] if len(subjects) == 1 and schedule.against is None else report


def check_device(options: DeviceOptions, schedule: Schedule) -> None:
    """Find out whether the device is there before a model is read.

    Raises:
        UsageError: There is no such kind of device, or the other tool cannot use it.
        DeviceError: The device is not here.
    """
    if options.runtime == "onnxruntime":
        refuse_options(options, schedule)
        require_provider(options.device or "CPU")
    elif options.runtime_python is None:
        require_device(core(), options.device or default_device(core()))
    elif schedule.against:
        raise UsageError("`against` is for the modern runtime; leave out `runtime_python`")


@contextmanager
def _opened(subjects: Sequence[Subject], options: DeviceOptions) -> Iterator[list[Session]]:
    """A session for each subject; all are closed at the end."""
    kind: type[OnnxBenchSession | InstalledSession | OldSession] = OldSession
    if options.runtime == "onnxruntime":
        kind = OnnxBenchSession
    elif options.runtime_python is None:
        kind = InstalledSession
    with ExitStack() as stack:
        sessions: list[Session] = []
        for subject in subjects:
            session = kind(subject, options)
            stack.callback(session.close)
            sessions.append(session)
        yield sessions


def _no_vpu(setup: Setup) -> str:
    return (
        f"note: no VPU is here ({setup.runtime}); measuring on"
        f" {', '.join(setup.device_used)}: {setup.device_name}"
    )


class _Benchmark:
    """Sessions that take turns, and what they measured."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        sessions: Sequence[Session],
        options: DeviceOptions,
        schedule: Schedule,
        interrupt: Interrupt,
        power: PowerLog,
    ) -> None:
        self._subjects, self._sessions = subjects, sessions
        self._options, self._schedule = options, schedule
        self._interrupt, self._power = interrupt, power
        self._rival = BenchmarkApp(options.hint, options.streams) if schedule.against else None
        self._samples: list[list[Samples]] = [[] for _ in subjects]
        self._logs = [SensorLog() for _ in subjects]

    def measure(self, progress: Progress) -> None:
        """Let all take turns until the schedule is done or a signal comes."""
        rounds, one = self._schedule.rounds or 1, self._schedule.one_round()
        live = LiveRate(progress, one, rounds * len(self._subjects))
        self._power.watch_idle(one.warmup_s, self._interrupt)
        for _ in range(rounds):
            for index, subject in enumerate(self._subjects):
                if self._interrupt.exit_code is not None:
                    return
                live.start(subject.name)
                self._turn(index, one, live)

    def _turn(self, index: int, schedule: Schedule, live: LiveRate) -> None:
        """One measurement, what the sensors say of it, and the same with the other tool."""
        session, log = self._sessions[index], self._logs[index]
        with self._unless_interrupted():
            throttled = throttle_events()
            samples = session.measure(schedule, self._interrupt, live.tick, log)
            self._power.add(index, samples.seconds)
            if throttled is not None:
                log.throttled = (log.throttled or 0) + (throttle_events() or 0) - throttled
            self._samples[index].append(samples)
        if self._rival is not None and self._samples[index]:
            with self._unless_interrupted():
                self._rival.run(
                    self._subjects[index], schedule, session.setup, self._samples[index][-1]
                )

    @contextmanager
    def _unless_interrupted(self) -> Iterator[None]:
        """Ctrl-C ends a measurement early, also the other tool's: then that is not a failure."""
        try:
            yield
        except DeviceError:
            if self._interrupt.exit_code is None:
                raise

    def report(self) -> BenchSetReport:
        """What was measured.

        Raises:
            StoppedError: A signal came before the first frame was done.
        """
        if not any(self._samples):
            raise StoppedError(
                "interrupted before the first frame was done; nothing was measured",
                self._interrupt.exit_code or ExitCode.INTERRUPTED,
            )
        measured = [index for index, parts in enumerate(self._samples) if parts]
        return BenchSetReport(
            rounds=self._schedule.rounds or 1,
            interleaved=self._schedule.rounds is not None,
            runs=[self._run(index) for index in measured],
            fps=[
                [len(part.done_s) / part.seconds for part in self._samples[index]]
                for index in measured
            ],
            references=self._rival.records() if self._rival else [],
            interrupted=self._interrupt.exit_code is not None,
        )

    def _run(self, index: int) -> BenchReport:
        subject, setup, log = self._subjects[index], self._sessions[index].setup, self._logs[index]
        samples = join(self._samples[index])
        p50, p90, p99, worst = percentiles(samples.latency_ms)
        change = drift(samples)
        return BenchReport(
            source=subject.source,
            device_requested=self._options.device or setup.device_used[0],
            device_used=setup.device_used,
            device_name=setup.device_name,
            vpu_present=setup.vpu_present,
            precision_requested=self._options.precision,
            precision_actual=setup.precision_actual,
            hint=self._options.hint,
            requests_in_flight=samples.requests,
            streams=setup.streams,
            warmup_s=self._schedule.warmup_s,
            seconds=samples.seconds,
            frames=len(samples.done_s),
            fps=len(samples.done_s) / samples.seconds,
            mean_ms=float(samples.latency_ms.mean()),
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            max_ms=worst,
            window_s=self._schedule.window_s,
            windows=windows(samples, self._schedule.window_s),
            interrupted=samples.interrupted,
            point=subject.split_point,
            runtime=setup.runtime,
            input=subject.shown,
            compile_ms=setup.compile_ms,
            cached=self._options.cache is not None,
            drift=change[0] if change else None,
            drift_stretch_s=change[1] if change else None,
            temperatures=log.temperatures,
            throttled=log.throttled,
            resident_first_bytes=log.first_bytes,
            resident_last_bytes=log.last_bytes,
            power=self._power.record(index, len(samples.done_s)),
        )
