"""Training a network whose bytes have a price."""

import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_states import assert_same

from splittool.codec.latent_model import read_model
from splittool.data.images import Canvas
from splittool.data.kaggle import read_folder
from splittool.errors import ExitCode, InputError, StoppedError, TrainingError, UsageError
from splittool.models import build, checkpoints
from splittool.models.latent import LIMIT, symbols
from splittool.training import codec_model
from splittool.training.dataset import SegmentationDataset
from splittool.training.outputs import Outputs
from splittool.training.rate import (
    FIRST_WEIGHT,
    FRAME_BYTES,
    PricedNetwork,
    Rate,
    RateState,
    rounding_noise,
)
from splittool.training.run import TrainingOptions
from splittool.training.settings import make_settings

TINY = {"widths": [4, 6], "bottleneck": 3}
SPLITNET: dict[str, Any] = {"arch": "splitnet", "network": TINY}
RESUME = TrainingOptions(workers=0, resume=True)


def _rate(target: float | None, steps: int = 1000, weight: float = 2.0) -> Rate:
    return Rate(weight, target, steps, RateState())


def test_the_weight_grows_between_a_quarter_and_half_of_a_run() -> None:
    rate = _rate(None)
    assert rate.at(0) == rate.at(250) == pytest.approx(FIRST_WEIGHT)
    assert rate.at(375) == pytest.approx(math.sqrt(FIRST_WEIGHT * 2))
    assert rate.at(500) == rate.at(1000) == pytest.approx(2)
    assert [rate.is_rounded(step) for step in (0, 499, 500)] == [False, False, True]


@pytest.mark.parametrize("needed", [0.5, 3.0, 8.0])
@pytest.mark.parametrize("lag", [30, 80])
def test_the_controller_finds_the_weight_of_a_target(needed: float, lag: int) -> None:
    """A network that would settle at 80 bytes at the weight needed, and follows slowly."""
    rng = np.random.default_rng(0)
    rate, sent = _rate(80, 3500), 300.0
    for step in range(3500):
        settled = 80 * (rate.at(step) / needed) ** -0.7
        speed = 0.5 + 0.5 * math.cos(math.pi * step / 3500)  # of the learning rate
        sent *= (settled / sent) ** (speed / lag)
        rate.observe(step, sent * math.exp(rng.normal(0, 0.15)))
    assert sent == pytest.approx(80, rel=0.05)


def test_bytes_are_led_to_the_target_and_not_thrown() -> None:
    rate = _rate(80, 1000)
    for step in range(500):
        rate.observe(step, 800)
    grown = rate.at(500)
    rate.observe(500, 800)
    assert rate.at(500) == pytest.approx(grown, rel=0.01)  # it is where it should be
    assert rate.at(750) == pytest.approx(grown * math.exp(1.2), rel=0.02)  # not ten times as much


def test_whole_images_decide_what_windows_cost() -> None:
    """Windows around defects cost twice what whole images do."""
    rate, sent = _rate(80, 3500), 100.0
    for step in range(3500):
        sent *= (80 * rate.at(step) ** -0.7 / sent) ** (1 / 60)
        rate.observe(step, 2 * sent)
        if step % 70 == 69:
            rate.compare(sent)
    assert sent == pytest.approx(80, rel=0.05)
    assert rate.state.ratio == pytest.approx(0.5, rel=0.05)


def test_noise_is_the_same_on_any_number_of_processes() -> None:
    shape = (4, 2, 3, 5)
    whole = rounding_noise(shape, (1, 7))
    shares = [rounding_noise(shape, (1, 7), slice(rank, None, 2)) for rank in range(2)]
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), whole)
    assert not torch.equal(rounding_noise(shape, (1, 8)), whole)
    assert -0.5 <= whole.min() < -0.3 < 0.3 < whole.max() < 0.5


def test_a_priced_network_is_what_is_sent_and_what_it_costs() -> None:
    torch.manual_seed(0)
    segmenter = build("splitnet", 2, TINY)
    model = PricedNetwork(segmenter).eval()
    pixels = torch.randint(0, 256, (2, 3, 16, 32))
    assert model.latent_shape(2, 16, 32) == (2, 3, 2, 4)
    logits, bits, sent = model(pixels)
    assert torch.equal(logits, segmenter.eval()(pixels))
    assert bits.shape == (2,)
    assert torch.equal(bits, sent)
    noise = rounding_noise((2, 3, 2, 4), (0,))
    rounded, noisy_bits, sent = model(pixels, noise)
    assert torch.equal(sent, bits)
    assert not sent.requires_grad
    assert torch.equal(rounded, logits)  # the cloud side has whole numbers, the prior noise
    assert not torch.equal(noisy_bits, bits)
    assert not torch.equal(model(pixels, noise, rounded=False)[0], logits)
    noisy_bits.sum().backward()
    assert segmenter.network.latent.gain.grad.abs().sum() > 0  # type: ignore[union-attr]


