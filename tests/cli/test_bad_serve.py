"""What can be wrong with serve, send, relay and repositories: one line, the right exit code."""

from pathlib import Path

import pytest

from splittool.cli.main import run
from splittool.errors import ExitCode

BAD, USAGE, DEVICE, FAILED = (
    ExitCode.BAD_INPUT,
    ExitCode.USAGE,
    ExitCode.NO_DEVICE,
    ExitCode.FAILED,
)
SEND = "send cut/cut.json steel/train_images"

CASES = [
    ("serve missing/cut.json", BAD, "there is no file missing/cut.json"),
    ("serve name=steel", BAD, "there is no file steel/cut.json"),
    ("serve steel/train.csv", BAD, "steel/train.csv is not JSON"),
    ("serve cut cut", USAGE, "are both version 1 of cut"),
    ("serve cut --host 0.0.0.0", USAGE, "--tls-cert"),
    ("serve cut --host 0.0.0.0 --token-file token", USAGE, "--insecure"),
    ("serve cut --host example.org", USAGE, "is open to other machines"),
    ("serve cut --tls-cert cert.pem", USAGE, "--tls-key"),
    ("serve cut --tls-client-ca cert.pem", USAGE, "--tls-cert and --tls-key"),
    ("serve cut --tls-cert no.pem --tls-key no.pem", BAD, "there is no file no.pem"),
    ("serve cut --tls-cert token --tls-key token", BAD, "token or its key is not usable"),
    ("serve cut --token-file no", BAD, "there is no file no"),
    ("serve cut --token-file short", BAD, "short holds no token of 16 or more"),
    ("serve cut --max-message-mb 0", USAGE, "--max-message-mb 0 is out of range"),
    ("serve cut --precision f8", USAGE, "unknown precision 'f8'"),
    ("serve cut --port 65536", USAGE, "65536"),
    ("serve cut --queue 0", USAGE, "0"),
    (f"{SEND} --server localhost:8001", USAGE, "grpc://HOST:PORT"),
    (f"{SEND} --server grpc://localhost", USAGE, "grpc://HOST:PORT"),
    (f"{SEND} --server http://localhost:1", USAGE, "grpc://HOST:PORT"),
    (f"{SEND} --server grpc://localhost:99999", USAGE, "grpc://HOST:PORT"),
    (f"{SEND} --server grpc://example.org:1 --token-file token", USAGE, "in the clear"),
    (f"{SEND} --server grpc://localhost:1 --tls-ca cert.pem", BAD, "cert.pem or its key"),
    (f"{SEND} --server grpcs://localhost:1 --tls-ca no.pem", BAD, "there is no file no.pem"),
    (f"{SEND} --server grpc://127.0.0.1:1 --fallback fail --patience 0", DEVICE, "no answer"),
    (f"{SEND} --deadline 0", USAGE, "--deadline 0 is out of range"),
    (f"{SEND} --timeout -1", USAGE, "--timeout -1 is out of range"),
    (f"{SEND} --target-fps 0", USAGE, "--target-fps 0 is out of range"),
    (f"{SEND} --target-fps 5 --bits 4", USAGE, "leave out --bits"),
    (f"{SEND} --drop-late", USAGE, "give --deadline"),
    (f"{SEND} --bits 17", USAGE, "17"),
    (f"{SEND} --codec best", USAGE, "best"),
    ("send cut/cut.json missing", BAD, "there is no file or folder missing"),
    ("send unet.xml steel/train_images", BAD, "unet.xml is not JSON"),
    ("send cut/cut.json steel/train_images film.mp4", USAGE, "is a stream of pictures"),
    ("send cut/cut.json film.mp4 --model cut", BAD, "film.mp4"),
    ("export cut --target triton --size 64x96", USAGE, "--size is for networks, not for cuts"),
    (
        "export cut --target triton --precision f16",
        USAGE,
        "--precision is for networks, not for cuts",
    ),
    ("export cut --target triton --instances 0", USAGE, "0"),
    ("export missing --target triton", BAD, "there is no file missing"),
    ("export unet.xml --target triton", BAD, "unet.xml is not JSON"),
    ("export cut --target triton -o unet.xml", FAILED, "unet.xml"),
    ("export cut --target ovms", BAD, "is not baked"),
    ("export cut/cut.json", BAD, "a cut is exported with --target triton or ovms"),
    ("export cut --target ovms --queue 2", USAGE, "--queue is for --target triton"),
    (
        "export cut --target ovms --blob-shaves 2",
        USAGE,
        "--blob-shaves is for networks, not for cuts",
    ),
    ("export unet.pt --instances 2", USAGE, "--instances is for --target triton"),
    ("relay nowhere", USAGE, "nowhere is not HOST:PORT"),
    ("relay localhost:0", USAGE, "is not HOST:PORT"),
    ("relay localhost:8001 --rate fast", USAGE, "--rate 'fast' is not a known link"),
    ("relay localhost:8001 --delay 10", USAGE, "--delay '10' is not a time"),
    ("relay localhost:8001 --drop-connections 2", USAGE, "2"),
]


@pytest.mark.parametrize(("command", "code", "text"), CASES, ids=[case[0] for case in CASES])
def test_bad_input(
    workspace: Path, capsys: pytest.CaptureFixture[str], command: str, code: int, text: str
) -> None:
    (workspace / "token").write_text("0123456789abcdef\n")
    (workspace / "short").write_text("secret\n")
    (workspace / "cert.pem").write_text("not a certificate\n")
    assert run(command.split()) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("splittool: ")
    assert error.count("\n") == 1
    assert text in error
    assert "Traceback" not in error
