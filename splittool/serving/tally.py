"""What a run of an edge comes to, while it runs and in the end."""

from collections import Counter, deque
from collections.abc import Iterator
from threading import Lock
from time import perf_counter

import numpy as np

from splittool.reports.send import SendReport
from splittool.serving.delivery import Parcel, Result
from splittool.serving.journal import Line
from splittool.split.pipeline import Clock

_WINDOW = 5.0  # seconds that live figures are of


class Tally:
    """Counts results; the sender's threads and the writer share it.

    Args:
        resumed_at: Frames that had results before.
    """

    def __init__(self, resumed_at: int) -> None:
        self._resumed_at = resumed_at
        self._began = perf_counter()
        self._recent: deque[tuple[float, float, int]] = deque()  # time, latency, bytes
        self._round_trips: list[float] = []
        self._latencies: list[float] = []
        self._frames = 0
        self._waiting = 0
        self._lock = Lock()

    def sent(self, parcel: Parcel) -> Parcel:
        """Take note of a frame on its way."""
        with self._lock:
            self._waiting += 1
        return parcel

    def answered(self) -> int:
        """Take note of a result; returns how many frames were on their way with it."""
        with self._lock:
            self._waiting -= 1
            return self._waiting + 1

    def add(self, result: Result) -> None:
        """Take note of a result that was written down."""
        now = perf_counter()
        self._frames += 1
        self._latencies.append(result.latency_ms)
        if result.round_trip_ms is not None:
            self._round_trips.append(result.round_trip_ms)
        size = len(result.parcel.frame) if result.how == "server" else 0
        self._recent.append((now, result.latency_ms, size))
        while self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()

    def live(self) -> str:
        """Frames a second, latency, Mbit/s and frames on their way, over the last seconds."""
        span = min(_WINDOW, max(perf_counter() - self._began, 1e-3))
        p50, p99 = np.percentile([latency for _, latency, _ in self._recent], [50, 99])
        rate = sum(size for _, _, size in self._recent) * 8e-6 / span
        return (
            f"{len(self._recent) / span:.1f} FPS, {p50:.0f}/{p99:.0f} ms p50/p99,"
            f" {rate:.1f} Mbit/s, {self._waiting} waiting"
        )

    def report(self, lines: Iterator[Line], clock: Clock) -> SendReport:
        """Everything, from this run's clock and from the results of this and earlier runs."""
        seconds = perf_counter() - self._began
        how: Counter[str] = Counter()
        bits: Counter[str] = Counter()
        attempts = late = sent = answers = 0
        for line in lines:
            how[line.how] += 1
            attempts += line.attempts
            late += line.late
            answers += line.answer_bytes
            if line.how == "server":
                sent += line.frame_bytes
                bits["mixed" if line.bits is None else str(line.bits)] += 1
        frames = sum(how.values())
        report = SendReport(
            frames=frames,
            resumed_at=self._resumed_at,
            by=dict(how),
            retries=max(attempts - how["server"], 0),
            late=late,
            seconds=seconds,
            frames_per_second=self._frames / seconds,
            latency_ms=_percentiles(self._latencies),
            round_trip_ms=_percentiles(self._round_trips),
            frame_bytes=sent,
            answer_bytes=answers,
            frames_by_bits=dict(bits),
        )
        if self._frames:
            per_frame = {name: each / self._frames for name, each in clock.per_thread().items()}
            report.stage_ms = {name: each * 1e3 for name, each in per_frame.items()}
            report.slowest_stage = max(per_frame, key=lambda name: per_frame[name])
            report.share_of_slowest = report.frames_per_second * per_frame[report.slowest_stage]
        return report


def _percentiles(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest; empty without values."""
    if not values:
        return {}
    p50, p90, p99 = (float(value) for value in np.percentile(values, [50, 90, 99]))
    return {"p50": p50, "p90": p90, "p99": p99, "max": max(values)}
