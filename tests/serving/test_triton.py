"""A cut in an unmodified Triton: the same answers, through the client of `splittool send`."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import triton_server
import tritonclient.grpc as triton
from networks import F32
from PIL import Image

from splittool.data.images import list_images, read_image
from splittool.network.network import Network
from splittool.serving.answer import Subject, decode_answer
from splittool.serving.connection import Address
from splittool.serving.delivery import Policy
from splittool.serving.edge import SendOptions, send
from splittool.serving.sources import Source
from splittool.serving.triton_repository import TritonOptions, export_triton
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.split_network import SplitNetwork

pytestmark = pytest.mark.skipif(
    triton_server.why_not() is not None, reason=str(triton_server.why_not())
)
LINK = LinkOptions(bits=8)


@pytest.fixture(scope="module")
def server(cut_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Triton that has the tiny cut, called `cut`."""
    folder = tmp_path_factory.mktemp("triton")
    options = TritonOptions(instances=2, precision="f32")
    export_triton(f"cut={cut_folder}", folder / "models", options)
    with triton_server.running(folder / "models", folder) as address:
        yield address


@pytest.fixture(scope="module")
def split(cut_folder: Path) -> SplitNetwork:
    return SplitNetwork.open(cut_folder)


@pytest.fixture(scope="module")
def frame(split: SplitNetwork, steel: Path) -> bytes:
    pixels = read_image(list_images(steel / "train_images")[0])
    return split.link(LINK).encode(5, split.head(F32).run(pixels))


def ask(server: str, frame: bytes, *outputs: str, **parameters: Any) -> Any:
    """As any client of the protocol would."""
    tensor = triton.InferInput("frame", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([frame], dtype=object))
    wanted = [triton.InferRequestedOutput(name) for name in outputs] or None
    with triton.InferenceServerClient(server) as client:
        return client.infer("cut", [tensor], outputs=wanted, parameters=parameters or None)


def test_send_gets_the_masks_of_both_halves_in_one_process(
    server: str, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    images, expected, found = steel / "train_images", tmp_path / "expected", tmp_path / "found"
    split.evaluate(str(images), labels=False, folder=expected, options=F32, link=LINK)
    options = SendOptions(run=F32, link=LINK, policy=Policy(fallback="fail", patience=60))
    report = send(split, Source([str(images)]), Address(server), found, options)
    assert report.by == {"server": 12}
    assert (found / "predictions.csv").read_bytes() == (expected / "predictions.csv").read_bytes()
    for path in sorted((expected / "masks").iterdir()):
        ours, theirs = Image.open(found / "masks" / path.name), Image.open(path)
        assert np.array_equal(np.asarray(ours), np.asarray(theirs)), path.name


def test_a_triton_that_is_restarted_loses_nothing(
    cut_folder: Path, split: SplitNetwork, steel: Path, tmp_path: Path
) -> None:
    images, found = [str(steel / "train_images")] * 5, tmp_path / "found"
    export_triton(f"cut={cut_folder}", tmp_path / "models", TritonOptions(precision="f32"))
    options = SendOptions(run=F32, link=LINK, policy=Policy(fallback="wait"), model="cut")
    with ThreadPoolExecutor(1) as pool:
        with triton_server.running(tmp_path / "models", tmp_path) as address:
            sent = pool.submit(send, split, Source(images), Address(address), found, options)
            while not sent.done() and answered(found) < 3:
                time.sleep(0.05)
        assert not sent.done()
        port = int(address.rpartition(":")[2])
        with triton_server.running(tmp_path / "models", tmp_path, port):
            report = sent.result()
    assert report.by == {"server": 60}
    assert answered(found) == 60


def answered(folder: Path) -> int:
    """Lines of results so far, the heading left out."""
    journal = folder / "results.jsonl"
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def test_a_tail_in_onnx_is_asked_from_another_model(
    checkpoint: Path, steel: Path, tmp_path: Path
) -> None:
    """The wheel has no ONNX Runtime backend: a model in Python takes its place, ports unchanged."""
    cut, models = tmp_path / "cut", tmp_path / "models"
    network = Network.load(checkpoint).in_onnx()
    split = network.cut("maxpool_2").write(cut, 1e-3, form="onnx")
    export_triton(f"cut={cut}", models)
    config = models / "cut-tail" / "config.pbtxt"
    config.write_text(config.read_text().replace('"onnxruntime"', '"python"'))
    (models / "cut-tail" / "1" / "model.py").write_text(STAND_IN)
    images, expected, found = steel / "train_images", tmp_path / "expected", tmp_path / "found"
    split.evaluate(str(images), labels=False, folder=expected, options=ONNX, link=LINK)
    with triton_server.running(models, tmp_path) as address:
        policy = Policy(fallback="fail", patience=60)
        options = SendOptions(run=ONNX, link=LINK, policy=policy)
        send(split, Source([str(images)]), Address(address), found, options)
    assert (found / "predictions.csv").read_bytes() == (expected / "predictions.csv").read_bytes()


ONNX = RunOptions(runtime="onnxruntime")
STAND_IN = """
from pathlib import Path
import triton_python_backend_utils as triton
from splittool.runtime.onnx_runtime import OnnxSession

class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        self.session = OnnxSession(folder / "model.onnx")

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        names = [port.name for port in self.session.inputs]
        given = [triton.get_input_tensor_by_name(request, name).as_numpy() for name in names]
        (maps,) = self.session.run(given)
        return triton.InferenceResponse([triton.Tensor(self.session.outputs[0].name, maps)])
"""


def test_the_answer_is_that_of_the_question(server: str, split: SplitNetwork, frame: bytes) -> None:
    answer = ask(server, frame, "masks", height=30, width=50, threshold="0.25").as_numpy("masks")[0]
    about = Subject(split.link(LINK).cut_id, 5, 30, 50, 0.25, 4)
    assert decode_answer(answer, about).masks.shape == (4, 30, 50)


def test_who_asks_for_nothing_gets_masks_and_who_asks_gets_probabilities(
    server: str, split: SplitNetwork, steel: Path, frame: bytes
) -> None:
    assert [output.name for output in ask(server, frame).get_response().outputs] == ["masks"]
    found = ask(server, frame, "probabilities").as_numpy("probabilities")
    pixels = read_image(list_images(steel / "train_images")[0])
    expected = split.runner(F32, LINK).run(pixels).probabilities
    assert np.array_equal(found[0], expected)


@pytest.mark.parametrize(
    ("change", "parameters", "status", "text"),
    [
        (lambda frame: b"x" * 100, {}, "INVALID_ARGUMENT", "not a splittool frame"),
        (lambda frame: frame[:-1] + b"x", {}, "UNAVAILABLE", "its checksum differs"),
        (lambda frame: frame, {"height": -1}, "INVALID_ARGUMENT", "'height' is not a whole"),
        (lambda frame: frame, {"height": 10**9}, "INVALID_ARGUMENT", "larger than the network's"),
        (lambda frame: frame, {"threshold": "x"}, "INVALID_ARGUMENT", "is not a number"),
    ],
)
def test_what_it_refuses(
    server: str, frame: bytes, change: Any, parameters: dict[str, Any], status: str, text: str
) -> None:
    with pytest.raises(triton.InferenceServerException, match=text) as caught:
        ask(server, change(frame), **parameters)
    assert caught.value.status() == f"StatusCode.{status}"
