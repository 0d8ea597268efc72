"""An edge and a server: each picture exactly one result, the right one, whatever happens."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trustme
from networks import F32
from PIL import Image

from splittool.data.images import list_images
from splittool.errors import DeviceError, FrameError, InputError, OutputError
from splittool.reports import SendReport
from splittool.serving.connection import Address
from splittool.serving.delivery import Policy
from splittool.serving.edge import SendOptions, send
from splittool.serving.models import Defaults, Place
from splittool.serving.security import Tls
from splittool.serving.server import Server, ServerOptions, embedded
from splittool.serving.sources import Source
from splittool.split.options import LinkOptions
from splittool.split.split_network import SplitNetwork

LINK = LinkOptions(bits=8)
OPTIONS = SendOptions(run=F32, link=LINK, policy=Policy(fallback="fail", patience=60))


@pytest.fixture(scope="module")
def split(cut_folder: Path) -> SplitNetwork:
    return SplitNetwork.open(cut_folder)


@pytest.fixture(scope="module")
def expected(split: SplitNetwork, steel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both halves in one process make of the images."""
    folder = tmp_path_factory.mktemp("expected")
    split.evaluate(str(steel / "train_images"), labels=False, folder=folder, options=F32, link=LINK)
    return folder


@pytest.fixture(scope="module")
def server(cut_folder: Path) -> Iterator[Server]:
    with embedded(places(cut_folder), ServerOptions(port=0, defaults=EXACT)) as found:
        yield found


EXACT = Defaults(precision="f32")
NOBODY = Address("127.0.0.1:1")


def places(cut_folder: Path) -> list[Place]:
    return [Place("cut", "1", cut_folder / "cut.json")]


def source(steel: Path) -> Source:
    return Source([str(steel / "train_images")])


def address(server: Server) -> Address:
    return Address(server.address)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()[1:]]


def check(folder: Path, expected: Path) -> None:
    """No frame lost, none twice, none wrong."""
    found = lines(folder)
    names = [path.stem for path in sorted((expected / "masks").iterdir())]
    assert [line["frame"] for line in found] == list(range(len(names)))
    assert (folder / "predictions.csv").read_bytes() == (expected / "predictions.csv").read_bytes()
    for name in names:
        ours, theirs = (Image.open(each / "masks" / f"{name}.png") for each in (folder, expected))
        assert np.array_equal(np.asarray(ours), np.asarray(theirs)), name


def test_masks_are_those_of_both_halves_in_one_process(
    server: Server, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path
) -> None:
    report = send(split, source(steel), address(server), tmp_path / "out", OPTIONS)
    check(tmp_path / "out", expected)
    assert report.by == {"server": 12}
    assert report.frames_by_bits == {"8": 12}
    assert report.retries == report.late == report.resumed_at == 0
    assert report.frame_bytes > report.answer_bytes > 0
    assert 0 < (report.share_of_slowest or 0) < 1.2


def test_a_run_that_is_complete_sends_nothing_again(
    server: Server, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path
) -> None:
    send(split, source(steel), address(server), tmp_path, OPTIONS)
    report = send(split, source(steel), NOBODY, tmp_path, OPTIONS_NAMED)
    assert (report.frames, report.resumed_at) == (12, 12)
    check(tmp_path, expected)


OPTIONS_NAMED = replace(OPTIONS, model="cut")


@pytest.mark.parametrize("kept", [1, 4, 12])
def test_a_killed_run_goes_on_where_it_was(
    server: Server, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path, kept: int
) -> None:
    send(split, source(steel), address(server), tmp_path, OPTIONS)
    journal = tmp_path / "results.jsonl"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[: 1 + kept]) + whole[-1][:20])  # the last line unfinished
    report = send(split, source(steel), address(server), tmp_path, OPTIONS)
    assert report.resumed_at == kept
    check(tmp_path, expected)


def test_results_of_others_are_not_mixed_in(
    server: Server, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    send(split, source(steel), address(server), tmp_path, OPTIONS)
    other = Source([str(list_images(steel / "train_images")[0])])
    with pytest.raises(OutputError, match="other pictures"):
        send(split, other, address(server), tmp_path, OPTIONS)
    report = send(split, other, address(server), tmp_path, replace(OPTIONS, fresh=True))
    assert report.frames == 1


def test_a_damaged_journal_is_named(
    server: Server, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    send(split, source(steel), address(server), tmp_path, OPTIONS)
    journal = tmp_path / "results.jsonl"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*whole[:3], *whole[4:]]))
    with pytest.raises(InputError, match="lacks frames"):
        send(split, source(steel), address(server), tmp_path, OPTIONS)


