import dataclasses
import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from training_states import TIMES, assert_same

from splittool.data.images import Canvas
from splittool.data.kaggle import Sample, read_folder
from splittool.data.synthetic_folder import write_synthetic
from splittool.errors import (
    ExitCode,
    InputError,
    OutputError,
    StoppedError,
    TrainingError,
    UsageError,
)
from splittool.models import build, checkpoints
from splittool.models.checkpoints import Checkpoint
from splittool.reports import EpochRecord
from splittool.training import loop
from splittool.training.distributed import World
from splittool.training.outputs import Outputs
from splittool.training.run import (
    TrainingOptions,
    choose_canvas,
    choose_crop,
    pixel_statistics,
    train,
)
from splittool.training.settings import RECIPES, Settings, make_settings
from splittool.training.state import TrainingState

HERE = TrainingOptions(workers=0)
RESUME = TrainingOptions(workers=0, resume=True)


def _without_times(history: list[EpochRecord]) -> list[EpochRecord]:
    return [msgspec.structs.replace(record, **dict.fromkeys(TIMES, 0)) for record in history]


@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_a_run_leaves_model_state_history_and_held_out_images(
    run_training: Any,
    stop_after: Any,
    history_of: Any,
    outputs: Outputs,
    steel: Path,
    recipe: str,
) -> None:
    watch = stop_after(None)
    report = run_training(outputs, recipe, watch, epochs=3)
    assert sorted(path.name for path in outputs.model.parent.iterdir()) == [
        "net.history.jsonl",
        "net.pt",
        "net.state.pt",
        "net.validation.txt",
    ]
    history = history_of(outputs)
    assert [record.epoch for record in history] == [1, 2, 3]
    for record in history:
        assert record.seconds > 0
        for part in (record.train, record.validation):
            assert np.isfinite(part.loss)
            assert 0 <= part.kaggle <= 1
            assert 0 <= part.floor <= 1
            assert len(part.dice_per_class) == 4
    steps = len(watch.losses) // 3
    assert history[1].train.loss == pytest.approx(np.mean(watch.losses[steps : 2 * steps]))
    samples, classes = read_folder(steel)
    assert (report.epochs, report.last, report.curves) == (3, history[-1], None)
    assert report.best in history
    assert report.classes == list(classes)
    assert report.training_images + report.validation_images == len(samples)
    listed = outputs.validation_list.read_text().splitlines()
    assert len(listed) == report.validation_images
    assert all(Path(line).is_file() for line in listed)
    split = checkpoints.load(outputs.model).split
    assert split is not None
    assert split.validation == [Path(line).name for line in listed]
    assert not set(split.validation) & set(split.training)


@pytest.mark.parametrize(("recipe", "score"), [("balanced", "pooled_dice"), ("paper", "kaggle")])
def test_the_model_kept_is_the_best_of_the_run(
    run_training: Any, stop_after: Any, history_of: Any, outputs: Outputs, recipe: str, score: str
) -> None:
    watch = stop_after(None)
    report = run_training(outputs, recipe, watch, epochs=4)
    history = history_of(outputs)
    values = [getattr(record.validation, score) for record in history]
    kept = checkpoints.load(outputs.model)
    assert kept.training == report.best == history[int(np.argmax(values))]
    assert watch.best[-1] == int(np.argmax(values)) + 1
    model = checkpoints.restore(outputs.model, kept)
    assert model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 4, 64, 96)


def test_progress_counts_images_then_steps(steel: Path, outputs: Outputs) -> None:
    told: list[tuple[float, float, str]] = []
    settings = make_settings("balanced", {"widths": [4], "bottleneck": 4}, epochs=2)
    train(
        steel,
        outputs.model,
        settings,
        HERE,
        lambda *step: told.append(step),  # type: ignore[arg-type]
    )
    checked = [step for step in told if step[2] == "checking images"]
    trained = [step for step in told if step[2].startswith("epoch ")]
    assert [step[:2] for step in checked] == [(done, 12) for done in range(13)]
    assert [step[:2] for step in trained] == [(done, 6) for done in range(1, 7)]
    assert trained[-1][2].startswith("epoch 2/2 loss ")
    assert len(told) == len(checked) + len(trained)


