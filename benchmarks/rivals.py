r"""Every rival of a cut on the same labelled images, as tables for docs/results.md.

    OMP_NUM_THREADS=1 python benchmarks/rivals.py IMAGES --network unet.pt --cut latent/cut.json \
        --cloud strong.pt --device-network small.pt --output rivals.json

The protocol: all networks see the same images, which none of them was trained on; everything is
really coded, and what a row sends is the mean of the bytes; image codecs run at nine qualities, at
full and half size, in front of the network and of each --cloud (give the one that was fine-tuned on
decoded images there, too); answers are coded masks; bytes at equal Dice are interpolated between
six rates or more, never beyond; the loss of Dice is a bootstrap of pairs. --output keeps the report
for `splittool plot`.

Bytes are compared at three levels: the network's Dice, 0.005 less, and 0.005 less than the best
Dice of any row. The last table is of the answer alone: what libraries make of the same masks.
"""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import zstandard
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

import splittool as st
from splittool.codec.masks import encode_masks
from splittool.data.samples import samples
from splittool.network.compare_options import CompareOptions, Rivals
from splittool.network.comparison import NEARLY
from splittool.network.equal_dice import equal_dice
from splittool.reports import ArmRecord, CompareReport, EqualDiceRecord
from splittool.reports.base import encode

QUALITIES = (90, 75, 50, 35, 25, 18, 12, 8, 4)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", help="labelled images: a folder or a .txt list")
    parser.add_argument("--network", required=True, help="the unsplit network")
    parser.add_argument("--at", action="append", default=[], help="a cut of it, at 4 bits")
    parser.add_argument("--cut", action="append", default=[], help="a cut.json on disk")
    parser.add_argument("--cloud", action="append", default=[], help="a network in the cloud")
    parser.add_argument("--device-network", action="append", default=[], help="one on the device")
    parser.add_argument("--labels", help="the train.csv, if it is not beside the images")
    parser.add_argument("--formats", help="image formats, such as jpeg,avif; else all there are")
    parser.add_argument("--precision", default="f32", help="of all arithmetic")
    parser.add_argument("--output", type=Path, help="where to keep the report")
    return parser.parse_args()


def compared(given: argparse.Namespace) -> CompareReport:
    """The report of all rivals."""
    how = CompareOptions(
        codecs=["small"],
        formats=given.formats and given.formats.split(","),
        qualities=QUALITIES,
        run=st.RunOptions(precision=given.precision),
        rivals=Rivals(given.cloud, given.device_network, given.cut),
    )
    network = st.load(given.network)
    return st.compare(network, given.images, given.at, [4], given.labels, how, progress=_shown)


def _shown(done: float, total: float, what: str) -> None:
    print(f"\r{done}/{total}", end="", file=sys.stderr)


def rows(report: CompareReport) -> Iterator[str]:
    """One row for each way but image codecs, which have too many."""
    yield "| what is sent | bytes | Dice (95 %) | loss (95 %, pairs) | device | cloud |"
    yield "|---|---|---|---|---|---|"
    for arm in report.arms:
        if arm.kind in ("answer", "cut") or arm.codec == "file":
            yield (
                f"| {arm.series} | {arm.payload_bytes_per_frame:,.0f} |"
                f" {arm.dice:.4f} {_ends(arm.dice_interval)} |"
                f" {arm.dice_loss:+.4f} {_ends(arm.dice_loss_interval)} |"
                f" {_side(arm.edge_gflops, arm.edge_parameters)} |"
                f" {_side(arm.cloud_gflops, arm.cloud_parameters)} |"
            )


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"({interval[0]:.3f} to {interval[1]:.3f})"


def _side(gflops: float | None, parameters: int | None) -> str:
    if not gflops:
        return "-"
    return f"{gflops:.3f} GFLOPs" + (f", {parameters / 1e3:,.0f} k" if parameters else "")


