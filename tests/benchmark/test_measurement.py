import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splittool.benchmark.measurement import Samples, measure, percentiles, windows
from splittool.benchmark.options import Schedule
from splittool.errors import DeviceError, ExitCode
from splittool.graph.reading import load_model
from splittool.interrupt import Interrupt
from splittool.runtime.devices import Compiled, compile_model
from splittool.runtime.ir import core


def _samples(done: list[float], seconds: float) -> Samples:
    return Samples(np.array(done), np.arange(1.0, len(done) + 1), seconds, 1, False)


@given(st.lists(st.floats(1e-6, 1), max_size=50), st.floats(0.01, 100), st.floats(0.01, 50))
def test_windows_share_all_frames_and_all_the_time(
    places: list[float], seconds: float, length: float
) -> None:
    samples = _samples(sorted(place * seconds for place in places), seconds)
    records = windows(samples, length)
    assert sum(record.frames for record in records) == len(places)
    assert sum(record.seconds for record in records) == pytest.approx(seconds)
    assert records[0].start_s == 0
    for before, after in pairwise(records):
        assert after.start_s == pytest.approx(before.start_s + before.seconds)
        assert before.seconds == pytest.approx(length)
    assert records[-1].seconds <= max(1.5 * length, seconds) + 1e-9
    for record in records:
        assert record.fps == pytest.approx(record.frames / record.seconds)
        assert (record.max_ms is None) == (record.frames == 0)


def test_windows_by_hand() -> None:
    records = windows(_samples([0.5, 1.0, 1.5, 2.2], 2.2), 1.0)
    assert [(r.start_s, r.frames) for r in records] == [(0, 2), (1, 2)]  # the rest joins the last
    assert [record.seconds for record in records] == pytest.approx([1, 1.2])
    assert [(record.p50_ms, record.max_ms) for record in records] == [(1.5, 2), (3.5, 4)]
    records = windows(_samples([0.5, 2.6], 2.6), 1.0)
    assert [record.frames for record in records] == [1, 0, 1]  # long enough for its own
    assert records[1].fps == 0
    assert records[1].p50_ms is records[1].p90_ms is records[1].p99_ms is records[1].max_ms is None


def test_a_run_shorter_than_a_window_is_one() -> None:
    (record,) = windows(_samples([0.1, 0.2], 0.2), 60)
    assert (record.start_s, record.frames) == (0, 2)
    assert record.seconds == pytest.approx(0.2)


def test_percentiles_by_hand() -> None:
    assert percentiles(np.arange(101.0)) == (50, 90, 99, 100)
    assert percentiles(np.array([3.0])) == (3, 3, 3, 3)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_ordered(values: list[float]) -> None:
    p50, p90, p99, worst = percentiles(np.array(values))
    assert min(values) <= p50 <= p90 * (1 + 1e-9) <= p99 * (1 + 1e-9) ** 2
    assert p99 <= worst * (1 + 1e-9)
    assert worst == max(values)


@pytest.fixture(scope="module")
def compiled(exported: Path) -> Compiled:
    return compile_model(core(), load_model(exported), "CPU", "f32", "throughput")


@pytest.mark.parametrize("iterations", [1, 2, 7])
@pytest.mark.parametrize("requests", [None, 1, 3])
def test_frames_are_counted_exactly(
    compiled: Compiled, iterations: int, requests: int | None
) -> None:
    with Interrupt() as interrupt:
        samples = measure(
            compiled, Schedule(iterations=iterations, warmup_s=0), interrupt, requests=requests
        )
    assert len(samples.done_s) == len(samples.latency_ms) == iterations
    assert not samples.interrupted
    assert samples.requests == (requests or samples.requests) >= 1
    assert (np.diff(samples.done_s) >= 0).all()
    assert (samples.done_s > 0).all()
    assert (samples.latency_ms > 0).all()
    assert samples.done_s[-1] <= samples.seconds


def test_a_time_is_filled_with_frames(compiled: Compiled) -> None:
    with Interrupt() as interrupt:
        samples = measure(compiled, Schedule(0.2, warmup_s=0), interrupt)
    assert samples.seconds >= 0.2
    assert len(samples.done_s) >= 1
    assert sum(record.frames for record in windows(samples, 0.05)) == len(samples.done_s)


def test_progress_is_told(compiled: Compiled) -> None:
    told: list[tuple[float, int]] = []
    with Interrupt() as interrupt:
        samples = measure(
            compiled, Schedule(1.2, warmup_s=0), interrupt, lambda *now: told.append(now)
        )
    assert told
    assert told == sorted(told)
    assert all(seconds <= samples.seconds for seconds, _ in told)
    assert told[-1][1] <= len(samples.done_s)


def test_an_interruption_keeps_what_was_measured(compiled: Compiled) -> None:
    with Interrupt() as interrupt:
        samples = measure(
            compiled,
            Schedule(3600, warmup_s=0),
            interrupt,
            lambda seconds, frames: os.kill(os.getpid(), signal.SIGINT),
        )
    assert samples.interrupted
    assert interrupt.exit_code == ExitCode.INTERRUPTED
    assert len(samples.done_s) == len(samples.latency_ms) > 0
    assert samples.seconds < 3600


def test_an_interruption_before_the_first_frame(compiled: Compiled) -> None:
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(DeviceError, match="interrupted before the first frame"):
            measure(compiled, Schedule(iterations=5, warmup_s=0), interrupt)
    assert interrupt.exit_code == ExitCode.TERMINATED
