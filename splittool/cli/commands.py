"""The subcommands by name, each imported when it is used: `splittool --help` starts at once."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# Name: where it is, and the first line of its help. In the order in which a chain uses them.
COMMANDS = {
    "synth": ("synth:synth", "Make synthetic steel sheets with masks."),
    "data": ("data:data", "Bring data sets into the layout that train and infer read."),
    "train": ("train:train", "Train a segmentation network."),
    "export": ("export:export", "Convert a checkpoint to OpenVINO IR."),
    "cut": ("cut:cut", "Cut a network into head and tail."),
    "profile": ("profile_model:profile", "Count operations, parameters and memory."),
    "bench-vpu": ("bench_vpu:bench_vpu", "Measure frames per second over time."),
    "bitrate": ("bitrate:bitrate", "Compute the bitrate of each split point."),
    "calibrate": ("calibrate:calibrate", "Choose the quantiser's ranges from images."),
    "infer": ("infer:infer", "Predict defects, whole or cut."),
    "compare": ("compare:compare", "Compare cuts with the compressed input."),
    "plan": ("plan:plan", "Choose where to cut."),
    "plot": ("plot:plot", "Draw a figure from reports."),
    "doctor": ("doctor:doctor", "Say what is here, and how to get what is missing."),
}


class LazyCommands(Mapping[str, TyperCommand]):
    """`COMMANDS` as Typer wants them; a value is made when it is looked up."""

    def __init__(self) -> None:
        self._made: dict[str, TyperCommand] = {}

    def __getitem__(self, name: str) -> TyperCommand:
        if name not in self._made:
            self._made[name] = _make(name, COMMANDS[name][0])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _make(name: str, place: str) -> Any:
    """A command from its function, or a group of commands from its Typer."""
    from splittool.cli.options import Command

    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"splittool.cli.{module}"), attribute)
    if isinstance(found, FunctionType):
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name, cls=Command)(found)
        found = app
    made = typer.main.get_command(found)
    made.name = name
    return made


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": None})
        self.commands: Any = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text.rstrip(".")) for name, (_, text) in COMMANDS.items()])
