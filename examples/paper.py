"""What examples/paper.sh needs beside the commands: untrained networks, Fig. 1 and paper.md.

    python examples/paper.py untrained unet.pt     # the other networks, as large, without training
    python examples/paper.py report STEEL          # fig-1.jpg and paper.md from the reports here

Costs depend on the graph alone, so that the networks that are only priced need no training.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from PIL import Image

from splittool.data.overlays import overlay, with_legend
from splittool.data.samples import samples
from splittool.figures.networks import pareto
from splittool.models import build
from splittool.models.checkpoints import load, weights_of
from splittool.quantities import LINKS
from splittool.reports import (
    ArmRecord,
    BenchSetReport,
    BitrateReport,
    CompareReport,
    PlanReport,
    SplitRecord,
    SplitsReport,
    read_report,
)

NETWORKS = ("unet", "fcn32s", "fcn16s", "fcn8s", "pspnet")

# Mbit/s of Tables I and II for U-Net at 256x1600, by split point: at 12 and at 10 frames a second.
PAPER = {
    16: {1: (786.43, 655.36), 2: (1022.36, 851.97), 3: (1140.33, 950.27), 4: (1199.31, 999.42),
         5: (1204.22, 1003.52)},
    4: {1: (196.61, 163.84), 2: (255.59, 212.99), 3: (285.08, 237.57), 4: (299.83, 249.86),
        5: (301.06, 250.88)},
}  # fmt: skip


LEARNT = 0.3  # a network whose Dice is lower says nothing of accuracy


class Statement(NamedTuple):
    """One of the paper's statements.

    Attributes:
        source: Where it stands.
        said: What it says, in our words.
        measured: What came out here.
        holds: "yes", "no", "in part", or "not decided".
    """

    source: str
    said: str
    measured: str
    holds: str


def untrained(trained: Path) -> None:
    """Write the other networks for the same classes and canvas."""
    checkpoint = load(trained)
    for arch in NETWORKS[1:]:
        model = build(arch, len(checkpoint.classes), {})
        replace(checkpoint, arch=arch, options={}, state=weights_of(model)).save(Path(f"{arch}.pt"))


def picture(steel: Path) -> None:
    """Fig. 1: four sheets with the outlines of their defects, each class at least once."""
    found = samples(steel / "train_images")
    classes = found.labels.classes if found.labels else []
    chosen = []
    for name in classes:
        chosen += [s for s in found if name in s.runs and s not in chosen][:1]
    chosen += [s for s in found if s.runs and s not in chosen]
    rows = []
    for sample in chosen[:4]:
        pixels, masks = sample.image(), sample.masks(classes)
        rows.append(np.asarray(overlay(pixels, masks & False, masks)))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    sheets = Image.fromarray(np.concatenate(rows))
    with_legend(sheets, classes, outlined=True).save("fig-1.jpg", quality=90)


def points(arch: str, kind: str = "points") -> list[SplitRecord]:
    """Split points of a network, as a report lists them, without the input."""
    splits = read_report(Path(f"{arch}.{kind}.json"), SplitsReport).splits
    return [split for split in splits if split.head_operations]


def tables() -> Iterator[Statement]:
    """Tables I and II, number by number."""
    for bits, number, title in ((16, 1, "Table I"), (4, 2, "Table II")):
        report = read_report(Path(f"table-{number}.json"), BitrateReport)
        rows = {row.point: row.mbps for row in report.rows}
        equal = [
            round(rows[f"maxpool_{level}"][fps], 2) == said
            for level, pair in PAPER[bits].items()
            for fps, said in zip(("12", "10"), pair, strict=True)
        ]
        yield Statement(
            title,
            f"Mbit/s of U-Net's five cuts in {bits} bits, at 12 and 10 frames a second",
            f"{sum(equal)} of {len(equal)} numbers are the same to the last digit",
            "yes" if all(equal) else "no: the images are not 256x1600",
        )


def networks() -> Iterator[Statement]:
    """Fig. 2: bitrates and layers of all networks."""
    spread = {}
    for arch in NETWORKS:
        elements = [split.elements for split in points(arch)]
        spread[arch] = max(elements) / min(elements)
    widest = max(spread, key=lambda arch: spread[arch])
    yield Statement(
        "Fig. 2",
        "the split point changes the bitrate, most in the FCNs",
        "largest by smallest: " + ", ".join(f"{a} {s:.1f}" for a, s in spread.items()),
        "yes" if widest.startswith("fcn") else "no",
    )
    second = {arch: points(arch)[1].head_weighted_layers for arch in NETWORKS}
    yield Statement(
        "Fig. 2",
        "PSPNet leaves more layers on the device from the second split point on",
        "weighted layers at the second: " + ", ".join(f"{a} {n}" for a, n in second.items()),
        "yes" if max(second, key=lambda arch: second[arch]) == "pspnet" else "no",
    )
    means = {arch: np.mean([split.elements for split in points(arch)]) for arch in NETWORKS}
    yield Statement(
        "Fig. 2",
        "U-Net has low bitrates",
        "mean M elements: " + ", ".join(f"{a} {m / 1e6:.1f}" for a, m in means.items()),
        "yes" if min(means, key=lambda arch: means[arch]) == "unet" else "no",
    )


def training(report: CompareReport) -> Iterator[Statement]:
    """Figs. 3 and 4: whether U-Net learns, and generalises."""
    import json

    history = [json.loads(line) for line in Path("unet.history.jsonl").read_text().splitlines()]
    last = history[-1]
    losses = [last[part]["loss"] for part in ("train", "validation")]
    dice = [last[part]["dice"] for part in ("train", "validation")]
    pairs = last["validation"]["defective_pairs"]
    yield Statement(
        "Figs. 3, 4",
        "loss and Dice of training and validation are close: it generalises",
        f"after {len(history)} epochs: loss {losses[0]:.2f} and {losses[1]:.2f}, Dice {dice[0]:.2f}"
        f" and {dice[1]:.2f} ({pairs} defective pairs held out)",
        _decided(dice[1], "yes" if abs(dice[0] - dice[1]) < 0.1 else "no"),
    )


def costs() -> Iterator[Statement]:
    """Fig. 5: where the operations are, what is sent, and how fast heads are."""
    places = points("unet", "places")
    whole = places[-1].head_gflops + places[-1].tail_gflops
    first, last = points("unet")[0], points("unet")[-1]
    ends = first.head_gflops + (whole - places[-1].head_gflops)
    yield Statement(
        "Fig. 5(a)",
        "the first and last layers cost most",
        f"up to maxpool_1 {first.head_gflops / whole:.0%} of the operations, up to maxpool_5"
        f" {last.head_gflops / whole:.0%}; the rest, {1 - last.head_gflops / whole:.0%}, is the"
        " way back up to full resolution",
        "yes" if ends / whole > 0.05 else "no",
    )
    runs = read_report(Path("speed.json"), BenchSetReport).runs
    fps = {run.point: run.fps for run in runs if run.point}
    rates = [fps[split.point] for split in points("unet") if split.point in fps]
    falls = all(b <= 1.05 * a for a, b in pairwise(rates))
    yield Statement(
        "Fig. 5(b)",
        "the deeper the cut, the fewer frames per second",
        f"heads on {runs[0].device_name}: "
        + ", ".join(f"{rate:.1f}" for rate in rates)
        + f" FPS; the whole network {next(run.fps for run in runs if not run.point):.1f}",
        "yes" if falls else "in part",
    )


def sending() -> Iterator[Statement]:
    """What any cut sends, against the input."""
    for arch in NETWORKS:
        places = points(arch, "places")
        half = places[-1].head_gflops / 2  # behind the last layers everything is small: too late
        cuts = [p for p in places if p.head_weighted_layers and p.head_gflops <= half]
        image = read_report(Path(f"{arch}.points.json"), SplitsReport).splits[0]
        least = min(cuts, key=lambda split: split.elements)
        yield Statement(
            "Sec. III-B" if arch == "unet" else "Sec. III-B, as suggested",
            f"any intermediate state of {arch} costs more than its input",
            f"least of {len(cuts)} cuts with at most half of the operations on the device:"
            f" {least.elements:,} values at {least.point} ({least.head_gflops / half / 2:.0%});"
            f" the input has {image.elements:,}",
            "yes" if least.elements > image.elements else "no",
        )
    frontier = pareto([(split.head_gflops, float(split.elements)) for split in points("unet")])
    fits = [
        f"maxpool_{level}"
        for level, (fast, _) in PAPER[16].items()
        if fast <= LINKS["indoor-hotspot-down"]
    ]
    yield Statement(
        "Sec. III-B",
        "1 Gbit/s (TS 22.261, indoor hotspot) is too little for most cuts in 16 bits at 12 FPS",
        f"{', '.join(fits)} fits; of the uplink's 500 Mbit/s none does; in 4 bits all fit both;"
        f" {len(frontier)} of 5 is on the frontier of operations and values",
        "yes" if len(fits) < 3 else "no",
    )


def coded(report: CompareReport) -> Iterator[Statement]:
    """What the paper assumed, run: 4 bits, codecs, the compressed input, and the bottleneck."""
    whole = report.arms[0]
    cuts = [arm for arm in report.arms if arm.kind == "cut" and arm.network is None]
    four = max((arm for arm in cuts if arm.bits == 4), key=lambda arm: abs(arm.dice_loss or 0))
    yield Statement(
        "Table II",
        "4 bits are enough (their accuracy was not measured)",
        f"largest change of Dice of any cut: {four.dice_loss or 0:+.4f} at {four.point}"
        f" (whole {_dice(whole)})",
        _decided(whole.dice, "yes" if abs(four.dice_loss or 0) <= 0.01 else "no"),
    )
    least = min(cuts, key=lambda arm: arm.payload_bytes_per_frame)
    images = [arm for arm in report.arms if arm.kind == "image" and arm.codec == "jpeg"]
    near = [arm for arm in images if (arm.dice or 0) >= (least.dice or 0)]
    jpeg = min(near, key=lambda arm: arm.payload_bytes_per_frame, default=None)
    yield Statement(
        "beyond the paper",
        "coded, a cut still costs more than the coded input",
        f"smallest frame of a cut {least.payload_bytes_per_frame:,.0f} bytes ({least.point},"
        f" {least.bits} bits, Dice {least.dice or 0:.3f}); "
        + (_sent(jpeg) if jpeg else "no JPEG has as much Dice"),
        _decided(
            whole.dice,
            "yes"
            if jpeg and jpeg.payload_bytes_per_frame < least.payload_bytes_per_frame
            else "no",
        ),
    )
    latent = next(arm for arm in report.arms if arm.network and arm.kind == "cut")
    yield Statement(
        "Sec. IV",
        "the state of the art of segmentation does not suit split networks",
        f"a network made to be split sends {latent.payload_bytes_per_frame:,.0f} bytes a frame at"
        f" Dice {_dice(latent)}, with {latent.edge_gflops / whole.edge_gflops:.0%} of U-Net's"
        f" operations on the device; U-Net whole has Dice {_dice(whole)}",
        _decided(
            whole.dice,
            "no: a network can be made for it"
            if (latent.dice or 0) >= (whole.dice or 0) - 0.005
            else "in part: it has less Dice here",
        ),
    )


def energy() -> Iterator[Statement]:
    """The third aspect: what a frame costs the device, by radio."""
    for radio in ("wifi", "lte", "3g"):
        report = read_report(Path(f"energy-{radio}.json"), PlanReport)
        rows = [row for row in report.rows if row.energy_mj is not None]
        kinds = ("edge-only", "cloud-only", "cut")
        least = {kind: min((r.energy_mj or 0) for r in rows if r.kind == kind) for kind in kinds}
        best = min(least, key=lambda kind: least[kind])
        yield Statement(
            "Sec. IV",
            f"energy must guide the split, too (a stick of 1.5 W at 100 GFLOPS, {radio})",
            "least mJ a frame: " + ", ".join(f"{kind} {mj:.1f}" for kind, mj in least.items()),
            f"yes: {best} takes least",
        )


def _decided(dice: float | None, holds: str) -> str:
    """What holds, if the network has learnt enough to say."""
    learnt = dice is not None and dice >= LEARNT
    return holds if learnt else "not decided: U-Net has not learnt; train longer (EPOCHS)"


def _sent(arm: ArmRecord) -> str:
    size = f"{arm.payload_bytes_per_frame:,.0f} bytes"
    return f"JPEG of quality {arm.quality} {size}, Dice {arm.dice or 0:.3f}"


def _dice(arm: ArmRecord) -> str:
    ends = arm.dice_interval
    return f"{arm.dice or 0:.3f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")


def page(statements: Sequence[Statement], report: CompareReport) -> str:
    """paper.md."""
    rows = "\n".join(f"| {' | '.join(statement)} |" for statement in statements)
    whole = report.arms[0]
    return f"""# The paper, made again

