"""Learning from trained networks."""

from pathlib import Path
from typing import Any

import pytest
import torch

from splittool.errors import InputError, TrainingError
from splittool.models import build, checkpoints
from splittool.training.outputs import Outputs
from splittool.training.run import TrainingOptions
from splittool.training.teachers import TEMPERATURE, WEIGHT, answers, distillation_loss


def test_the_answer_is_the_mean_of_the_teachers_at_half_resolution() -> None:
    torch.manual_seed(0)
    unet = build("unet", 2, {"widths": [4] * 5, "bottleneck": 4}).eval()  # of stride 32
    split = build("splitnet", 2, {"widths": [4], "bottleneck": 2}).eval()  # of stride 16
    pixels = torch.randint(0, 256, (2, 3, 48, 64))
    found = answers([unet, split], pixels)
    assert found.shape == (2, 2, 24, 32)
    half = torch.nn.functional.avg_pool2d(split(pixels), 2)
    alone = torch.sigmoid(half / TEMPERATURE)
    torch.testing.assert_close(answers([split], pixels), alone)
    torch.testing.assert_close((answers([unet], pixels) + alone) / 2, found)
    assert not found.requires_grad


def test_the_loss_is_least_for_what_the_teachers_say_and_padding_does_not_count() -> None:
    said = torch.randn(2, 3, 8, 8)
    valid = torch.ones(2, 1, 8, 8)
    valid[..., 6:] = 0
    taught = torch.sigmoid(torch.nn.functional.avg_pool2d(said, 2) / TEMPERATURE)

    def loss(logits: torch.Tensor) -> float:
        return float(distillation_loss(logits, taught, valid, lambda tensor: tensor))

    assert loss(said) < loss(said + 0.5)
    assert loss(said) < loss(0.5 * said)
    changed = said.clone()
    changed[..., 6:] += 9
    assert loss(changed) == loss(said)
    inside = taught[..., :3]
    entropy = torch.nn.functional.binary_cross_entropy(inside, inside)
    assert loss(said) == pytest.approx(WEIGHT * float(entropy), rel=1e-5)


def test_a_teacher_changes_what_is_learnt_and_is_part_of_the_run(
    run_training: Any, tmp_path: Path
) -> None:
    teacher, alone, taught = (
        Outputs.beside(tmp_path / f"{n}.pt") for n in ("teacher", "alone", "taught")
    )
    run_training(teacher, epochs=1)
    run_training(alone, epochs=1)
    options = TrainingOptions(workers=0, teachers=(teacher.model,))
    report = run_training(taught, epochs=1, options=options)
    assert len(report.settings.teachers) == 1
    name = "network.classifier.weight"
    weights = [checkpoints.load(o.model).state[name] for o in (alone, taught)]
    assert not torch.equal(*weights)
    with pytest.raises(TrainingError, match="teachers was"):
        run_training(taught, epochs=1, options=TrainingOptions(workers=0, resume=True))


def test_teachers_that_cannot_teach(run_training: Any, outputs: Outputs, tmp_path: Path) -> None:
    other = Outputs.beside(tmp_path / "other.pt")
    run_training(other, epochs=1)
    content = checkpoints.read(other.model, checkpoints.MODEL)
    checkpoints.write(other.model, {**content, "classes": ["a", "b", "c", "d"]})
    for path, words in ((other.model, "knows the classes a, b, c, d"), (tmp_path, "is a folder")):
        options = TrainingOptions(workers=0, teachers=(path,))
        with pytest.raises(InputError, match=words):
            run_training(outputs, epochs=1, options=options)
