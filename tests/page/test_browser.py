"""The page in a real browser: Debian's Chromium without a window, driven by Selenium."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from splittool.cost.limits import excluded_by
from splittool.cost.plan_options import PlanOptions
from splittool.cost.plans import plan
from splittool.network.network import Network
from splittool.page.building import build_page
from splittool.reports import LimitsRecord, PlanReport, PlanRow, encode, read_report

pytest.importorskip("bokeh")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

HOSTILE = "</script><img src=x onerror=alert(1)>\"' $$\\frac$$"
SETTINGS = 25  # of each of two plans
VALUES = ("head_ms", "transfer_ms", "tail_ms", "latency_ms", "fps", "energy_mj", "battery_hours")
INFERRED = ("whole/report.json", "split/report.json")
WAY = "cut at maxpool_1, 2-bit fast"
ENERGIES = {"plan": "0.02J/GFLOP", "measured": "1.5W"}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Chromium for all tests."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip("no Chromium is here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    profile = tmp_path_factory.mktemp("chromium")
    for argument in ("--headless=new", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if os.geteuid() == 0:  # its sandbox is for users
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(programs[1])
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def pages(folder: Path) -> dict[str, Path]:
    """Pages of everything, of measured head times, of hostile names, and of no energy."""
    others = [folder / name for name in ("compare.json", "cuts.json", "heads.json", *INFERRED)]
    hostile = read_report(folder / "plan.json", PlanReport)
    hostile.source = replace(hostile.source, path=HOSTILE)
    hostile.rows = [replace(row, codec=HOSTILE, named=False) for row in hostile.rows]
    (folder / "hostile.json").write_bytes(encode(hostile))
    found = {"plan": others, "measured": [], "hostile": [], "timed": []}
    for name, more in found.items():
        build_page([folder / f"{name}.json", *more], folder / f"{name}.html", force=True)
    return {name: folder / f"{name}.html" for name in found}


def show(browser: Any, page: Path, width: int = 1000, scheme: str = "light") -> None:
    """Open a page, and wait for its charts; what an earlier page told the console is dropped."""
    browser.get_log("browser")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page.as_uri())
    browser.execute_async_script(
        """
        const done = arguments[0], charts = [...document.querySelectorAll(".chart")];
        const wait = () => charts.every(c => c.firstElementChild) ? done() : setTimeout(wait, 20);
        wait();
        """
    )


def complaints(browser: Any) -> list[str]:
    entries = browser.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def set_knobs(browser: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Turn knobs as a person does; what the page tells then."""
    return browser.execute_script(  # type: ignore[no-any-return]
        """
        for (const [id, value] of Object.entries(arguments[0])) {
          const knob = document.getElementById(id);
          knob.value = value ?? "";
          knob.dispatchEvent(new Event("input", {bubbles: true}));
        }
        const chosen = document.querySelector("#alternatives .chosen td bdi");
        return {
          row: chosen && chosen.textContent,
          told: document.getElementById("chosen").textContent,
          command: document.getElementById("plan-command").textContent,
        };
        """,
        values,
    )


def choose(browser: Any, knobs: dict[str, Any]) -> dict[str, Any]:
    """What the page's arithmetic makes of some knobs."""
    return browser.execute_script(  # type: ignore[no-any-return]
        """
        const {plan} = JSON.parse(document.getElementById("data").textContent);
        const energy = {...arguments[0], watts: plan.energy.edge.watts, wanted: plan.fps};
        const terms = {...arguments[0], limits: arguments[0], energy};
        for (const side of ["edge", "cloud"])
          if (terms[`${side}-times`] === "measured") terms[side] = null;
        return Plan.choose(plan, terms);
        """,
        knobs,
    )


