"""Split neural networks between a device and the cloud: cut, prove, price and run both halves.

The names below are the library's public face. Each is imported when it is first used, so that
`import splittool` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "load": "splittool.network",
    "open": "splittool.network",
    "compare": "splittool.network",
    "plan": "splittool.network",
    "Network": "splittool.network.network",
    "NetworkCut": "splittool.network.cut",
    "SplitNetwork": "splittool.split.split_network",
    "Answer": "splittool.split.answer",
    "RunOptions": "splittool.split.options",
    "LinkOptions": "splittool.split.options",
    "CalibrationOptions": "splittool.split.calibration",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from splittool.network.cut import NetworkCut as NetworkCut
    from splittool.network.network import Network as Network
    from splittool.split.answer import Answer as Answer
    from splittool.split.calibration import CalibrationOptions as CalibrationOptions
    from splittool.split.options import LinkOptions as LinkOptions
    from splittool.split.options import RunOptions as RunOptions
    from splittool.split.split_network import SplitNetwork as SplitNetwork


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'splittool' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
