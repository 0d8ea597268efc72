"""What a training step changes: the weights, and all that moves with them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from splittool.errors import TrainingError
from splittool.training.layer_check import LayerCheck
from splittool.training.objective import Batch, Objective, Outcome
from splittool.training.observer import Observer
from splittool.training.settings import RECIPES, Settings
from splittool.training.state import Position, TrainingState, require_like


class Learner:
    """A network with its optimiser, its schedule and the running mean of its weights.

    Args:
        objective: The network and its loss.
        settings: The settings of the run.
        steps: Steps of an epoch.
        observer: Told which layers do not bear mixed precision.
    """

    def __init__(
        self, objective: Objective, settings: Settings, steps: int, observer: Observer
    ) -> None:
        self.objective, self.model, self.rate = objective, objective.model, objective.rate
        self.settings, self.recipe = settings, RECIPES[settings.recipe]
        self.steps, self.observer = steps, observer
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, fused=True
        )
        self.scaler = torch.amp.GradScaler(enabled=settings.precision == "fp16")
        self.scheduler = self._make_scheduler()
        self._layers_unchecked = settings.precision != "fp32"

    def _make_scheduler(self) -> torch.optim.lr_scheduler.LRScheduler:
        total = self.steps * self.settings.epochs + 1
        if self.recipe.schedule == "onecycle":
            return torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer,
                self.settings.learning_rate,
                total_steps=total,
                pct_start=max(0.1, 2 / total),  # torch divides by the warm-up's steps less one
            )
        return torch.optim.lr_scheduler.ConstantLR(self.optimizer, factor=1.0)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def done(self, position: Position) -> int:
        """Steps of the run that are done."""
        return (position.epoch - 1) * self.steps + position.step

    def step(self, batch: Batch, position: Position) -> float:
        """Learn from a batch, and add what it says to the sums of the position.

        Returns:
            The loss.

        Raises:
            TrainingError: The loss is not a finite number.
        """
        done = self.done(position)
        self.optimizer.zero_grad(set_to_none=True)
        check = None
        if self._layers_unchecked:
            check = LayerCheck(self.model, may_overflow=self.scaler.is_enabled())
        outcome = self.objective.evaluate(batch, done)
        value = float(outcome.loss.detach())
        if not np.isfinite(value):
            raise TrainingError(self._explain(value, outcome.logits, position))
        self.scaler.scale(outcome.loss).backward()  # type: ignore[no-untyped-call]
        if check:
            self._switch_layers(check)
        self._move(done, outcome)
        position.tally += outcome.tally
        position.bytes_sum += outcome.frame_bytes
        return value

    def _switch_layers(self, check: LayerCheck) -> None:
        self._layers_unchecked = False
        precision = self.settings.precision
        for name in check.close():
            self.observer.noted(f"layer {name} runs in f32: its {precision} gradient is wrong")

    def _move(self, done: int, outcome: Outcome) -> None:
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        if self.objective.average:
            self.objective.average.update_parameters(self.model)
        if self.rate:
            self.rate.observe(done, outcome.frame_bytes)

    def require_finite(self, epoch: int) -> None:
        """Refuse to keep a network that the next command would refuse.

        Raises:
            TrainingError: A weight, or a running statistic, is not a finite number.
        """
        for name, value in self.model.state_dict().items():
            if not value.isfinite().all():
                raise TrainingError(f"weights {name} overflowed in epoch {epoch}; {self._fix}")

    def _explain(self, value: float, logits: Tensor, position: Position) -> str:
        place = f"the loss became {value} in epoch {position.epoch}, step {position.step + 1}"
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
        fix = f"lower `learning_rate` (now {self.learning_rate:.3g})"
        return fix if self.settings.precision == "fp32" else fix + " or give `precision` f32"

    def state(self) -> dict[str, Any]:
        """The fields of `TrainingState` that `load` reads."""
        average = self.objective.average
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": average.state_dict() if average else None,
            "rate": self.rate.state if self.rate else None,
        }

    def load(self, state: TrainingState) -> None:
        """Go on as the saved one would have.

        Raises:
            ValueError, or whatever torch raises: The state does not fit.
        """
        require_like(state.scheduler, self.scheduler.state_dict(), "the scheduler")
        require_like(state.scaler, self.scaler.state_dict(), "the gradient scaler")
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
