r"""A folder as large as Kaggle's: an epoch, then infer, compare and the page; speed and memory.

    python benchmarks/large_folder.py WORK --images 12568 --held-out 5506

Sheets of 256x1600 are drawn by `synth` into WORK, which takes 0.5 GB and stays for the next run.
Every command runs as a process of its own, whose resident memory, its children's included, is read
every second: it is flat if the last tenth of a command needs no more than the second.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

import psutil

SPLITTOOL = [sys.executable, "-m", "splittool"]


def resident(process: psutil.Process) -> int:
    """Bytes of a process and all its children; 0 once it is gone."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue  # it ended meanwhile
    return total


def watched(*arguments: str) -> tuple[float, list[int]]:
    """Run a command; the seconds it took, and its resident bytes, second by second."""
    print("$ splittool", *arguments, flush=True)
    began, samples = time.perf_counter(), []
    process = subprocess.Popen([*SPLITTOOL, *arguments, "--quiet"], stdout=subprocess.DEVNULL)
    looked_at = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            samples.append(resident(looked_at))
        except psutil.Error:
            break
        time.sleep(1)
    if process.wait():
        raise SystemExit(f"splittool {arguments[0]} ended with {process.returncode}")
    return time.perf_counter() - began, samples


def row(name: str, images: int, seconds: float, samples: list[int]) -> str:
    """A line of the table."""
    tenth = max(1, len(samples) // 10)
    second, last = (fmean(part) / 1e6 for part in (samples[tenth : 2 * tenth], samples[-tenth:]))
    peak = max(samples) / 1e6
    rate = images / seconds
    return f"| {name} | {images:,} | {rate:.1f} | {second:,.0f} | {last:,.0f} | {peak:,.0f} |"


def main() -> None:
    """Run all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="where sheets and results go")
    parser.add_argument("--images", type=int, default=12568, help="of the folder")
    parser.add_argument("--held-out", type=int, default=5506, help="for infer, compare and page")
    parser.add_argument("--arch", default="splitnet", help="network to train")
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    steel, model = given.work / "steel", given.work / f"{given.arch}.pt"
    rows = []
    if not (steel / "train.csv").exists():
        rows.append(
            row("synth", given.images, *watched("synth", str(steel), "--images", str(given.images)))
        )
    train = [
        "train",
        str(steel),
        "--arch",
        given.arch,
        "--epochs",
        "1",
        "-o",
        str(model),
        "--force",
    ]
    rows.append(row("train, one epoch", given.images, *watched(*train)))
    paths = sorted((steel / "train_images").iterdir())[-given.held_out :]
    listed = given.work / "held-out.txt"
    listed.write_text("\n".join(str(path.resolve()) for path in paths) + "\n")
    at = "latent" if given.arch == "splitnet" else "maxpool_2"
    watched("cut", str(model), "--at", at, "-o", str(given.work / "cut"), "--force")
    labels = ["--labels", str(steel / "train.csv")]
    cut, report = str(given.work / "cut" / "cut.json"), str(given.work / "compare.json")
    infer = ["infer", cut, str(listed), *labels, "-o", str(given.work / "out"), "--force"]
    rows.append(row("infer", len(paths), *watched(*infer)))
    compare = ["compare", str(model), str(listed), *labels, "--at", at, "--bits", "4"]
    compare += ["--codec", "fast", "--formats", "jpeg", "--qualities", "50", "--no-half-size"]
    rows.append(row("compare", len(paths), *watched(*compare, "-o", report, "--force")))
    page = ["page", report, str(given.work / "out" / "report.json")]
    rows.append(row("page", 1, *watched(*page, "-o", str(given.work / "page.html"), "--force")))
    print("| command | images | images/s | MB, second tenth | MB, last tenth | MB, peak |")
    print("|---|---|---|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
