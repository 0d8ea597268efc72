"""What to ask of a device, and how and how long to measure."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from splittool.benchmark.power_sensors import SYSFS
from splittool.errors import UsageError
from splittool.runtime.devices import Hint
from splittool.vocabulary import RuntimeName

Rival = Literal["benchmark_app"]


@dataclass(frozen=True)
class DeviceOptions:
    """What is asked of the device.

    Attributes:
        device: Its name in the runtime, such as "CPU"; None takes a VPU where OpenVINO sees one,
            and the CPU in ONNX Runtime.
        precision: "auto", "f32", "f16" or "bf16".
        hint: What the device is tuned for.
        streams: Frames computed side by side; None leaves it to the hint.
        requests: Requests in flight; None takes what the device recommends.
        cache: Folder for compiled models.
        runtime_python: The interpreter of an old runtime to measure in; None takes the installed
            OpenVINO.
        runtime: "openvino", or "onnxruntime" for .onnx files on its execution providers.
    """

    device: str | None = None
    precision: str = "auto"
    hint: Hint = "throughput"
    streams: int | None = None
    requests: int | None = None
    cache: Path | None = None
    runtime_python: Path | None = None
    runtime: RuntimeName = "openvino"


@dataclass(frozen=True)
class Schedule:
    """How long to measure, in which order, and with which sensor of power.

    Attributes:
        seconds: Duration for each model, over all rounds together.
        iterations: Frames to measure for each model in place of a duration.
        warmup_s: Seconds before measuring; where a power sensor is, it sees the idle machine for
            as long before the first of them.
        window_s: Length of the windows that the report has a row for.
        rounds: Number of interleaved rounds, so that ratios hold on a busy machine; None measures
            one model after the other.
        against: Another tool that measures each model right after we did, in every round.
        watts: Power that the device draws, given by hand; None asks the system's sensors.
        sysfs: Where the system shows its sensors.
    """

    seconds: float = 60.0
    iterations: int | None = None
    warmup_s: float = 2.0
    window_s: float = 10.0
    rounds: int | None = None
    against: Rival | None = None
    watts: float | None = None
    sysfs: Path = SYSFS

    def lasting(self, minutes: float | None) -> Self:
        """The same for another duration; None keeps its own.

        Raises:
            UsageError: It counts iterations, or the duration is not above 0.
        """
        if minutes is None:
            return self
        if self.iterations is not None:
            raise UsageError("give either `minutes` or `iterations`")
        if not 0 < minutes < float("inf"):
            raise UsageError(f"`minutes` {minutes:g} is out of range; give a number above 0")
        return replace(self, seconds=minutes * 60)

    def one_round(self) -> Self:
        """The share of a single round."""
        rounds = self.rounds or 1
        iterations = None if self.iterations is None else -(-self.iterations // rounds)
        return replace(self, seconds=self.seconds / rounds, iterations=iterations)
