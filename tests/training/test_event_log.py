"""TensorBoard's event files of a run, read back with its own reader."""

import sys
from pathlib import Path
from typing import Any

import pytest

from splittool.errors import MissingExtraError, OutputError, StoppedError
from splittool.training.event_log import event_log
from splittool.training.outputs import Outputs
from splittool.training.run import TrainingOptions

CLASSES = ("1", "2", "3", "4")


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    pytest.importorskip("tensorboard")
    return tmp_path / "events"


def _options(log_dir: Path, **more: Any) -> TrainingOptions:
    return TrainingOptions(workers=0, log_dir=log_dir, **more)


def _points(log_dir: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard shows: the value of each tag at each step, each step once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(log_dir)).Reload()
    points = {}
    for tag in events.Tags()["scalars"]:
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        points[tag] = dict(found)
        assert len(points[tag]) == len(found), tag
    return points


def test_every_epoch_is_a_point_of_each_curve(
    run_training: Any, history_of: Any, outputs: Outputs, log_dir: Path
) -> None:
    run_training(outputs, options=_options(log_dir), epochs=3)
    points, history = _points(log_dir), history_of(outputs)
    for tag, value in (
        ("learning_rate", lambda record: record.learning_rate),
        ("images_per_second", lambda record: record.images_per_second),
        ("loss/train", lambda record: record.train.loss),
        ("loss/validation", lambda record: record.validation.loss),
        ("kaggle/validation", lambda record: record.validation.kaggle),
        ("pooled_dice/train", lambda record: record.train.pooled_dice),
        ("dice/validation", lambda record: record.validation.dice),
    ):
        expected = {r.epoch: value(r) for r in history if value(r) is not None}
        assert points[tag] == pytest.approx(expected), tag
    for number, name in enumerate(CLASSES):
        found = [(r.epoch, r.validation.dice_per_class[number]) for r in history]
        expected = {epoch: value for epoch, value in found if value is not None}
        assert points.get(f"dice_of_{name}/validation", {}) == pytest.approx(expected)
    assert not [tag for tag in points if "bytes" in tag or tag == "rate_weight"]


def test_a_priced_run_has_bytes_and_lambda(
    run_training: Any, history_of: Any, outputs: Outputs, log_dir: Path
) -> None:
    tiny = {"widths": [4, 6], "bottleneck": 3}
    run_training(outputs, options=_options(log_dir), arch="splitnet", network=tiny)
    points, history = _points(log_dir), history_of(outputs)
    sent = {r.epoch: r.validation.bytes_per_frame for r in history}
    assert points["bytes_per_frame/validation"] == pytest.approx(sent)
    assert points["rate_weight"] == pytest.approx({r.epoch: r.rate_weight for r in history})


def test_a_resumed_run_goes_on_in_the_same_folder(
    run_training: Any, history_of: Any, stop_after: Any, outputs: Outputs, log_dir: Path
) -> None:
    with pytest.raises(StoppedError):
        run_training(outputs, observer=stop_after(5), options=_options(log_dir), epochs=4)
    before = len(_points(log_dir)["loss/train"])
    assert 0 < before < 4
    run_training(outputs, options=_options(log_dir, resume=True), epochs=4)
    assert _points(log_dir)["loss/train"] == pytest.approx(
        {record.epoch: record.train.loss for record in history_of(outputs)}
    )


def test_a_folder_given_when_a_run_goes_on_has_all_its_epochs(
    run_training: Any, stop_after: Any, outputs: Outputs, log_dir: Path
) -> None:
    with pytest.raises(StoppedError):
        run_training(outputs, observer=stop_after(5), epochs=3)
    run_training(outputs, options=_options(log_dir, resume=True), epochs=3)
    assert list(_points(log_dir)["learning_rate"]) == [1, 2, 3]


def test_a_run_that_starts_anew_replaces_longer_curves(
    run_training: Any, outputs: Outputs, log_dir: Path
) -> None:
    run_training(outputs, options=_options(log_dir), epochs=2)
    with pytest.raises(OutputError, match="holds the events of another run"):
        run_training(Outputs.beside(outputs.model.with_name("b.pt")), options=_options(log_dir))
    run_training(outputs, options=_options(log_dir, force=True), epochs=1)
    assert list(_points(log_dir)["loss/train"]) == [1]


def test_only_the_first_process_writes(log_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with event_log(log_dir, replaces=False):
        assert not log_dir.exists()
    monkeypatch.setenv("RANK", "0")
    with event_log(log_dir, replaces=False):
        assert len(list(log_dir.iterdir())) == 1


def test_a_folder_that_is_a_file_is_told(log_dir: Path) -> None:
    log_dir.touch()
    with pytest.raises(OutputError, match=f"cannot write {log_dir}"), event_log(log_dir, False):
        pass


def test_the_extra_is_named_before_any_image_is_read(
    run_training: Any, outputs: Outputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'splittool\[tensorboard\]'"):
        run_training(outputs, options=_options(tmp_path / "events"), folder=tmp_path / "none")
