from pathlib import Path

import pytest

from splittool.cost.splits import describe_split_points
from splittool.errors import InputError, OutputError, UsageError
from splittool.figures.drawing import draw
from splittool.graph.graph import Graph
from splittool.reports import FileRecord, PlotReport, SplitsReport, encode


@pytest.fixture
def splits(paper_graph: Graph) -> SplitsReport:
    return SplitsReport(
        source=FileRecord("unet.xml", 1, "0"), splits=describe_split_points(paper_graph)[0]
    )


def test_reports_and_their_files_give_the_same_figure(splits: SplitsReport, tmp_path: Path) -> None:
    saved = tmp_path / "splits.json"
    saved.write_bytes(encode(splits))
    one = draw([splits], tmp_path / "one.svg")
    two = draw([saved], str(tmp_path / "two.svg"))
    assert (one.kind, one.reports) == ("cost", ["splittool.splits/1"])
    assert two.reports == [str(saved)]
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_what_cannot_be_drawn(splits: SplitsReport, tmp_path: Path) -> None:
    figure = tmp_path / "figure.svg"
    with pytest.raises(UsageError, match=r"ends in \.svg"):
        draw([splits], tmp_path / "figure.gif")
    with pytest.raises(UsageError, match="needs a report of compare"):
        draw([splits], figure, "comparison")
    with pytest.raises(UsageError, match="`fps` 0 is out of range"):
        draw([splits], figure, fps=0)
    plotted = PlotReport(kind="cost", reports=[], figure=splits.source)
    with pytest.raises(InputError, match="which has no figure"):
        draw([plotted], figure)
    assert not figure.exists()
    draw([splits], figure)
    with pytest.raises(OutputError, match="exists"):
        draw([splits], figure)
    draw([splits], figure, "tradeoff", bits=4, force=True)
