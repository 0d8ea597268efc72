"""A model on a device of an old runtime, as `session` has it for the modern one."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from splittool.bench.measurement import Plan, Recorder, Samples, random_inputs
from splittool.bench.old_runtime import LegacyRuntime
from splittool.bench.sensors import hottest
from splittool.bench.session import Log, Settings, Setup, Subject, Tick
from splittool.errors import DeviceError, UsageError
from splittool.interrupt import Interrupt
from splittool.runtime.ir import write_ir
from splittool.runtime.targets import TARGETS


class LegacySession:
    """A model on a device of an old runtime, in an interpreter of its own.

    Raises:
        DeviceError: The interpreter, its runtime or the device is not there.
        InputError: The old runtime cannot run the model.
    """

    def __init__(self, subject: Subject, settings: Settings) -> None:
        assert settings.runtime_python is not None
        if settings.cache is not None or settings.precision not in ("auto", "f32", "bf16"):
            raise UsageError("an old runtime has no --cache and no --precision f16; leave them out")
        device = settings.device or "MYRIAD"
        self._runtime = LegacyRuntime(settings.runtime_python)
        self._plan_requests: int | None = None
        self._hint, self._device = settings.hint, device
        self._config = _old_config(device, settings)
        self._folder = tempfile.TemporaryDirectory(prefix="splittool-")
        try:
            self._path = Path(self._folder.name) / "model.xml"
            write_ir(subject.model, self._path, False, TARGETS["myriad"])
            loaded = self._load(None)
        except BaseException:
            self.close()
            raise
        frames = subject.frames or [random_inputs(subject.model)]
        names = [port.get_node().get_friendly_name() for port in subject.model.inputs]
        self._inputs = dict(zip(names, frames[0], strict=True))
        self.setup = Setup(
            device_used=[device],
            device_name=str(loaded["device_name"]),
            vpu_present="MYRIAD" in self._runtime.devices,
            precision_actual=_old_precision(device, loaded),
            streams=int(loaded["streams"]) if str(loaded["streams"]).isdecimal() else None,
            runtime=f"openvino {self._runtime.version.partition('-')[0]}",
            compile_ms=float(loaded["compile_ms"]),
        )

    def _load(self, requests: int | None) -> dict[str, Any]:
        self._requests = requests
        loaded = self._runtime.load(self._path, self._device, self._hint, requests, self._config)
        self._count = int(loaded["requests"])
        return loaded

    def measure(self, plan: Plan, interrupt: Interrupt, tick: Tick, log: Log) -> Samples:
        """Measure in the worker; samples arrive twice a second."""
        if plan.requests != self._requests:
            self._load(plan.requests)
        recorder = Recorder(plan.iterations or 0)

        def receive(values: list[float], celsius: float | None) -> bool:
            for done_s, latency_ms in zip(values[::2], values[1::2], strict=True):
                recorder.add(done_s, latency_ms)
            if values:
                sensor = hottest() if celsius is None else (self._device, celsius)
                log.look(values[-2], sensor, self._runtime.pid)
                tick(values[-2], recorder.count)
            return interrupt.exit_code is not None

        ended = self._runtime.measure(
            self._inputs, plan.warmup_s, plan.seconds, plan.iterations, receive
        )
        return recorder.samples(ended["seconds"], self._count, bool(ended["stopped"]))

    def close(self) -> None:
        """End the worker."""
        self._runtime.close()
        self._folder.cleanup()


def _old_config(device: str, settings: Settings) -> dict[str, str]:
    """Old runtimes have no hints; these are the settings behind them."""
    config = {}
    if settings.streams is not None:
        config[f"{device}_THROUGHPUT_STREAMS"] = str(settings.streams)
    elif device == "CPU" and settings.hint == "throughput":
        config["CPU_THROUGHPUT_STREAMS"] = "CPU_THROUGHPUT_AUTO"
    if device == "CPU" and settings.precision != "auto":
        config["ENFORCE_BF16"] = "YES" if settings.precision == "bf16" else "NO"
    return config


def _old_precision(device: str, loaded: dict[str, Any]) -> str:
    if device == "MYRIAD":
        return "f16"  # the only one it has
    return "bf16" if loaded["bf16"] == "YES" else "f32"


def require_old_runtime(settings: Settings, found: Path | None) -> Settings:
    """Choose the old runtime for a device that only it drives.

    Raises:
        DeviceError: There is none.
    """
    if settings.runtime_python is not None or settings.device != "MYRIAD":
        return settings
    if found is None:
        raise DeviceError(
            "MYRIAD needs OpenVINO 2021.4 in Python 3.6 to 3.9: name its interpreter with"
            " --runtime-python, or see: splittool doctor"
        )
    return replace(settings, runtime_python=found)
