"""A server in this process, asked through the published client of the protocol."""

import json
import logging
import shutil
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from networks import F32, write_cut

from splittool.data.images import list_images, read_image
from splittool.errors import DeviceError, InputError, UsageError
from splittool.serving.answer import Subject, decode_answer
from splittool.serving.models import Defaults, Place
from splittool.serving.observation import JsonLines
from splittool.serving.protocol import make_request
from splittool.serving.question import Question
from splittool.serving.server import Server, ServerOptions, embedded
from splittool.split.link import Link
from splittool.split.options import LinkOptions
from splittool.split.segmentation import segment
from splittool.split.split_network import SplitNetwork

THRESHOLD = 0.5
EXACT = Defaults(precision="f32")


@pytest.fixture(scope="module")
def split(cut_folder: Path) -> SplitNetwork:
    return SplitNetwork.open(cut_folder)


@pytest.fixture(scope="module")
def frames(split: SplitNetwork, steel: Path) -> list[bytes]:
    """One frame for each of the images, numbered from 0."""
    head, link = split.head(F32), split.link(LinkOptions(bits=8))
    images = map(read_image, list_images(steel / "train_images"))
    return [link.encode(number, head.run(image)) for number, image in enumerate(images)]


def infer(server: Server, frame: bytes, *outputs: str, **parameters: Any) -> Any:
    """Ask as any client of the protocol would."""
    tensor = triton.InferInput("frame", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([frame], dtype=object))
    wanted = [triton.InferRequestedOutput(name) for name in outputs] or None
    with triton.InferenceServerClient(server.address) as client:
        return client.infer("cut", [tensor], outputs=wanted, parameters=parameters or None)


def refused(server: Server, frame: bytes, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(triton.InferenceServerException) as caught:
        infer(server, frame, **parameters)
    return caught.value.status(), caught.value.message()


def test_masks_are_those_of_both_halves_in_one_process(
    server: Server, split: SplitNetwork, steel: Path, frames: list[bytes]
) -> None:
    runner = split.runner(link=LinkOptions(bits=8))
    for number, (frame, path) in enumerate(
        zip(frames, list_images(steel / "train_images"), strict=True)
    ):
        answer = infer(server, frame).as_numpy("masks")[0]
        about = Subject(split.link().cut_id, number, 64, 96, THRESHOLD, 4)
        found = decode_answer(answer, about)
        expected = runner.run(read_image(path)).probabilities
        wanted = segment(expected, split.canvas(), 64, 96, THRESHOLD)
        assert np.array_equal(found.masks, wanted.masks)
        assert np.array_equal(found.labels, wanted.labels)


def test_probabilities_are_there_for_those_who_ask(server: Server, frames: list[bytes]) -> None:
    found = infer(server, frames[0], "probabilities", height=30, width=50)
    assert found.as_numpy("probabilities").shape == (1, 4, 30, 50)


def test_a_client_may_ask_for_another_size_and_threshold(
    server: Server, split: SplitNetwork, frames: list[bytes]
) -> None:
    answer = infer(server, frames[0], height=33, width=47, threshold="0.25").as_numpy("masks")[0]
    about = Subject(split.link().cut_id, 0, 33, 47, 0.25, 4)
    assert decode_answer(answer, about).masks.shape == (4, 33, 47)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"height": 65}, "larger than the network's"),
        ({"height": 0}, "not a whole number above 0"),
        ({"height": "many"}, "not a whole number above 0"),
        ({"threshold": "much"}, "not a number"),
        ({"threshold": "nan"}, "not a number"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    server: Server, frames: list[bytes], parameters: dict[str, Any], text: str
) -> None:
    code, message = refused(server, frames[0], **parameters)
    assert code == "StatusCode.INVALID_ARGUMENT"
    assert text in message


