"""Fuzz a server over the wire: damaged frames, requests, messages and connections.

    python benchmarks/fuzz_server.py cut.json IMAGE [--minutes 10]

The server is a process of its own on 127.0.0.1. Once a second it must say that it is well, and
answer a good frame with the very bytes that it gave at first. Prints how its answers were coded,
and its memory. Exits with 1 if it ended, called anything an internal error, failed that look, or
grew by more than --growth MB after the first minute.
"""

import argparse
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from fuzz_frame import INTERESTING, damage
from grpc_health.v1 import health_pb2, health_pb2_grpc
from soak import COMMAND, free_port, status_of, wait_for_port
from tritonclient.grpc import service_pb2 as pb

import splittool
from splittool.data.images import read_image
from splittool.serving.protocol import make_request, read_response
from splittool.serving.question import Question

SERVICE = "/inference.GRPCInferenceService/"
METHODS = ("ModelInfer", "ModelMetadata", "ModelReady", "ServerMetadata", "RepositoryIndex",
           "ModelStreamInfer", "RepositoryModelLoad", "NoSuchMethod")  # fmt: skip
TEXTS = ["", "cut", "1", "0", "-1", "frame", "masks", "probabilities", "BYTES", "FP32", "\0",
         "../cut", "ü" * 300, "height", "x" * 70_000]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 64, 96, 2**31, 2**63 - 1, -(2**63)]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# What says that the server met something that it did not foresee.
DEFECTS = ("INTERNAL", "UNKNOWN")