def test_the_curves_are_drawn_by_whoever_is_asked(steel: Path, outputs: Outputs) -> None:
    settings = make_settings("balanced", {"widths": [4], "bottleneck": 4}, epochs=2)
    drawn: list[tuple[int, Path]] = []

    def draw(history: Sequence[EpochRecord], path: Path) -> bool:
        drawn.append((len(history), path))
        return True

    report = train(steel, outputs.model, settings, HERE, draw=draw)
    assert drawn == [(2, outputs.curves)]
    assert report.curves == str(outputs.curves)


def _end_state(outputs: Outputs) -> dict[str, Any]:
    return checkpoints.read(outputs.state, checkpoints.STATE)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_a_resumed_run_ends_as_if_never_stopped(
    run_training: Any,
    stop_after: Any,
    history_of: Any,
    tmp_path: Path,
    recipe: str,
    precision: str,
) -> None:
    whole = Outputs.beside(tmp_path / "whole.pt")
    parts = Outputs.beside(tmp_path / "parts.pt")
    common = {"epochs": 3, "precision": precision}
    run_training(whole, recipe, **common)
    # Three steps an epoch: mid-epoch, at the end of an epoch, and in the last one.
    for steps, options in ((2, HERE), (1, RESUME), (4, RESUME)):
        with pytest.raises(StoppedError, match=r"parts\.state\.pt is saved") as stopped:
            run_training(parts, recipe, stop_after(steps), options, **common)
        assert stopped.value.exit_code == ExitCode.INTERRUPTED
    run_training(parts, recipe, None, RESUME, **common)
    assert_same(_end_state(parts), _end_state(whole))
    best = [checkpoints.read(outputs.model, checkpoints.MODEL) for outputs in (parts, whole)]
    assert_same(*best)
    lines = [_without_times(history_of(outputs)) for outputs in (parts, whole)]
    assert lines[0] == lines[1]


@pytest.mark.parametrize(("recipe", "averaged"), [("balanced", True), ("paper", False)])
def test_the_mean_of_the_weights_is_kept_where_the_recipe_takes_one(
    run_training: Any, outputs: Outputs, recipe: str, averaged: bool
) -> None:
    run_training(outputs, recipe, epochs=1)
    kept = checkpoints.read(outputs.model, checkpoints.MODEL)["state"]
    state = checkpoints.read(outputs.state, checkpoints.STATE)
    assert (state["average"] is not None) == averaged
    name = "network.classifier.weight"
    assert torch.equal(kept[name], state["model"][name]) != averaged
    if averaged:
        assert_same(kept, {key: state["average"][f"module.{key}"] for key in kept})


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_no_step_is_longer_than_the_recipe_allows(
    run_training: Any,
    stop_after: Any,
    outputs: Outputs,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
) -> None:
    def norm(clip: float | None) -> float:
        """Of the first gradient, of whose squares Adam's second moment is then a thousandth."""
        monkeypatch.setitem(
            RECIPES, "balanced", dataclasses.replace(RECIPES["balanced"], clip=clip)
        )
        force = TrainingOptions(workers=0, force=True)
        with pytest.raises(StoppedError):
            run_training(outputs, observer=stop_after(1), options=force, precision=precision)
        moments = checkpoints.read(outputs.state, checkpoints.STATE)["optimizer"]["state"]
        return float(sum(m["exp_avg_sq"].double().sum() for m in moments.values()) / 0.001) ** 0.5

    free = norm(None)
    assert norm(free / 3) == pytest.approx(free / 3, rel=1e-2)
    assert norm(free * 3) == pytest.approx(free, rel=1e-2)


