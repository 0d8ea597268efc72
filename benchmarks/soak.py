"""All that can go wrong between an edge and a server, again and again, with all masks checked.

    python benchmarks/soak.py cut.json IMAGES [--minutes 10]
    python benchmarks/soak.py cut.json IMAGES --only undisturbed --minutes 0    # one round of it

Servers, edges and relays are processes of their own on 127.0.0.1. After each round every picture
must have exactly one result and the masks that both halves make in one process. Prints how often
each fault happened, and exits with 1 if a frame was lost, doubled or wrong.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import trustme
from PIL import Image

import splittool
from splittool.data.images import list_images

COMMAND = [sys.executable, "-m", "splittool"]
TOKEN = "0123456789abcdef0123456789abcdef"
TIMES = 7  # a fault that a round makes itself, and not a relay at random, comes so often in it


class Soak:
    """A server that is always there again, and rounds of one fault each."""

    def __init__(self, cut: Path, images: Path, folder: Path) -> None:
        self.cut, self.images, self.folder = cut.resolve(), images.resolve(), folder
        self.names = [path.name for path in list_images(self.images)]
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.frames = 0
        self.varied = 0
        self.retries = 0
        self.peak_mb = 0.0
        split = splittool.open(self.cut)
        options = splittool.RunOptions(precision="f32")
        split.evaluate(str(self.images), 8, False, folder / "expected", options)
        self.port = free_port()
        self.server = self.serve(self.port)

    def serve(self, port: int, *options: str) -> subprocess.Popen[str]:
        command = [*COMMAND, "serve", f"cut={self.cut}", "--port", str(port), "--precision", "f32"]
        process = start([*command, "-q", *options])
        wait_for_port(port)
        return process

    def note_memory(self) -> None:
        """Keep the most that any server ever took."""
        found = re.search(r"VmHWM:\s+(\d+)", status_of(self.server))
        self.peak_mb = max(self.peak_mb, int(found[1]) / 1024 if found else 0.0)

    def edge(self, out: Path, target: str, *options: str) -> subprocess.Popen[str]:
        command = [*COMMAND, "send", str(self.cut), str(self.images), "-o", str(out), "--model"]
        command += ["cut", "--bits", "8", "--precision", "f32", "--timeout", "3", "--json"]
        return start([*command, "--server", target, *options])

    def relay(self, *options: str, port: int | None = None) -> tuple[subprocess.Popen[str], str]:
        listening = free_port()
        target = f"127.0.0.1:{port or self.port}"
        process = start([*COMMAND, "relay", target, "--port", str(listening), "--json", *options])
        wait_for_port(listening)
        return process, f"grpc://127.0.0.1:{listening}"

    def finish(self, edge: subprocess.Popen[str], out: Path, fault: str) -> None:
        """The edge must end well, with every frame once and right."""
        text, error = edge.communicate(timeout=1200)
        if edge.returncode:
            self.problems.append(f"{fault}: exit {edge.returncode}: {error.strip()[-200:]}")
            return
        self.retries += json.loads(text)["retries"]
        self.check(out, fault)
        shutil.rmtree(out)

    def check(self, out: Path, fault: str) -> None:
        rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()[1:]]
        if [row["name"] for row in rows] != self.names:
            self.problems.append(f"{fault}: frames {[row['frame'] for row in rows]}")
        self.frames += len(rows)
        wanted = self.folder / "expected"
        if (out / "predictions.csv").read_bytes() != (wanted / "predictions.csv").read_bytes():
            self.problems.append(f"{fault}: other masks in predictions.csv")
        for path in sorted((wanted / "masks").iterdir()):
            ours = np.asarray(Image.open(out / "masks" / path.name))
            self.varied += len(np.unique(ours)) > 1  # others would agree by chance
            if not np.array_equal(ours, np.asarray(Image.open(path))):
                self.problems.append(f"{fault}: another mask {path.name}")

    def moments(self) -> list[int]:
        """After how many results a fault comes, each time it comes in one round."""
        return sorted(random.sample(range(1, len(self.names) - 1), TIMES))

    # Each of these is one round.

    def undisturbed(self, out: Path) -> None:
        """Nothing happens."""
        self.finish(self.edge(out, self.target), out, "undisturbed")
        self.counts["undisturbed"] += 1

    def server_killed(self, out: Path) -> None:
        edge = self.edge(out, self.target, "--window", "1")
        for lines in self.moments():
            wait_for_lines(out, lines, edge)
            self.note_memory()
            self.server.kill()
            self.server.wait()
            self.server = self.serve(self.port)
            self.counts["server killed and restarted"] += 1
        self.finish(edge, out, "server killed")

    def edge_killed(self, out: Path) -> None:
        for lines in self.moments():
            edge = self.edge(out, self.target, "--window", "1")
            wait_for_lines(out, lines, edge)
            edge.send_signal(random.choice([signal.SIGKILL, signal.SIGTERM]))
            edge.wait()
            edge.communicate()
            self.counts["edge killed and resumed"] += 1
        self.finish(self.edge(out, self.target), out, "edge killed")

    def connection_reset(self, out: Path) -> None:
        self._relayed(out, "connection reset mid-frame", "dropped",
                      "--rate", "2Mbps", "--drop-connections", "0.99")  # fmt: skip

    def corrupt_bytes(self, out: Path) -> None:
        self._relayed(out, "corrupt bytes injected", "corrupted", "--corrupt", "15")

    def relay_stalled(self, out: Path) -> None:
        self._relayed(out, "relay stalled 5 s", "stalls",
                      "--rate", "500kbps", "--stall", "5s", "--stall-every", "1s")  # fmt: skip

    def _relayed(self, out: Path, fault: str, count: str, *options: str) -> None:
        relay, target = self.relay(*options)
        self.finish(self.edge(out, target), out, fault)
        relay.terminate()
        text, _ = relay.communicate(timeout=30)
        self.counts[fault] += json.loads(text)[count]

    def server_slow(self, out: Path) -> None:
        """A server that is stopped for longer than the edge waits for an answer."""
        edge = self.edge(out, self.target, "--window", "1", "--timeout", "0.2")
        for lines in self.moments():
            wait_for_lines(out, lines, edge)
            self.server.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            self.server.send_signal(signal.SIGCONT)
            self.counts["server slow"] += 1
        self.finish(edge, out, "server slow")

    def disk_full(self, out: Path) -> None:
        """Results that no longer fit: a limit on file sizes stands in for a full disk."""
        for _ in range(TIMES):
            limited = ["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "--"]
            command = [*limited, *self._edge_command(out)]
            edge = start(command)
            edge.communicate(timeout=120)
            if edge.returncode != 1:
                self.problems.append(f"disk full: exit {edge.returncode}")
            self.counts["disk full for results"] += 1
        self.finish(self.edge(out, self.target), out, "disk full")

    def _edge_command(self, out: Path) -> list[str]:
        command = [*COMMAND, "send", str(self.cut), str(self.images), "-o", str(out), "--model"]
        return [*command, "cut", "--bits", "8", "--precision", "f32", "--server", self.target]

    def refusals(self, out: Path) -> None:
        """What must end with an error, and without any result."""
        port = free_port()
        token = self.folder / "token"
        token.write_text(TOKEN)
        wrong = self.folder / "wrong"
        wrong.write_text(TOKEN[::-1])
        tls = self.certificates()
        other = self.folder / "othercut"
        shutil.copytree(self.cut.parent, other, dirs_exist_ok=True)
        text = (other / "cut.json").read_text()
        (other / "cut.json").write_text(text + "\n" * random.randrange(1, 100))
        server = self.serve(port, "--token-file", str(token), "--max-message-mb", "0.002")
        secure_port = free_port()
        secure = self.serve(secure_port, "--tls-cert", tls["cert"], "--tls-key", tls["key"])
        plain = f"grpc://127.0.0.1:{port}"
        cases = {
            "wrong token": [plain, "--token-file", str(wrong)],
            "frame larger than the limit": [plain, "--token-file", str(token)],
            "expired certificate": [f"grpcs://127.0.0.1:{secure_port}", "--tls-ca", tls["ca"]],
        }
        edges = {fault: [self.edge(out / f"{fault}{n}", *how) for n in range(TIMES)]
                 for fault, how in cases.items()}  # fmt: skip
        cut, self.cut = self.cut, other / "cut.json"
        edges["wrong cut id"] = [self.edge(out / f"cut{n}", self.target) for n in range(TIMES)]
        self.cut = cut
        for fault, group in edges.items():
            for edge in group:
                _, error = edge.communicate(timeout=240)
                expected = 3 if fault in ("wrong cut id", "frame larger than the limit") else 4
                if edge.returncode != expected:
                    problem = f"exit {edge.returncode} instead of {expected}: {error[-300:]}"
                    self.problems.append(f"{fault}: {problem}")
                self.counts[fault] += 1
        for process in (server, secure):
            process.terminate()
            process.communicate(timeout=60)
        shutil.rmtree(out)

    def certificates(self) -> dict[str, str]:
        paths = {name: self.folder / f"{name}.pem" for name in ("cert", "key", "ca")}
        if not paths["ca"].exists():
            authority = trustme.CA()
            issued = authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
            issued.cert_chain_pems[0].write_to_path(str(paths["cert"]))
            issued.private_key_pem.write_to_path(str(paths["key"]))
            authority.cert_pem.write_to_path(str(paths["ca"]))
        return {name: str(path) for name, path in paths.items()}

    def many_clients(self, out: Path) -> None:
        """64 clients at once, and connections that send next to nothing."""
        loris = [slow_loris(self.port) for _ in range(20)]
        self.counts["slow-loris client"] += len(loris)
        for _ in range(TIMES):
            self.problems += many(self.cut, self.images, self.port, clients=64)
            self.counts["64 clients at once"] += 1
        self.finish(self.edge(out, self.target), out, "64 clients")
        for connection in loris:
            connection.close()

    @property
    def target(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def rounds(self) -> list[Callable[[Path], None]]:
        return [
            self.undisturbed, self.server_killed, self.edge_killed, self.connection_reset,
            self.corrupt_bytes, self.relay_stalled, self.server_slow, self.disk_full,
            self.refusals, self.many_clients,
        ]  # fmt: skip


def many(cut: Path, images: Path, port: int, clients: int) -> list[str]:
    """Many clients with one frame each; all must get the same answer."""
    from splittool.data.images import read_image
    from splittool.serving.connection import Address, Connection, TransientError
    from splittool.serving.question import Question

    split = splittool.open(cut)
    head = split.head(splittool.RunOptions(precision="f32"))
    frame = split.link().encode(
        7, head.run(split.canvas().image(read_image(list_images(images)[0])))
    )
    answers: list[bytes] = []

    def ask() -> None:
        connection = Connection(Address(f"127.0.0.1:{port}"))
        for _ in range(100):
            try:
                answers.append(connection.ask(("cut", ""), "7", Question(frame), 60))
                break
            except TransientError:
                time.sleep(random.uniform(0, 0.5))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = len(answers) == clients and len(set(answers)) == 1
    return (
        [] if good else [f"64 clients: {len(answers)} answers, {len(set(answers))} of them unlike"]
    )


def slow_loris(port: int) -> socket.socket:
    """A connection that begins and never ends its first request."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
    connection.sendall(bytes.fromhex("00ffff0104"))
    return connection


