"""Where training starts, and networks that get a latent."""

from pathlib import Path
from typing import Any

import pytest
import torch
from training_states import assert_same

from splittool.errors import InputError, StoppedError, TrainingError, UsageError
from splittool.models import checkpoints
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs
from splittool.training.rate import FRAME_BYTES
from splittool.training.run import TrainingOptions
from splittool.training.settings import make_settings

CUT = {"at": "maxpool_2", "latent_channels": 3}
NETWORK = {"widths": [4, 6], "bottleneck": 8, **CUT}
RESUME = TrainingOptions(workers=0, resume=True)


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def noted(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def whole(run_training: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained U-Net without a latent."""
    outputs = Outputs.beside(tmp_path_factory.mktemp("whole") / "whole.pt")
    run_training(outputs, epochs=8)
    return outputs.model


def _weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(path).state


def _trained(name: str) -> bool:
    return "running" not in name and "num_batches" not in name


@pytest.mark.parametrize("by", ["start", "teachers"])
def test_what_is_behind_the_cut_starts_from_the_whole_network(
    run_training: Any, whole: Path, outputs: Outputs, by: str
) -> None:
    options = TrainingOptions(workers=0, **{by: whole if by == "start" else (whole,)})  # type: ignore[arg-type]
    notes = Notes()
    report = run_training(
        outputs, "balanced", notes, options, None, NETWORK, epochs=1, learning_rate=1e-12
    )
    assert report.bytes_per_frame > FRAME_BYTES
    assert checkpoints.load(outputs.model).codec_model is not None
    expected, found = _weights(whole), _weights(outputs.model)
    behind = [name for name in found if ".tail." in name and _trained(name)]
    assert {name.split(".")[2] for name in behind} == {
        *("bottleneck", "up_1", "up_2", "decoder_1", "decoder_2", "classifier")
    }
    for name in behind:
        was = expected[name.replace(".tail.", ".")]
        torch.testing.assert_close(found[name], was, atol=1e-6, rtol=0)
    assert torch.equal(found["normalise.mean"], expected["normalise.mean"])
    assert notes.notes == (
        [f"weights behind maxpool_2 start from {whole}"] if by == "teachers" else []
    )


def test_another_network_teaches_and_nothing_starts_from_it(
    run_training: Any, whole: Path, outputs: Outputs
) -> None:
    notes = Notes()
    options = TrainingOptions(workers=0, teachers=(whole,))
    network = {**NETWORK, "widths": [4, 5]}
    run_training(outputs, "balanced", notes, options, None, network, epochs=1)
    assert notes.notes == [
        "weights behind maxpool_2 start at random: no teacher is the same network"
    ]
    start = TrainingOptions(workers=0, start=whole, force=True)
    with pytest.raises(InputError, match=r"whole\.pt is a unet .*give the same options"):
        run_training(outputs, options=start, network=network, epochs=1)


def test_its_options_are_those_of_the_network_that_it_starts_from(whole: Path) -> None:
    settings = make_settings("paper", CUT, like=[whole])
    assert settings.options == {**checkpoints.load(whole).options, **CUT}
    assert settings.options["norm"] == "batch"
    other = make_settings("paper", CUT, like=[whole], arch="fcn8s")
    assert other.options == {"norm": "none", **CUT}
    assert settings.rate_weight == 2


def test_a_split_point_that_is_not_there_is_told() -> None:
    for arch, network, words in (
        ("unet", {"at": "maxpool_9"}, "no split point 'maxpool_9'; it has: maxpool_1, .*maxpool_5"),
        ("pspnet", {"at": "input"}, "it has: maxpool_1, layer1"),
        ("unet", {"latent_channels": 4}, "`latent_channels` needs `at`"),
        ("splitnet", {"at": "latent"}, "`at` is not an option of splitnet"),
    ):
        with pytest.raises(UsageError, match=words):
            make_settings("balanced", network, arch=arch)


@pytest.mark.slow
def test_it_learns(run_training: Any, history_of: Any, outputs: Outputs) -> None:
    """A few images by heart, from random weights, while bytes have a price."""
    network = {"widths": [8, 16], "bottleneck": 16, "at": "maxpool_2"}
    changes = {"epochs": 40, "batch_size": 2, "rate_weight": 0.05, "augment": False}
    run_training(outputs, network=network, **changes)
    first, *_, last = (record.train for record in history_of(outputs))
    assert last.loss < 0.75 * first.loss
    assert last.pooled_dice > 0.25 > first.pooled_dice


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_it_resumes_as_if_never_stopped(
    run_training: Any, stop_after: Any, whole: Path, tmp_path: Path, precision: str
) -> None:
    once, parts = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("once", "parts"))
    files = {"workers": 0, "teachers": (whole,)}
    common = {"network": NETWORK, "epochs": 3, "target_bytes": 60.0, "precision": precision}
    run_training(once, options=TrainingOptions(**files), **common)  # type: ignore[arg-type]
    for steps, resume in ((2, False), (4, True)):
        options = TrainingOptions(**files, resume=resume)  # type: ignore[arg-type]
        with pytest.raises(StoppedError):
            run_training(parts, observer=stop_after(steps), options=options, **common)
    options = TrainingOptions(**files, resume=True)  # type: ignore[arg-type]
    run_training(parts, options=options, **common)
    for kind, name in ((checkpoints.STATE, "state"), (checkpoints.MODEL, "model")):
        assert_same(*(checkpoints.read(getattr(each, name), kind) for each in (parts, once)))
    elsewhere = {**common, "network": {**NETWORK, "at": "maxpool_1"}}
    with pytest.raises(TrainingError, match="options was"):
        run_training(parts, options=options, **elsewhere)
