"""Control characters in names from outside do not reach the terminal."""

from pathlib import Path

import pytest

from splittool.cli.main import run
from splittool.cli.output import say
from splittool.tables import as_html, make_table, printable


def test_messages_escape_control_characters(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train_images").mkdir()
    (tmp_path / "train_images" / "a.jpg").touch()
    table = "ImageId,ClassId,EncodedPixels\n\x1b]0;owned\x07.jpg,1,1 2\n"
    (tmp_path / "train.csv").write_text(table)
    assert run(["train", str(tmp_path), "-o", str(tmp_path / "unet.pt")]) == 3
    line = capfd.readouterr().err
    assert r"\x1b]0;owned\x07.jpg" in line
    assert line.rstrip("\n").isprintable()


def test_notes_keep_their_lines(capfd: pytest.CaptureFixture[str]) -> None:
    say("two\nlines \u2014 \x9b1m\udcff\u202e")
    assert capfd.readouterr().err == "two\nlines \u2014 \\x9b1m\\udcff\\u202e\n"


def test_tables_escape_control_characters() -> None:
    table = make_table("\x1b[2J", ["class", "n"], [["\x1b[31mred", "1\r2"]])
    html = as_html([table])
    assert "\x1b" not in html
    assert r"\x1b[31mred" in html


def test_text_that_is_printable_stays() -> None:
    assert printable("Stra\u00dfe \u65e5\u672c") == "Stra\u00dfe \u65e5\u672c"
