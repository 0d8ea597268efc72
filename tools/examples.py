"""Examples of the commands, from docs/commands.md: the man pages print them, the tests run them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / "docs" / "commands.md"

_SECTION = re.compile(r"^## (\S+)$\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"<!-- chain -->\n```sh\n(.*?)```", re.DOTALL)


def chain_blocks(text: str) -> list[str]:
    """The shell blocks of a document that are meant to be run in order."""
    return _BLOCK.findall(text)


def examples() -> dict[str, str]:
    """The lines of shell of every command that has a section."""
    sections = _SECTION.findall(COMMANDS.read_text())
    return {command: "".join(chain_blocks(body)) for command, body in sections}
