"""Networks of TensorFlow and Paddle, read by OpenVINO's front ends."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorflow_networks import frozen_graph, saved_model

from splittool.errors import InputError
from splittool.graph.halves import random_input, run_in_f32
from splittool.graph.reading import load_model
from splittool.network.network import Network
from splittool.reports import FileRecord
from splittool.split.split_network import SplitNetwork

GOLDEN = Path(__file__).parent / "golden"


def _paddle(folder: Path) -> Path:
    for suffix in (".pdmodel", ".pdiparams"):
        shutil.copy(GOLDEN / f"two_levels{suffix}", folder)
    return folder / "two_levels.pdmodel"


def _with_variables(folder: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "with_variables", folder / "net"))


MAKERS: dict[str, Callable[[Path], Path]] = {
    "frozen graph": lambda folder: frozen_graph(folder / "net.pb"),
    "SavedModel": lambda folder: saved_model(folder / "net"),
    "SavedModel with variables": _with_variables,
    "Paddle": _paddle,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_another_tools_network_is_listed_and_cut(kind: str, tmp_path: Path) -> None:
    network = Network.load(MAKERS[kind](tmp_path))
    assert len(network.cuts(every=True).splits) >= 8
    pooled = [op.name for op in network.graph.operations if op.type == "MaxPool"]
    split = network.cut(*pooled).write(tmp_path / "cut")
    assert len(split.report.split.tensors) == 2  # the skip connection nobody named
    assert SplitNetwork.open(tmp_path / "cut").report.source == network.record


@pytest.mark.parametrize("kind", MAKERS)
def test_names_are_the_same_at_every_reading(kind: str, tmp_path: Path) -> None:
    path = MAKERS[kind](tmp_path)
    first, second = (list(Network.load(path).graph.by_name) for _ in range(2))
    assert first == second


def test_a_saved_model_computes_what_its_graph_does(tmp_path: Path) -> None:
    models = [
        load_model(frozen_graph(tmp_path / "net.pb")),
        load_model(saved_model(tmp_path / "net")),
    ]
    (pixels,) = random_input(models[0]).values()
    one, other = (run_in_f32(model, [pixels])[0] for model in models)
    assert one.shape == (1, 16, 16, 2)
    assert one.std() > 0.01
    assert np.array_equal(one, other)


def test_variables_of_a_saved_model_are_read(tmp_path: Path) -> None:
    """The golden output is TensorFlow's."""
    path = _with_variables(tmp_path)
    pixels = np.linspace(-1, 1, 3 * 16 * 16, dtype=np.float32).reshape(1, 16, 16, 3)
    expected = np.load(GOLDEN / "with_variables.npy")
    (maps,) = run_in_f32(load_model(path), [pixels])
    assert expected.std() > 0.01
    assert np.abs(maps - expected).max() < 1e-5
    (path / "variables" / "variables.index").unlink()
    with pytest.raises(InputError, match="cannot be read as a model"):
        load_model(path)


def test_an_open_batch_is_fixed(tmp_path: Path) -> None:
    path = frozen_graph(tmp_path / "net.pb", batch=-1)
    with pytest.raises(InputError, match=r"has the open shape \[\?,16,16,3\]"):
        load_model(path)
    assert tuple(load_model(path, ["1x16x16x3"]).inputs[0].get_shape()) == (1, 16, 16, 3)


def test_the_record_of_a_folder_is_of_all_its_files(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "net")
    size = (folder / "saved_model.pb").stat().st_size
    first = Network.load(folder).record
    assert first.path == str(folder)
    assert first.bytes == size
    (folder / "assets").mkdir()
    (folder / "assets" / "labels.txt").write_text("1")
    second = Network.load(folder).record
    assert second.bytes == size + 1
    assert first.sha256 != second.sha256
    assert isinstance(second, FileRecord)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_damaged_file_is_refused(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = MAKERS[kind](tmp_path)
    file = path / "saved_model.pb" if path.is_dir() else path
    file.write_bytes(b"garbage")
    with pytest.raises(InputError, match="cannot be read as a model"):
        load_model(path)
    assert capfd.readouterr() == ("", "")  # TensorFlow's reader prints what it thinks of it


def test_a_paddle_program_without_its_weights(tmp_path: Path) -> None:
    path = _paddle(tmp_path)
    path.with_suffix(".pdiparams").unlink()
    with pytest.raises(InputError, match=r"no file .*\.pdiparams; it holds the weights of"):
        load_model(path)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a model; give one of"):
        load_model(tmp_path)
