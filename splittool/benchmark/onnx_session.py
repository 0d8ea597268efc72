"""A model in ONNX Runtime, measured as `session` does in OpenVINO."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from itertools import cycle
from threading import Lock

from splittool.benchmark.measurement import TICK_S, Recorder, Samples, random_inputs
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.sensors import hottest
from splittool.benchmark.session import SensorLog, Setup, Tick
from splittool.benchmark.workload import Subject
from splittool.errors import UsageError
from splittool.interrupt import Interrupt
from splittool.runtime.devices import vpus
from splittool.runtime.ir import core
from splittool.runtime.onnx_runtime import Array, OnnxSession, require_onnxruntime
from splittool.vocabulary import PRECISION_SYNONYMS

_GPU_REQUESTS = 2  # one is copied while the other is computed


class OnnxBenchSession:
    """An .onnx file on an execution provider of ONNX Runtime; see `Session`.

    A request is a thread that hands over inputs and takes outputs, copies included. The hint
    "throughput" shares the processor out among as many requests as it has cores, or keeps a GPU at
    two; "latency" gives all to one request.

    Raises:
        UsageError: The options ask for what ONNX Runtime does not have, or the subject is not an
            .onnx file.
        InputError: ONNX Runtime cannot read the file.
        DeviceError: The device is not there, or cannot run all of the network.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, subject: Subject, options: DeviceOptions) -> None:
        if subject.onnx is None:
            raise UsageError(
                f"`runtime` onnxruntime runs .onnx files; {subject.name} is none: cut with `target`"
                " onnx, and measure the halves"
            )
        device = options.device or "CPU"
        self._requests = options.requests or _requests(device, options.hint)
        threads = max(1, _cores() // self._requests) if device.upper() == "CPU" else None
        started = time.perf_counter()
        self._session = OnnxSession(subject.onnx, device, threads)
        compile_ms = (time.perf_counter() - started) * 1e3
        precision = PRECISION_SYNONYMS.get(options.precision, options.precision)
        if precision not in ("auto", self._session.precision):
            raise UsageError(
                f"`precision` {precision} is not what ONNX Runtime computes {subject.name} in,"
                f" which is {self._session.precision}; leave it out, or convert the file"
            )
        self._inputs = _in_order(subject, self._session)
        self.setup = Setup(
            device_used=self._session.providers,
            device_name=_device_name(device),
            vpu_present=bool(vpus(core())),
            precision_actual=self._session.precision,
            streams=None,
            runtime=f"onnxruntime {require_onnxruntime().__version__}",
            compile_ms=compile_ms,
        )

    def measure(
        self, schedule: Schedule, interrupt: Interrupt, tick: Tick, log: SensorLog
    ) -> Samples:
        """Keep as many requests in flight; see `splittool.benchmark.measurement.measure`."""
        rate = self._warm_up(schedule.warmup_s, interrupt)
        frames = schedule.iterations or int(rate * schedule.seconds * 1.5)
        work = _Work(schedule, interrupt, Recorder(frames))
        with ThreadPoolExecutor(self._requests) as pool:
            jobs = [pool.submit(work.run, self._session, self._feed()) for _ in self._slots]
            while wait_for(jobs, TICK_S).not_done:
                log.add(work.now, hottest())
                tick(work.now, work.recorder.count)
            for job in jobs:
                job.result()
        return work.recorder.samples(work.now, self._requests, interrupt.exit_code is not None)

    @property
    def _slots(self) -> range:
        return range(self._requests)

    def _feed(self) -> Iterator[list[Array]]:
        return cycle(self._inputs)

    def _warm_up(self, seconds: float, interrupt: Interrupt) -> float:
        """Run at least one frame per request, because first runs allocate memory.

        Returns:
            Frames per second.
        """
        schedule = Schedule(seconds=seconds, iterations=None if seconds else self._requests)
        work = _Work(schedule, interrupt, Recorder(0), least=self._requests)
        with ThreadPoolExecutor(self._requests) as pool:
            for job in [pool.submit(work.run, self._session, self._feed()) for _ in self._slots]:
                job.result()
        return work.recorder.count / work.now

    def close(self) -> None:
        """Let go of the device."""
        del self._session


class _Work:
    """Frames that several threads share.

    Args:
        schedule: How long to measure.
        interrupt: Ends the run.
        recorder: Takes down every frame.
        least: Frames to run whatever the schedule says.
    """

    def __init__(
        self, schedule: Schedule, interrupt: Interrupt, recorder: Recorder, least: int = 0
    ) -> None:
        self._schedule, self._interrupt, self.recorder = schedule, interrupt, recorder
        self._least, self._launched = least, 0
        self._lock, self._started = Lock(), time.perf_counter()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def run(self, session: OnnxSession, feed: Iterator[list[Array]]) -> None:
        """One frame after the other, as long as there is more to do."""
        while self._take():
            started = time.perf_counter()
            session.run(next(feed))
            done = time.perf_counter()
            with self._lock:
                self.recorder.add(self.now, (done - started) * 1e3)

    def _take(self) -> bool:
        with self._lock:
            if self._interrupt.exit_code is not None or not self._more():
                return False
            self._launched += 1
            return True

    def _more(self) -> bool:
        if self._launched < self._least:
            return True
        if self._schedule.iterations is not None:
            return self._launched < self._schedule.iterations
        return self.now < self._schedule.seconds


def refuse_options(options: DeviceOptions, schedule: Schedule) -> None:
    """Refuse what ONNX Runtime does not have.

    Raises:
        UsageError: Such an option is given.
    """
    given = {
        "streams": options.streams,
        "cache": options.cache,
        "runtime_python": options.runtime_python,
        "against": schedule.against,
    }
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"`{name}` is for OpenVINO; leave it out, or `runtime` onnxruntime")


def _requests(device: str, hint: str) -> int:
    if hint == "latency":
        return 1
    return _cores() if device.upper() == "CPU" else _GPU_REQUESTS


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _device_name(device: str) -> str:
    """OpenVINO knows the processor's name; ONNX Runtime says none of a GPU."""
    if device.upper() == "CPU":
        return str(core().get_property("CPU", "FULL_DEVICE_NAME"))
    return f"{device} device 0"


def _in_order(subject: Subject, session: OnnxSession) -> list[list[Array]]:
    """The values of each run in the order of the session's inputs."""
    names = [port.get_node().get_friendly_name() for port in subject.model.inputs]
    runs = subject.inputs or [random_inputs(subject.model)]
    by_name = [dict(zip(names, values, strict=True)) for values in runs]
    return [[values[port.name] for port in session.inputs] for values in by_name]