{report.images} held-out images, {report.defective_pairs} defective pairs of image and class.
Intervals are of 95 %, over the {whole.dice_interval_images} images that have a defect.

| where | what it says | what was measured | does it hold? |
|---|---|---|---|
{rows}

## Figures

* Fig. 1, sheets and their defects: [fig-1.jpg](fig-1.jpg)
* Fig. 2, bitrate and layers on the device: [fig-2.svg](fig-2.svg)
* Figs. 3 and 4, loss and Dice: [fig-3-4.svg](fig-3-4.svg)
* Fig. 5(a), operations and memory: {", ".join(f"[{a}](fig-5a-{a}.svg)" for a in NETWORKS)}
* Fig. 5(b), what is sent, and frames per second: [fig-5b.svg](fig-5b.svg)
* All of it on one page: [decision.html](decision.html)
* Bytes against Dice, with the compressed input and the bottleneck: [compare.svg](compare.svg)
"""


def main() -> None:
    """Do what the first word says."""
    word, path = sys.argv[1:]
    if word == "untrained":
        untrained(Path(path))
        return
    picture(Path(path))
    report = read_report(Path("compare.json"), CompareReport)
    found = [
        *tables(),
        *networks(),
        *training(report),
        *costs(),
        *sending(),
        *coded(report),
        *energy(),
    ]
    Path("paper.md").write_text(page(found, report), encoding="utf-8")
    sys.stdout.write("wrote fig-1.jpg and paper.md\n")


if __name__ == "__main__":
    main()
