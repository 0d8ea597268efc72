from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from splittool.codec.choices import (
    CODEC_NAMES,
    Choice,
    parse_bit_list,
    parse_bits,
    parse_codec_list,
    parse_codecs,
)
from splittool.codec.payload import CODECS
from splittool.errors import UsageError

NAMES = ["encoder_1.relu_2", "maxpool_2"]


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        (None, [16, 16]),
        ("4", [4, 4]),
        ("maxpool_2=4", [16, 4]),
        ("8,maxpool_2=4", [8, 4]),
        ("maxpool_2=4, encoder_1.relu_2=2", [2, 4]),
    ],
)
def test_bits_of_each_tensor(text: str | None, bits: list[int]) -> None:
    assert parse_bits(text).of(NAMES) == dict(zip(NAMES, bits, strict=True))


def test_a_name_may_hold_what_separates_names_from_bits() -> None:
    assert parse_bits("a=b=4").of(["a=b"]) == {"a=b": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("four", "`bits` 'four' is not a number of bits; give 1 to 16, or TENSOR=BITS"),
        ("", "not a number of bits"),
        ("maxpool_2=", "not a number of bits"),
        ("4,", "not a number of bits"),
        ("0", "`bits` 0 is out of range"),
        ("maxpool_2=17", "`bits` 17 is out of range; give 1 to 16"),
        ("4,5", "gives the others twice"),
        ("a=4,a=5", "gives a twice"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_bits(text)


@pytest.mark.parametrize(
    ("text", "codecs"),
    [(None, ["fast", "fast"]), ("small", ["small"] * 2), ("raw,maxpool_2=small", ["raw", "small"])],
)
def test_codecs_of_each_tensor(text: str | None, codecs: list[str]) -> None:
    assert parse_codecs(text).of(NAMES) == dict(zip(NAMES, codecs, strict=True))


def test_codecs_are_those_there_are() -> None:
    assert list(CODEC_NAMES) == list(CODECS)
    with pytest.raises(
        UsageError, match="`codec` 'zip' is not a codec; give one of raw, fast, small"
    ):
        parse_codecs("zip")
    with pytest.raises(UsageError, match="`codec` names 'pool', which does not cross"):
        parse_codecs("pool=raw").of(NAMES)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(UsageError, match=r"'maxpol_2', which does .*; did you mean 'maxpool_2'"):
        parse_bits("maxpol_2=4").of(NAMES)
    with pytest.raises(UsageError, match=r"there are encoder_1\.relu_2, maxpool_2"):
        parse_bits("xyz=4").of(NAMES)


def test_lists_to_try_one_after_the_other() -> None:
    assert parse_bit_list("8, 4,8") == (8, 4)
    assert parse_codec_list("raw,small") == ("raw", "small")


@pytest.mark.parametrize("text", ["", ",", "8,x", "8 4", "-1"])
def test_what_is_not_a_list_of_bits_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"`bits` '.*'.*as in 8,4"):
        parse_bit_list(text)


def test_lists_hold_what_there_is() -> None:
    with pytest.raises(UsageError, match="`bits` 17 is out of range"):
        parse_bit_list("8,17")
    with pytest.raises(UsageError, match="`codec` 'raw,zip' is not a codec; give one of raw"):
        parse_codec_list("raw,zip")


def test_typer_takes_them_as_parsers() -> None:
    app = typer.Typer()
    found = []

    @app.command()
    def command(
        bits: Annotated[Choice[int] | None, typer.Option(parser=parse_bits)] = None,
        codec: Annotated[Choice[str] | None, typer.Option(parser=parse_codecs)] = None,
    ) -> None:
        found.append((bits, codec))

    CliRunner().invoke(app, ["--bits", "8,a=4"], catch_exceptions=False)
    assert found == [(Choice("`bits`", 8, {"a": 4}), None)]
    with pytest.raises(UsageError, match="`codec` 'zip' is not a codec"):
        CliRunner().invoke(app, ["--codec", "zip"], catch_exceptions=False)