def test_a_server_that_is_not_there_ends_in_time(
    split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    policy = Policy(fallback="fail", patience=0.5)
    began = time.monotonic()
    with pytest.raises(DeviceError, match="no answer to frame 0"):
        send(split, source(steel), NOBODY, tmp_path, replace(OPTIONS, policy=policy))
    assert time.monotonic() - began < 20


def test_the_edge_can_do_it_alone_and_says_so(
    split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    policy = Policy(fallback="edge", patience=0.2)
    options = replace(OPTIONS, policy=policy)
    report = send(split, source(steel), NOBODY, tmp_path / "edge", options)
    assert report.by == {"edge": 12}
    assert {line["how"] for line in lines(tmp_path / "edge")} == {"edge"}
    assert report.frame_bytes == 0


def test_late_frames_are_counted_and_dropped_only_when_asked(
    server: Server, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path
) -> None:
    policy = Policy(fallback="fail", deadline=1e-6)
    report = send(split, source(steel), address(server), tmp_path / "late",
                  replace(OPTIONS, policy=policy))  # fmt: skip
    assert (report.late, report.by) == (12, {"server": 12})
    check(tmp_path / "late", expected)
    policy = Policy(fallback="fail", deadline=1e-6, drop_late=True)
    report = send(split, source(steel), address(server), tmp_path / "dropped",
                  replace(OPTIONS, policy=policy))  # fmt: skip
    assert (report.late, report.by) == (12, {"dropped": 12})
    assert not list((tmp_path / "dropped" / "masks").iterdir())


def test_the_wrong_cut_is_refused_for_good(
    split: SplitNetwork, exported: Path, steel: Path, tmp_path: Path
) -> None:
    from networks import write_cut

    write_cut(exported, ["maxpool_1"], tmp_path / "other", 1e-3)
    with (
        embedded([Place("cut", "1", tmp_path / "other/cut.json")], ServerOptions(port=0)) as server,
        pytest.raises(FrameError, match="of another cut"),
    ):
        send(split, source(steel), address(server), tmp_path / "out", OPTIONS)


def test_a_frame_over_the_servers_limit_is_refused_for_good(
    cut_folder: Path, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    options = ServerOptions(port=0, max_message=1000)
    with (
        embedded(places(cut_folder), options) as server,
        pytest.raises(InputError, match="no frames as large"),
    ):
        send(split, source(steel), address(server), tmp_path / "out", OPTIONS)


def test_a_slow_and_a_full_server_lose_nothing(
    cut_folder: Path, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    options = ServerOptions(port=0, queue=1, defaults=Defaults(precision="f32", workers=1))
    policy = Policy(fallback="wait", timeout=0.15)
    with embedded(places(cut_folder), options) as server:
        tail = server.repository.find("cut").tail
        run = tail.run
        monkeypatch.setattr(tail, "run", lambda tensors: (time.sleep(0.2), run(tensors))[1])
        report = send(split, source(steel), address(server), tmp_path,
                      replace(OPTIONS, policy=policy))  # fmt: skip
        assert server.observer.codes["RESOURCE_EXHAUSTED"] > 0
    check(tmp_path, expected)
    assert report.retries > 0


def test_a_server_that_restarts_is_waited_for(
    cut_folder: Path, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path
) -> None:
    with embedded(places(cut_folder), ServerOptions(port=0)) as first:
        port = int(first.address.rpartition(":")[2])
    failures: list[BaseException] = []

    def work() -> None:
        try:
            policy = Policy(fallback="wait")
            send(split, source(steel), Address(f"127.0.0.1:{port}"), tmp_path,
                 replace(OPTIONS_NAMED, policy=policy))  # fmt: skip
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    with embedded(places(cut_folder), ServerOptions(port=port, defaults=EXACT)):
        thread.join(60)
    assert not failures
    check(tmp_path, expected)


@contextmanager
def relayed(server: Server, *options: str) -> Iterator[tuple[Address, subprocess.Popen[str]]]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "splittool", "relay", server.address, "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        found = re.search(r"127.0.0.1:\d+", process.stderr.readline())
        assert found
        try:
            yield Address(found[0]), process
        finally:
            process.terminate()
            process.wait()


def test_damage_and_broken_connections_lose_nothing(
    server: Server, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path
) -> None:
    faults = ("--rate", "2Mbps", "--delay", "2ms", "--jitter", "1ms", "--corrupt", "30",
              "--drop-connections", "0.95", "--seed", "3")  # fmt: skip
    with relayed(server, *faults) as (there, process):
        policy = Policy(fallback="wait", timeout=5)
        report = send(split, source(steel), there, tmp_path, replace(OPTIONS_NAMED, policy=policy))
        process.terminate()
        counts = json.loads(process.communicate()[0])
        assert process.returncode == 0
    check(tmp_path, expected)
    assert counts["dropped"] + counts["corrupted"] > 0
    assert report.retries > 0


def test_bits_follow_the_link(
    server: Server, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    many = Source([str(steel / "train_images")] * 6)
    with relayed(server, "--rate", "1Mbps") as (there, _):
        options = replace(OPTIONS_NAMED, link=LinkOptions(), target_fps=15)
        report = send(split, many, there, tmp_path, options)
    assert report.by == {"server": 72}
    assert len(report.frames_by_bits) > 1
    assert "8" in report.frames_by_bits


def test_tls_both_ways_and_a_token(
    cut_folder: Path, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path
) -> None:
    good, other = trustme.CA(), trustme.CA()
    tls = {name: files(tmp_path / name, ca) for name, ca in (("good", good), ("other", other))}
    options = ServerOptions(port=0, tls=tls["good"], token="t" * 32, defaults=EXACT)
    with embedded(places(cut_folder), options) as server:
        there = Address(server.address, tls["good"], "t" * 32)
        send(split, source(steel), there, tmp_path / "out", OPTIONS)
        check(tmp_path / "out", expected)
        for wrong, message in (
            (replace(there, token="x" * 32), "token is missing or wrong"),
            (replace(there, token=None), "token is missing or wrong"),
            (replace(there, tls=tls["other"]), "do not trust each other"),
        ):
            with pytest.raises(DeviceError, match=message):
                send(split, source(steel), wrong, tmp_path / "refused", OPTIONS)


def test_an_expired_certificate_is_named(
    cut_folder: Path, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    tls = files(tmp_path / "old", trustme.CA(), datetime(2020, 1, 1, tzinfo=UTC))
    server_tls = replace(tls, authority=None)
    with embedded(places(cut_folder), ServerOptions(port=0, tls=server_tls)) as server:
        there = Address(server.address, Tls(authority=tls.authority))
        with pytest.raises(DeviceError, match="check certificates and their dates"):
            send(split, source(steel), there, tmp_path / "out", OPTIONS)


def files(folder: Path, authority: trustme.CA, until: object = None) -> Tls:
    """A certificate for this machine, its key, and who signed it."""
    folder.mkdir()
    found = Tls(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    issued = authority.issue_cert("127.0.0.1", not_after=until)  # type: ignore[arg-type]
    issued.cert_chain_pems[0].write_to_path(str(found.certificate))
    issued.private_key_pem.write_to_path(str(found.key))
    authority.cert_pem.write_to_path(str(found.authority))
    return found


def test_a_full_disk_keeps_what_there_is(
    server: Server, split: SplitNetwork, steel: Path, expected: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from splittool import journal

    real, calls = os.fdatasync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(journal.os, "fdatasync", full)
    with pytest.raises(OutputError, match="free some space"):
        send(split, source(steel), address(server), tmp_path, OPTIONS)
    assert len(lines(tmp_path)) == 3
    report = send(split, source(steel), address(server), tmp_path, OPTIONS)
    assert report.resumed_at == 3
    check(tmp_path, expected)


def test_two_processes_with_signals(
    cut_folder: Path, steel: Path, expected: Path, tmp_path: Path
) -> None:
    """The commands: a server killed and started again, an edge killed and started again."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    start = [sys.executable, "-m", "splittool"]
    shutil.copytree(cut_folder, tmp_path / "cut")
    serve = [*start, "serve", "cut", "--precision", "f32", "--port"]
    edge = [*start, "send", "cut/cut.json", str(steel / "train_images"), "-o", "out", "--bits", "8",
            "--precision", "f32", "--window", "1", "--server"]  # fmt: skip

    def run(command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    first = run([*serve, "0"])
    port = read_port(first)
    sender = run([*edge, f"grpc://127.0.0.1:{port}"])
    wait_for(lambda: (tmp_path / "out/results.jsonl").exists() and len(lines(tmp_path / "out")) > 2)
    for process in (sender, first):
        process.kill()
        process.communicate()
    assert 2 < len(lines(tmp_path / "out")) <= 12
    sender = run([*edge, f"grpc://127.0.0.1:{port}"])
    second = run([*serve, str(port)])
    out, error = sender.communicate(timeout=120)
    assert sender.returncode == 0, error
    assert json.loads(out)["frames"] == 12
    check(tmp_path / "out", expected)
    second.send_signal(signal.SIGTERM)
    out, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert json.loads(out)["schema"] == "splittool.serve/1"


def read_port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("listening on"):
            return int(line.rpartition(":")[2])
    raise AssertionError("the server did not start")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_report_shows_itself(
    server: Server, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    report = send(split, source(steel), address(server), tmp_path, OPTIONS)
    assert isinstance(report, SendReport)
    assert len(list(report.tables())) == 2
