"""What may happen to images, to the processes that load them, and to two runs at once."""

import gc
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from splittool.errors import InputError, OutputError, TrainingError
from splittool.locks import locked
from splittool.training.loaders import worker_error
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs
from splittool.training.run import TrainingOptions

WORKERS = TrainingOptions(workers=1)
RESUME = TrainingOptions(workers=0, resume=True)


class Once(Observer):
    """Does something after the first step."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act, self._done = act, False

    def step_done(self, loss: float) -> None:
        if not self._done:
            self._done = True
            self._act()


class LoadingProcesses:
    """The processes that a run starts, apart from those that other tests keep."""

    def __init__(self) -> None:
        self._others = set(psutil.Process().children())

    def left(self) -> set[psutil.Process]:
        return set(psutil.Process().children()) - self._others

    def send(self, number: int) -> None:
        found = self.left()
        assert found
        for process in found:
            process.send_signal(number)


@pytest.fixture
def copied(steel: Path, tmp_path: Path) -> Path:
    """A data set that may be spoilt."""
    import shutil

    return Path(shutil.copytree(steel, tmp_path / "steel"))


@pytest.mark.parametrize("workers", [0, 1])
def test_images_deleted_in_mid_run_are_named_in_one_line(
    workers: int, copied: Path, steel: Path, outputs: Outputs, run_training: Any
) -> None:
    images = sorted((copied / "train_images").iterdir())

    def delete() -> None:
        for path in images:
            path.unlink()

    with pytest.raises(InputError, match=r"there is no image .*; .*net\.state\.pt is saved") as e:
        run_training(
            outputs,
            observer=Once(delete),
            options=TrainingOptions(workers=workers),
            folder=copied,
            batch_size=1,
        )
    assert "\n" not in str(e.value)
    assert "Traceback" not in str(e.value)
    for path in images:  # back again, and the run goes on where it was
        path.write_bytes((steel / "train_images" / path.name).read_bytes())
    assert run_training(outputs, options=RESUME, folder=copied, batch_size=1).epochs == 2


@pytest.mark.filterwarnings("ignore:unclosed file <_io.BufferedRandom name='/:ResourceWarning")
def test_a_loading_process_that_is_killed_is_told_in_one_line(
    outputs: Outputs, run_training: Any
) -> None:
    """PyTorch opens temporary files to look for a reason; the signal that tells it of the death
    may come between the opening and the closing of one, which then waits for the collector.
    """
    loading = LoadingProcesses()

    def kill() -> None:
        loading.send(signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"loads images was killed.*fewer workers") as caught:
        run_training(outputs, observer=Once(kill), options=WORKERS, batch_size=1, epochs=20)
    assert "\n" not in str(caught.value)
    assert not loading.left()
    del caught
    gc.collect()


def test_which_errors_tell_of_a_killed_process() -> None:
    assert worker_error(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."))
    assert worker_error(ConnectionResetError(104, "Connection reset by peer"))
    assert worker_error(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert worker_error(PermissionError(13, "Permission denied")) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_group_do_not_end_the_loading_processes(
    number: int, outputs: Outputs, run_training: Any
) -> None:
    loading = LoadingProcesses()

    def send() -> None:
        loading.send(number)

    assert run_training(outputs, observer=Once(send), options=WORKERS, batch_size=1).epochs == 2
    assert not loading.left()


def test_two_runs_do_not_write_the_same_files(
    steel: Path, outputs: Outputs, run_training: Any, tmp_path: Path
) -> None:
    seen: list[str] = []

    def start_another() -> None:
        with pytest.raises(OutputError, match=r"another run is training .*net\.pt; wait for it"):
            run_training(outputs, options=TrainingOptions(workers=0, force=True))
        seen.append("refused")
        run_training(Outputs.beside(tmp_path / "other.pt"), epochs=1)

    run_training(outputs, observer=Once(start_another), epochs=1)
    assert seen == ["refused"]
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_run_that_ended_while_another_waited_is_not_overwritten(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the lock, another run starts and ends."""

    def late(path: Path, refusal: str) -> Any:
        outputs.state.touch()
        return locked(path, refusal)

    monkeypatch.setattr("splittool.training.outputs.locked", late)
    claim = outputs.claimed(resume=False, force=False)
    with pytest.raises(OutputError, match="a run with this name was started"), claim:
        pass


def test_a_history_that_is_behind_its_state_is_made_up_for(
    outputs: Outputs, run_training: Any
) -> None:
    """Killed between the two, after the last epoch."""
    run_training(outputs)
    whole = outputs.history.read_text()
    outputs.history.write_text(whole.splitlines(keepends=True)[0])
    run_training(outputs, options=RESUME)
    assert outputs.history.read_text() == whole