def any_setting(number: random.Random, measured: bool) -> dict[str, Any]:
    """Knobs turned at random, some of the limits off."""

    def limit(value: float) -> float | None:
        return value if number.random() < 0.4 else None

    found = {
        "mbps": 10 ** number.uniform(-1, 4),
        "rtt": number.choice([0.0, number.uniform(0, 50)]),
        "edge": 10 ** number.uniform(-1, 3),
        "cloud": 10 ** number.uniform(1, 4),
        "objective": number.choice(["latency", "fps", "energy"]),
        "mw_per_mbps": round(number.uniform(1, 900), 3),
        "base_mw": round(number.uniform(0, 6000), 3),
        "idle_watts": number.choice([None, round(number.uniform(0, 2), 3)]),
        "battery_wh": number.choice([None, round(number.uniform(0.1, 50), 2)]),
        "max_energy_mj": limit(10 ** number.uniform(-1, 3)),
        "min_dice": limit(number.uniform(0, 0.1)),
        "max_latency_ms": limit(10 ** number.uniform(-1, 2)),
        "min_fps": limit(10 ** number.uniform(0, 3)),
        "max_edge_gflops": limit(number.uniform(0, 0.02)),
    }
    if measured:
        found["edge-times"] = number.choice(["measured", "computed"])
    return found


def expected(folder: Path, network: Network, knobs: dict[str, Any]) -> PlanReport:
    """What `plan` says."""
    edge = f"{knobs['edge']}GFLOPS"
    if knobs.get("edge-times") == "measured":
        edge = str(folder / "heads.json")
    names = ("min_dice", "max_edge_gflops", "min_fps", "max_latency_ms", "max_energy_mj")
    measured = "edge-times" in knobs
    options = PlanOptions(
        edge,
        f"{knobs['cloud']}GFLOPS",
        f"{knobs['mbps']}Mbps",
        f"{knobs['rtt']}ms",
        infer=[folder / "compare.json"],
        best=knobs["objective"],
        limits=LimitsRecord(**{name: knobs[name] for name in names}),
        edge_energy=ENERGIES["measured" if measured else "plan"],
        radio=f"{knobs['mw_per_mbps']}mW/Mbps+{knobs['base_mw']}mW",
        idle_power=None if knobs["idle_watts"] is None else f"{knobs['idle_watts']}W",
        battery=None if knobs["battery_wh"] is None else f"{knobs['battery_wh']}Wh",
    )
    return plan(network.record, network.graph, network.info, options)


def identity(row: Any) -> tuple[Any, ...]:
    """What tells rows apart, of a row or its JSON."""
    get = row.get if isinstance(row, dict) else lambda name: getattr(row, name)
    return (*(get(name) for name in ("kind", "bits", "codec", "quality", "measured")), *get("at"))


@pytest.mark.parametrize("name", ["plan", "measured"])
def test_the_arithmetic_is_that_of_plan(
    browser: Any, pages: dict[str, Path], folder: Path, name: str
) -> None:
    """Every row, limit, tie-break and choice, at 25 settings; a cut that only plan has is told."""
    show(browser, pages[name])
    network = Network.load(folder / "tiny.xml")
    number = random.Random(name)
    same = fits = 0
    for _ in range(SETTINGS):
        knobs = any_setting(number, name == "measured")
        told, wanted = set_knobs(browser, knobs), expected(folder, network, knobs)
        found = choose(browser, knobs)
        rows = {identity(row): row for row in wanted.rows}
        for row in found["rows"]:
            assert_same(row, rows[identity(row)], wanted.limits)
        if len(wanted.rows) != len(found["rows"]):
            continue  # at these rates, the minimum cut is not one of the report's
        same += 1
        for key, place in (
            ("chosen", wanted.chosen),
            ("bestCut", wanted.best_cut),
            ("optimum", wanted.optimum),
            ("energyOptimum", wanted.energy_optimum),
        ):
            ours = found[key]
            assert (ours is None) == (place is None)
            if place is not None:
                assert identity(found["rows"][ours]) == identity(wanted.rows[place])
        fits += wanted.best is not None
        if wanted.best is None:
            assert told["told"].startswith("Nothing fits all limits.")
        else:
            cut = wanted.best.kind == "cut"
            assert (wanted.best.at[0] if cut else wanted.best.point) in told["row"]
    assert same >= SETTINGS * 0.8
    assert 0 < fits < same


