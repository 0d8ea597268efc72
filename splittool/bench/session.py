"""A model on a device, ready to be measured: what is asked for, and what it really runs on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Protocol

import openvino as ov

from splittool.bench.measurement import Frames, Plan, Samples, measure
from splittool.bench.sensors import hottest, resident_bytes
from splittool.interrupt import Interrupt
from splittool.reports import FileRecord, TemperatureRecord
from splittool.runtime.core import core
from splittool.runtime.devices import Hint, compile_model, default_device, vpus

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
        """Keep it busy; see `splittool.bench.measurement.measure`."""

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
