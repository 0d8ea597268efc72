"""The training loop: step, validate, keep the best, save, stop and resume."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import fmean

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
from splittool.training.learner import Learner
from splittool.training.loaders import BatchLoader, worker_error
from splittool.training.objective import Batch, Models, Objective
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs
from splittool.training.settings import RECIPES, Settings
from splittool.training.state import (
    Identity,
    Position,
    TrainingState,
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
        self.rate = self.objective.rate
        self.learner = Learner(self.objective, settings, len(self.sampler), self.observer)
        self.training_loader = BatchLoader(images.training, self.sampler, images.workers)
        self.validation_shares = _in_order(images.validation, settings, world)
        self.validation_batches = _sizes(len(images.validation), settings.batch_size)
        self.validation_loader = BatchLoader(
            images.validation, [share for share in self.validation_shares if share], images.workers
        )
        self.history: list[EpochRecord] = []
        self.best = -1.0
        self.position = self.start_of(1)
        self._has_files = False

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
            if state.progress.tally.shape != self.position.tally.shape:
                raise ValueError(f"the tally has the shape {list(state.progress.tally.shape)}")
            self.learner.load(state)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise unusable(self.outputs.state, error) from None
        self.history = list(state.history)
        self.best = state.best
        self.position = state.progress
        self._has_files = True
        if self.world.rank:
            self.position.tally.zero_()  # the first process holds the sum of all
        else:  # the run may have been killed between its state and its history
            write_history(self.outputs.history, self.history)

    def run(self) -> list[EpochRecord]:
        """Train to the last epoch.

        Returns:
            The history: one record per epoch.

        Raises:
            StoppedError: A signal arrived; the state is saved.
            InputError: An image cannot be read any more; the state is saved.
            TrainingError: The loss is not a number, or a process that loads images was killed.
        """
        self.observer.run_begins(self.checkpoint.classes, self.history)
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
            with self._naming_the_best():
                loss = self.learner.step(batch, position)
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
        self.progress(self.learner.done(self.position), epochs * steps, note)
        self.observer.step_done(loss)

    @contextmanager
    def _naming_the_best(self) -> Iterator[None]:
        """Where training fails, say that the best model so far is there."""
        try:
            yield
        except TrainingError as error:
            if self.best < 0:
                raise
            more = f"; {self.outputs.model} holds the best model so far"
            raise _with(error, more) from None

    def _finish_epoch(self) -> None:
        with self._naming_the_best():
            self.learner.require_finite(self.position.epoch)
        position, steps = self.position, len(self.sampler)
        rate_weight = self.rate.at(self.learner.done(self.position)) if self.rate else None
        sent = position.bytes_sum / steps if self.rate else None
        record = EpochRecord(
            epoch=position.epoch,
            learning_rate=self.learner.learning_rate,
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
            outcome = self.objective.evaluate(batch, self.learner.done(self.position))
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
            self._clear(keep_model=True)
            best.save(self.outputs.model)

    def _save_state(self) -> None:
        tally = self.world.add_up(self.position.tally)
        if self.world.rank:
            return
        self._clear(keep_model=False)
        self.outputs.list_held_out(sample.path for sample in self._images.validation.samples)
        TrainingState(
            identity=self.identity,
            progress=msgspec.structs.replace(self.position, tally=tally),
            history=self.history,
            best=self.best,
            **self.learner.state(),
        ).save(self.outputs.state)
        write_history(self.outputs.history, self.history)

    def _clear(self, keep_model: bool) -> None:
        """Remove the files of an earlier run, before the first of this one."""
        if not self._has_files:
            self.outputs.clear(keep_model)
            self._has_files = True


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
