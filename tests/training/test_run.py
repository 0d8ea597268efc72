import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from splittool.data.images import Canvas
from splittool.data.kaggle import Sample, read_folder
from splittool.data.synthetic_folder import write_synthetic
from splittool.errors import ExitCode, InputError, StoppedError, TrainingError, UsageError
from splittool.models import build, checkpoints
from splittool.training.distributed import World
from splittool.training.loop import Outputs, epochs_of
from splittool.training.observer import Observer
from splittool.training.run import (
    choose_canvas,
    make_settings,
    pixel_statistics,
    train,
    validation_list,
)
from splittool.training.settings import Settings

TIMES = ("seconds", "seconds_per_step", "images_per_second")


def _without_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k not in TIMES} for record in history]


@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_a_run_leaves_model_state_history_and_held_out_images(
    run_training: Any, stop_after: Any, outputs: Outputs, steel: Path, recipe: str
) -> None:
    watch = stop_after(None)
    result = run_training(outputs, recipe, watch, epochs=3)
    assert sorted(path.name for path in outputs.model.parent.iterdir()) == [
        "net.history.jsonl",
        "net.pt",
        "net.state.pt",
        "net.validation.txt",
    ]
    history = result["history"]
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert list(epochs_of(outputs.history)) == history
    for record in history:
        assert {"learning_rate", "train", "validation", *TIMES} <= set(record)
        for part in ("train", "validation"):
            assert np.isfinite(record[part]["loss"])
            assert 0 <= record[part]["kaggle"] <= 1
            assert 0 <= record[part]["floor"] <= 1
            assert len(record[part]["dice_per_class"]) == 4
    steps = len(watch.losses) // 3
    assert history[1]["train"]["loss"] == pytest.approx(np.mean(watch.losses[steps : 2 * steps]))
    samples, classes = read_folder(steel)
    assert result["classes"] == classes
    assert result["training_images"] + result["validation_images"] == len(samples)
    listed = validation_list(outputs).read_text().splitlines()
    assert len(listed) == result["validation_images"]
    assert all(Path(line).is_file() for line in listed)
    split = checkpoints.load(outputs.model, checkpoints.MODEL)["split"]
    assert split["validation"] == [Path(line).name for line in listed]
    assert not set(split["validation"]) & set(split["training"])


@pytest.mark.parametrize(("recipe", "score"), [("balanced", "dice"), ("paper", "kaggle")])
def test_the_model_kept_is_the_best_of_the_run(
    run_training: Any, stop_after: Any, outputs: Outputs, recipe: str, score: str
) -> None:
    watch = stop_after(None)
    history = run_training(outputs, recipe, watch, epochs=4)["history"]
    values = [record["validation"][score] for record in history]
    kept = checkpoints.load(outputs.model, checkpoints.MODEL)
    assert kept["training"] == history[int(np.argmax(values))]
    assert watch.best[-1] == int(np.argmax(values)) + 1
    model = checkpoints.restore_model(outputs.model, kept)
    assert model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 4, 64, 96)


def _end_state(outputs: Outputs) -> dict[str, Any]:
    return checkpoints.load(outputs.state, checkpoints.STATE)


def _assert_same(first: Any, second: Any) -> None:
    """Equal to the bit, whatever is nested."""
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            if key not in TIMES:
                _assert_same(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            _assert_same(one, other)
    else:
        assert first == second


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_a_resumed_run_ends_as_if_never_stopped(
    run_training: Any, stop_after: Any, tmp_path: Path, recipe: str, precision: str
) -> None:
    whole = Outputs.beside(tmp_path / "whole.pt")
    parts = Outputs.beside(tmp_path / "parts.pt")
    expected = run_training(whole, recipe, epochs=3, precision=precision)["history"]
    # Three steps an epoch: mid-epoch, at the end of an epoch, and in the last one.
    for steps, resume in ((2, False), (1, True), (4, True)):
        with pytest.raises(StoppedError, match=r"parts\.state\.pt is saved") as stopped:
            run_training(parts, recipe, stop_after(steps), resume, epochs=3, precision=precision)
        assert stopped.value.exit_code == ExitCode.INTERRUPTED
    history = run_training(parts, recipe, None, True, epochs=3, precision=precision)["history"]
    _assert_same(history, expected)
    _assert_same(_end_state(parts), _end_state(whole))
    best = [checkpoints.load(outputs.model, checkpoints.MODEL) for outputs in (parts, whole)]
    _assert_same(*best)
    lines = [_without_times(list(epochs_of(outputs.history))) for outputs in (parts, whole)]
    assert lines[0] == lines[1]


def test_crops_resume_alike(run_training: Any, stop_after: Any, tmp_path: Path) -> None:
    whole = Outputs.beside(tmp_path / "whole.pt")
    parts = Outputs.beside(tmp_path / "parts.pt")
    run_training(whole, crop=(32, 32))
    with pytest.raises(StoppedError):
        run_training(parts, observer=stop_after(2), crop=(32, 32))
    run_training(parts, resume=True, crop=(32, 32))
    _assert_same(_end_state(parts), _end_state(whole))


def test_worker_processes_change_nothing(run_training: Any, tmp_path: Path) -> None:
    here, there = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("here", "there"))
    run_training(here, epochs=1)
    run_training(there, epochs=1, workers=1)
    _assert_same(_end_state(here), _end_state(there))


