"""`splittool serve` beside Triton: the same cut, the same frames, the same client.

    OMP_NUM_THREADS=1 python benchmarks/serving.py cut.json IMAGES [--requests 100] [--rounds 3]

Needs `pip install 'splittool[triton]'`. Both servers run on 127.0.0.1 with as many workers; they
take turns, round by round. Answers must be the same bytes. Prints requests a second, latency and
processor time of the server's processes for a request; exits with 1 if an answer differs.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil

import splittool
from splittool.data.images import list_images, read_image
from splittool.serving.connection import Address, Connection, TransientError
from splittool.serving.question import Question
from splittool.serving.triton_repository import TritonOptions, export_triton

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import triton_server

NAME = "cut"
WINDOW = 4  # requests under way at once, as `send` has them


class Measured:
    """One server, and what its rounds came to."""

    def __init__(self, name: str, address: str, process: psutil.Process) -> None:
        self.name, self.process = name, process
        self.connection = Connection(Address(address))
        self.latencies_ms: list[float] = []
        self.seconds = self.processor_s = 0.0

    def ask(self, numbered: tuple[int, Question]) -> bytes:
        """One answer, with its latency taken down."""
        number, question = numbered
        began = time.perf_counter()
        answer = self.connection.ask((NAME, ""), str(number), question, 60)
        self.latencies_ms.append((time.perf_counter() - began) * 1e3)
        return answer

    def round(self, questions: list[Question]) -> list[bytes]:
        """All answers, in order; WINDOW requests are under way at once."""
        before, began = processor_seconds(self.process), time.perf_counter()
        with ThreadPoolExecutor(WINDOW) as pool:
            answers = list(pool.map(self.ask, enumerate(questions)))
        self.seconds += time.perf_counter() - began
        self.processor_s += processor_seconds(self.process) - before
        return answers

    def forget(self) -> None:
        """What was measured so far: it was the warm-up."""
        self.latencies_ms, self.seconds, self.processor_s = [], 0.0, 0.0

    def report(self) -> dict[str, float | str]:
        count = len(self.latencies_ms)
        p50, p99 = np.percentile(self.latencies_ms, [50, 99])
        processes = [self.process, *self.process.children(recursive=True)]
        return {
            "server": self.name,
            "requests": count,
            "requests_per_second": round(count / self.seconds, 2),
            "p50_ms": round(float(p50), 1),
            "p99_ms": round(float(p99), 1),
            "processor_ms_per_request": round(self.processor_s / count * 1e3, 1),
            "resident_mb": round(sum(each.memory_info().rss for each in processes) / 1e6),
        }


def processor_seconds(process: psutil.Process) -> float:
    """Of a process and its children."""
    every = [process, *process.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in every)


@contextmanager
def splittool_server(cut: Path, workers: int) -> Iterator[Measured]:
    """Ours, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "splittool", "serve", f"{NAME}={cut}", "--port", str(port)]
    command += ["--workers", str(workers), "--precision", "f32", "-q"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        found = Measured("splittool serve", f"127.0.0.1:{port}", psutil.Process(process.pid))
        wait(found.connection)
        yield found
        found.connection.close()
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def triton(cut: Path, workers: int) -> Iterator[Measured]:
    """Triton with a repository that `export` wrote."""
    options = TritonOptions(instances=workers, precision="f32")
    with tempfile.TemporaryDirectory() as folder:
        export_triton(f"{NAME}={cut}", Path(folder) / "models", options)
        with triton_server.running(Path(folder) / "models", Path(folder)) as address:
            (process,) = (
                each
                for each in psutil.Process().children()
                if each.name().startswith("tritonserver")
            )
            found = Measured("Triton", address, process)
            yield found
            found.connection.close()


def wait(connection: Connection) -> None:
    """Until the server answers."""
    for _ in range(600):
        try:
            connection.models(1)
            return
        except TransientError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def questions_of(cut: Path, images: Path, bits: int, count: int) -> list[Question]:
    """Frames of the images, again and again up to so many."""
    split = splittool.open(cut)
    head, canvas = split.head(splittool.RunOptions(precision="f32")), split.canvas()
    link = split.link(splittool.LinkOptions(bits))
    found = []
    for number, path in enumerate(list_images(images)[:count]):
        pixels = read_image(path)
        frame = link.encode(number, head.run(canvas.image(pixels)))
        height, width, _ = pixels.shape
        found.append(Question(frame, height, width, 0.5, "masks"))
    return [found[number % len(found)] for number in range(count)]


def main() -> None:
    """Both servers in turns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cut", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--requests", type=int, default=100, help="in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    reason = triton_server.why_not()
    if reason:
        raise SystemExit(reason)
    cut = given.cut.resolve()
    questions = questions_of(cut, given.images, given.bits, given.requests)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(start(cut, given.workers)) for start in (splittool_server, triton)
        ]
        for server in servers:
            server.round(questions[: 4 * given.workers])
            server.forget()
        same = True
        for _ in range(given.rounds):
            ours, theirs = (server.round(questions) for server in servers)
            same = same and ours == theirs
        size = float(np.mean([len(each.frame) for each in questions]))
        print(f"{size / 1e3:.0f} kB a frame; load {psutil.getloadavg()[0]:.1f}")
        for server in servers:
            print(json.dumps(server.report()))
    print("answers are the same bytes" if same else "answers differ")
    raise SystemExit(not same)


if __name__ == "__main__":
    main()