def assert_same(found: dict[str, Any], wanted: PlanRow, limits: LimitsRecord) -> None:
    for field in VALUES:
        value = getattr(wanted, field)
        assert found[field] == (value and pytest.approx(value, rel=1e-9)), field
    assert found["bottleneck"] == wanted.bottleneck
    assert sorted(found["excluded"]) == sorted(excluded_by(wanted, limits))


def test_the_command_says_what_the_knobs_do(browser: Any, pages: dict[str, Path]) -> None:
    show(browser, pages["plan"])
    found = set_knobs(browser, {"mbps": 12.5, "rtt": 30, "objective": "fps", "min_dice": 0.5})
    for words in ("--link 12.5Mbps", "--rtt 30ms", "--best fps", "--min-dice 0.5", "--infer "):
        assert words in found["command"]
    assert "--max-latency" not in found["command"]
    browser.find_element("css selector", "button[type=reset]").click()
    assert browser.find_element("id", "mbps").get_property("value") == "100"


@pytest.mark.parametrize("name", ["plan", "measured", "timed"])
def test_it_opens_with_what_the_plan_chose(
    browser: Any, pages: dict[str, Path], folder: Path, name: str
) -> None:
    report = read_report(folder / f"{name}.json", PlanReport)
    assert report.best is not None
    show(browser, pages[name])
    found = set_knobs(browser, {})
    assert "Nothing fits" not in found["told"]
    assert report.best.point in found["row"]


@pytest.mark.parametrize("name", ["plan", "measured", "timed", "hostile"])
def test_nothing_goes_wrong_and_nothing_is_fetched(
    browser: Any, pages: dict[str, Path], name: str
) -> None:
    show(browser, pages[name])
    browser.find_element("id", "every").click()
    assert complaints(browser) == []
    fetched = "return performance.getEntriesByType('resource').map(one => one.name)"
    assert all(name.startswith("data:") for name in browser.execute_script(fetched))


def test_hostile_names_are_shown_as_they_are(browser: Any, pages: dict[str, Path]) -> None:
    show(browser, pages["hostile"])
    assert browser.find_elements("css selector", "img") == []
    assert HOSTILE.rpartition("/")[2] in browser.find_element("tag name", "h1").text
    assert HOSTILE in browser.find_element("id", "plan-command").text.replace("'\"'\"'", "'")
    table = browser.find_element("id", "alternatives").text
    assert "</script><img src=x onerror=alert(1)>" in table


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(browser: Any, pages: dict[str, Path], scheme: str) -> None:
    """WCAG 2.2 AA, 1.4.3: contrast of at least 4.5 to 1."""
    show(browser, pages["plan"], scheme=scheme)
    details = "document.querySelectorAll('details').forEach(each => each.open = true)"
    browser.execute_script(details)
    low, back = browser.execute_script(CONTRASTS)
    assert low == []
    assert (max(back) < 64) == (scheme == "dark")


CONTRASTS = """
const numbers = text => text.match(/[\\d.]+/g).map(Number);
const light = colour => colour.slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
  for (let each = element; each; each = each.parentElement) {
    const colour = numbers(getComputedStyle(each).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
};
const low = [];
for (const each of document.body.querySelectorAll("*:not(script, option)")) {
  const texts = [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (each.disabled || !(texts || each.matches("input, select"))) continue;
  for (const part of [null, "::before", "::placeholder"]) {
    const ends = [light(numbers(getComputedStyle(each, part).color)), light(behind(each))];
    const contrast = (Math.max(...ends) + 0.05) / (Math.min(...ends) + 0.05);
    if (contrast < 4.5) low.push(`${each.tagName} ${part} ${contrast} ${each.textContent}`);
  }
}
return [low, behind(document.body)];
"""


