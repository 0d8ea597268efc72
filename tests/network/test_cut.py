from pathlib import Path

import numpy as np
import pytest
from networks import F32

from splittool.data.images import list_images
from splittool.errors import InputError, OutputError, UsageError
from splittool.network.network import Network
from splittool.split.options import LinkOptions
from splittool.split.split_network import SplitNetwork


@pytest.fixture(scope="module")
def network(exported: Path) -> Network:
    return Network.load(exported)


def test_a_cut_in_memory(network: Network) -> None:
    cut = network.cut("maxpool_2")
    assert cut.point == "maxpool_2"
    names = [tensor.name for tensor in cut.tensors]
    assert [port.get_any_name() for port in cut.head.outputs] == names
    assert [port.get_any_name() for port in cut.tail.inputs] == names
    assert cut.price.elements == sum(tensor.elements for tensor in cut.tensors)
    assert cut.verify().holds


def test_it_is_written_and_opened_again(network: Network, tmp_path: Path, steel: Path) -> None:
    split = network.cut("maxpool_1").write(tmp_path / "cut")
    image = list_images(steel / "train_images")[0]
    opened = SplitNetwork.open(str(tmp_path / "cut"))
    assert opened.report == SplitNetwork.open(tmp_path / "cut" / "cut.json").report == split.report
    whole = network.run(image, F32).probabilities
    for each in (split, opened):
        answer = each.run(image, 16, options=F32)
        assert np.abs(answer.probabilities - whole).max() < 1e-2
        assert (answer.payload_bytes or 0) > 0
    with pytest.raises(OutputError, match=r"head\.bin exists; give `force`"):
        network.cut("maxpool_1").write(tmp_path / "cut")
    network.cut("maxpool_2").write(tmp_path / "cut", force=True)
    assert SplitNetwork.open(tmp_path / "cut").point == "maxpool_2"


def test_bits_and_codec_of_a_call_come_before_the_options(
    network: Network, tmp_path: Path, steel: Path
) -> None:
    split = network.cut("maxpool_2").write(tmp_path)
    image = list_images(steel / "train_images")[0]
    sizes = [split.run(image, bits, "raw", F32).payload_bytes or 0 for bits in (16, 8, 4)]
    assert sizes == sorted(sizes, reverse=True)
    link = LinkOptions(bits=16, codec="raw")
    assert split.run(image, options=F32, link=link).payload_bytes == sizes[0]
    assert split.run(image, 4, options=F32, link=link).payload_bytes == sizes[2]
    report = split.evaluate(str(steel / "train_images"), 8, options=F32, link=link)
    assert report.bits == 8
    assert report.codec == "raw"


def test_bits_by_tensor(network: Network, tmp_path: Path, steel: Path) -> None:
    split = network.cut("maxpool_2").write(tmp_path)
    image = list_images(steel / "train_images")[0]
    text = split.run(image, "maxpool_2=4", "raw", F32)
    named = split.run(image, {"maxpool_2": 4}, "raw", F32)
    assert named.payload_bytes == text.payload_bytes
    assert np.array_equal(named.probabilities, text.probabilities)
    with pytest.raises(UsageError, match="did you mean 'maxpool_2'"):
        split.run(image, {"maxpol_2": 4})


def test_a_side_without_operations(network: Network) -> None:
    with pytest.raises(InputError, match="leaves the head empty"):
        _ = network.cut("input").halves
    with pytest.raises(InputError, match="did you mean 'maxpool_1'"):
        network.cut("maxpol_1")
