"""Split neural networks between a device and the cloud: cut, prove, price and run both halves.

The names below are the library's public face. Each is imported when it is first used, so that
`import splittool` costs next to nothing.
"""

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this file
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from splittool.benchmark.options import DeviceOptions as DeviceOptions
    from splittool.benchmark.options import Schedule as Schedule
    from splittool.benchmark.run import bench as bench
    from splittool.benchmark.workload import Workload as Workload
    from splittool.data.synthetic_folder import write_synthetic
    from splittool.figures.drawing import draw as draw
    from splittool.network.arm_energy import EnergyOptions as EnergyOptions
    from splittool.network.compare_options import CompareOptions as CompareOptions
    from splittool.network.compare_options import Rivals as Rivals
    from splittool.network.comparison import compare as compare
    from splittool.network.cut import NetworkCut as NetworkCut
    from splittool.network.network import Network as Network
    from splittool.network.output_comparison import compare_outputs as compare_outputs
    from splittool.split.answer import Answer as Answer
    from splittool.split.calibration import CalibrationOptions as CalibrationOptions
    from splittool.split.options import LinkOptions as LinkOptions
    from splittool.split.options import Normalisation as Normalisation
    from splittool.split.options import RunOptions as RunOptions
    from splittool.split.split_network import SplitNetwork as SplitNetwork
    from splittool.training.run import TrainingOptions as TrainingOptions
    from splittool.training.run import train as train
    from splittool.training.settings import make_settings as make_settings

    load = Network.load
    plan = Network.plan
    open = SplitNetwork.open  # noqa: A001
    synth = write_synthetic

# Where each name lives: module, then the attribute.
_HOMES = {
    "load": "splittool.network.network:Network.load",
    "open": "splittool.split.split_network:SplitNetwork.open",
    "compare": "splittool.network.comparison:compare",
    "compare_outputs": "splittool.network.output_comparison:compare_outputs",
    "plan": "splittool.network.network:Network.plan",
    "bench": "splittool.benchmark.run:bench",
    "export": "splittool.conversion.export:export",
    "train": "splittool.training.run:train",
    "make_settings": "splittool.training.settings:make_settings",
    "draw": "splittool.figures.drawing:draw",
    "synth": "splittool.data.synthetic_folder:write_synthetic",
    "Network": "splittool.network.network:Network",
    "NetworkCut": "splittool.network.cut:NetworkCut",
    "SplitNetwork": "splittool.split.split_network:SplitNetwork",
    "Answer": "splittool.split.answer:Answer",
    "RunOptions": "splittool.split.options:RunOptions",
    "Normalisation": "splittool.split.options:Normalisation",
    "LinkOptions": "splittool.split.options:LinkOptions",
    "CalibrationOptions": "splittool.split.calibration:CalibrationOptions",
    "CompareOptions": "splittool.network.compare_options:CompareOptions",
    "Rivals": "splittool.network.compare_options:Rivals",
    "EnergyOptions": "splittool.network.arm_energy:EnergyOptions",
    "TrainingOptions": "splittool.training.run:TrainingOptions",
    "DeviceOptions": "splittool.benchmark.options:DeviceOptions",
    "Schedule": "splittool.benchmark.options:Schedule",
    "Workload": "splittool.benchmark.workload:Workload",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'splittool' has no attribute {name!r}")
    from importlib import import_module

    module, _, path = _HOMES[name].partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    globals()[name] = found  # the next use finds it at once
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
