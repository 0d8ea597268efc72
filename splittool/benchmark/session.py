"""A model on a device, ready to be measured: what it really runs on, and what sensors say."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Protocol

from splittool.benchmark.measurement import Samples, measure
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.sensors import hottest, resident_bytes
from splittool.benchmark.workload import Subject
from splittool.interrupt import Interrupt
from splittool.reports import TemperatureRecord
from splittool.runtime.devices import compile_model, default_device, vpus
from splittool.runtime.ir import core

Tick = Callable[[float, int], None]

_SENSE_S = 10.0  # between readings of the temperature


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
class SensorLog:
    """What the sensors said, from the start of measuring."""

    temperatures: list[TemperatureRecord] = field(default_factory=list)
    throttled: int | None = None
    first_bytes: int | None = None
    last_bytes: int | None = None

    def add(self, now: float, sensor: tuple[str, float] | None, pid: int | None = None) -> None:
        """Record memory, and the temperature at most once in ten seconds.

        Args:
            now: Seconds since the start.
            sensor: Name and degrees Celsius, as `hottest()` returns them.
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

    def measure(
        self, schedule: Schedule, interrupt: Interrupt, tick: Tick, log: SensorLog
    ) -> Samples:
        """Keep the device busy; see `splittool.benchmark.measurement.measure`."""

    def close(self) -> None:
        """Release the device."""


class InstalledSession:
    """A model on a device of the installed OpenVINO.

    Raises:
        DeviceError: The device is not there or cannot run the model.
        UsageError: The device or the precision does not exist.
    """

    def __init__(self, subject: Subject, options: DeviceOptions) -> None:
        self._inputs, self._requests = subject.inputs, options.requests
        started = time.perf_counter()
        self._compiled = compile_model(
            core(),
            subject.model,
            options.device or default_device(core()),
            options.precision,
            options.hint,
            options.streams,
            options.cache,
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

    def measure(
        self, schedule: Schedule, interrupt: Interrupt, tick: Tick, log: SensorLog
    ) -> Samples:
        """Measure in this process."""

        def watch(seconds: float, frames: int) -> None:
            log.add(seconds, hottest())
            tick(seconds, frames)

        return measure(
            self._compiled, schedule, interrupt, watch, inputs=self._inputs, requests=self._requests
        )

    def close(self) -> None:
        """Nothing to release: the core lives as long as the process."""
