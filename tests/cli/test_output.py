"""Words on stderr."""

import pytest

from splittool.cli.output import say


@pytest.mark.parametrize(
    ("library", "shell"),
    [
        ("`max_dice_loss` 2 is out of range", "--max-dice-loss 2 is out of range"),
        ("x exists; give `force` or another `output`", "x exists; give --force or another -o"),
        ("`A B` and `1` are as they were", "`A B` and `1` are as they were"),
    ],
)
def test_options_are_spelled_as_on_the_command_line(capsys, library, shell):
    say(library)
    assert capsys.readouterr().err == f"{shell}\n"