def start(command: list[str]) -> subprocess.Popen[str]:
    """A process with one thread for arithmetic."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def wait_for_lines(out: Path, lines: int, edge: subprocess.Popen[str]) -> None:
    """Wait until so many frames have results, or the edge ended."""
    path = out / "results.jsonl"
    while edge.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") > lines:
            return
        time.sleep(0.01)


def main() -> None:
    """Print how often each fault happened, and what went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cut", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one kind of round, such as undisturbed")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        soak = Soak(arguments.cut, arguments.images, Path(name))
        rounds = [one for one in soak.rounds() if arguments.only in (None, one.__name__)]
        until = time.monotonic() + 60 * arguments.minutes
        number = 0
        try:
            while not number or time.monotonic() < until:
                one = rounds[number % len(rounds)]
                one(Path(name) / f"out{number}")
                number += 1
                print(f"{one.__name__}: {dict(soak.counts)}, {len(soak.problems)} problems",
                      file=sys.stderr, flush=True)  # fmt: skip
        finally:
            soak.note_memory()
            soak.server.terminate()
            soak.server.communicate(timeout=60)
    report = {
        "rounds": number,
        "frames": soak.frames,
        "masks_of_several_classes": soak.varied,
        "sent_again": soak.retries,
        "faults": dict(soak.counts),
        "problems": soak.problems,
        "server_peak_mb": soak.peak_mb,
        "seconds": 60 * arguments.minutes + time.monotonic() - until,
    }
    print(json.dumps(report, indent=2))
    sys.exit(bool(soak.problems))


def status_of(process: subprocess.Popen[str]) -> str:
    """What the system knows of a process."""
    return Path(f"/proc/{process.pid}/status").read_text()


if __name__ == "__main__":
    main()