class Fuzzer:
    """A server, and one client after the other that means harm."""

    def __init__(self, cut: Path, image: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        split = splittool.open(cut)
        self.tensors = len(split.report.split.tensors)
        tensors = split.head(splittool.RunOptions(precision="f32")).run(read_image(image))
        kinds = [(bits, codec) for bits in (1, 4, 8, 16) for codec in ("raw", "fast", "small")]
        self.frames = [
            split.link(splittool.LinkOptions(bits, codec)).encode(7, tensors)
            for bits, codec in kinds
        ]
        self.port, self.codes = free_port(), Counter[str]()
        self.problems: list[str] = []
        command = [*COMMAND, "serve", f"cut={cut}", "--port", str(self.port), "--queue", "8", "-q"]
        command += ["--precision", "f32", "--json"]
        # Its log grows with every refusal, and nobody reads it.
        self.server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        wait_for_port(self.port)
        self.channel = self._channel()
        self.expected = self._good_answer()

    def _channel(self) -> grpc.Channel:
        own = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", own)

    def call(self, method: str, message: bytes, seconds: float = 20) -> bytes:
        """Send any bytes as a message; what comes back, and the code in `codes`."""
        plain = self.channel.unary_unary(f"{SERVICE}{method}")
        try:
            answer: bytes = plain(message, timeout=seconds)
        except grpc.RpcError as error:
            code = error.code().name
            self.codes[code] += 1
            # gRPC itself says so of a message that is no protocol buffer.
            if code in DEFECTS and "DecodeError" not in str(error.details()):
                self.problems.append(f"{method}: {code}: {error.details()}"[:300])
            return b""
        self.codes["OK"] += 1
        return answer

    def _request(self, frame: bytes) -> Any:
        return make_request("cut", "", "7", Question(frame, *read_size(self.chance)))

    # Each of these is one attack.

    def damaged_frame(self) -> None:
        good, other = self.chance.choice(self.frames), self.chance.choice(self.frames)
        frame = damage(good, other, self.chance, self.tensors)
        self.call("ModelInfer", self._request(frame).SerializeToString())

    def damaged_message(self) -> None:
        """A request with some of its first bytes, where its fields are, or any others changed."""
        body = bytearray(self._request(self.chance.choice(self.frames)).SerializeToString())
        for _ in range(self.chance.choice([1, 1, 2, 4, 8, 32])):
            at = self.chance.randrange(min(len(body), self.chance.choice([60, len(body)])))
            kind = self.chance.randrange(4)
            if kind == 0:
                body[at] ^= 1 << self.chance.randrange(8)
            elif kind == 1:
                body[at] = self.chance.choice(INTERESTING)
            elif kind == 2:
                body[at:at] = self.chance.randbytes(self.chance.choice([1, 2, 9, 100]))
            else:
                del body[at : at + self.chance.choice([1, 2, 9])]
            if not body:
                break
        self.call(self.chance.choice(("ModelInfer", *METHODS)), bytes(body))

    def odd_request(self) -> None:
        """A request that is well formed and makes no sense."""
        pick, request = self.chance.choice, self._request(self.chance.choice(self.frames))
        for _ in range(pick([1, 2, 3])):
            kind = self.chance.randrange(8)
            if kind == 0:
                request.model_name, request.model_version = pick(TEXTS), pick(TEXTS)
            elif kind == 1:
                request.id = pick(TEXTS)
            elif kind == 2:
                for _ in range(pick([1, 2, 1000])):
                    request.inputs.add(
                        name=pick(TEXTS), datatype=pick(TEXTS), shape=[pick(NUMBERS)]
                    )
            elif kind == 3:
                request.inputs[0].shape[:] = [pick(NUMBERS) for _ in range(pick([0, 1, 4]))]
            elif kind == 4:
                name = pick(["height", "width", "threshold", *TEXTS[:10]])
                value = request.parameters[name]
                field = pick(["int64_param", "string_param", "bool_param", "double_param"])
                values = {
                    "int64_param": pick(NUMBERS),
                    "string_param": pick(TEXTS),
                    "bool_param": True,
                    "double_param": pick([0.5, float("nan"), 1e308]),
                }
                setattr(value, field, values[field])
            elif kind == 5:
                request.outputs.add(name=pick(TEXTS))
            elif kind == 6:
                request.raw_input_contents.append(self.chance.randbytes(pick([0, 3, 4, 5000])))
            else:
                del request.raw_input_contents[:]
                request.inputs[0].contents.bytes_contents.extend(
                    self.chance.randbytes(9) for _ in range(pick([0, 1, 2, 1000]))
                )
        self.call("ModelInfer", request.SerializeToString())

    def noise(self) -> None:
        """Bytes that are nothing, to any method; at times more than the server takes."""
        size = self.chance.choice([0, 1, 10, 1000, 100_000, 4_000_000])
        self.call(self.chance.choice(METHODS), self.chance.randbytes(size))

    def hung_up(self) -> None:
        """A caller that does not wait for the answer."""
        request = self._request(self.chance.choice(self.frames)).SerializeToString()
        self.call("ModelInfer", request, self.chance.choice([0.0005, 0.002, 0.01]))

    def raw_bytes(self) -> None:
        """A connection that speaks HTTP/2 badly, or not at all."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.settimeout(0.2)
            try:
                for part in self._http2():
                    connection.sendall(part)
                connection.recv(1000)
            except OSError:
                self.codes["connection ended"] += 1
            else:
                self.codes["connection answered"] += 1

    def _http2(self) -> list[bytes]:
        """The preface at times, then frames of random types, flags, streams and lengths."""
        parts = [PREFACE] if self.chance.random() < 0.8 else []
        for _ in range(self.chance.choice([1, 2, 5, 50])):
            body = self.chance.randbytes(self.chance.choice([0, 4, 5, 6, 8, 100, 3000]))
            said = len(body) if self.chance.random() < 0.8 else self.chance.randrange(1 << 24)
            stream = self.chance.choice([0, 1, 3, 5, 2**31 - 1])
            head = said.to_bytes(3, "big") + bytes(
                [self.chance.randrange(11), self.chance.randrange(256)]
            )
            parts.append(head + stream.to_bytes(4, "big") + body)
        return parts

    def attacks(self) -> list[Callable[[], None]]:
        return [
            *([self.damaged_frame] * 4), *([self.damaged_message] * 4), *([self.odd_request] * 4),
            self.noise, self.hung_up, self.raw_bytes,
        ]  # fmt: skip

    def _good_answer(self) -> bytes:
        request = make_request("cut", "", "7", Question(self.frames[0]))
        answer = self.call("ModelInfer", request.SerializeToString())
        return read_response(pb.ModelInferResponse.FromString(answer))

    def look(self) -> float:
        """Hold the server to what it must do whatever came before; its memory in MB."""
        if self.server.poll() is not None:
            raise RuntimeError(f"the server ended with {self.server.returncode}")
        health = health_pb2_grpc.HealthStub(self.channel)
        said = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        if said.status != health_pb2.HealthCheckResponse.SERVING:
            self.problems.append(f"health: {said.status}")
        if self._good_answer() != self.expected:
            self.problems.append("a good frame got another answer")
        found = re.search(r"VmRSS:\s+(\d+)", status_of(self.server))
        return int(found[1]) / 1024 if found else 0.0


def read_size(chance: random.Random) -> tuple[int | None, int | None]:
    """A size that may be asked for: mostly the network's own."""
    sizes = [(None, None), (None, None), (64, 96), (1, 1), (2**16, 2**16)]
    return chance.choice(sizes)


def fuzz(fuzzer: Fuzzer, minutes: float) -> dict[str, Any]:
    """Attack for so long, and look once a second."""
    began = looked = time.monotonic()
    done: Counter[str] = Counter()
    memory = [fuzzer.look()]
    settled = None
    while time.monotonic() < began + 60 * minutes:
        attack = fuzzer.chance.choice(fuzzer.attacks())
        attack()
        done[attack.__name__] += 1
        now = time.monotonic()
        if now > looked + 1:
            memory.append(fuzzer.look())
            looked = now
            if settled is None and now > began + min(60, 30 * minutes):
                settled = memory[-1]
    memory.append(fuzzer.look())
    return {
        "attacks": dict(done),
        "codes": dict(fuzzer.codes),
        "looks": len(memory),
        "problems": fuzzer.problems,
        "memory_mb": {
            "first": memory[0],
            "settled": settled,
            "last": memory[-1],
            "most": max(memory),
        },
        "seconds": time.monotonic() - began,
    }


def main() -> None:
    """Print what came of it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cut", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--growth", type=float, default=64, help="MB after the first minute")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    fuzzer = Fuzzer(arguments.cut, arguments.image, arguments.seed)
    try:
        report = fuzz(fuzzer, arguments.minutes)
    finally:
        fuzzer.channel.close()
        fuzzer.server.terminate()
        try:
            fuzzer.server.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            fuzzer.server.kill()
            fuzzer.problems.append("the server did not end when it was told to")
    report["exit"] = fuzzer.server.returncode
    memory = report["memory_mb"]
    grown = memory["last"] - (memory["settled"] or memory["first"])
    print(json.dumps(report, indent=2))
    sys.exit(bool(fuzzer.problems) or report["exit"] != 0 or grown > arguments.growth)


if __name__ == "__main__":
    main()
