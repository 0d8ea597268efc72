"""Power while something is measured: a sensor read all the time, and the energy of each model.

Counters of energy count by difference, and start again at their range; power is held from one
reading to the next. A thread reads twenty times a second, so that no counter can run round unseen.
"""

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

import numpy as np

from splittool.benchmark.power_sensors import PowerSensor, find_power_sensor
from splittool.errors import DeviceError
from splittool.interrupt import Interrupt
from splittool.reports import PowerRecord

_READ_S = 0.05
_PAUSE_S = 0.1  # between looks at whether a signal came


class PowerMeter:
    """The energy that a sensor has seen since the meter was started.

    Args:
        sensor: What to read.
    """

    def __init__(self, sensor: PowerSensor) -> None:
        self.sensor = sensor
        self.resolution: float | None = None
        self.failure: DeviceError | None = None
        self._times, self._joules = array("d"), array("d")
        self._last: list[float] = []
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True)

    @property
    def readings(self) -> int:
        """How often it was read."""
        return len(self._times)

    def read(self, now: float) -> None:
        """Read the sensor once.

        Args:
            now: The time in seconds.

        Raises:
            DeviceError: The sensor cannot be read any more.
        """
        values = self.sensor.read()
        added = 0.0
        if self._last:
            added = self._added(values, now - self._times[-1])
        self._last = values
        self._times.append(now)
        self._joules.append((self._joules[-1] if self._joules else 0.0) + added)

    def between(self, start: float, end: float) -> float | None:
        """Joules between two moments, between readings in proportion to time.

        It waits for the first reading after `end`.

        Returns:
            None where the sensor could not be read all the time; `failure` says why.
        """
        while not self.failure and self._times[-1] < end:
            time.sleep(_READ_S / 5)
        if self.failure:
            return None
        before, after = np.interp((start, end), self._times, self._joules)
        return float(after - before)

    def _added(self, values: list[float], seconds: float) -> float:
        """Joules since the last reading; and the smallest step between two that differ."""
        steps = [abs(value - before) for value, before in zip(values, self._last, strict=True)]
        least = min((step for step in steps if step), default=self.resolution)
        if least is not None:
            self.resolution = min(least, self.resolution or least)
        if self.sensor.unit == "W":
            return sum(self._last) * seconds
        added = 0.0
        for gauge, value, before in zip(self.sensor.gauges, values, self._last, strict=True):
            added += value - before
            if value < before:
                if gauge.range is None:
                    raise DeviceError(f"{self.sensor.name} starts again at a value it does not say")
                added += gauge.range
        return added

    def _run(self) -> None:
        while not self._ended.wait(_READ_S):
            try:
                self.read(time.perf_counter())
            except DeviceError as error:
                self.failure = error
                return

    def __enter__(self) -> Self:
        self.read(time.perf_counter())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()


@contextmanager
def power_log(
    sysfs: Path, watts: float | None, note: Callable[[str], None]
) -> Iterator["PowerLog"]:
    """A log that reads the best sensor there is, or takes watts by hand.

    Args:
        sysfs: Where the system shows its devices.
        watts: Power given by hand, in place of a sensor.
        note: Told why there are no joules where a sensor is there, and cannot be read.
    """
    sensor = None
    if watts is None:
        try:
            sensor = find_power_sensor(sysfs)
        except DeviceError as error:
            note(f"note: no joules: {error}")
    if sensor is None:
        yield PowerLog(None, watts)
        return
    with PowerMeter(sensor) as meter:
        yield PowerLog(meter)
    if meter.failure:
        note(f"note: no joules: {meter.failure}")


class PowerLog:
    """Energy of several models that take turns.

    Args:
        meter: The running meter; None where no sensor is there.
        watts: Power given by hand, in place of a sensor.
    """

    def __init__(self, meter: PowerMeter | None, watts: float | None = None) -> None:
        self._meter, self._watts = meter, watts
        self._joules: defaultdict[int, float] = defaultdict(float)
        self._seconds: defaultdict[int, float] = defaultdict(float)
        self._idle: tuple[float, float] | None = None  # watts, and for how many seconds

    def watch_idle(self, seconds: float, interrupt: Interrupt) -> None:
        """Measure what is drawn before anything runs."""
        if self._meter is None or not seconds:
            return
        start = time.perf_counter()
        while time.perf_counter() < start + seconds and interrupt.exit_code is None:
            time.sleep(min(_PAUSE_S, seconds))
        end = time.perf_counter()
        joules = self._meter.between(start, end)
        self._idle = None if joules is None else (joules / (end - start), end - start)

    def add(self, index: int, seconds: float) -> None:
        """Take note of a measurement that has just ended.

        Args:
            index: The model.
            seconds: How long it was measured.
        """
        self._seconds[index] += seconds
        if self._meter is not None:
            end = time.perf_counter()
            self._joules[index] += self._meter.between(end - seconds, end) or 0.0

    def record(self, index: int, frames: int) -> PowerRecord | None:
        """Power and energy of a model; None where nothing says it."""
        seconds = self._seconds[index]
        if self._watts is not None:
            each = self._watts * seconds / frames
            return PowerRecord("by hand", "as given", self._watts, each, by_hand=True)
        if self._meter is None or self._meter.failure:
            return None
        joules, sensor = self._joules[index], self._meter.sensor
        idle_watts, idle_s = self._idle or (None, None)
        return PowerRecord(
            sensor=sensor.name,
            covers=sensor.covers,
            watts=joules / seconds,
            joules_per_frame=joules / frames,
            idle_watts=idle_watts,
            idle_s=idle_s,
            net_joules_per_frame=(
                None if idle_watts is None else (joules - idle_watts * seconds) / frames
            ),
            unit=sensor.unit,
            range=_range(sensor),
            resolution=self._meter.resolution,
            readings=self._meter.readings,
        )


def _range(sensor: PowerSensor) -> float | None:
    """Where the first part to do so starts again."""
    return min((gauge.range for gauge in sensor.gauges if gauge.range is not None), default=None)