def test_a_state_without_its_mean_is_refused(run_training: Any, outputs: Outputs) -> None:
    run_training(outputs, epochs=1)
    state = checkpoints.read(outputs.state, checkpoints.STATE)
    checkpoints.write(outputs.state, {**state, "average": None})
    with pytest.raises(InputError, match=r"net\.state\.pt is not a whole training state"):
        run_training(outputs, options=RESUME, epochs=1)


def test_crops_resume_alike(run_training: Any, stop_after: Any, tmp_path: Path) -> None:
    whole = Outputs.beside(tmp_path / "whole.pt")
    parts = Outputs.beside(tmp_path / "parts.pt")
    run_training(whole, crop=(32, 32))
    with pytest.raises(StoppedError):
        run_training(parts, observer=stop_after(2), crop=(32, 32))
    run_training(parts, options=RESUME, crop=(32, 32))
    assert_same(_end_state(parts), _end_state(whole))


def test_worker_processes_change_nothing(run_training: Any, tmp_path: Path) -> None:
    here, there = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("here", "there"))
    run_training(here, epochs=1)
    run_training(there, epochs=1, options=TrainingOptions(workers=1))
    assert_same(_end_state(here), _end_state(there))


def test_fine_tuning_starts_from_a_model(run_training: Any, tmp_path: Path) -> None:
    first, second = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("first", "second"))
    run_training(first, epochs=1)
    trained = torch.load(first.model, weights_only=True)["state"]
    start = TrainingOptions(workers=0, start=first.model)
    run_training(second, options=start, epochs=1, learning_rate=1e-12, jpeg=(30, 60), seed=3)
    tuned = torch.load(second.model, weights_only=True)["state"]
    for name, value in trained.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(tuned[name], value, atol=1e-6, rtol=0)
    again = dataclasses.replace(start, force=True)
    with pytest.raises(InputError, match=r"first\.pt is a unet .*give the same options"):
        run_training(second, options=again, epochs=1, network={"activation": "elu"})


def test_seeds_decide(run_training: Any, tmp_path: Path) -> None:
    outputs, anew = Outputs.beside(tmp_path / "net.pt"), TrainingOptions(workers=0, force=True)
    losses = [
        run_training(outputs, options=anew, epochs=1, seed=seed).last.train.loss
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_sigterm_saves_too(run_training: Any, stop_after: Any, outputs: Outputs) -> None:
    with pytest.raises(StoppedError, match="step 1 of 3") as stopped:
        run_training(outputs, observer=stop_after(1, signal.SIGTERM))
    assert stopped.value.exit_code == ExitCode.TERMINATED
    assert _end_state(outputs)["progress"]["step"] == 1


def test_a_finished_run_resumes_to_itself(run_training: Any, outputs: Outputs) -> None:
    report = run_training(outputs)
    before = outputs.state.read_bytes()
    again = run_training(outputs, options=RESUME)
    assert (again.best, again.last) == (report.best, report.last)
    assert outputs.state.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 3),
        ("batch_size", 2),
        ("learning_rate", 0.5),
        ("seed", 1),
        ("augment", False),
        ("precision", "bf16"),
        ("validation", 0.4),
        ("size", (32, 64)),
        ("crop", (32, 32)),
    ],
)
def test_other_settings_do_not_resume(
    run_training: Any, stopped_run: Outputs, name: str, value: Any
) -> None:
    with pytest.raises(TrainingError, match=f"cannot resume .*: {name} was .* and is now"):
        run_training(stopped_run, options=RESUME, **{name: value})


def test_another_recipe_or_other_images_do_not_resume(
    run_training: Any, stopped_run: Outputs, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="recipe was balanced and is now paper"):
        run_training(stopped_run, "paper", options=RESUME)
    write_synthetic(tmp_path / "other", 9, 64, 96, 3)
    with pytest.raises(TrainingError, match="split was"):
        run_training(stopped_run, options=RESUME, folder=tmp_path / "other")


@pytest.fixture(scope="module")
def stopped_run(
    run_training: Any, stop_after: Any, tmp_path_factory: pytest.TempPathFactory
) -> Outputs:
    outputs = Outputs.beside(tmp_path_factory.mktemp("stopped") / "net.pt")
    with pytest.raises(StoppedError):
        run_training(outputs, observer=stop_after(1))
    return outputs


