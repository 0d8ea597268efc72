"""Write docs/operations.md: how every operation of OpenVINO is counted.

python tools/operations.py           write docs/operations.md
python tools/operations.py --check   fail if it is not what would be written
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from splittool.cost.rules import FLOPS, FREE, FREE_ANALYZER, MACS, NOT_COUNTED, Rule

FILE = Path(__file__).resolve().parent.parent / "docs" / "operations.md"

HEAD = """\
# How operations are counted

What `profile`, `cut` and `plan` count for one operation of each type, in floating-point operations
(FLOPs); 1 MAC is 2 FLOPs. The table is made from `splittool/cost/rules.py` by
`python tools/operations.py`. A ✓ marks the published definitions of OpenVINO's Model Analyzer; the
others go on in the same way: an addition, a comparison, a choice or an elementary function such as
exp is one FLOP.

A value that a network spreads over a whole tensor when it is loaded, as ONNX's ConstantOfShape
does, counts as that many weights.
"""


def main() -> None:
    """Write the page, or compare it."""
    wanted = page()
    if sys.argv[1:] == ["--check"]:
        if not FILE.is_file() or FILE.read_text() != wanted:
            sys.exit(f"out of date: {FILE.name}; run: python tools/operations.py")
        return
    FILE.write_text(wanted)


def page() -> str:
    """The text of the page."""
    parts = [
        HEAD,
        *section("Multiplications with additions (MACs)", rules(MACS)),
        *section("Other computations", rules(FLOPS)),
        *section(
            "Free: data is moved or seen otherwise",
            rows([(FREE_ANALYZER, "0", True), (FREE, "0", False)]),
        ),
        *section(
            "Not counted",
            rows(
                ([name for name in NOT_COUNTED if NOT_COUNTED[name] == why], why, False)
                for why in dict.fromkeys(NOT_COUNTED.values())
            ),
            "Reports list these under `not_counted`, and any type that is not on this page.",
        ),
    ]
    return "\n".join(parts)


def section(title: str, lines: Iterable[str], text: str = "") -> Iterator[str]:
    """A heading and a table."""
    yield f"\n## {title}\n"
    if text:
        yield f"{text}\n"
    yield "| operations | FLOPs | Model Analyzer |\n|---|---|---|"
    yield from lines


def rules(table: dict[str, Rule]) -> Iterator[str]:
    """One row for the operations of each rule."""
    kinds: dict[tuple[str, bool], list[str]] = {}
    for name, rule in table.items():
        kinds.setdefault((rule.text, rule.analyzer), []).append(name)
    return rows((names, text, analyzer) for (text, analyzer), names in kinds.items())


def rows(kinds: Iterable[tuple[list[str], str, bool]]) -> Iterator[str]:
    """Rows of a table: names, what they count, and whether Model Analyzer says so."""
    for names, text, analyzer in kinds:
        yield f"| {' '.join(f'`{name}`' for name in sorted(names))} | {text} | {'✓' * analyzer} |"


if __name__ == "__main__":
    main()