def test_damaged_and_foreign_frames_are_refused_by_name(
    server: Server, frames: list[bytes], exported: Path, tmp_path: Path, steel: Path
) -> None:
    damaged = bytearray(frames[0])
    damaged[100] ^= 1
    assert "damaged on its way" in refused(server, bytes(damaged))[1]
    assert "not a splittool frame" in refused(server, b"hello")[1]
    assert "not a splittool frame" in refused(server, b"")[1]
    foreign = bytearray(frames[0])
    foreign[8] ^= 1
    code, message = refused(server, bytes(foreign))
    assert code == "StatusCode.FAILED_PRECONDITION"
    assert "another cut" in message


def test_a_message_over_the_limit_is_refused(server: Server) -> None:
    code, message = refused(server, bytes(2_000_000))
    assert code == "StatusCode.RESOURCE_EXHAUSTED"
    assert "larger than max" in message


def test_models_and_versions(exported: Path, cut_folder: Path, tmp_path: Path) -> None:
    write_cut(exported, ["maxpool_1"], tmp_path / "early", 1e-3)
    shutil.copytree(cut_folder, tmp_path / "unet" / "2")
    shutil.copytree(cut_folder, tmp_path / "unet" / "10")
    texts = [str(tmp_path / "early"), str(tmp_path / "unet/2"), str(tmp_path / "unet/10/cut.json")]
    places = [*map(Place.parse, texts), Place.parse(f"mine:3={cut_folder}")]
    with (
        embedded(places, ServerOptions(port=0)) as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("early")
        assert client.is_model_ready("mine", "3")
        assert not client.is_model_ready("mine", "1")
        assert not client.is_model_ready("other")
        assert client.get_server_metadata().name == "splittool"
        found = client.get_model_metadata("unet")
        assert list(found.versions) == ["2", "10"]
        assert [tensor.datatype for tensor in found.inputs] == ["BYTES"]
        index = client.get_model_repository_index().models
        assert {(m.name, m.version) for m in index} == {
            ("early", "1"), ("unet", "2"), ("unet", "10"), ("mine", "3")
        }  # fmt: skip
        assert server.repository.find("unet").place.version == "10"
        with pytest.raises(triton.InferenceServerException, match="there is: early, mine, unet"):
            client.get_model_metadata("other")


def test_two_cuts_of_one_name_are_refused(cut_folder: Path) -> None:
    places = [Place("x", "1", cut_folder / "cut.json")] * 2
    with pytest.raises(UsageError, match="both version 1 of x"):
        Server(places, ServerOptions())


def test_a_cut_that_changes_is_loaded_again(
    exported: Path, cut_folder: Path, tmp_path: Path, frames: list[bytes]
) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(cut_folder, folder)
    options = ServerOptions(port=0, reload_seconds=0.1)
    with embedded([Place.parse(str(folder))], options) as server:
        infer(server, frames[0])
        before = (folder / "cut.json").read_bytes()
        (folder / "cut.json").write_text("{}")
        time.sleep(0.5)
        infer(server, frames[0])  # the old one answers while the new one is damaged
        (folder / "cut.json").write_bytes(before + b"\n")
        deadline = time.monotonic() + 20
        while refused_or_ok(server, frames[0]) == "OK" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert refused(server, frames[0])[0] == "StatusCode.FAILED_PRECONDITION"


def refused_or_ok(server: Server, frame: bytes) -> str:
    try:
        infer(server, frame)
        return "OK"
    except triton.InferenceServerException as error:
        return str(error.status())


def test_a_full_server_says_so_and_goes_on(
    cut_folder: Path, frames: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [Place("cut", "1", cut_folder / "cut.json")]
    with embedded(places, ServerOptions(port=0, queue=2)) as server:
        tail = server.repository.find("cut").tail
        run = tail.run
        monkeypatch.setattr(tail, "run", lambda tensors: (time.sleep(0.3), run(tensors))[1])
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: refused_or_ok(server, frames[0]), range(8)))
        assert set(found) == {"OK", "StatusCode.RESOURCE_EXHAUSTED"}
        assert found.count("OK") >= 2
        monkeypatch.undo()
        assert refused_or_ok(server, frames[0]) == "OK"


