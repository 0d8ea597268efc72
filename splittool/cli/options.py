"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperOption

from splittool.cli.output import Output
from splittool.errors import UsageError

if TYPE_CHECKING:
    from splittool.reports import BlobRecord

_COMMON = {
    "json": ("--json", "Print the JSON report even on a terminal."),
    "quiet": ("--quiet", "-q", "Print no progress and no notes on stderr."),
    "verbose": ("--verbose", "-v", "Print more notes on stderr."),
    "debug": ("--debug", "Show the traceback of an error."),
}


class Command(TyperCommand):
    """A command with the options that all have; its function finds them in `ctx.obj`."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **kwargs: Any) -> None:
        common = [_common_option(name) for name in _COMMON]
        for param in params or []:
            _name_in_errors(param)
        super().__init__(*args, params=[*(params or []), *common], **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Turn the common options into an `Output` before the function sees the rest."""
        values = {name: ctx.params.pop(name) for name in _COMMON}
        ctx.obj = Output(values["json"], values["quiet"], values["verbose"])
        _check_numbers(ctx.params)
        return super().invoke(ctx)


def _check_numbers(options: dict[str, Any]) -> None:
    """Refuse what is a number to Python and to nobody else: nan, inf, and more than 63 bits.

    Raises:
        UsageError: An option has such a value.
    """
    for name, value in options.items():
        if isinstance(value, int | float) and not abs(value) < 2**63:  # so that nan is, too
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} {value} is out of range; give a smaller number")


def _name_in_errors(param: Any) -> None:
    """Make an error of the parser of an option begin with the option's name."""
    parse = getattr(param.type, "func", None)
    if parse is None:
        return

    def named(text: Any) -> Any:
        try:
            return parse(text)
        except UsageError as error:
            raise UsageError(f"{param.opts[0]}: {error}") from None

    param.type.func = named


def _common_option(name: str) -> TyperOption:
    *flags, text = _COMMON[name]
    return TyperOption(param_decls=[name, *flags], is_flag=True, default=False, help=text)


ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A .pt checkpoint, or an .xml, .onnx or .tflite model."),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="SHAPE",
        help="Fix an open input: 1x3x256x1600, or NAME=1x3x256x1600; repeat for several.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")]
TargetName = Literal["openvino", "openvino-2022", "myriad"]
TargetOption = Annotated[
    TargetName,
    typer.Option(
        "--target",
        help="Who shall read the IR: openvino (as installed), openvino-2022 (2022.3), or myriad"
        " (2021.x, and a .blob where the compiler is).",
    ),
]
BlobShaves = Annotated[
    int | None,
    typer.Option(
        min=1, max=16, help="SHAVE processors to compile a blob for. [default: the compiler's]"
    ),
]
Fps = Annotated[
    list[float] | None,
    typer.Option("--fps", help="Frames per second; repeat for several.", metavar="FPS"),
]


def positive(values: list[float], option: str) -> list[float]:
    """Refuse numbers that are not above zero.

    Raises:
        UsageError: One is not.
    """
    for value in values:
        if not 0 < value < float("inf"):
            raise UsageError(f"{option} {value:g} is out of range; give a number above 0")
    return values


def compiler_for(output: Output, target: str, shaves: int | None) -> Path | None:
    """The Myriad compiler, where one is asked for and there.

    Raises:
        UsageError: SHAVEs are given for a target without them.
        DeviceError: They are given and there is no compiler.
    """
    if target != "myriad":
        if shaves is not None:
            raise UsageError("--blob-shaves is for --target myriad; give both")
        return None
    from splittool.errors import DeviceError
    from splittool.runtime.myriad import find_compiler

    compiler = find_compiler()
    if compiler is None and shaves is not None:
        raise DeviceError("--blob-shaves needs the Myriad compiler; splittool doctor says how")
    if compiler is None:
        output.note("note: no Myriad compiler is here, so no .blob; splittool doctor says how")
    return compiler


def blob_line(blob: "BlobRecord") -> str:
    """What the compiler made."""
    return (
        f"{blob.file.path}: {blob.file.bytes:,} bytes for {blob.shaves} SHAVEs,"
        f" {blob.hardware_stages} of {blob.stages} stages on the neural compute engine"
    )