def test_resuming_from_nothing(run_training: Any, outputs: Outputs) -> None:
    with pytest.raises(InputError, match=r"there is no file .*net\.state\.pt"):
        run_training(outputs, options=RESUME)


@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_a_loss_that_is_no_number_names_the_cause_and_the_fix(
    run_training: Any, outputs: Outputs, recipe: str
) -> None:
    with pytest.raises(TrainingError) as caught:
        run_training(outputs, recipe, epochs=2, learning_rate=1e30)
    message = str(caught.value)
    assert "the loss became" in message
    assert "epoch 1, step" in message
    assert "overflowed" in message
    assert "lower `learning_rate`" in message
    assert "\n" not in message


def test_it_learns(run_training: Any, history_of: Any, outputs: Outputs, tmp_path: Path) -> None:
    write_synthetic(tmp_path / "few", 8, 64, 64, 0)
    network = {"widths": [8, 16, 16], "bottleneck": 32}
    run_training(
        outputs,
        folder=tmp_path / "few",
        network=network,
        epochs=50,
        augment=False,
        learning_rate=0.02,
    )
    history = history_of(outputs)
    first, last = history[0].train, history[-1].train
    assert last.dice > (first.dice or 0) + 0.4
    assert last.loss < first.loss / 2


def test_images_of_many_sizes_are_padded_or_resized(
    run_training: Any, outputs: Outputs, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "mixed", 12, 64, 96, 0)
    clean = [sample.path for sample in read_folder(tmp_path / "mixed")[0] if not sample.runs]
    Image.open(clean[0]).crop((0, 0, 70, 41)).save(clean[0])
    anew = {"options": TrainingOptions(workers=0, force=True), "folder": tmp_path / "mixed"}
    padded = run_training(outputs, **anew, epochs=1)
    assert (padded.height, padded.width, padded.fit) == (64, 96, "pad")
    resized = run_training(outputs, **anew, epochs=1, size=(32, 48))
    assert (resized.height, resized.width, resized.fit) == (32, 48, "resize")
    run_training(outputs, **anew, epochs=2, crop=(32, 32), batch_size=1)


def _sized(*sizes: tuple[int, int]) -> list[Sample]:
    return [Sample(Path("x.jpg"), height, width, {}) for height, width in sizes]


def test_the_canvas_holds_all_images_or_is_as_asked() -> None:
    samples = _sized((250, 1600), (256, 900))
    assert choose_canvas(samples, Settings(), 32) == Canvas(256, 1600, "pad")
    assert choose_canvas(_sized((33, 65)), Settings(), 32) == Canvas(64, 96, "pad")
    assert choose_canvas(samples, Settings(size=(64, 96)), 32) == Canvas(64, 96, "resize")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(size=(65, 96)), r"`size` 65x96: unet takes multiples of 32; give `size` 64x96"),
        (Settings(size=(3, 100)), r"give `size` 32x96"),
        (Settings(crop=(64, 50)), r"`crop` 64x50: unet takes multiples of 32; give `crop` 64x64"),
        (Settings(crop=(288, 64)), r"`crop` 288x64 is larger than the images' 256x1600"),
    ],
)
def test_sizes_the_network_cannot_take(settings: Settings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_canvas(_sized((256, 1600)), settings, 32)


@pytest.mark.parametrize(
    ("settings", "canvas", "window"),
    [
        (Settings(), (256, 1600), (256, 256)),
        (Settings(), (640, 416), (256, 256)),
        (Settings(), (224, 416), (224, 256)),
        (Settings(), (224, 256), None),
        (Settings(crop=(64, 96)), (640, 416), (64, 96)),
        (Settings(crop=(640, 416)), (640, 416), (640, 416)),
        (Settings(recipe="paper"), (640, 416), None),
        (Settings(recipe="paper", crop=(64, 96)), (640, 416), (64, 96)),
    ],
)
def test_the_window_is_as_asked_or_the_recipes(
    settings: Settings, canvas: tuple[int, int], window: tuple[int, int] | None
) -> None:
    assert choose_crop(settings, Canvas(*canvas), 32) == window


def test_a_window_is_a_multiple_of_any_stride() -> None:
    assert choose_crop(Settings(), Canvas(960, 960), 96) == (288, 288)


def test_the_recipes_window_is_recorded_and_resumed(
    run_training: Any, stop_after: Any, outputs: Outputs, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "large", 8, 64, 320, 0)
    large = {"folder": tmp_path / "large", "epochs": 1, "batch_size": 2}
    with pytest.raises(StoppedError):
        run_training(outputs, observer=stop_after(1), **large)
    report = run_training(outputs, options=RESUME, **large)
    assert report.settings.crop == (64, 256)
    assert (report.height, report.width) == (64, 320)


def test_pixel_statistics(steel: Path) -> None:
    samples, _ = read_folder(steel)
    pixels = np.stack([sample.image() for sample in samples])
    assert pixel_statistics(samples) == pytest.approx((pixels.mean(), pixels.std()))


def test_images_without_content_are_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "flat.png")
    with pytest.raises(InputError, match=r"all pixels of .* are 7"):
        pixel_statistics([Sample(tmp_path / "flat.png", 8, 8, {})])


