import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from splittool.tables import break_line, make_table

NAME = "/model.22/cv2.0/cv2.0.0/conv/Conv"


def shown(width: int, *tables: object) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    for table in tables:
        console.print(table, markup=False)
    return console.export_text()


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        (NAME, 40, [NAME]),
        (NAME, 20, ["/model.22/cv2.0/", "  cv2.0.0/conv/Conv"]),
        (NAME, 12, ["/model.22/", "  cv2.0/", "  cv2.0.0/", "  conv/Conv"]),
        ("  " + NAME, 22, ["  /model.22/cv2.0/", "    cv2.0.0/conv/Conv"]),
        ("two words and more", 12, ["two words", "  and more"]),
        ("splittool bench-vpu x.xml", 14, ["splittool", "  bench-vpu", "  x.xml"]),
        ("encoder_1.relu_2.block", 14, ["encoder_1.", "  relu_2.block"]),
        ("StatefulPartitionedCall", 14, ["Statef\N{HORIZONTAL ELLIPSIS}dCall"]),
        ("", 10, [""]),
    ],
)
def test_lines_are_broken_where_a_reader_would(line: str, width: int, lines: list[str]) -> None:
    assert break_line(line, width) == lines


@given(st.text("ab/._- ", max_size=60).map(str.strip), st.integers(8, 60))
def test_broken_lines_fit_and_hold_every_character(line: str, width: int) -> None:
    lines = break_line(line, width)
    assert all(len(part) <= width for part in lines)
    if not any("\N{HORIZONTAL ELLIPSIS}" in part for part in lines):
        assert "".join(lines).replace(" ", "") == line.replace(" ", "")


def test_numbers_stay_whole_and_names_give_way() -> None:
    rows = [[NAME, "1,228,800", "0.123"], ["input", "12", "[bold]"]]
    text = shown(45, make_table("a table", ["name", "elements", "head\nGFLOPs"], rows))
    assert "1,228,800" in text
    assert "[bold]" in text
    assert "/model.22/cv2.0/" in text
    assert max(map(len, text.splitlines())) <= 45


def test_long_values_are_folded() -> None:
    text = shown(40, make_table("", ["", "value"], [["device", "x" * 60]]))
    assert text.count("x") == 60
    assert max(map(len, text.splitlines())) <= 40
