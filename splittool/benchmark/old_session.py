"""A model on a device of an old runtime, measured as `session` does in the installed one."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from splittool.benchmark.measurement import Recorder, Samples, random_inputs
from splittool.benchmark.old_runtime import OldRuntime, find_runtime
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.sensors import hottest
from splittool.benchmark.session import SensorLog, Setup, Tick
from splittool.benchmark.workload import Subject
from splittool.errors import DeviceError, UsageError
from splittool.interrupt import Interrupt
from splittool.runtime.ir import write_ir
from splittool.runtime.targets import TARGETS
from splittool.vocabulary import PRECISION_SYNONYMS


class OldSession:
    """A model on a device of an old runtime, in an interpreter of its own.

    Raises:
        UsageError: The options ask for what an old runtime does not have.
        DeviceError: The interpreter, its runtime or the device is not there.
        InputError: The old runtime cannot run the model.
    """

    def __init__(self, subject: Subject, options: DeviceOptions) -> None:
        assert options.runtime_python is not None
        precision = PRECISION_SYNONYMS.get(options.precision, options.precision)
        if options.cache is not None or precision not in ("auto", "f32", "bf16"):
            raise UsageError("an old runtime has no `cache` and no `precision` f16; leave them out")
        self._device = options.device or "MYRIAD"
        self._runtime = OldRuntime(options.runtime_python)
        self._folder = tempfile.TemporaryDirectory(prefix="splittool-")
        try:
            path = Path(self._folder.name) / "model.xml"
            write_ir(subject.model, path, False, TARGETS["myriad"])
            loaded = self._runtime.load(
                path, self._device, options.hint, options.requests, _config(self._device, options)
            )
        except BaseException:
            self.close()
            raise
        self._requests = int(loaded["requests"])
        values = subject.inputs[0] if subject.inputs else random_inputs(subject.model)
        names = [port.get_node().get_friendly_name() for port in subject.model.inputs]
        self._inputs = dict(zip(names, values, strict=True))
        self.setup = Setup(
            device_used=[self._device],
            device_name=str(loaded["device_name"]),
            vpu_present="MYRIAD" in self._runtime.devices,
            precision_actual=_precision(self._device, loaded),
            streams=int(loaded["streams"]) if str(loaded["streams"]).isdecimal() else None,
            runtime=f"openvino {self._runtime.version.partition('-')[0]}",
            compile_ms=float(loaded["compile_ms"]),
        )

    def measure(
        self, schedule: Schedule, interrupt: Interrupt, tick: Tick, log: SensorLog
    ) -> Samples:
        """Measure in the worker; samples arrive twice a second."""
        recorder = Recorder(schedule.iterations or 0)

        def receive(values: list[float], celsius: float | None) -> bool:
            for done_s, latency_ms in zip(values[::2], values[1::2], strict=True):
                recorder.add(done_s, latency_ms)
            if values:
                sensor = hottest() if celsius is None else (self._device, celsius)
                log.add(values[-2], sensor, self._runtime.pid)
                tick(values[-2], recorder.count)
            return interrupt.exit_code is not None

        ended = self._runtime.measure(
            self._inputs, schedule.warmup_s, schedule.seconds, schedule.iterations, receive
        )
        return recorder.samples(ended["seconds"], self._requests, bool(ended["stopped"]))

    def close(self) -> None:
        """End the worker."""
        self._runtime.close()
        self._folder.cleanup()


def _config(device: str, options: DeviceOptions) -> dict[str, str]:
    """The settings behind the hints, which old runtimes do not have."""
    config = {}
    if options.streams is not None:
        config[f"{device}_THROUGHPUT_STREAMS"] = str(options.streams)
    elif device == "CPU" and options.hint == "throughput":
        config["CPU_THROUGHPUT_STREAMS"] = "CPU_THROUGHPUT_AUTO"
    if device == "CPU" and options.precision != "auto":
        config["ENFORCE_BF16"] = "YES" if options.precision == "bf16" else "NO"
    return config


def _precision(device: str, loaded: dict[str, Any]) -> str:
    if device == "MYRIAD":
        return "f16"  # the only one that it has
    return "bf16" if loaded["bf16"] == "YES" else "f32"


def choose_runtime(options: DeviceOptions) -> DeviceOptions:
    """Name the old runtime for a device that only an old runtime drives.

    Raises:
        DeviceError: No old runtime is here.
    """
    if options.runtime_python is not None or options.device != "MYRIAD":
        return options
    found = find_runtime()
    if found is None:
        raise DeviceError(
            "MYRIAD needs OpenVINO 2021.4 in Python 3.6 to 3.9: name its interpreter with"
            " `runtime_python`, or see: splittool doctor"
        )
    return replace(options, runtime_python=found)
