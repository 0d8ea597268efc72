"""Frames per second over time, with latencies, on any device of the modern runtime."""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from splittool.device.runtime import Compiled
from splittool.errors import DeviceError
from splittool.interrupt import Interrupt
from splittool.reports import WindowRecord


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        seconds: Duration, or None to count iterations.
        iterations: Frames, or None to measure for a time.
        warmup_s: Seconds before measuring.
        window_s: Length of the stretches reported on.
        requests: Requests in flight; None takes what the device calls best.
    """

    seconds: float | None
    iterations: int | None
    warmup_s: float
    window_s: float
    requests: int | None


@dataclass(frozen=True)
class Samples:
    """One entry per frame, in the order of completion.

    Attributes:
        done_s: When it was done, from the start of measuring.
        latency_ms: How long it took.
        seconds: Duration of the whole.
        requests: Requests that were in flight.
        interrupted: A signal ended the run early.
    """

    done_s: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    seconds: float
    requests: int
    interrupted: bool


def measure(
    compiled: Compiled,
    plan: Plan,
    interrupt: Interrupt,
    tick: Callable[[float, int], None] = lambda seconds, frames: None,
) -> Samples:
    """Keep the device busy and time every frame.

    Idle requests are polled for: a Python callback per result would cost a small network up to half
    of its throughput.

    Args:
        compiled: The model.
        plan: How long.
        interrupt: Ends the run; what was measured is kept.
        tick: Called about twice a second with the seconds and frames so far.

    Raises:
        DeviceError: Nothing could be measured before the interruption.
    """
    requests = plan.requests or compiled.model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    queue = ov.AsyncInferQueue(compiled.model, requests)
    inputs = _random_inputs(compiled.model)
    for request in queue:
        request.set_input_tensors([ov.Tensor(value) for value in inputs])
    _warm_up(queue, plan.warmup_s, interrupt)
    done, latencies = array("d"), array("d")
    busy = [False] * requests
    started = time.perf_counter()
    now, next_tick, launched = 0.0, 0.5, 0
    while interrupt.exit_code is None and _more(plan, now, launched):
        index = queue.get_idle_request_id()
        now = time.perf_counter() - started
        if busy[index]:
            done.append(now)
            latencies.append(queue[index].latency)
        queue.start_async()
        busy[index] = True
        launched += 1
        if now >= next_tick:
            tick(now, len(done))
            next_tick = now + 0.5
    queue.wait_all()
    seconds = time.perf_counter() - started
    for index in (i for i, is_busy in enumerate(busy) if is_busy):
        done.append(seconds)
        latencies.append(queue[index].latency)
    if not done:
        raise DeviceError("interrupted before the first frame was done; nothing was measured")
    interrupted = interrupt.exit_code is not None
    return Samples(np.array(done), np.array(latencies), seconds, requests, interrupted)


def _more(plan: Plan, now: float, launched: int) -> bool:
    if plan.iterations is not None:
        return launched < plan.iterations
    return plan.seconds is not None and now < plan.seconds


def _warm_up(queue: ov.AsyncInferQueue, seconds: float, interrupt: Interrupt) -> None:
    """At least one frame per request: first runs allocate memory."""
    end = time.perf_counter() + seconds
    launched = 0
    while launched < len(queue) or time.perf_counter() < end:
        if interrupt.exit_code is not None:
            break
        queue.get_idle_request_id()
        queue.start_async()
        launched += 1
    queue.wait_all()


def _random_inputs(model: ov.CompiledModel) -> list[NDArray[np.generic]]:
    rng = np.random.default_rng(0)
    inputs = []
    for port in model.inputs:
        dtype = port.get_element_type().to_dtype()
        values = rng.integers(0, 256, tuple(port.get_shape()))
        inputs.append(values.astype(dtype))
    return inputs


def windows(samples: Samples, length_s: float) -> list[WindowRecord]:
    """Cut a run into stretches; a rest shorter than half of one is added to the last."""
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


def percentiles(latencies: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The 50th, 90th and 99th percentile, and the maximum."""
    p50, p90, p99 = (float(value) for value in np.percentile(latencies, (50, 90, 99)))
    return p50, p90, p99, float(latencies.max())
