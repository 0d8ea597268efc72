from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from plan_cases import INFER, compared

from splittool.cost.measurements import Sent, read_frames, read_measured
from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph
from splittool.reports import (
    ArmRecord,
    Report,
    encode,
)

SPLIT = replace(
    INFER,
    cut="maxpool_1",
    bits=4,
    payload_bytes_per_frame=700.0,
    image_file_bytes_per_frame=100.0,
    codec="fast",
)
COMPARE = compared(
    ArmRecord("whole", dice=0.8),
    ArmRecord("image", codec="file", payload_bytes_per_frame=90, dice=0.8),
    ArmRecord("image", codec="jpeg", quality=50, payload_bytes_per_frame=9, dice=0.7),
    ArmRecord("cut", "maxpool_1", 2, "small", payload_bytes_per_frame=50, dice=0.6),
    ArmRecord("cut", "maxpool_1", 8, "raw", payload_bytes_per_frame=400, dice=0.8),
)


def written(folder: Path, *reports: Report) -> list[Path]:
    paths = [folder / f"{number}.json" for number in range(len(reports))]
    for path, report in zip(paths, reports, strict=True):
        path.write_bytes(encode(report))
    return paths


def test_one_report_of_compare_says_it_all(paper_graph: Graph, tmp_path: Path) -> None:
    found = read_measured(paper_graph, written(tmp_path, COMPARE))
    assert found.cuts == {
        ("maxpool_1",): [Sent(50, 0.6, 2, "small"), Sent(400, 0.8, 8, "raw")],
    }
    assert found.images == [Sent(9, 0.7, None, "jpeg", 50)]
    assert (found.image_bytes, found.whole_dice) == (90, 0.8)


def test_reports_of_both_kinds_add_up(paper_graph: Graph, tmp_path: Path) -> None:
    found = read_measured(paper_graph, written(tmp_path, SPLIT, COMPARE))
    assert found.cuts["maxpool_1",][0] == Sent(700, 0.75, 4, "fast")
    assert len(found.cuts["maxpool_1",]) == 3
    assert [Path(file.path).name for file in found.files] == ["0.json", "1.json"]


@pytest.mark.parametrize("other", ["infer", "compare"])
def test_the_whole_is_measured_once(other: str, paper_graph: Graph, tmp_path: Path) -> None:
    whole = msgspec.structs.replace(SPLIT, cut=None)
    second = whole if other == "infer" else COMPARE
    with pytest.raises(UsageError, match=r"1\.json is a second report of the whole network"):
        read_measured(paper_graph, written(tmp_path, whole, second))


@pytest.mark.parametrize(("cut", "reason"), [("layer9", "no split point"), ("input", "head empty")])
def test_a_report_of_another_network(
    cut: str, reason: str, paper_graph: Graph, tmp_path: Path
) -> None:
    report = msgspec.structs.replace(SPLIT, cut=cut)
    with pytest.raises(InputError, match=rf"0\.json is of another network: .*{reason}"):
        read_measured(paper_graph, written(tmp_path, report))


def test_times_of_coding_go_with_every_way(paper_graph: Graph, tmp_path: Path) -> None:
    timed = {"encode_ms": 3.0, "decode_ms": 2.0, "dice": 0.7}
    report = compared(
        ArmRecord("whole", dice=0.8),
        ArmRecord("answer", payload_bytes_per_frame=5, **timed),
        ArmRecord("answer", scale=0.5, payload_bytes_per_frame=3, dice=0.6),  # not a plan's answer
        ArmRecord("image", codec="jpeg", quality=50, payload_bytes_per_frame=9, **timed),
        ArmRecord("cut", "maxpool_1", 8, "raw", payload_bytes_per_frame=400, **timed),
    )
    found = read_measured(paper_graph, written(tmp_path, report))
    assert found.answer == Sent(5, 0.7, None, "masks", None, 3.0, 2.0)
    assert found.images == [Sent(9, 0.7, None, "jpeg", 50, 3.0, 2.0)]
    assert found.cuts["maxpool_1",] == [Sent(400, 0.7, 8, "raw", None, 3.0, 2.0)]


def test_a_report_without_bytes(paper_graph: Graph, tmp_path: Path) -> None:
    report = msgspec.structs.replace(SPLIT, payload_bytes_per_frame=None)
    with pytest.raises(InputError, match="does not say how many bytes were sent"):
        read_measured(paper_graph, written(tmp_path, report))


def test_frames_with_their_times(tmp_path: Path) -> None:
    path = tmp_path / "infer.json"
    path.write_bytes(encode(msgspec.structs.replace(SPLIT, encode_ms=3.0, decode_ms=2.0)))
    assert read_frames([path]) == [
        ("maxpool_1", Sent(700.0, 0.75, 4, "fast", encode_ms=3.0, decode_ms=2.0))
    ]
