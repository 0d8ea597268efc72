import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from splittool.errors import InputError
from splittool.reports import (
    ArmRecord,
    BenchReport,
    BitrateReport,
    BitrateRow,
    CalibrationReport,
    CompareReport,
    CutReport,
    FileRecord,
    Report,
    SplitsReport,
    SynthReport,
    decode,
    encode,
    file_record,
    read_report,
)

SYNTH = SynthReport(
    folder="steel/",
    images=3,
    clean_images=1,
    height=64,
    width=96,
    seed=7,
    images_per_class={"1": 2, "ä": 0},
    pixel_share_per_class={"1": 0.1, "ä": 0.0},
)
BITRATE = BitrateReport(
    source=None,
    bits=[4, 16],
    fps=[10, 12.5],
    links={"l": 500},
    rows=[BitrateRow("input", None, None, 1.5, {"10": 0.1}, {"l": {"10": True}})],
    image_files=None,
    max_mbps=None,
    over_limit=[],
)


@pytest.mark.parametrize("report", [SYNTH, BITRATE])
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    text = encode(report)
    assert decode(text, "it", type(report)) == report
    assert text.endswith(b"}\n")
    assert text.count(b"\n") > 5  # for people to read


def test_a_cut_comes_back_as_it_was(cut_folder: Path) -> None:
    path = cut_folder / "cut.json"
    assert encode(read_report(path, CutReport)) == path.read_bytes()


def test_a_report_says_what_it_is_and_what_made_it() -> None:
    content = msgspec.json.decode(encode(SYNTH))
    assert content["schema"] == "splittool.synth/1"
    assert {"splittool", "python"} <= set(content["versions"])
    assert content["created"].endswith("+00:00")


def test_what_was_not_measured_is_null() -> None:
    content = msgspec.json.decode(encode(BITRATE))
    assert content["max_mbps"] is None
    assert content["rows"][0]["bits"] is None


def test_a_report_of_another_kind_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"it is a splittool\.synth/1 report; give a splittool\.cut/1 report"
    ):
        decode(encode(SYNTH), "it", CutReport)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"{",
        b'{"schema": ',
        b"\xff\xfe",
        b'{"schema": "\xff"}',
        encode(SYNTH) + b"{}",
    ],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match=r"it is not JSON .*; give a splittool\.synth/1 report"):
        decode(text, "it", SynthReport)


def _changed(**changes: Any) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(encode(SYNTH)), **changes})


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"3",
        b"null",
        b"{}",
        _changed(schema="splittool.synth/2"),
        _changed(schema="splittool.synth"),
        _changed(schema="other/1"),
        _changed(schema=None),
        _changed(images="three"),
        _changed(images=None),
        _changed(images_per_class=[1, 2]),
    ],
)
def test_json_of_something_else_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="it is not a splittool report"):
        decode(text, "it", SynthReport)


def test_what_is_missing_is_named() -> None:
    content = msgspec.json.decode(encode(SYNTH))
    del content["seed"]
    with pytest.raises(InputError, match="`seed`"):
        decode(msgspec.json.encode(content), "it", SynthReport)


def test_fields_of_newer_versions_are_passed_over() -> None:
    assert decode(_changed(colour="grey"), "it", SynthReport) == SYNTH


def test_files_are_recorded_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    record = file_record(path)
    assert (record.path, record.bytes) == (str(path), 3)
    assert record.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert file_record(path, "shown").path == "shown"


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (CutReport, "splittool cut MODEL --at NAME$"),
        (CalibrationReport, "splittool calibrate cut.json IMAGES$"),
        (BenchReport, "splittool bench-vpu --json > .*x.json$"),
    ],
)
def test_a_missing_report_file(kind: type[Report], command: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"there is no file .*x.json; make one with: {command}"):
        read_report(tmp_path / "x.json", kind)


def test_every_kind_has_its_own_schema() -> None:
    kinds = [kind.__struct_config__.tag for kind in Report.__subclasses__()]
    assert len(kinds) == len(set(kinds))
    assert all(str(kind).startswith("splittool.") for kind in kinds)
    assert {BenchReport, SplitsReport} <= set(Report.__subclasses__())


def test_names_of_cuts_can_be_read_at_80_columns() -> None:
    from rich.console import Console

    point = "encoder.blocks_1.0.activation"
    arms = [
        ArmRecord(
            "cut", point, bits, codec, payload_bytes_per_frame=123456.0, edge_gflops=12.3,
            dice=0.8, dice_interval=(0.7, 0.9), dice_loss=0.01, edge_parameters=10**7,
            cloud_gflops=45.6, cloud_parameters=10**8,
        )
        for bits in (16, 4)
        for codec in ("raw", "fast", "small")
    ]  # fmt: skip
    source = FileRecord("unet.xml", 1, "0" * 64)
    whole = ArmRecord("whole", dice=0.8, edge_gflops=57.9)
    report = CompareReport(
        source=source, device="CPU", precision_requested="auto", precision_actual="f32",
        threshold=0.5, images=9, defective_pairs=9, floor=0.9, arms=[whole, *arms],
    )  # fmt: skip
    console = Console(width=80, record=True, file=io.StringIO())
    for table in report.tables():
        console.print(table)
    text = console.export_text()
    assert "…" not in text
    assert point in text
    assert all(part in text for part in ("123,456", "12.30+45.60", "10,000+100,000"))