@pytest.mark.parametrize("width", [400, 1000])
def test_it_is_not_wider_than_the_window(browser: Any, pages: dict[str, Path], width: int) -> None:
    show(browser, pages["plan"], width)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide = """
        return [...document.body.querySelectorAll("*")].filter(each =>
          each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML)
        """
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(wide) == []


def test_the_keyboard_reaches_and_turns_everything(browser: Any, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, pages["measured"])
    wanted = browser.execute_script(
        "return [...document.querySelectorAll('a, input, select, button, summary, pre, .chart')]"
        ".filter(each => !each.disabled && !each.hidden).length"
    )
    reached, outlined = [], []
    for _ in range(wanted):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.execute_script("return document.activeElement.id"))
        outlined.append(browser.execute_script(OUTLINE))
    assert set(outlined) == {"solid"}
    assert browser.switch_to.active_element.tag_name == "summary"
    assert {"mbps", "edge-times", "objective", "every", "plan-command"} <= set(reached)
    told = browser.find_element("id", "chosen").text
    slider = browser.find_element("css selector", "input[data-for=mbps]")
    slider.send_keys(Keys.HOME)
    assert browser.find_element("id", "mbps").get_property("value") == "0.1"
    assert browser.find_element("id", "chosen").text != told
    assert browser.find_element("id", "chosen").get_attribute("aria-live") == "polite"


OUTLINE = """
const active = document.activeElement, shown = active.closest(".chart") ?? active;
return getComputedStyle(shown).outlineStyle;
"""


def test_every_control_has_a_name(browser: Any, pages: dict[str, Path]) -> None:
    show(browser, pages["measured"])
    for control in browser.find_elements("css selector", "input, select, button"):
        assert control.accessible_name.strip(), control.get_attribute("outerHTML")


def test_a_slider_goes_from_the_truth_to_each_prediction(
    browser: Any, pages: dict[str, Path]
) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, pages["plan"])
    section, seen = browser.find_element("css selector", ".series"), []
    slider = section.find_element("css selector", ".steps")
    for _ in range(3):
        shown = [
            each for each in section.find_elements("css selector", "figure") if each.is_displayed()
        ]
        assert len(shown) == len(section.find_elements("css selector", ".picture")) == 4
        name = section.find_element("css selector", "output").text
        assert slider.get_attribute("aria-valuetext") == name
        assert all(name in each.text for each in shown)
        seen.append((name, shown[0].screenshot_as_png))
        slider.send_keys(Keys.ARROW_RIGHT)
    assert [name for name, _ in seen] == ["true masks", "whole network tiny.xml", WAY]
    assert len(set(seen)) == len({picture for _, picture in seen}) == 3


def test_a_value_that_is_none_is_refused(browser: Any, pages: dict[str, Path]) -> None:
    show(browser, pages["plan"])
    assert "cannot be used" in set_knobs(browser, {"mbps": -1})["told"]
    mark = "return document.getElementById('mbps').matches('[aria-invalid]')"
    assert browser.execute_script(mark)
    assert "cannot be used" not in set_knobs(browser, {"mbps": 10})["told"]


def test_paper_has_everything(browser: Any, pages: dict[str, Path]) -> None:
    """Reports are open, charts are light, and they are closed again afterwards."""
    show(browser, pages["plan"], scheme="dark")
    count = "return document.querySelectorAll('details[open]').length"
    assert browser.execute_script(count) == 0
    look = "addEventListener('beforeprint', () => { window.seen = (() => { %s })(); })"
    browser.execute_script(look % count)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(printed["data"]) > 10_000
    assert browser.execute_script("return seen") == 6
    assert browser.execute_script(count) == 0
