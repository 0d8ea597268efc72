"""The `splittool` command: its subcommands, and the one place where errors become exit codes."""

import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import FunctionType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from splittool import __version__
from splittool.cli.output import Output, discard, say
from splittool.cli.signals import end_on_signals, leave_on_signals
from splittool.errors import ExitCode, PipeClosedError, SplittoolError, UsageError

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
            raise UsageError(f"{param.opts[0]} {error}") from None

    param.type.func = named


def _common_option(name: str) -> TyperOption:
    *flags, text = _COMMON[name]
    return TyperOption(param_decls=[name, *flags], is_flag=True, default=False, help=text)


# Name: where it is, and the first line of its help. In the order in which a chain uses them.
COMMANDS = {
    "synth": ("synth:synth", "Make synthetic steel sheets with masks."),
    "data": ("data:data", "Bring data sets into the layout that train and infer read."),
    "train": ("train:train", "Train a segmentation network."),
    "export": ("export:export", "Convert a checkpoint to OpenVINO IR, or a cut for a server."),
    "cut": ("cut:cut", "Cut a network into head and tail."),
    "profile": ("profile_model:profile", "Count operations, parameters and memory."),
    "bench-vpu": ("bench_vpu:bench_vpu", "Measure frames per second over time."),
    "bitrate": ("bitrate:bitrate", "Compute the bitrate of each split point."),
    "calibrate": ("calibrate:calibrate", "Choose the quantiser's ranges from images."),
    "infer": ("infer:infer", "Predict defects, whole or split."),
    "serve": ("serve:serve", "Answer frames of cuts: the cloud's side."),
    "send": ("send:send", "Send pictures through a cut to a server."),
    "relay": ("relay:relay", "Relay connections over an emulated link."),
    "compare": ("compare:compare", "Compare cuts with compressed images and coded masks."),
    "plan": ("plan:plan", "Choose where to cut."),
    "plot": ("plot:plot", "Draw a figure from reports."),
    "page": ("page:page", "Put reports on one page to decide by."),
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


app = typer.Typer(
    name="splittool",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splittool {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Cut neural networks between a device and the cloud.

    Find where to cut, cut, prove the cut, price it and run both halves. A typical chain: synth,
    train, export, cut, profile, bench-vpu, bitrate, calibrate, infer, compare, plan, plot, page.
    Every command prints a table on a terminal and one JSON report when piped or with --json.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    end_on_signals()
    # OpenVINO would count its uses in a file of the home folder and send that off; without this
    # module it does not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", module=r"PIL\.")  # on oddities of files that are read well
    code = run(sys.argv[1:])
    leave_on_signals()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line.

    Returns:
        The exit code; every expected error has become one line on stderr.
    """
    debug = "--debug" in arguments
    try:
        result = app(arguments, prog_name="splittool", standalone_mode=False)
        _flush_stdout()
        if result == ExitCode.INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            return _fail("interrupted", ExitCode.INTERRUPTED)
        return int(result or ExitCode.OK)
    except Exception as error:
        if debug:
            raise
        return _explain(error)
    except KeyboardInterrupt:
        return _fail("interrupted", ExitCode.INTERRUPTED)


def _flush_stdout() -> None:
    """Find out now, not at exit, that the output went nowhere."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _explain(error: Exception) -> int:
    """Say what happened in one line, and choose the exit code."""
    if isinstance(error, PipeClosedError | BrokenPipeError):
        discard(sys.stdout)
        return int(ExitCode.PIPE_CLOSED)
    if isinstance(error, SplittoolError):
        return _fail(str(error), error.exit_code)
    if _is_lack_of_memory(error):
        return _fail("out of memory; give smaller images, batches or networks", ExitCode.FAILED)
    if isinstance(error, OSError):
        discard(sys.stdout)
        place = error.filename or "standard output"
        cause = (error.strerror or str(error)).lower()
        return _fail(f"{place}: {cause}; check the path and the space left", ExitCode.FAILED)
    if isinstance(error, UnicodeEncodeError):
        return _fail(
            f"a file's name is not UTF-8 text ({str(error)[:200]}); rename the file",
            ExitCode.BAD_INPUT,
        )
    if hasattr(error, "format_message"):  # Typer's own errors about the command line
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "splittool"
        message = error.format_message()
        if message.startswith("Usage:"):  # `splittool` alone shows its help
            say(message)
            return int(ExitCode.USAGE)
        return _fail(f"{message.rstrip('.')}; see: {command} --help", ExitCode.USAGE)
    return _fail(
        f"internal error: {type(error).__name__}: {str(error).partition(chr(10))[0][:200]};"
        " run again with --debug and report it",
        ExitCode.FAILED,
    )


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether memory ran out; PyTorch and OpenVINO say it in errors of no kind of its own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError | OSError) and any(
        words in text for words in ("can't allocate memory", "Cannot allocate memory", "bad_alloc")
    )


def _fail(message: str, code: int) -> int:
    say("splittool: " + " ".join(message.splitlines()))  # a file's name may hold a line end
    return int(code)
