"""Frames per second over time, with latencies, on any device of the installed OpenVINO."""

import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from splittool.benchmark.options import Schedule
from splittool.errors import DeviceError
from splittool.interrupt import Interrupt
from splittool.reports import WindowRecord
from splittool.runtime.devices import Compiled

Inputs = Sequence[Sequence[NDArray[np.generic]]]

TICK_S = 0.5
_DRIFT_S = 300.0
_FEW = 1024  # samples to have room for where the rate is not known


@dataclass(frozen=True)
class Samples:
    """One entry per frame, in the order of completion.

    Attributes:
        done_s: When the frame was done, in seconds from the start of measuring.
        latency_ms: How long the frame took.
        seconds: Duration of the whole measurement.
        requests: Requests that were in flight.
        interrupted: A signal ended the run early.
    """

    done_s: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    seconds: float
    requests: int
    interrupted: bool


class Recorder:
    """Room for samples, taken before measuring so that memory stays as it is.

    Args:
        frames: Number of frames expected; more of them find room as well.
    """

    def __init__(self, frames: int) -> None:
        self._empty = bytes(8 * max(frames, _FEW))
        self._done, self._latency = array("d", self._empty), array("d", self._empty)
        self.count = 0

    def add(self, done_s: float, latency_ms: float) -> None:
        """Record one frame."""
        if self.count == len(self._done):
            self._done.frombytes(self._empty)
            self._latency.frombytes(self._empty)
        self._done[self.count] = done_s
        self._latency[self.count] = latency_ms
        self.count += 1

    def samples(self, seconds: float, requests: int, interrupted: bool) -> Samples:
        """Everything that was recorded.

        Raises:
            DeviceError: Nothing was recorded.
        """
        if not self.count:
            raise DeviceError("interrupted before the first frame was done; nothing was measured")
        done, latency = (np.array(a[: self.count]) for a in (self._done, self._latency))
        return Samples(done, latency, seconds, requests, interrupted)


def measure(
    compiled: Compiled,
    schedule: Schedule,
    interrupt: Interrupt,
    tick: Callable[[float, int], None] = lambda seconds, frames: None,
    inputs: Inputs = (),
    requests: int | None = None,
) -> Samples:
    """Keep the device busy and time every frame.

    Idle requests are polled for: a Python callback per result would cost a small network up to half
    of its throughput.

    Args:
        compiled: The model.
        schedule: How long to measure; rounds are the caller's.
        interrupt: Ends the run; what was measured is kept.
        tick: Called about twice a second with the seconds and frames so far.
        inputs: Values of the inputs, dealt out to the requests in turn; random ones if empty.
        requests: Requests in flight; None takes what the device recommends.

    Raises:
        DeviceError: Nothing could be measured before the interruption.
    """
    requests = requests or compiled.model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    queue = ov.AsyncInferQueue(compiled.model, requests)
    inputs = inputs or [random_inputs(compiled.model)]
    slots = list(queue)  # a queue makes a new object at every look
    for number, request in enumerate(slots):
        for port, value in enumerate(inputs[number % len(inputs)]):
            request.set_input_tensor(port, ov.Tensor(np.ascontiguousarray(value)))
    rate = _warm_up(queue, schedule.warmup_s, interrupt)
    recorder = Recorder(schedule.iterations or int(rate * schedule.seconds * 1.5))
    busy = [False] * requests
    started = time.perf_counter()
    now, next_tick, launched = 0.0, TICK_S, 0
    while interrupt.exit_code is None and _more(schedule, now, launched):
        index = queue.get_idle_request_id()
        now = time.perf_counter() - started
        if busy[index]:
            recorder.add(now, slots[index].latency)
        queue.start_async()
        busy[index] = True
        launched += 1
        if now >= next_tick:
            tick(now, recorder.count)
            next_tick = now + TICK_S
    queue.wait_all()
    seconds = time.perf_counter() - started
    for index in (i for i, is_busy in enumerate(busy) if is_busy):
        recorder.add(seconds, slots[index].latency)
    return recorder.samples(seconds, requests, interrupt.exit_code is not None)


def _more(schedule: Schedule, now: float, launched: int) -> bool:
    if schedule.iterations is not None:
        return launched < schedule.iterations
    return now < schedule.seconds


def _warm_up(queue: ov.AsyncInferQueue, seconds: float, interrupt: Interrupt) -> float:
    """Run at least one frame per request, because first runs allocate memory.

    Returns:
        Frames per second.
    """
    started = time.perf_counter()
    launched = 0
    while launched < len(queue) or time.perf_counter() < started + seconds:
        if interrupt.exit_code is not None:
            break
        queue.get_idle_request_id()
        queue.start_async()
        launched += 1
    queue.wait_all()
    return launched / (time.perf_counter() - started)


def random_inputs(model: ov.Model | ov.CompiledModel) -> list[NDArray[np.generic]]:
    """The same random values from 0 to 255 for every input at each call."""
    rng = np.random.default_rng(0)
    inputs = []
    for port in model.inputs:
        dtype = port.get_element_type().to_dtype()
        values = rng.integers(0, 256, tuple(port.get_shape()))
        inputs.append(values.astype(dtype))
    return inputs


def join(parts: Sequence[Samples]) -> Samples:
    """Several runs of one model as if they had followed each other at once."""
    starts = np.cumsum([0.0, *(part.seconds for part in parts)])
    return Samples(
        np.concatenate([part.done_s + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.latency_ms for part in parts]),
        float(starts[-1]),
        parts[0].requests,
        any(part.interrupted for part in parts),
    )


def windows(samples: Samples, length_s: float) -> list[WindowRecord]:
    """Divide a run into windows; a rest shorter than half a window is added to the last."""
    count = max(1, round(samples.seconds / length_s))
    edges = [*(length_s * number for number in range(count)), samples.seconds]
    records = []
    for start, end in pairwise(edges):
        seconds = end - start
        inside = (samples.done_s > start) & (samples.done_s <= end)
        latencies = samples.latency_ms[inside]
        marks = percentiles(latencies) if len(latencies) else (None,) * 4
        frames = int(inside.sum())
        records.append(WindowRecord(start, seconds, frames, frames / seconds, *marks))
    return records


def drift(samples: Samples) -> tuple[float, float] | None:
    """How much faster the end of a run is than its start.

    Returns:
        Frames in the last stretch over frames in the first, less one; and the length of a stretch
        in seconds: five minutes, or a third of a shorter run. None if the first has no frame.
    """
    stretch = min(_DRIFT_S, samples.seconds / 3)
    first = int((samples.done_s <= stretch).sum())
    last = int((samples.done_s > samples.seconds - stretch).sum())
    return (last / first - 1, stretch) if first else None


def percentiles(latencies: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The 50th, 90th and 99th percentile, and the maximum."""
    p50, p90, p99 = (float(value) for value in np.percentile(latencies, (50, 90, 99)))
    return p50, p90, p99, float(latencies.max())
