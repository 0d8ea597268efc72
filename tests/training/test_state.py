"""A training state that is damaged in any place is refused when it is read, in one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from splittool.errors import InputError, StoppedError, TrainingError
from splittool.models import checkpoints
from splittool.training.outputs import Outputs
from splittool.training.run import TrainingOptions

RESUME = TrainingOptions(workers=0, resume=True)


@pytest.fixture(scope="module")
def stopped(
    run_training: Any, stop_after: Any, tmp_path_factory: pytest.TempPathFactory
) -> Outputs:
    outputs = Outputs.beside(tmp_path_factory.mktemp("stopped") / "net.pt")
    with pytest.raises(StoppedError):
        run_training(outputs, observer=stop_after(4))
    return outputs


@pytest.fixture
def spoilt(stopped: Outputs, tmp_path: Path) -> Outputs:
    outputs = Outputs.beside(tmp_path / "net.pt")
    outputs.state.write_bytes(stopped.state.read_bytes())
    outputs.model.write_bytes(stopped.model.read_bytes())
    return outputs


def _changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value in a place of nested dictionaries; `...` removes the key."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    copy = dict(content) if isinstance(content, dict) else list(content)
    if value is ... and not rest:
        del copy[key]
    else:
        copy[key] = _changed(copy[key], rest, value)
    return copy


PLACES: list[tuple[Any, ...]] = [
    ("identity",),
    ("identity", "classes"),
    ("identity", "canvas"),
    ("identity", "split", "validation"),
    ("progress",),
    ("progress", "step"),
    ("progress", "tally"),
    ("model",),
    ("model", "network.classifier.weight"),
    ("optimizer",),
    ("optimizer", "state"),
    ("optimizer", "param_groups"),
    ("optimizer", "state", 0, "exp_avg"),
    ("scheduler",),
    ("scheduler", "last_epoch"),
    ("scaler",),
    ("history",),
    ("history", 0, "validation", "kaggle"),
    ("best",),
]


def _spoil() -> Iterator[Any]:
    for place in PLACES:
        for value in (..., "text", None):
            yield pytest.param(place, value, id=f"{'.'.join(map(str, place))}={value}")


@pytest.mark.parametrize(("place", "value"), list(_spoil()))
def test_a_state_with_a_wrong_value_is_refused(
    run_training: Any, spoilt: Outputs, place: tuple[Any, ...], value: Any
) -> None:
    content = checkpoints.read(spoilt.state, checkpoints.STATE)
    if place == ("history",) and value is ...:
        value = 3
    checkpoints.write(spoilt.state, _changed(content, place, value))
    with pytest.raises(InputError, match=r"net\.state\.pt is not a whole training state") as caught:
        run_training(spoilt, options=RESUME)
    assert "\n" not in str(caught.value)


def test_moments_of_another_shape_are_refused(run_training: Any, spoilt: Outputs) -> None:
    content = checkpoints.read(spoilt.state, checkpoints.STATE)
    place = ("optimizer", "state", 0, "exp_avg")
    checkpoints.write(spoilt.state, _changed(content, place, torch.zeros(2)))
    with pytest.raises(InputError, match="exp_avg of network"):
        run_training(spoilt, options=RESUME)


def test_a_state_of_older_settings_means_their_defaults(run_training: Any, spoilt: Outputs) -> None:
    content = checkpoints.read(spoilt.state, checkpoints.STATE)
    older = {k: v for k, v in content["identity"].items() if k not in ("jpeg", "start")}
    checkpoints.write(spoilt.state, {**content, "identity": older})
    assert run_training(spoilt, options=RESUME).epochs == 2
    checkpoints.write(spoilt.state, {**content, "identity": {**older, "seed": 7}})
    with pytest.raises(TrainingError, match="seed was 7 and is now 0"):
        run_training(spoilt, options=RESUME)


def test_a_best_model_that_is_gone_is_missed_at_once(run_training: Any, spoilt: Outputs) -> None:
    spoilt.model.unlink()
    with pytest.raises(InputError, match=r"there is no file .*net\.pt; put the best model back"):
        run_training(spoilt, options=RESUME)