def test_a_damaged_image_is_found_before_training(
    run_training: Any, outputs: Outputs, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "s", 8, 64, 96, 0)
    path = tmp_path / "s" / "train_images" / "steel_00005.jpg"
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"steel_00005\.jpg is damaged"):
        run_training(outputs, folder=tmp_path / "s")
    assert not outputs.state.exists()


def test_a_batch_that_does_not_divide_is_refused(
    steel: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def three(device: torch.device) -> Iterator[World]:
        yield World(0, 3, device)

    monkeypatch.setattr("splittool.training.run.world", three)
    with pytest.raises(UsageError, match="`batch_size` 4 does not divide over 3 processes"):
        train(steel, outputs.model)


def test_another_run_is_not_overwritten(run_training: Any, steel: Path, outputs: Outputs) -> None:
    outputs.state.touch()
    with pytest.raises(OutputError, match=r"net\.state\.pt exists: .* `resume` .* `force`"):
        run_training(outputs)
    outputs.state.unlink()
    outputs.model.touch()
    with pytest.raises(OutputError, match=r"net\.pt exists"):
        run_training(outputs)
    with pytest.raises(UsageError, match=r"net\.xml: a model ends in \.pt"):
        train(steel, outputs.model.with_suffix(".xml"))


def _contents(outputs: Outputs) -> dict[str, bytes]:
    folder = outputs.model.parent
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class _KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", ["model", "validation_list", "state", "history"])
def test_a_run_that_replaces_another_never_stands_beside_its_files(
    at: str, run_training: Any, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before any of its first files: what is there is of one run."""
    run_training(outputs, epochs=1)
    outputs.curves.touch()
    earlier = _contents(outputs)
    # Each of the files of a run is written by one of these.
    writes = {
        "model": (Checkpoint, "save"),
        "validation_list": (Outputs, "list_held_out"),
        "state": (TrainingState, "save"),
        "history": (loop, "write_history"),
    }

    def kill(*arguments: Any) -> None:
        raise _KilledError

    force = TrainingOptions(workers=0, force=True)
    with monkeypatch.context() as patched:
        patched.setattr(*writes[at], kill)
        with pytest.raises(_KilledError):
            run_training(outputs, epochs=1, seed=3, options=force)
    left = _contents(outputs)
    of_earlier = {name for name in left if left[name] == earlier.get(name)}
    assert of_earlier in (set(), set(left))
    assert outputs.model.exists()
    assert (outputs.model.name in of_earlier) == (at == "model")
    with pytest.raises((InputError, TrainingError), match=r"net\.state\.pt"):  # nor goes on as it
        run_training(outputs, epochs=1, options=TrainingOptions(workers=0, resume=True))


def test_a_run_that_fails_before_its_first_file_replaces_nothing(
    run_training: Any, outputs: Outputs
) -> None:
    run_training(outputs, epochs=1)
    earlier = _contents(outputs)
    force = TrainingOptions(workers=0, force=True)
    with pytest.raises(TrainingError, match="the loss became"):
        run_training(outputs, epochs=1, seed=3, options=force, learning_rate=1e30)
    assert _contents(outputs) == earlier


def test_a_run_stopped_before_its_first_model_keeps_none_of_another(
    run_training: Any, stop_after: Any, outputs: Outputs
) -> None:
    run_training(outputs, epochs=1)
    force = TrainingOptions(workers=0, force=True)
    with pytest.raises(StoppedError):
        run_training(outputs, epochs=1, seed=3, options=force, observer=stop_after(1))
    assert outputs.state.exists()
    assert not outputs.model.exists()


def test_a_run_without_a_score_has_no_model_to_report(
    run_training: Any, outputs: Outputs, tmp_path: Path
) -> None:
    """Nor is the model of another run reported in its place."""
    write_synthetic(tmp_path / "s", 8, 64, 96, 0)
    table = tmp_path / "s" / "train.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, rows[0]]) + "\n")  # one image shows a defect
    outputs.model.touch()
    with pytest.raises(TrainingError, match="no held-out image has a defect"):
        run_training(outputs, folder=tmp_path / "s", options=TrainingOptions(workers=0, force=True))


def test_the_history_is_json_lines(run_training: Any, outputs: Outputs) -> None:
    run_training(outputs, epochs=2)
    lines = outputs.history.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["epoch"] for record in records] == [1, 2]
    assert lines == [json.dumps(record) for record in records]
    names = ["epoch", "learning_rate", "train", "validation", *TIMES, "rate_weight"]
    assert list(records[0]) == names
    assert list(records[0]["train"]) == [
        *("loss", "kaggle", "floor", "dice", "pooled_dice"),
        *("dice_per_class", "pairs", "defective_pairs", "bytes_per_frame"),
    ]


SMALL: dict[str, dict[str, Any]] = {
    "unet": {"widths": [4, 6], "bottleneck": 8},
    "fcn16s": {"widths": [4, 4, 4, 4, 4], "fully_connected": 8},
    "pspnet": {"widths": [4, 4, 4, 4], "blocks": [1, 1, 1, 1]},
    "splitnet": {"widths": [4, 6, 8], "bottleneck": 3},
}


@pytest.mark.parametrize("arch", SMALL)
@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_every_network_is_trained_by_the_same_command(
    steel: Path, outputs: Outputs, arch: str, recipe: str
) -> None:
    settings = make_settings(recipe, SMALL[arch], arch=arch, epochs=1)
    report = train(steel, outputs.model, settings, HERE)
    assert np.isfinite(report.last.train.loss or np.nan)
    checkpoint = checkpoints.load(outputs.model)
    assert checkpoint.arch == arch
    restored = checkpoints.restore(outputs.model, checkpoint)
    assert restored(torch.zeros(1, 3, 64, 96)).shape == (1, 4, 64, 96)


def test_training_starts_from_the_backbone_given(
    steel: Path, outputs: Outputs, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    other = build("pspnet", 1, SMALL["pspnet"]).network
    backbone = tmp_path / "backbone.pth"
    torch.save(other.state_dict(), backbone)
    changes = {"arch": "pspnet", "epochs": 1, "learning_rate": 1e-9, "precision": "f32"}
    settings = make_settings("balanced", SMALL["pspnet"], **changes)
    train(steel, outputs.model, settings, TrainingOptions(workers=0, backbone=backbone))
    state = checkpoints.read(outputs.state, checkpoints.STATE)["model"]
    name = "layer2.0.conv2.weight"
    assert torch.allclose(state[f"network.{name}"], other.state_dict()[name], atol=1e-6)
