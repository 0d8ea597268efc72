"""Options of `splittool train` as a user writes them."""

from typer.main import get_command

from splittool.cli.main import app


def test_widths_are_one_word_before_other_options() -> None:
    command = get_command(app).commands["train"]  # type: ignore[attr-defined]
    words = ["steel", "--widths", "8,16,32", "-o", "unet.pt"]
    context = command.make_context("train", words)
    assert context.params["widths"] == (8, 16, 32)
    assert str(context.params["output_file"]) == "unet.pt"
