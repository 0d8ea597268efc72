"""The training loop: step, validate, keep the best, save, stop and resume."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import fmean

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from splittool.data import scores
from splittool.errors import InputError, SplittoolError, StoppedError, TrainingError
from splittool.files import require_file
from splittool.interrupt import Interrupt
from splittool.models import checkpoints
from splittool.models.checkpoints import Checkpoint
from splittool.progress import Progress
from splittool.reports import EpochRecord, PartRecord
from splittool.training.dataset import EpochSampler, Key, SegmentationDataset
from splittool.training.distributed import World
from splittool.training.layer_check import LayerCheck
from splittool.training.loaders import BatchLoader, worker_error
from splittool.training.objective import Batch, Models, Objective
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs
from splittool.training.settings import RECIPES, Settings
from splittool.training.state import (
    Identity,
    Position,
    TrainingState,
    require_like,
    unusable,
    write_history,
)


@dataclass(frozen=True)
class Images:
    """The images of a run, and how they are loaded.

    Attributes:
        training: The training part.
        validation: The validation part.
        weights: How often each training image is shown, relative to the others.
        workers: Processes that load images; 0 loads in this one.
    """

    training: SegmentationDataset
    validation: SegmentationDataset
    weights: NDArray[np.float64]
    workers: int


class Trainer:
    """One run, from the first step or from a saved state.

    Args:
        models: The network, with its starting weights, and its teachers.
        checkpoint: The checkpoint to write, apart from the weights.
        settings: The settings, which decide the outcome.
        images: The images to train and validate on.
        outputs: The files to write.
        world: The processes that take part.
        watchers: Whom to tell how far the run is, and what it has found.
    """

    def __init__(
        self,
        models: Models,
        checkpoint: Checkpoint,
        settings: Settings,
        images: Images,
        outputs: Outputs,
        world: World,
        watchers: tuple[Progress, Observer],
    ) -> None:
        self.settings = settings
        self.recipe = RECIPES[settings.recipe]
        self.checkpoint = checkpoint
        self.outputs = outputs
        self.world = world
        self.progress, self.observer = watchers
        self._images = images
        self.sampler = EpochSampler(
            images.weights,
            settings.batch_size,
            settings.seed,
            settings.augment,
            world.rank,
            world.size,
        )
        steps = len(self.sampler) * settings.epochs
        self.objective = Objective(models, settings, world, checkpoint.canvas, steps)
        self.model, self.rate = self.objective.model, self.objective.rate
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, fused=True
        )
        self.scaler = torch.amp.GradScaler(enabled=settings.precision == "fp16")
        self.scheduler = self._make_scheduler()
        self.training_loader = BatchLoader(images.training, self.sampler, images.workers)
        self.validation_shares = _in_order(images.validation, settings, world)
        self.validation_batches = _sizes(len(images.validation), settings.batch_size)
        self.validation_loader = BatchLoader(
            images.validation, [share for share in self.validation_shares if share], images.workers
        )
        self._layers_unchecked = settings.precision != "fp32"
        self.history: list[EpochRecord] = []
        self.best = -1.0
        self.position = self.start_of(1)

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

    @property
    def steps_done(self) -> int:
        """Steps of the run that are done."""
        return (self.position.epoch - 1) * len(self.sampler) + self.position.step

    def start_of(self, epoch: int) -> Position:
        """The position at the start of an epoch."""
        return Position.at(epoch, len(self.checkpoint.classes))

    def resume(self, state: TrainingState) -> None:
        """Go on where a saved state stopped.

        Raises:
            TrainingError: The state belongs to other settings or other images.
            InputError: It does not fit the network or the optimizer.
        """
        state.require(self.outputs.state, self.identity)
        if state.best >= 0:
            require_file(self.outputs.model, "put the best model back, or start anew with `force`")
        try:
            self._load(state)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise unusable(self.outputs.state, error) from None
        self.history = list(state.history)
        self.best = state.best
        self.position = state.progress
        if self.world.rank:
            self.position.tally.zero_()  # the first process holds the sum of all
        else:  # the run may have been killed between its state and its history
            write_history(self.outputs.history, self.history)

    def _load(self, state: TrainingState) -> None:
        require_like(state.scheduler, self.scheduler.state_dict(), "the scheduler")
        require_like(state.scaler, self.scaler.state_dict(), "the gradient scaler")
        if state.progress.tally.shape != self.position.tally.shape:
            raise ValueError(f"the tally has the shape {list(state.progress.tally.shape)}")
        self.model.load_state_dict(state.model)
        self.optimizer.load_state_dict(state.optimizer)
        self.scheduler.load_state_dict(state.scheduler)
        self.scaler.load_state_dict(state.scaler)
        self._check_moments()
        if self.objective.average:
            self.objective.average.load_state_dict(state.average or {})
        if self.rate:
            if state.rate is None:
                raise ValueError("it lacks the rate's controller")
            state.rate.check()
            self.rate.state = state.rate

    def _check_moments(self) -> None:
        """Adam's moments are those of these weights; PyTorch does not look."""
        moments = self.optimizer.state
        for name, parameter in self.model.named_parameters():
            for moment in ("exp_avg", "exp_avg_sq"):
                if moments and moments[parameter][moment].shape != parameter.shape:
                    raise ValueError(f"the optimizer's {moment} of {name} has another shape")

    def run(self) -> list[EpochRecord]:
        """Train to the last epoch.

        Returns:
            The history: one record per epoch.

        Raises:
            StoppedError: A signal arrived; the state is saved.
            InputError: An image cannot be read any more; the state is saved.
            TrainingError: The loss is not a number, or a process that loads images was killed.
        """
        with Interrupt() as interrupt:
            try:
                while self.position.epoch <= self.settings.epochs:
                    self._train_epoch(interrupt)
                    self._finish_epoch()
            except RuntimeError as error:  # a worker's end is told wherever this process is
                raise worker_error(error) or error from None
            finally:
                self.training_loader.close()
                self.validation_loader.close()
        return self.history

    def _train_epoch(self, interrupt: Interrupt) -> None:
        position = self.position
        self.objective.train(True)
        self.sampler.start(position.epoch, position.step)
        started, seconds_before = time.perf_counter(), position.seconds
        for batch in self._saved(self.training_loader):
            loss = self._step(batch)
            position.step += 1
            position.loss_sum += loss
            position.seconds = seconds_before + time.perf_counter() - started
            self._tell(loss)
            if self.world.any(interrupt.exit_code is not None):
                self._save_state()
                raise StoppedError(
                    f"stopped in epoch {position.epoch} of {self.settings.epochs}, step"
                    f" {position.step} of {len(self.sampler)}; {self.outputs.state} is saved",
                    interrupt.exit_code or StoppedError.exit_code,
                )

    def _saved(self, batches: BatchLoader) -> Iterator[Batch]:
        """Batches; when the next one cannot be had, what was done so far is saved."""
        try:
            yield from batches
        except (InputError, TrainingError) as error:
            if self.world.size > 1:  # the others do not know of it
                raise
            self._save_state()
            raise _with(error, f"; {self.outputs.state} is saved, to resume") from None

    def _tell(self, loss: float) -> None:
        position, epochs, steps = self.position, self.settings.epochs, len(self.sampler)
        note = f"epoch {position.epoch}/{epochs} loss {loss:.3f}"
        self.progress(self.steps_done, epochs * steps, note)
        self.observer.step_done(loss)

    def _step(self, batch: Batch) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        check = None
        if self._layers_unchecked:
            check = LayerCheck(self.model, may_overflow=self.scaler.is_enabled())
        outcome = self.objective.evaluate(batch, self.steps_done)
        value = float(outcome.loss.detach())
        if not np.isfinite(value):
            raise TrainingError(self._explain_nan(value, outcome.logits))
        self.scaler.scale(outcome.loss).backward()  # type: ignore[no-untyped-call]
        if check:
            self._layers_unchecked = False
            precision = self.settings.precision
            for name in check.close():
                self.observer.noted(f"layer {name} runs in f32: its {precision} gradient is wrong")
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        if self.objective.average:
            self.objective.average.update_parameters(self.model)
        self.position.tally += outcome.tally
        self.position.bytes_sum += outcome.frame_bytes
        if self.rate:
            self.rate.observe(self.steps_done, outcome.frame_bytes)
        return value

    def _require_finite(self) -> None:
        """Refuse to keep a network that the next command would refuse.

        Raises:
            TrainingError: A weight, or a running statistic, is not a finite number.
        """
        for name, value in self.model.state_dict().items():
            if not value.isfinite().all():
                raise TrainingError(
                    f"weights {name} overflowed in epoch {self.position.epoch}; {self._fix}"
                )

    def _explain_nan(self, value: float, logits: Tensor) -> str:
        place = f"the loss became {value} in epoch {self.position.epoch}, step"
        place += f" {self.position.step + 1}"
        for name, parameter in self.model.named_parameters():
            if not parameter.isfinite().all():
                cause = f"weights {name} overflowed in the step before"
                break
        else:
            where = "the network's outputs" if not logits.isfinite().all() else "the loss itself"
            cause = f"all weights are finite, {where} overflowed"
        return f"{place}: {cause}; {self._fix}"

    @property
    def _fix(self) -> str:
        """What to do about numbers that overflow."""
        rate = self.optimizer.param_groups[0]["lr"]
        fix = f"lower `learning_rate` (now {rate:.3g})"
        if self.settings.precision != "fp32":
            fix += " or give `precision` f32"
        kept = f"; {self.outputs.model} holds the best model so far" if self.best >= 0 else ""
        return fix + kept

    def _finish_epoch(self) -> None:
        self._require_finite()
        position, steps = self.position, len(self.sampler)
        rate_weight = self.rate.at(self.steps_done) if self.rate else None
        sent = position.bytes_sum / steps if self.rate else None
        record = EpochRecord(
            epoch=position.epoch,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            train=_score(position.loss_sum / steps, self.world.add_up(position.tally), sent),
            validation=self._validate(),
            seconds=position.seconds,
            seconds_per_step=position.seconds / steps,
            images_per_second=steps * self.settings.batch_size / position.seconds,
            rate_weight=rate_weight,
        )
        self.history.append(record)
        score: float | None = getattr(record.validation, self.recipe.keep)
        # Where bytes have a price, it is the last epoch's that was asked for, and the last is kept.
        is_best = score is not None and (self.rate is not None or score > self.best)
        if score is not None and is_best:
            self.best = score
            self._save_model(record)
        self.position = self.start_of(position.epoch + 1)
        self._save_state()
        self.observer.epoch_done(record, is_best)

    @torch.no_grad()
    def _validate(self) -> PartRecord:
        """Loss averaged over batches, and the scores, of the validation part."""
        self.objective.train(False)
        sums = self.start_of(1).tally
        losses, sent = [], []
        batches = self._saved(self.validation_loader)
        for share in self.validation_shares:
            batch = next(batches) if share else self._no_images()
            outcome = self.objective.evaluate(batch, self.steps_done)
            losses.append(float(outcome.loss))
            sent.append(outcome.frame_bytes)
            sums += outcome.tally
        mean = None
        if self.rate:
            mean = fmean(sent, self.validation_batches)
            self.rate.compare(mean)
        return _score(fmean(losses), self.world.add_up(sums.to(self.world.device)), mean)

    def _no_images(self) -> tuple[Tensor, Tensor, Tensor]:
        """The share of a process in a batch of fewer images than processes."""
        classes = len(self.checkpoint.classes)
        return torch.zeros(0, 3, 1, 1), torch.zeros(0, classes, 1, 1), torch.zeros(0, 2)

    @property
    def best_record(self) -> EpochRecord:
        """The epoch that the model was taken from."""
        if self.rate:
            return self.history[-1]
        return max(self.history, key=lambda each: getattr(each.validation, self.recipe.keep) or -1)

    @property
    def whole_images(self) -> tuple[SegmentationDataset, SegmentationDataset]:
        """The training and the validation part as they are, without windows."""
        training, validation = self._images.training, self._images.validation
        classes, canvas = training.classes, training.canvas
        return SegmentationDataset(training.samples, classes, canvas), validation

    @property
    def identity(self) -> Identity:
        """What must be the same for a resumed run to end as if it had never been stopped."""
        made = self.checkpoint
        assert made.split is not None
        same = {**msgspec.structs.asdict(self.settings), "options": made.options}
        return Identity(**same, classes=made.classes, canvas=made.canvas, split=made.split)

    def _save_model(self, record: EpochRecord) -> None:
        if self.world.rank == 0:
            weights = checkpoints.weights_of(self.objective.kept)
            best = msgspec.structs.replace(self.checkpoint, state=weights, training=record)
            best.save(self.outputs.model)

    def _save_state(self) -> None:
        tally = self.world.add_up(self.position.tally)
        if self.world.rank:
            return
        TrainingState(
            identity=self.identity,
            progress=msgspec.structs.replace(self.position, tally=tally),
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scheduler=self.scheduler.state_dict(),
            scaler=self.scaler.state_dict(),
            history=self.history,
            best=self.best,
            average=self.objective.average.state_dict() if self.objective.average else None,
            rate=self.rate.state if self.rate else None,
        ).save(self.outputs.state)
        write_history(self.outputs.history, self.history)


def _with(error: SplittoolError, more: str) -> SplittoolError:
    return type(error)(f"{error}{more}")


def _in_order(dataset: SegmentationDataset, settings: Settings, world: World) -> list[list[Key]]:
    """A process's share of every validation batch, images as they are; it may be none."""
    size, images = settings.batch_size, range(len(dataset))
    batches = [images[first : first + size] for first in range(0, len(dataset), size)]
    return [[(i, (), False) for i in batch[world.rank :: world.size]] for batch in batches]


def _sizes(images: int, batch_size: int) -> list[int]:
    """Images of each batch, over all processes."""
    return [min(batch_size, images - first) for first in range(0, images, batch_size)]


def _score(loss: float, tally: Tensor, sent: float | None) -> PartRecord:
    found = asdict(scores.summarise(tally.cpu().numpy()))
    return PartRecord(loss=loss, **found, bytes_per_frame=sent)
