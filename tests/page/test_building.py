"""What is on a page, without a browser."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from splittool.errors import InputError, MissingExtraError, OutputError, UsageError
from splittool.page.building import MOST_BYTES, build_page, verdict
from splittool.page.charts import plain
from splittool.page.points import Point
from splittool.reports import FileRecord, PlanReport, encode, read_report

pytest.importorskip("bokeh")

HOSTILE = (
    "</script><img src=x onerror=alert(1)>\"'&<!--\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe $$\\frac$$"
)


class Page(HTMLParser):
    """Elements, texts and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.data = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        self._inside = "data" if given.get("id") == "data" else tag
        self.addresses += [value or "" for key, value in attributes if key in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.texts.append(data)


def page_of(folder: Path, *names: str, **how: Any) -> Page:
    target = folder / "out.html"
    report = build_page([folder / name for name in names], target, force=True, **how)
    assert report.page.bytes == target.stat().st_size <= MOST_BYTES
    return Page(target.read_text())


def test_it_is_one_file(folder: Path) -> None:
    """Addresses are within the page or hold what they lead to, and all else is forbidden."""
    found = page_of(folder, "plan.json", "compare.json", "cuts.json", "heads.json")
    assert all(address.startswith(("#", "data:")) for address in found.addresses)
    text = (folder / "out.html").read_text()
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'")


def test_every_report_says_what_was_measured_on_what(folder: Path) -> None:
    found = page_of(folder, "plan.json", "compare.json", "cuts.json", "heads.json")
    assert found.tags.count("details") == 4
    words = " ".join(found.texts)
    plan = read_report(folder / "plan.json", PlanReport)
    assert {plan.source.sha256, plan.inferred[0].sha256} <= set(found.texts)
    for word in ("12 images", "CPU", plan.created[:10], "openvino"):
        assert word in words


@pytest.mark.parametrize(
    "name", ["plan", "compare", "cuts", "heads", "whole/report", "split/report"]
)
def test_each_kind_makes_a_page_alone(folder: Path, name: str) -> None:
    found = page_of(folder, f"{name}.json")
    assert ("form" in found.tags) == (name == "plan")
    assert (json.loads(found.data)["plan"] is None) == (name != "plan")


def test_figures_are_those_that_the_reports_have_data_for(folder: Path) -> None:
    words = " ".join(page_of(folder, "cuts.json", "heads.json").texts)
    for number in ("Fig. 2", "Fig. 5(a)", "Fig. 5(b)"):
        assert number in words
    assert "measured FPS" in words
    assert "Figs. 3" not in words


def test_infer_alone_says_nothing_of_losses(folder: Path) -> None:
    """Nothing was held against the whole network, however many images there are."""
    words = " ".join(page_of(folder, "split/report.json", "whole/report.json").texts)
    assert "too few images for intervals" not in words
    assert "Accuracy, bytes" in words


def test_hostile_names_are_text(folder: Path) -> None:
    plan = read_report(folder / "plan.json", PlanReport)
    plan.source = FileRecord(HOSTILE, 1, HOSTILE)
    plan.link = HOSTILE
    plan.rows = [replace(row, point=HOSTILE, codec=HOSTILE) for row in plan.rows]
    (folder / "hostile.json").write_bytes(encode(plan))
    found = page_of(folder, "hostile.json")
    assert "img" not in found.tags
    assert found.tags.count("script") == 3
    rows = json.loads(found.data)["plan"]["rows"]
    shown = HOSTILE.replace("\N{RIGHT-TO-LEFT OVERRIDE}", r"\u202e")
    assert {row["point"] for row in rows} == {shown}
    assert shown in found.texts


def test_a_formula_in_a_name_is_none() -> None:
    assert "$$" not in plain("a $$\\frac$$ b")
    assert plain(r"\(x\)").replace("\N{ZERO WIDTH SPACE}", "") == r"\(x\)"


def test_a_second_plan_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="two reports are of plan"):
        page_of(folder, "plan.json", "plan.json")


def test_a_damaged_report_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"schema": "splittool.plan/1"}')
    with pytest.raises(InputError, match=r"bad\.json is not a splittool report"):
        build_page([tmp_path / "bad.json"], tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()


def test_a_page_is_not_replaced_unasked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.html").write_text("mine")
    with pytest.raises(OutputError, match="exists; give `force`"):
        build_page([folder / "cuts.json"], tmp_path / "out.html")
    with pytest.raises(UsageError, match=r"ends in \.html"):
        build_page([folder / "cuts.json"], tmp_path / "out.pdf")
    assert (tmp_path / "out.html").read_text() == "mine"


def test_too_large_a_page_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("splittool.page.building.MOST_BYTES", 10_000)
    with pytest.raises(UsageError, match="are the most; give fewer reports"):
        build_page([folder / "cuts.json"], tmp_path / "out.html")


@pytest.mark.parametrize("package", ["bokeh.resources", "jinja2"])
def test_a_missing_package_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'splittool\[page\]'"):
        build_page([folder / "cuts.json"], tmp_path / "out.html")


def test_the_verdict_counts_certain_losses() -> None:
    def point(name: str, *loss: float) -> Point:
        return Point(name, name, 1.0, 0.5, None, 1.0, loss or None)  # type: ignore[arg-type]

    assert verdict([]) == ""
    assert "too few images" in verdict([point("a")])
    assert "None of 2 ways" in verdict([point("a", -0.1, 0.1), point("b", -0.2, 0.0)])
    found = verdict([point("a", -0.1, 0.1), point("worse", 0.01, 0.2)])
    assert found.startswith("Of 2 ways, 1 lose")
    assert "worse" in found
