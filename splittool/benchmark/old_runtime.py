"""Old OpenVINO runtimes, the only ones that drive a Myriad X stick, in an interpreter of their own.

`old_worker.py` runs in that interpreter; the two processes exchange lines of JSON, and each ends
when the other does.
"""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from splittool.errors import DeviceError, InputError
from splittool.runtime.libraries import library_error, missing_library
from splittool.runtime.myriad import tools_folder

RUNTIME_VARIABLE = "SPLITTOOL_RUNTIME_PYTHON"
_WORKER = Path(__file__).with_name("old_worker.py")
_START_S = 60.0
_ANSWER_S = 300.0  # compiling for a stick takes minutes at worst

# What 2021.x and 2022.x say of a device that they were built without.
_NO_DEVICE = ("not registered", "Cannot load plugin", "Failed to create plugin")

Arrays = dict[str, NDArray[Any]]


def find_runtime() -> Path | None:
    """The interpreter that the variable names, else that of the environment made for it."""
    named = os.environ.get(RUNTIME_VARIABLE)
    fetched = tools_folder() / "runtime-2021.4" / "bin" / "python"
    return Path(named) if named else fetched if fetched.is_file() else None


class OldRuntime:
    """A worker in the interpreter of an old runtime.

    Args:
        python: The interpreter.

    Attributes:
        version: Version of the runtime.
        devices: Names of the devices that it finds.

    Raises:
        DeviceError: The interpreter is not there, or has no old runtime.
    """

    def __init__(self, python: Path) -> None:
        self.python = python
        self._folder = tempfile.TemporaryDirectory(prefix="splittool-")
        self._said = Path(self._folder.name) / "stderr"
        self._rest = b""
        # A path has lost its "./": what is here goes before what PATH finds.
        executable = shutil.which(python.absolute()) or shutil.which(python)
        if executable is None:
            self._folder.cleanup()
            raise DeviceError(
                f"there is no interpreter {python}, here or on PATH; run: splittool doctor"
            )
        with self._said.open("wb") as stderr:
            self._process = subprocess.Popen(
                [executable, "-I", "-u", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        try:
            hello = self.ask({"do": "hello"}, _START_S)
        except BaseException:
            self.close()
            raise
        self.version: str = hello["runtime"]
        self.devices: list[str] = hello["devices"]

    @property
    def pid(self) -> int:
        """Process number of the worker."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, at the latest after ten seconds."""
        process = self._process
        if process.stdin and not process.stdin.closed:
            with suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        self._folder.cleanup()

    def load(
        self, model: Path, device: str, mode: str, requests: int | None, config: dict[str, str]
    ) -> dict[str, Any]:
        """Load a network on a device.

        Returns:
            What the worker says of it: name of the device, requests, streams, inputs, outputs.

        Raises:
            DeviceError: The device is not there.
            InputError: The runtime cannot run the network.
        """
        request = {"model": str(model), "device": device, "mode": mode, "config": config}
        return self.ask({"do": "load", "requests": requests, **request})

    def infer(self, inputs: Arrays) -> Arrays:
        """Run the loaded network once.

        Raises:
            DeviceError: The worker died.
            InputError: The runtime cannot run the network.
        """
        request = {"do": "infer", "inputs": self._store(inputs), "outputs": self._folder.name}
        answer = self.ask(request)
        return {name: np.load(path) for name, path in answer["outputs"].items()}

    def measure(
        self,
        inputs: Arrays,
        warmup_s: float,
        seconds: float,
        iterations: int | None,
        receive: Callable[[list[float], float | None], bool],
    ) -> dict[str, Any]:
        """Keep the device busy and time every frame.

        Args:
            inputs: Values of the inputs by name.
            warmup_s: Seconds before measuring.
            seconds: Duration.
            iterations: Frames to measure in place of the duration, or None.
            receive: Takes the latest samples (seconds done and milliseconds taken, alternating) and
                the device's temperature; returns whether to stop.

        Raises:
            DeviceError: The worker died.
        """
        stores = self._store(inputs)
        self._send(
            {
                "do": "measure",
                "inputs": stores,
                "warmup": warmup_s,
                "seconds": seconds,
                "iterations": iterations,
            }
        )
        stopped = False
        while True:
            message = self._receive(_ANSWER_S)
            if "samples" not in message:
                return self._answer(message)
            if receive(message["samples"], message["celsius"]) and not stopped:
                stopped = True
                self._send({"do": "stop"})

    def _store(self, arrays: Arrays) -> dict[str, str]:
        paths = {}
        for number, (name, value) in enumerate(arrays.items()):
            path = Path(self._folder.name) / f"input-{number}.npy"
            np.save(path, value)
            paths[name] = str(path)
        return paths

    def ask(self, request: dict[str, Any], timeout_s: float = _ANSWER_S) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            DeviceError: The worker says why it cannot, does not answer in time, or died.
        """
        self._send(request)
        return self._answer(self._receive(timeout_s))

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        """The next line, read without a buffer, because `select` does not see into one."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                self._process.kill()
                raise DeviceError(
                    f"the old runtime in {self.python} did not answer for {timeout_s:.0f} s and was"
                    " stopped; unplug the stick, plug it in again"
                )
            data = os.read(descriptor, 1 << 16)
            if not data:
                raise self._died()
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        if "error" in message:
            raise explain(message["error"])
        answer: dict[str, Any] = message["answer"]
        return answer

    def _died(self) -> DeviceError:
        code = self._process.wait()
        lines = self._said.read_text(errors="replace").strip().splitlines()
        last = lines[-1].strip()[:160] if lines else "without a word"
        library = missing_library("\n".join(lines))
        if library:
            return library_error(f"the old runtime in {self.python}", library)
        if "No module named" in last:
            return DeviceError(
                f"{self.python} has no old OpenVINO ({last}); give another `runtime_python`, or"
                " see: splittool doctor"
            )
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        return DeviceError(f"the old runtime in {self.python} died ({how}: {last}); run it again")


def explain(message: str) -> DeviceError | InputError:
    """The error that says what an old runtime's message means for the user."""
    library = missing_library(message)
    if library:
        return library_error("the old runtime", library)
    line = " ".join(message.split())[:200].rstrip(".")
    if "NC_ERROR" in message or "Can not init Myriad" in message:
        return DeviceError(
            "no Myriad stick answers (NC_ERROR); check that lsusb shows 03e7:2485, that the udev"
            " rule is there and that no other program has it: splittool doctor"
        )
    if any(words in message for words in _NO_DEVICE):
        return DeviceError(f"the old runtime has no such device ({line}); see: splittool doctor")
    return InputError(f"the old runtime cannot run the model ({line}); cut earlier")
