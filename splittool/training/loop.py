"""The training loop: step, validate, keep the best, save, stop and resume."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from splittool.data import scores
from splittool.errors import StoppedError, TrainingError
from splittool.files import write_bytes
from splittool.interrupt import Interrupt
from splittool.models import Segmenter, checkpoints
from splittool.training.dataset import EpochSampler, Key, SegmentationDataset
from splittool.training.distributed import World
from splittool.training.losses import bce_dice_loss
from splittool.training.observer import Observer
from splittool.training.precision import autocast
from splittool.training.settings import RECIPES, Settings


@dataclass(frozen=True)
class Outputs:
    """Where a run writes.

    Attributes:
        model: The best model.
        state: All that is needed to resume.
        history: One JSON line per epoch.
    """

    model: Path
    state: Path
    history: Path

    @staticmethod
    def beside(model: Path) -> "Outputs":
        """The names that go with a model's name."""
        return Outputs(model, model.with_suffix(".state.pt"), model.with_suffix(".history.jsonl"))


@dataclass
class Progress:
    """Where in a run we are; all that is added up over an epoch."""

    epoch: int
    step: int
    loss_sum: float
    tally: Tensor
    seconds: float


class Trainer:
    """One run, from the first step or from a saved state.

    Args:
        model: The network, with its starting weights.
        content: What the model checkpoint holds beside the weights.
        settings: What decides the outcome.
        training: The training part.
        validation: The validation part.
        weights: How often to show each training image.
        outputs: Files to write.
        world: The processes that take part.
        observer: Who watches.
        workers: Processes that load images; 0 loads in this one.
    """

    def __init__(
        self,
        model: Segmenter,
        content: dict[str, Any],
        settings: Settings,
        training: SegmentationDataset,
        validation: SegmentationDataset,
        weights: Any,
        outputs: Outputs,
        world: World,
        observer: Observer,
        workers: int,
    ) -> None:
        self.settings = settings
        self.recipe = RECIPES[settings.recipe]
        self.content = content
        self.outputs = outputs
        self.world = world
        self.observer = observer
        self.model = model.to(world.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parallel: nn.Module = world.wrap(self.model)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.scaler = torch.amp.GradScaler(enabled=settings.precision == "fp16")
        self.sampler = EpochSampler(
            weights, settings.batch_size, settings.seed, settings.augment, world.rank, world.size
        )
        self.scheduler = self._make_scheduler()
        self.training_loader = _loader(training, self.sampler, workers)
        self.validation_shares = _in_order(validation, settings, world)
        self.validation_loader = _loader(
            validation, [share for share in self.validation_shares if share], workers
        )
        self.history: list[dict[str, Any]] = []
        self.best = -1.0
        self.progress = self._new_epoch(1)

    def _make_scheduler(self) -> torch.optim.lr_scheduler.LRScheduler:
        total = len(self.sampler) * self.settings.epochs + 1
        if self.recipe.schedule == "onecycle":
            return torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer,
                self.settings.learning_rate,
                total_steps=total,
                pct_start=max(0.1, 2 / total),  # torch divides by the warm-up's steps less one
            )
        return torch.optim.lr_scheduler.ConstantLR(self.optimizer, factor=1.0)

    def _new_epoch(self, epoch: int) -> Progress:
        tally = torch.zeros(len(self.content["classes"]), scores.TALLY, dtype=torch.float64)
        return Progress(epoch, 0, 0.0, tally, 0.0)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where a saved state stopped.

        Raises:
            TrainingError: The state belongs to other settings or other images.
        """
        mine = self._identity()
        for key, value in state["identity"].items():
            if mine[key] != value:
                raise TrainingError(
                    f"cannot resume {self.outputs.state}: {key} was {_brief(value)} and is now"
                    f" {_brief(mine[key])}; give the same settings and images, or start anew"
                    " with --force"
                )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        self.history = state["history"]
        self.best = state["best"]
        self.progress = Progress(**state["progress"])
        if self.world.rank:
            self.progress.tally.zero_()  # rank 0 holds the sum of all

    def run(self) -> list[dict[str, Any]]:
        """Train to the last epoch.

        Returns:
            The history: one record per epoch.

        Raises:
            StoppedError: A signal arrived; the state is saved.
            TrainingError: The loss is not a number.
        """
        with Interrupt() as interrupt:
            while self.progress.epoch <= self.settings.epochs:
                self._train_epoch(interrupt)
                self._finish_epoch()
        return self.history

    def _train_epoch(self, interrupt: Interrupt) -> None:
        progress = self.progress
        self.parallel.train()
        self.sampler.start(progress.epoch, progress.step)
        self.observer.epoch_started(progress.epoch, progress.step, len(self.sampler))
        started, seconds_before = time.perf_counter(), progress.seconds
        for batch in self.training_loader:
            loss = self._step(*batch)
            progress.step += 1
            progress.loss_sum += loss
            progress.seconds = seconds_before + time.perf_counter() - started
            self.observer.step_done(loss)
            if self.world.any(interrupt.exit_code is not None):
                self._save_state()
                raise StoppedError(
                    f"stopped in epoch {progress.epoch} of {self.settings.epochs}, step"
                    f" {progress.step} of {len(self.sampler)}; {self.outputs.state} is saved",
                    interrupt.exit_code or StoppedError.exit_code,
                )

    def _step(self, pixels: Tensor, masks: Tensor, sizes: Tensor) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        logits, loss, tally = self._evaluate(pixels, masks, sizes)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(self._explain_nan(value, logits))
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.progress.tally += tally
        return value

    def _evaluate(
        self, pixels: Tensor, masks: Tensor, sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, loss over all processes, and this process's tally of Dice."""
        device = self.world.device
        pixels = pixels.to(device, memory_format=torch.channels_last, non_blocking=True)
        masks = masks.to(device, non_blocking=True)
        valid = _valid(sizes, masks)
        network = self.parallel if self.model.training else self.model  # one needs gradients
        with autocast(self.settings.precision, device):
            logits = network(pixels).float() if len(pixels) else masks.float()
        loss = bce_dice_loss(logits, masks.float(), valid, self.recipe.dice, self.world.add_up)
        return logits, loss, _tally(logits.detach(), masks, valid)

    def _explain_nan(self, value: float, logits: Tensor) -> str:
        place = f"the loss became {value} in epoch {self.progress.epoch}, step"
        place += f" {self.progress.step + 1}"
        for name, parameter in self.model.named_parameters():
            if not parameter.isfinite().all():
                cause = f"weights {name} overflowed in the step before"
                break
        else:
            where = "the network's outputs" if not logits.isfinite().all() else "the loss itself"
            cause = f"all weights are finite, {where} overflowed"
        rate = self.optimizer.param_groups[0]["lr"]
        fix = f"lower --learning-rate (now {rate:.3g})"
        if self.settings.precision != "fp32":
            fix += " or give --precision fp32"
        kept = f"; {self.outputs.model} holds the best model so far" if self.best >= 0 else ""
        return f"{place}: {cause}; {fix}{kept}"

    def _finish_epoch(self) -> None:
        steps = len(self.sampler)
        training = _score(self.world.add_up(self.progress.tally))
        validation = self._validate()
        record = {
            "epoch": self.progress.epoch,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train": {"loss": self.progress.loss_sum / steps, **training},
            "validation": validation,
            "seconds": self.progress.seconds,
            "seconds_per_step": self.progress.seconds / steps,
            "images_per_second": steps * self.settings.batch_size / self.progress.seconds,
        }
        self.history.append(record)
        score = validation[self.recipe.keep]
        is_best = score is not None and score > self.best
        if is_best:
            self.best = score
            self._save_model(record)
        self.progress = self._new_epoch(self.progress.epoch + 1)
        self._save_state()
        self.observer.epoch_done(record, is_best)

    @torch.no_grad()
    def _validate(self) -> dict[str, Any]:
        """Loss averaged over batches, and the scores, of the validation part."""
        self.parallel.eval()
        sums = torch.zeros(len(self.content["classes"]), scores.TALLY, dtype=torch.float64)
        losses = []
        batches = iter(self.validation_loader)
        for share in self.validation_shares:
            _, loss, tally = self._evaluate(*(next(batches) if share else self._no_images()))
            losses.append(float(loss))
            sums += tally
        sums = self.world.add_up(sums.to(self.world.device)).cpu()
        return {"loss": fmean(losses), **_score(sums)}

    def _no_images(self) -> tuple[Tensor, Tensor, Tensor]:
        """The share of a process in a batch of fewer images than processes."""
        classes = len(self.content["classes"])
        return torch.zeros(0, 3, 1, 1), torch.zeros(0, classes, 1, 1), torch.zeros(0, 2)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a resumed run to end as if never stopped."""
        kept = ("arch", "options", "classes", "canvas", "split")
        return {**asdict(self.settings), **{key: self.content[key] for key in kept}}

    def _save_model(self, record: dict[str, Any]) -> None:
        if self.world.rank == 0:
            state = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
            checkpoints.save(
                self.outputs.model, {**self.content, "state": state, "training": record}
            )

    def _save_state(self) -> None:
        progress = asdict(self.progress)
        progress["tally"] = self.world.add_up(self.progress.tally)
        if self.world.rank:
            return
        content = {
            "format": checkpoints.STATE,
            "identity": self._identity(),
            "progress": progress,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        checkpoints.save(self.outputs.state, content)
        lines = "".join(json.dumps(record) + "\n" for record in self.history)
        write_bytes(self.outputs.history, lines.encode())


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _loader(
    dataset: SegmentationDataset, batches: Any, workers: int
) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_quiet_worker if workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _quiet_worker(worker: int) -> None:
    """Leave Ctrl-C to the parent: it ends the workers once the state is saved."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)