def test_bytes_are_trained_reported_and_coded(
    run_training: Any, history_of: Any, outputs: Outputs
) -> None:
    report = run_training(outputs, epochs=3, **SPLITNET)
    history = history_of(outputs)
    assert [record.rate_weight for record in history][-1] == pytest.approx(2)
    for record in history:
        assert record.train.bytes_per_frame > FRAME_BYTES
        assert record.validation.bytes_per_frame > FRAME_BYTES
    assert report.best == history[-1] == checkpoints.load(outputs.model).training
    model = checkpoints.load(outputs.model).codec_model
    assert model is not None
    assert read_model(model.numpy().tobytes()).channels == 3
    assert report.bytes_per_frame > FRAME_BYTES
    (table,) = report.tables()
    assert "bytes of a frame, codec learned" in [each.text for each in table.columns[0].cells]


def test_a_run_stopped_while_the_codecs_model_is_made_goes_on_there(
    run_training: Any, outputs: Outputs
) -> None:
    def stop(done: float, total: float, what: str) -> None:
        if what == "coding model" and done > 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match=r"model of codec 'learned'; .*state\.pt is saved") as e:
        run_training(outputs, epochs=1, progress=stop, **SPLITNET)
    assert e.value.exit_code == ExitCode.TERMINATED
    assert checkpoints.load(outputs.model).codec_model is None
    run_training(outputs, options=RESUME, epochs=1, **SPLITNET)
    assert checkpoints.load(outputs.model).codec_model is not None


def test_the_codecs_model_sees_each_image_as_it_is_and_augmented(
    steel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, classes = read_folder(steel)
    images = SegmentationDataset(samples, classes, Canvas(64, 96, "pad"))
    seen: list[np.ndarray] = []
    monkeypatch.setattr(codec_model, "fit", lambda symbols, **_: seen.append(symbols))
    network = build("splitnet", len(classes), TINY).eval()
    codec_model.fit_codec_model(network, images)
    copies = seen[0].reshape(codec_model.MOST_COPIES, len(samples), *seen[0].shape[1:])
    pixels = torch.stack([images[index, (), False][0] for index in range(len(samples))])
    plain = network.network.encode(network.normalise(pixels))  # type: ignore[operator]
    assert np.array_equal(copies[0], symbols(plain).detach().numpy() + LIMIT)
    assert all(not np.array_equal(copies[0], copy) for copy in copies[1:])


def test_a_higher_price_makes_fewer_bytes(run_training: Any, tmp_path: Path) -> None:
    sent = {}
    for weight in (0.01, 1000.0):
        outputs = Outputs.beside(tmp_path / f"{weight}.pt")
        report = run_training(outputs, epochs=12, rate_weight=weight, batch_size=2, **SPLITNET)
        sent[weight] = report.bytes_per_frame
    assert sent[1000.0] < 0.7 * sent[0.01]


@pytest.mark.parametrize("target", [None, 60.0])
def test_a_priced_run_resumes_as_if_never_stopped(
    run_training: Any,
    stop_after: Any,
    tmp_path: Path,
    target: float | None,
) -> None:
    whole, parts = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("whole", "parts"))
    common = {**SPLITNET, "epochs": 4, "target_bytes": target}
    run_training(whole, **common)
    for steps, options in ((2, TrainingOptions(workers=0)), (6, RESUME), (2, RESUME)):
        with pytest.raises(StoppedError):
            run_training(parts, observer=stop_after(steps), options=options, **common)
    run_training(parts, options=RESUME, **common)
    for kind, name in ((checkpoints.STATE, "state"), (checkpoints.MODEL, "model")):
        found = [checkpoints.read(getattr(o, name), kind) for o in (parts, whole)]
        assert_same(*found)
    with pytest.raises(TrainingError, match="target_bytes was"):
        run_training(parts, options=RESUME, **{**common, "target_bytes": 90.0})


@pytest.mark.parametrize(
    "rate",
    [None, {"ratio": 0.0}, {"integral": math.nan}, {"error": math.inf}, {"ratio": "1"}],
)
def test_a_damaged_controller_is_refused(
    run_training: Any, outputs: Outputs, rate: dict[str, Any] | None
) -> None:
    common = {**SPLITNET, "epochs": 1, "target_bytes": 60.0}
    run_training(outputs, **common)
    state = checkpoints.read(outputs.state, checkpoints.STATE)
    changed = None if rate is None else {**state["rate"], **rate}
    checkpoints.write(outputs.state, {**state, "rate": changed})
    with pytest.raises(InputError, match=r"net\.state\.pt is not a whole training state"):
        run_training(outputs, options=RESUME, **common)


def test_a_price_is_for_networks_with_a_latent() -> None:
    assert make_settings(arch="splitnet").rate_weight == 2
    assert make_settings(arch="unet").rate_weight is None
    for changes, words in (
        ({"rate_weight": 1.0}, "unet has none"),
        ({"target_bytes": 80.0}, "unet has none"),
        ({"arch": "splitnet", "rate_weight": 0.0}, "out of range; give 0.001 to 1000"),
        ({"arch": "splitnet", "target_bytes": 6.0}, "a frame has 6 bytes without anything in it"),
        ({"arch": "splitnet", "target_bytes": math.nan}, "out of range"),
    ):
        with pytest.raises(UsageError, match=words):
            make_settings(**changes)  # type: ignore[arg-type]