def test_fine_tuning_starts_from_a_model(run_training: Any, tmp_path: Path) -> None:
    first, second = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("first", "second"))
    run_training(first, epochs=1)
    trained = torch.load(first.model, weights_only=True)["state"]
    run_training(second, epochs=1, start=first.model, learning_rate=1e-12, jpeg=(30, 60), seed=3)
    tuned = torch.load(second.model, weights_only=True)["state"]
    for name, value in trained.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(tuned[name], value, atol=1e-6, rtol=0)
    with pytest.raises(InputError, match=r"first\.pt is a unet .*give the same options"):
        run_training(second, epochs=1, start=first.model, network={"activation": "elu"})


def test_seeds_decide(run_training: Any, tmp_path: Path) -> None:
    losses = []
    for seed in (0, 0, 1):
        outputs = Outputs.beside(tmp_path / "net.pt")
        losses.append(run_training(outputs, epochs=1, seed=seed)["history"][0]["train"]["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_sigterm_saves_too(run_training: Any, stop_after: Any, outputs: Outputs) -> None:
    with pytest.raises(StoppedError, match="step 1 of 3") as stopped:
        run_training(outputs, observer=stop_after(1, signal.SIGTERM))
    assert stopped.value.exit_code == ExitCode.TERMINATED
    assert _end_state(outputs)["progress"]["step"] == 1


def test_a_finished_run_resumes_to_itself(run_training: Any, outputs: Outputs) -> None:
    history = run_training(outputs)["history"]
    before = outputs.state.read_bytes()
    assert run_training(outputs, resume=True)["history"] == history
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
        run_training(stopped_run, resume=True, **{name: value})


def test_another_recipe_or_other_images_do_not_resume(
    run_training: Any, stopped_run: Outputs, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="recipe was balanced and is now paper"):
        run_training(stopped_run, "paper", resume=True)
    write_synthetic(tmp_path / "other", 9, 64, 96, 3)
    with pytest.raises(TrainingError, match="split was"):
        run_training(stopped_run, resume=True, folder=tmp_path / "other")


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
        run_training(outputs, resume=True)


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
    assert "lower --learning-rate" in message
    assert "\n" not in message


def test_it_learns(run_training: Any, outputs: Outputs, tmp_path: Path) -> None:
    write_synthetic(tmp_path / "few", 5, 64, 64, 0)
    network = {"widths": [8, 16, 16], "bottleneck": 32}
    history = run_training(
        outputs,
        folder=tmp_path / "few",
        network=network,
        epochs=40,
        augment=False,
        learning_rate=0.02,
    )["history"]
    first, last = history[0]["train"], history[-1]["train"]
    assert last["dice"] > (first["dice"] or 0) + 0.4
    assert last["loss"] < first["loss"] / 2


def test_images_of_many_sizes_are_padded_or_resized(
    run_training: Any, outputs: Outputs, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "mixed", 12, 64, 96, 0)
    clean = [sample.path for sample in read_folder(tmp_path / "mixed")[0] if not sample.runs]
    Image.open(clean[0]).crop((0, 0, 70, 41)).save(clean[0])
    padded = run_training(outputs, folder=tmp_path / "mixed", epochs=1)
    assert padded["canvas"] == Canvas(64, 96, "pad")
    resized = run_training(outputs, folder=tmp_path / "mixed", epochs=1, size=(32, 48))
    assert resized["canvas"] == Canvas(32, 48, "resize")
    run_training(outputs, folder=tmp_path / "mixed", epochs=2, crop=(32, 32), batch_size=1)


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
        (Settings(size=(65, 96)), r"--size 65x96: unet takes multiples of 32; give --size 64x96"),
        (Settings(size=(3, 100)), r"give --size 32x96"),
        (Settings(crop=(64, 50)), r"--crop 64x50: unet takes multiples of 32; give --crop 64x64"),
        (Settings(crop=(288, 64)), r"--crop 288x64 is larger than the images' 256x1600"),
    ],
)
def test_sizes_the_network_cannot_take(settings: Settings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_canvas(_sized((256, 1600)), settings, 32)


def test_pixel_statistics(steel: Path) -> None:
    samples, _ = read_folder(steel)
    pixels = np.stack([sample.image() for sample in samples])
    assert pixel_statistics(samples, Observer()) == pytest.approx((pixels.mean(), pixels.std()))


def test_images_without_content_are_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "flat.png")
    with pytest.raises(InputError, match=r"all pixels of .* are 7"):
        pixel_statistics([Sample(tmp_path / "flat.png", 8, 8, {})], Observer())