def _in_order(dataset: SegmentationDataset, settings: Settings, world: World) -> list[list[Key]]:
    """A process's share of every validation batch, images as they are; it may be none."""
    size, images = settings.batch_size, range(len(dataset))
    batches = [images[first : first + size] for first in range(0, len(dataset), size)]
    return [[(i, (), False) for i in batch[world.rank :: world.size]] for batch in batches]


def _valid(sizes: Tensor, masks: Tensor) -> Tensor:
    """(B, 1, H, W) float32: 1 inside each image's (rows, columns), 0 in the padding."""
    height, width = masks.shape[-2:]
    rows = torch.arange(height, device=masks.device) < sizes[:, :1].to(masks.device)
    columns = torch.arange(width, device=masks.device) < sizes[:, 1:].to(masks.device)
    return (rows[:, None, :, None] & columns[:, None, None, :]).float()


def _tally(logits: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
    """Dice of a batch at threshold 0.5, added up per class: see `scores.tally`."""
    predicted = (logits > 0) & (valid > 0)
    truth = masks > 0
    counts = torch.stack(
        [(predicted & truth).sum((2, 3)), predicted.sum((2, 3)), truth.sum((2, 3))]
    )
    return torch.from_numpy(scores.tally(counts.permute(1, 2, 0).cpu().numpy()))


def _score(tally: Tensor) -> dict[str, Any]:
    return asdict(scores.summarise(tally.cpu().numpy()))


def epochs_of(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a history file."""
    with path.open() as file:
        yield from map(json.loads, file)
