"""Mixed precision held against 32 bits, layer by layer, on the first step of a run.

A runtime may compute one layer of one shape wrongly in 16 bits and all others rightly: PyTorch 2.13
does on CPUs, in the gradient of a convolution whose kernel is larger than its map. The loss shows
nothing for many steps. So the gradients of every layer are computed again in 32 bits, from what the
layer was given and what came back to it; where they differ by more than rounding, the right ones
are used, and the layer runs in 32 bits from then on.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

_CHECKED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)

# bf16 rounds to 1/256 of a value, and errors of a sum cancel; wrong kernels are off by 1 and more.
_TOLERANCE = 0.5


class LayerCheck:
    """Watches one step of a network; `close` says which layers were wrong and mends them.

    Args:
        network: The network, which is about to run forward and backward once.
        may_overflow: Gradients are scaled, and overflow now and then until the scale is found.
    """

    def __init__(self, network: nn.Module, may_overflow: bool = False) -> None:
        self._layers = [
            _Layer(name, module, may_overflow)
            for name, module in network.named_modules()
            if isinstance(module, _CHECKED)
        ]

    def close(self) -> list[str]:
        """End watching.

        Returns:
            The names of the layers that were wrong, which run in 32 bits now.
        """
        for layer in self._layers:
            layer.leave()
        wrong = [layer for layer in self._layers if layer.is_wrong]
        for layer in wrong:
            run_in_f32(layer.module)
        return [layer.name for layer in wrong]


class _Layer:
    """One layer, watched."""

    def __init__(self, name: str, module: nn.Module, may_overflow: bool) -> None:
        self.name, self.module, self.is_wrong = name, module, False
        self._may_overflow = may_overflow
        self._given: list[Tensor] = []
        self._returned: list[Tensor] = []
        self._expected: dict[str, Tensor] | None = None
        self._handles: list[Any] = [module.register_forward_hook(self._keep)]
        for parameter, value in module.named_parameters(recurse=False):
            if value.requires_grad:
                self._handles.append(_hook(value, self._hold(parameter)))

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._given.append(inputs[0].detach().clone())  # what follows may overwrite it
        if output.requires_grad:
            self._handles.append(_hook(output, self._returned.append))

    def _hold(self, parameter: str) -> Callable[[Tensor], Tensor | None]:
        def hold(found: Tensor) -> Tensor | None:
            if len(self._given) != 1 or len(self._returned) != 1:
                return None  # used several times: whose gradient this is cannot be told
            if self._expected is None:
                self._expected = self._in_f32()
            expected = self._expected[parameter].to(found.dtype)
            if self._may_overflow and not found.isfinite().all():
                return None
            if not differs(found, expected):
                return None
            self.is_wrong = True
            return expected

        return hold

    def _in_f32(self) -> dict[str, Tensor]:
        """The gradients of all parameters of this layer alone."""
        given, returned = self._given[0], self._returned[0]
        with torch.enable_grad(), torch.autocast(given.device.type, enabled=False):
            own = {
                name: value.detach().float().requires_grad_()
                for name, value in self.module.named_parameters(recurse=False)
            }
            output = functional_call(self.module, own, (given.float(),))
            found = torch.autograd.grad(output, list(own.values()), returned.float())
        return dict(zip(own, found, strict=True))

    def leave(self) -> None:
        """Watch no more."""
        for handle in self._handles:
            handle.remove()
        self._given, self._returned, self._expected = [], [], None


def _hook(tensor: Tensor, act: Callable[[Tensor], Tensor | None]) -> Any:
    return tensor.register_hook(act)  # type: ignore[no-untyped-call]


def differs(found: Tensor, expected: Tensor) -> bool:
    """Whether a gradient is another one, and not the same after rounding."""
    if not expected.isfinite().all():
        return False  # there is nothing to hold it against
    if not found.isfinite().all():
        return True
    distance = (found - expected).norm()
    return bool(distance > _TOLERANCE * expected.norm() + 1e-6)


def run_in_f32(module: nn.Module) -> None:
    """Let a module compute in 32 bits, whatever the precision around it."""
    own = module.forward

    def forward(x: Tensor) -> Any:
        with torch.autocast(x.device.type, enabled=False):
            return own(x.float())

    module.forward = forward