def test_a_damaged_image_is_found_before_training(
    run_training: Any, outputs: Outputs, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "s", 8, 64, 96, 0)
    path = tmp_path / "s" / "train_images" / "steel_00005.jpg"
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"steel_00005\.jpg is damaged"):
        run_training(outputs, folder=tmp_path / "s")
    assert not outputs.state.exists()


def test_recipes_fill_in_the_settings_and_changes_win() -> None:
    paper = make_settings("paper", {"epochs": 7, "seed": None})
    assert paper.options == {"activation": "elu", "norm": "none"}
    assert (paper.epochs, paper.seed, paper.learning_rate) == (7, 0, 1e-3)
    assert make_settings("balanced", {"learning_rate": 0.1}).learning_rate == 0.1
    with pytest.raises(UsageError, match="unknown recipe 'best'; give one of: balanced, paper"):
        make_settings("best", {})
    with pytest.raises(UsageError, match="unknown network 'vit'; give one of: unet"):
        make_settings("paper", {"arch": "vit"})


def test_a_batch_that_does_not_divide_is_refused(steel: Path, outputs: Outputs) -> None:
    from splittool.training.distributed import World

    world = World(0, 3, torch.device("cpu"))
    with pytest.raises(UsageError, match="--batch-size 4 does not divide over 3 processes"):
        train(steel, Settings(), outputs, world, Observer())


def test_the_history_is_json_lines(run_training: Any, outputs: Outputs) -> None:
    run_training(outputs, epochs=2)
    lines = outputs.history.read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


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
    settings = make_settings(recipe, {"arch": arch, "epochs": 1}, SMALL[arch])
    world = World(0, 1, torch.device("cpu"))
    result = train(steel, settings, outputs, world, Observer(), 0)
    assert np.isfinite(result["history"][0]["train"]["loss"])
    content = checkpoints.load(outputs.model, checkpoints.MODEL)
    assert content["arch"] == arch
    restored = checkpoints.restore_model(outputs.model, content)
    assert restored(torch.zeros(1, 3, 64, 96)).shape == (1, 4, 64, 96)


def test_a_recipe_has_options_for_each_network() -> None:
    found = {
        (recipe, arch): make_settings(recipe, {"arch": arch}).options
        for recipe in ("balanced", "paper")
        for arch in ("unet", "fcn8s", "pspnet")
    }
    assert found["paper", "unet"] == {"activation": "elu", "norm": "none"}
    assert found["paper", "fcn8s"] == {"norm": "none"}
    assert found["paper", "pspnet"] == found["balanced", "pspnet"] == {}
    changed = make_settings("paper", {"arch": "unet"}, {"activation": "relu", "norm": None})
    assert changed.options == {"activation": "relu", "norm": "none"}


@pytest.mark.parametrize(
    ("arch", "options", "words"),
    [
        ("pspnet", {"activation": "elu"}, "--activation is no option of pspnet; it has: widths"),
        ("fcn8s", {"bottleneck": 8}, "--bottleneck is no option of fcn8s"),
        ("fcn8s", {"widths": [8, 8]}, "fcn8s cannot be built: it has 5 widths, not 2"),
        ("pspnet", {"widths": [8]}, "pspnet cannot be built: it has 4 widths, not 1"),
    ],
)
def test_options_a_network_does_not_have(arch: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_settings("balanced", {"arch": arch}, options)


def test_training_starts_from_the_backbone_given(
    steel: Path, outputs: Outputs, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    other = build("pspnet", 1, SMALL["pspnet"]).network
    torch.save(other.state_dict(), tmp_path / "backbone.pth")
    changes = {"arch": "pspnet", "epochs": 1, "learning_rate": 1e-9, "precision": "fp32"}
    settings = make_settings("balanced", changes, SMALL["pspnet"])
    world = World(0, 1, torch.device("cpu"))
    backbone = tmp_path / "backbone.pth"
    train(steel, settings, outputs, world, Observer(), 0, backbone=backbone)
    state = checkpoints.load(outputs.state, checkpoints.STATE)["model"]
    name = "layer2.0.conv2.weight"
    assert torch.allclose(state[f"network.{name}"], other.state_dict()[name], atol=1e-6)
