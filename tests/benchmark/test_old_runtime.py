import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from splittool.benchmark.old_runtime import OldRuntime, explain, find_runtime
from splittool.benchmark.old_session import choose_runtime
from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.run import bench
from splittool.cli.main import run
from splittool.errors import DeviceError, ExitCode, InputError
from splittool.graph.reading import load_model
from splittool.interrupt import Interrupt
from splittool.reports import BenchReport
from splittool.runtime.devices import Hint
from splittool.runtime.ir import core, write_ir
from splittool.runtime.myriad import compile_blob
from splittool.runtime.targets import TARGETS

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
OLD_F32 = {"ENFORCE_BF16": "NO"}


@pytest.fixture(scope="module")
def old_ir(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("old") / "tiny.xml"
    write_ir(load_model(exported), path, half=False, target=TARGETS["myriad"])
    return path


def test_old_and_new_runtime_agree_on_a_network(
    exported: Path, old_ir: Path, old_runtime: OldRuntime
) -> None:
    model = load_model(exported)
    shape = tuple(model.inputs[0].get_shape())
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    loaded = old_runtime.load(old_ir, "CPU", "latency", None, OLD_F32)
    assert loaded["inputs"] == {"pixels": {"shape": list(shape), "type": "U8"}}
    (old,) = old_runtime.infer({"pixels": pixels}).values()
    new = core().compile_model(model, "CPU", F32)(pixels)[0]
    np.testing.assert_allclose(old, new, atol=1e-5)


def _options(python: Path, hint: Hint = "throughput", requests: int | None = None) -> DeviceOptions:
    return DeviceOptions("CPU", "f32", hint, requests=requests, runtime_python=python)


@pytest.mark.parametrize("hint", ["throughput", "latency"])
def test_a_benchmark_in_the_old_runtime(hint: Hint, exported: Path, old_python: Path) -> None:
    ticks: list[float] = []
    run = bench(
        exported,
        options=_options(old_python, hint),
        schedule=Schedule(seconds=1.2, warmup_s=0.1, window_s=0.5),
        progress=lambda done, total, what: ticks.append(done),
    )
    assert isinstance(run, BenchReport)
    assert run.runtime == "openvino 2021.4.2"
    assert (run.precision_requested, run.precision_actual) == ("f32", "f32")
    assert run.requests_in_flight >= 1
    assert hint != "latency" or run.requests_in_flight == 1
    assert run.frames > 10
    assert run.seconds >= 1.2
    # On a busy machine the last frames take their time, and a run may have a window more.
    assert len(run.windows) == max(1, round(run.seconds / 0.5))
    assert sum(window.frames for window in run.windows) == run.frames
    assert ticks
    assert ticks == sorted(ticks)


def test_frames_are_counted_exactly(exported: Path, old_python: Path) -> None:
    options = _options(old_python, requests=2)
    run = bench(exported, options=options, schedule=Schedule(iterations=7, warmup_s=0))
    assert isinstance(run, BenchReport)
    assert (run.frames, run.requests_in_flight) == (7, 2)


def test_an_interrupted_run_reports_what_it_has(exported: Path, old_python: Path) -> None:
    ticks: list[float] = []

    def stop(done: float, total: float, what: str) -> None:
        ticks.append(done)
        if len(ticks) == 1:  # a second one would end it at once
            os.kill(os.getpid(), signal.SIGINT)

    with Interrupt() as interrupt:
        run = bench(
            exported,
            60,
            _options(old_python),
            Schedule(warmup_s=0),
            progress=stop,
            interrupt=interrupt,
        )
    assert interrupt.exit_code == ExitCode.INTERRUPTED
    assert isinstance(run, BenchReport)
    assert run.interrupted
    assert run.frames > 0


def test_a_worker_that_is_killed(exported: Path, old_python: Path) -> None:
    others = set(psutil.Process().children())

    def kill(done: float, total: float, what: str) -> None:
        for child in set(psutil.Process().children()) - others:
            child.kill()

    with pytest.raises(DeviceError, match=r"died \(signal 9"):
        bench(exported, 1, _options(old_python), Schedule(warmup_s=0), progress=kill)
    assert set(psutil.Process().children()) <= others  # no zombie


def test_a_worker_ends_with_its_parent(old_ir: Path, old_python: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from splittool.benchmark.old_runtime import OldRuntime\n"
        "runtime = OldRuntime(Path(sys.argv[1]))\n"
        "runtime.load(Path(sys.argv[2]), 'CPU', 'latency', None, {})\n"
        "import numpy as np\n"
        "pixels = np.zeros((1, 3, 64, 96), np.uint8)\n"
        "print(runtime._process.pid, flush=True)\n"
        "runtime.measure({'pixels': pixels}, 0, 600, None, lambda values, celsius: False)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, old_python, old_ir], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        worker = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.3)  # it measures now
    parent.kill()
    parent.wait()
    psutil.wait_procs([worker], timeout=15)
    assert not worker.is_running()


def test_what_the_old_runtime_cannot_do(
    exported: Path, old_ir: Path, old_runtime: OldRuntime, tmp_path: Path
) -> None:
    assert old_runtime.version.startswith("2021.4.2")
    assert "CPU" in old_runtime.devices
    with pytest.raises(DeviceError, match="has no such device"):
        old_runtime.load(old_ir, "MYRAID", "latency", None, {})
    with pytest.raises(InputError, match="cannot run the model"):
        old_runtime.load(exported, "CPU", "latency", None, {})  # IR v11
    with pytest.raises(InputError, match="cannot run the model"):
        old_runtime.load(tmp_path / "gone.xml", "CPU", "latency", None, {})
    old_runtime.load(old_ir, "CPU", "latency", None, {})  # it goes on


@pytest.mark.skipif(
    any(Path("/sys/bus/usb/devices").glob("*/03e7*")), reason="a stick is plugged in"
)
def test_without_a_stick(
    old_ir: Path, old_python: Path, libusb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libusb))
    with (
        OldRuntime(old_python) as runtime,
        pytest.raises(DeviceError, match=r"no Myriad stick answers.*03e7:2485.*udev"),
    ):
        runtime.load(old_ir, "MYRIAD", "throughput", None, {})


@pytest.fixture
def no_libusb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader meets a link to itself, and looks no further: as if there were no libusb."""
    (tmp_path / "libusb-1.0.so.0").symlink_to("libusb-1.0.so.0")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))


@pytest.mark.usefixtures("no_libusb")
def test_without_libusb(old_ir: Path, old_python: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = "the old runtime needs libusb-1.0.so.0, which is missing: apt install libusb-1.0-0"
    with OldRuntime(old_python) as runtime, pytest.raises(DeviceError, match=f"^{words}$"):
        runtime.load(old_ir, "MYRIAD", "throughput", None, {})
    arguments = ["bench-vpu", str(old_ir), "--device", "MYRIAD", "--runtime-python"]
    assert run([*arguments, str(old_python)]) == ExitCode.NO_DEVICE
    assert capfd.readouterr().err == f"splittool: {words}\n"


@pytest.mark.usefixtures("no_libusb")
def test_a_compiler_without_libusb(old_ir: Path, myriad_compiler: Path, tmp_path: Path) -> None:
    alone = tmp_path / "compiler"  # without the libusb that lies beside it
    alone.mkdir()
    for file in myriad_compiler.parent.iterdir():
        if "libusb" not in file.name:
            (alone / file.name).symlink_to(file)
    with pytest.raises(DeviceError, match=r"the Myriad compiler needs libusb-1\.0\.so\.0"):
        compile_blob(alone / myriad_compiler.name, old_ir, tmp_path / "x.blob", load_model(old_ir))


def test_an_interpreter_that_misses_a_library(tmp_path: Path) -> None:
    program = tmp_path / "python"
    message = "error while loading shared libraries: libpython3.8.so.1.0: cannot open shared object"
    program.write_text(f"#!/bin/sh\necho 'python: {message} file: No such file' >&2\nexit 127\n")
    program.chmod(0o755)
    with pytest.raises(DeviceError, match=r"python needs libpython3\.8\.so\.1\.0, .*apt-file"):
        OldRuntime(program)


def test_an_interpreter_without_the_runtime() -> None:
    with pytest.raises(DeviceError, match=r"has no old OpenVINO .*inference_engine"):
        OldRuntime(Path(sys.executable))


def test_an_interpreter_here_goes_before_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`./sleep` is no longer told from `sleep` once it is a path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sleep").write_text("#!/bin/sh\necho mine >&2\nexit 7\n")
    (tmp_path / "sleep").chmod(0o755)
    with pytest.raises(DeviceError, match="mine"):
        OldRuntime(Path("./sleep"))


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="there is no interpreter"):
        OldRuntime(tmp_path / "python")


def test_one_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 100\n")
    program.chmod(0o755)
    monkeypatch.setattr("splittool.benchmark.old_runtime._START_S", 0.2)
    with pytest.raises(DeviceError, match="did not answer for 0 s and was stopped"):
        OldRuntime(program)


def test_the_runtime_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("SPLITTOOL_RUNTIME_PYTHON", raising=False)
    assert find_runtime() is None
    python = tmp_path / "splittool" / "runtime-2021.4" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find_runtime() == python
    monkeypatch.setenv("SPLITTOOL_RUNTIME_PYTHON", "/elsewhere/python")
    assert find_runtime() == Path("/elsewhere/python")


def test_only_myriad_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("SPLITTOOL_RUNTIME_PYTHON", raising=False)
    named = DeviceOptions("MYRIAD", runtime_python=Path("p"))
    for options in (DeviceOptions("CPU"), DeviceOptions(), named):
        assert choose_runtime(options) == options
    with pytest.raises(DeviceError, match=r"Python 3\.6 to 3\.9.*`runtime_python`"):
        choose_runtime(DeviceOptions("MYRIAD"))
    monkeypatch.setenv("SPLITTOOL_RUNTIME_PYTHON", "p")
    assert choose_runtime(DeviceOptions("MYRIAD")) == named


def test_errors_are_explained() -> None:
    assert isinstance(explain("Can not init Myriad device: NC_ERROR"), DeviceError)
    assert isinstance(explain("Device with 'X' name is not registered"), DeviceError)
    assert isinstance(explain("Failed to create plugin libX.so for device X"), DeviceError)
    assert isinstance(explain(json.dumps("unsupported layer")), InputError)
