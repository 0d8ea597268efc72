"""What a server tells its operators: JSON lines in the log, and metrics for Prometheus."""

import json
import logging
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, start_http_server
from prometheus_client import Counter as Total

if TYPE_CHECKING:
    from splittool.serving.models import Answered

LOGGER = logging.getLogger("splittool.serving")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class JsonLines(logging.Formatter):
    """One JSON object for each record: time, level, event, and what else is known of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def tell(level: int, event: str, **facts: Any) -> None:
    """Log an event with what is known of it; errors with the traceback, if there is one."""
    trace = level >= logging.ERROR and sys.exc_info()[0] is not None
    LOGGER.log(level, event, exc_info=trace, extra={"facts": facts})


class Observer:
    """Counts what a server does.

    Attributes:
        codes: Requests by the name of the gRPC status that they ended with.
    """

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.registry = CollectorRegistry()
        self._requests = Total(
            "splittool_requests", "Requests by how they ended.", ["model", "code"],
            registry=self.registry,
        )  # fmt: skip
        self._bytes = Total(
            "splittool_bytes", "Bytes of frames and answers.", ["model", "direction"],
            registry=self.registry,
        )  # fmt: skip
        self._stages = Histogram(
            "splittool_stage_seconds", "Time of each stage of a request.", ["model", "stage"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.in_hand = Gauge(
            "splittool_frames_in_hand", "Frames taken and not yet answered.", registry=self.registry
        )
        self.limit = Gauge(
            "splittool_frames_limit", "Frames that may be in hand.", registry=self.registry
        )
        self._reloads = Total(
            "splittool_reloads", "Cuts loaded again.", ["model", "result"], registry=self.registry
        )

    def listen(self, host: str, port: int) -> Any:
        """Serve the metrics over HTTP; returns the server, to be shut down."""
        server, _ = start_http_server(port, host, self.registry)
        return server

    def answered(self, model: str, identity: str, sizes: tuple[int, int], one: "Answered",
                 waited_ms: float) -> None:  # fmt: skip
        """Take down a frame that was answered; sizes are bytes of the frame and of the answer."""
        self.codes["OK"] += 1
        self._requests.labels(model, "OK").inc()
        for direction, size in zip(("in", "out"), sizes, strict=True):
            self._bytes.labels(model, direction).inc(size)
        stages = {
            "queue": waited_ms,
            "decode": one.decode_ms,
            "tail": one.tail_ms,
            "encode": one.encode_ms,
        }
        for stage, milliseconds in stages.items():
            self._stages.labels(model, stage).observe(milliseconds / 1e3)
        times = {f"{stage}_ms": round(value, 2) for stage, value in stages.items()}
        tell(
            logging.INFO, "answered", model=model, id=identity[:64], frame=one.frame_id,
            bytes_in=sizes[0], bytes_out=sizes[1], **times,
        )  # fmt: skip

    def refused(self, model: str, identity: str, code: str, reason: str) -> None:
        """Take down a request that was not answered; `model` is a known one or empty."""
        self.codes[code] += 1
        self._requests.labels(model, code).inc()
        level = logging.ERROR if code == "INTERNAL" else logging.WARNING
        tell(level, "refused", model=model, id=identity[:64], code=code, reason=reason)

    def reloaded(self, model: str, version: str, problem: str | None) -> None:
        """Take down that a cut was loaded again, or could not be."""
        self._reloads.labels(model, "failed" if problem else "loaded").inc()
        level = logging.WARNING if problem else logging.INFO
        tell(level, "reload", model=model, version=version, problem=problem)