def test_a_defect_is_told_as_internal_and_without_details(
    cut_folder: Path, frames: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tensors: object) -> None:
        raise ZeroDivisionError("secret path")

    places = [Place("cut", "1", cut_folder / "cut.json")]
    with embedded(places, ServerOptions(port=0)) as server:
        monkeypatch.setattr(server.repository.find("cut").tail, "run", broken)
        code, message = refused(server, frames[0])
        assert code == "StatusCode.INTERNAL"
        assert "secret" not in message
        monkeypatch.undo()
        assert refused_or_ok(server, frames[0]) == "OK"


def test_frames_in_hand_are_answered_before_the_end(
    cut_folder: Path, frames: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [Place("cut", "1", cut_folder / "cut.json")]
    with ThreadPoolExecutor(4) as pool:
        with embedded(places, ServerOptions(port=0)) as server:
            tail = server.repository.find("cut").tail
            run = tail.run
            monkeypatch.setattr(tail, "run", lambda tensors: (time.sleep(0.3), run(tensors))[1])
            waiting = [pool.submit(refused_or_ok, server, frames[0]) for _ in range(4)]
            time.sleep(0.2)
        assert [each.result() for each in waiting] == ["OK"] * 4
    with pytest.raises(triton.InferenceServerException):
        infer(server, frames[0])


def test_health_is_there_for_orchestrators(server: Server) -> None:
    with grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest()).status == 1


def test_metrics(cut_folder: Path, frames: list[bytes]) -> None:
    places = [Place("cut", "1", cut_folder / "cut.json")]
    port = free_port()
    with embedded(places, ServerOptions(port=0, metrics_port=port)) as server:
        infer(server, frames[0])
        refused(server, b"")
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert 'splittool_requests_total{code="OK",model="cut"} 1.0' in text
    assert 'splittool_requests_total{code="INVALID_ARGUMENT",model="cut"} 1.0' in text
    assert f'splittool_bytes_total{{direction="in",model="cut"}} {float(len(frames[0]))}' in text
    assert 'splittool_stage_seconds_count{model="cut",stage="tail"} 1.0' in text


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_log_is_json_whatever_clients_send(
    server: Server, frames: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "splittool.serving"):
        with triton.InferenceServerClient(server.address) as client:
            tensor = triton.InferInput("frame", [1], "BYTES")
            tensor.set_data_from_numpy(np.array([b"x\n\x1b"], dtype=object))
            with pytest.raises(triton.InferenceServerException):
                client.infer("cut", [tensor], request_id='a"\n\x1b[2J' + "b" * 100)
        deadline = time.monotonic() + 5
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
    line = JsonLines().format(caplog.records[-1])
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["code"] == "INVALID_ARGUMENT"
    assert len(json.loads(line)["id"]) == 64


def test_a_taken_port_is_an_error(server: Server, cut_folder: Path) -> None:
    port = int(server.address.rpartition(":")[2])
    places = [Place("cut", "1", cut_folder / "cut.json")]
    with (
        pytest.raises(DeviceError, match="choose another `port`"),
        embedded(places, ServerOptions(port=port)),
    ):
        pass


def test_a_place_must_be_a_cut(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        Place.parse(f"name={tmp_path}")


def test_predicted_frames_need_a_history_that_a_server_does_not_keep(
    server: Server, split: SplitNetwork, steel: Path
) -> None:
    whole = split.link(LinkOptions(bits=8))
    link = Link(whole.cut_id, whole.specs, whole.sendings, key_interval=5)
    head = split.head(F32)
    image = read_image(list_images(steel / "train_images")[0])
    first, second = (link.encode(number, head.run(image)) for number in range(2))
    assert infer(server, first)
    if len(second) < len(first):
        assert "send one that stands alone" in refused(server, second)[1]


def test_a_request_is_what_the_published_client_makes() -> None:
    ours = make_request("cut", "", "7", Question(b"frame", 3, 4, 0.25, "masks"))
    assert ours.inputs[0].shape == [1]
    assert ours.raw_input_contents[0] == b"\x05\x00\x00\x00frame"