def levels(report: CompareReport) -> dict[str, float]:
    """Dice at which bytes are compared."""
    whole = report.arms[0].dice
    best = max(arm.dice for arm in report.arms if arm.dice is not None)
    if whole is None:
        raise SystemExit("the images have no defect, so there is no Dice to compare at")
    return {"network": whole, "network - 0.005": whole - NEARLY, "best - 0.005": best - NEARLY}


def equal_rows(report: CompareReport) -> Iterator[str]:
    """Every series at every level: bytes as they are, and without container in brackets."""
    targets = levels(report)
    found = equal_dice(report.arms, list(targets.values()))
    sides = {arm.series: arm for arm in report.arms}
    heads = [f"{name}: {dice:.4f}" for name, dice in targets.items()]
    yield "| series | device | cloud | " + " | ".join(heads) + " |"
    yield "|---" * (len(targets) + 3) + "|"
    for series in dict.fromkeys(record.series for record in found):
        cells = [
            _cell(record)
            for dice in targets.values()
            for record in found
            if (record.series, record.dice) == (series, dice)
        ]
        arm = sides[series]
        device = _side(arm.edge_gflops, arm.edge_parameters)
        cloud = _side(arm.cloud_gflops, arm.cloud_parameters)
        yield f"| {series} | {device} | {cloud} | " + " | ".join(cells[: len(targets)]) + " |"


def _cell(record: EqualDiceRecord) -> str:
    if record.payload_bytes_per_frame is None:
        return record.how
    prefix = "at most " if record.how == "at most" else ""
    bare = record.bare_bytes_per_frame
    return f"{prefix}{record.payload_bytes_per_frame:,.0f}" + (
        "" if bare is None else f" ({bare:,.0f})"
    )


def masks_rows(given: argparse.Namespace, arms: Sequence[ArmRecord]) -> Iterator[str]:
    """Bytes of the same masks by our codec and by those that libraries have."""
    yield "| masks of | coded masks | CCITT Group 4 | zstd 19 | PNG, 1 bit |"
    yield "|---|---|---|---|---|"
    for path in dict.fromkeys([given.network, *given.device_network]):
        network = st.load(path)
        found = [
            network.run(sample.image(), options=st.RunOptions(precision=given.precision)).masks
            for sample in samples(given.images, False)
        ]
        sizes = np.array([[len(encode_masks(masks)), *_others(masks)] for masks in found])
        yield f"| {Path(path).stem} | " + " | ".join(f"{x:.0f}" for x in sizes.mean(axis=0)) + " |"


def _others(masks: np.ndarray) -> tuple[int, int, int]:
    """Group 4 without a TIFF around it, zstd and PNG of the classes that are there."""
    bitmap = masks[masks.any(axis=(1, 2))].reshape(-1, masks.shape[2])
    if not len(bitmap):
        return 0, 0, 0
    tiff, png = io.BytesIO(), io.BytesIO()
    picture = Image.fromarray(bitmap)
    picture.save(tiff, "TIFF", compression="group4", tiffinfo={278: len(bitmap)})
    picture.save(png, "PNG", optimize=True)
    with Image.open(tiff) as image:
        assert isinstance(image, TiffImageFile)
        group4 = sum(image.tag_v2[279])
    zstd = zstandard.ZstdCompressor(level=19).compress(np.packbits(bitmap).tobytes())
    return group4, len(zstd), len(png.getvalue())


def main() -> None:
    """Three tables."""
    given = parsed()
    report = compared(given)
    print(file=sys.stderr)
    if given.output:
        given.output.write_bytes(encode(report))
    pairs = f"{report.images} images, {report.arms[0].dice_interval_images} with a defect"
    print(f"{pairs}; Dice over {report.defective_pairs} defective pairs\n")
    for table in (rows(report), equal_rows(report), masks_rows(given, report.arms)):
        print("\n".join(table), end="\n\n")


if __name__ == "__main__":
    main()
