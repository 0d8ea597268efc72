"""Write man pages and shell completions from the command line's own definitions.

The examples in the pages are those of docs/commands.md.

python tools/manpages.py           write man/ and completions/
python tools/manpages.py --check   fail if they are not what would be written
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import typer.main

from examples import examples
from splittool import __version__
from splittool.cli.main import app
from splittool.errors import ExitCode

ROOT = Path(__file__).resolve().parent.parent
SHELLS = ("bash", "zsh", "fish")

_EXIT_MEANINGS = {
    ExitCode.OK: "Done.",
    ExitCode.FAILED: "Failed, or an output exists or cannot be written.",
    ExitCode.USAGE: "The command line makes no sense.",
    ExitCode.BAD_INPUT: "An input is missing, damaged or not what it should be.",
    ExitCode.NO_DEVICE: "The device or server asked for is not there.",
    ExitCode.THRESHOLD: "A limit asked for was not met.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C.",
    ExitCode.PIPE_CLOSED: "The reader of standard output went away.",
    ExitCode.TERMINATED: "Terminated.",
}


def escape(text: str) -> str:
    """Text as groff takes it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(
        "\\&" + line if line.startswith((".", "'")) else line for line in text.splitlines()
    )


def page(name: str, command: Any, context: Any) -> str:
    """One man page in groff's man macros."""
    summary, _, rest = (command.help or "").partition("\n")
    title = name.upper().replace(" ", "-")
    lines = [
        f'.TH "{escape(title)}" "1" "" "splittool {escape(__version__)}" "User Commands"',
        ".SH NAME",
        f"{escape(name.replace(' ', '-'))} \\- {escape(summary.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {escape(name)}",
        escape(" ".join(command.collect_usage_pieces(context))),
    ]
    lines += [".SH DESCRIPTION", *paragraphs(rest.strip() or summary)]
    lines += parameters(command, context)
    lines += subcommands(name, command, context)
    lines += example_section(name)
    lines += [".SH EXIT STATUS"]
    for code, meaning in _EXIT_MEANINGS.items():
        lines += [".TP", f".B {int(code)}", escape(meaning)]
    return "\n".join(lines) + "\n"


def paragraphs(text: str) -> list[str]:
    """Blank-line separated text as groff paragraphs."""
    lines: list[str] = []
    for part in textwrap.dedent(text).split("\n\n"):
        lines += [".PP", escape(" ".join(part.split()))]
    return lines[1:]


def parameters(command: Any, context: Any) -> list[str]:
    """Arguments and options with their help."""
    sections: dict[str, list[str]] = {"ARGUMENTS": [], "OPTIONS": []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        heading = "ARGUMENTS" if parameter.param_type_name == "argument" else "OPTIONS"
        term, text = record
        sections[heading] += [".TP", f".B {escape(term)}", escape(" ".join(text.split()))]
    return [
        line for heading, body in sections.items() if body for line in (f".SH {heading}", *body)
    ]


def subcommands(name: str, command: Any, context: Any) -> list[str]:
    """The commands of a group, each with its own page."""
    if not hasattr(command, "list_commands"):
        return []
    lines = [".SH COMMANDS"]
    for child in command.list_commands(context):
        summary = (command.get_command(context, child).help or "").partition("\n")[0]
        lines += [".TP", f".BR {escape(f'{name}-{child}')} (1)", escape(summary)]
    return lines


def example_section(name: str) -> list[str]:
    """What docs/commands.md shows of a command."""
    command = name.removeprefix("splittool ").partition(" ")[0]
    lines = examples().get(command, "").splitlines()
    return [".SH EXAMPLES", ".EX", *map(escape, lines), ".EE"] if lines else []


def man_pages() -> dict[Path, str]:
    """All pages by file."""
    root = typer.main.get_command(app)
    context = root.make_context("splittool", [], resilient_parsing=True)
    pages = {Path("man/splittool.1"): page("splittool", root, context)}
    pages.update(_pages_below("splittool", root, context))
    return pages


def _pages_below(name: str, group: Any, context: Any) -> dict[Path, str]:
    """The pages of the commands of a group, and of the groups in it."""
    pages = {}
    for child in group.list_commands(context) if hasattr(group, "list_commands") else ():
        command = group.get_command(context, child)
        inner = command.make_context(child, [], parent=context, resilient_parsing=True)
        full = f"{name} {child}"
        pages[Path(f"man/{full.replace(' ', '-')}.1")] = page(full, command, inner)
        pages.update(_pages_below(full, command, inner))
    return pages


def completions() -> dict[Path, str]:
    """The completion script of every shell by file."""
    scripts = {}
    for shell in SHELLS:
        result = subprocess.run(
            [sys.executable, "-c", "from splittool.cli.main import main; main()"],
            env={**os.environ, "_SPLITTOOL_COMPLETE": f"source_{shell}"},
            capture_output=True,
            text=True,
            check=True,
        )
        scripts[Path(f"completions/splittool.{shell}")] = result.stdout.strip() + "\n"
    return scripts


def main() -> None:
    """Write the files, or compare them."""
    wanted = {**man_pages(), **completions()}
    if sys.argv[1:] == ["--check"]:
        stale = [
            str(path)
            for path, text in wanted.items()
            if not (ROOT / path).is_file() or (ROOT / path).read_text() != text
        ]
        if stale:
            sys.exit(f"out of date: {', '.join(stale)}; run: python tools/manpages.py")
        return
    for path, text in wanted.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    main()
