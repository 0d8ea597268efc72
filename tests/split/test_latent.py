"""A cut at the latent of a network that was made to be split."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from networks import F32, write_cut

from splittool.conversion.checkpoint import convert
from splittool.errors import FrameError, InputError, UsageError
from splittool.files import sha256
from splittool.models import checkpoints
from splittool.network.compare_options import CompareOptions
from splittool.network.comparison import compare
from splittool.network.network import Network
from splittool.reports import CutReport, TrainReport, encode, read_report
from splittool.runtime.ir import save_ir
from splittool.split.options import LinkOptions
from splittool.split.split_network import SplitNetwork
from splittool.training.run import TrainingOptions, train
from splittool.training.settings import make_settings
from splittool.vocabulary import LATENT, LATENT_BITS, LATENT_LARGEST

NETWORKS = {
    "splitnet": {"widths": [4, 6], "bottleneck": 3},
    "unet": {"widths": [4, 6], "bottleneck": 8, "at": "maxpool_2", "latent_channels": 3},
}


@pytest.fixture(scope="module", params=NETWORKS)
def trained(
    request: pytest.FixtureRequest, steel: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainReport]:
    """A tiny network after a few steps, and what training said of it."""
    path = tmp_path_factory.mktemp("trained") / "net.pt"
    arch = request.param
    settings = make_settings(
        "balanced", NETWORKS[arch], arch=arch, epochs=4, precision="f32", rate_weight=1.0
    )
    return path, train(steel, path, settings, TrainingOptions(workers=0))


@pytest.fixture(scope="module")
def cut(trained: tuple[Path, TrainReport], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its cut; do not change it."""
    folder = tmp_path_factory.mktemp("latent")
    write_cut(trained[0], [LATENT], folder, 1e-3)
    return folder


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.fixture
def copied(cut: Path, tmp_path: Path) -> Callable[[], Path]:
    def copy() -> Path:
        for file in cut.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        return tmp_path / "cut.json"

    return copy


def test_the_model_is_a_file_of_the_cut_that_cut_json_names(cut: Path) -> None:
    report = read_report(cut / "cut.json", CutReport)
    assert report.codec_model is not None
    assert report.codec_model.sha256 == sha256(cut / "latent.model")
    link = SplitNetwork.open(cut).link()
    assert link.cut_id == bytes.fromhex(sha256(cut / "cut.json"))[:16]
    assert (link.codec, link.ranges, link.common_bits) == ("learned", "latent", LATENT_BITS)


def test_whole_numbers_arrive_as_they_were_rounded(cut: Path, pixels: np.ndarray) -> None:
    split = SplitNetwork.open(cut)
    (latent,) = split.head(F32).run(pixels)
    rounded = np.clip(np.rint(latent), -LATENT_LARGEST, LATENT_LARGEST)
    assert np.abs(rounded).max() > 0
    for codec in (None, "learned", "raw", "fast", {LATENT: "fast"}):
        link = split.link(LinkOptions(codec=codec))
        assert np.array_equal(link.decode(link.encode(7, [latent])).tensors[0], rounded)
    far = np.where(latent > 0, 1e6, -1e6).astype(np.float32)
    link = split.link()
    arrived = link.decode(link.encode(0, [far])).tensors[0]
    # Eight bits reach one further up; the tail limits what comes as the whole network does.
    assert np.array_equal(arrived, np.where(far > 0, LATENT_LARGEST + 1, -LATENT_LARGEST))
    tail = split.tail(split.head(F32), F32)
    assert np.array_equal(tail.run([arrived]), tail.run([far]))


def test_the_split_network_is_the_whole_one(
    trained: tuple[Path, TrainReport], cut: Path, pixels: np.ndarray
) -> None:
    whole = Network.load(trained[0]).runner(F32).run(pixels).probabilities
    split = SplitNetwork.open(cut).runner(F32).run(pixels)
    assert split.probabilities == pytest.approx(whole, abs=1e-3)


def test_a_frame_is_at_most_eight_bytes_longer_than_its_payload(
    cut: Path, pixels: np.ndarray
) -> None:
    split = SplitNetwork.open(cut)
    link = split.link()
    latent = split.head(F32).run(pixels)
    frames = [len(link.encode(number, latent)) for number in (0, 1, 127, 128, 2**14 - 1)]
    (spec,) = link.specs
    assert spec.model is not None
    from splittool.codec.learned import encode as encode_latent

    symbols = np.clip(np.rint(latent[0]), -LATENT_LARGEST, LATENT_LARGEST) + LATENT_LARGEST
    payload = len(encode_latent(spec.model, symbols.astype(np.int32)))
    assert [each - payload for each in frames] == [6, 7, 7, 8, 8]


def test_what_is_sent_is_what_training_measured(
    trained: tuple[Path, TrainReport], cut: Path
) -> None:
    report = trained[1]
    found = SplitNetwork.open(cut).evaluate(report.validation_list, options=F32)
    assert (found.codec, found.ranges, found.bits) == ("learned", "latent", LATENT_BITS)
    # The weights of the cut have 16 bits, and a symbol on the edge may fall to the other side.
    assert found.payload_bytes_per_frame == pytest.approx(report.bytes_per_frame, abs=2)


def test_the_model_goes_through_openvino_ir(
    trained: tuple[Path, TrainReport], cut: Path, tmp_path: Path
) -> None:
    save_ir(convert(trained[0]).model, tmp_path / "net.xml")
    write_cut(tmp_path / "net.xml", [LATENT], tmp_path / "cut", 1e-3)
    models = [(folder / "latent.model").read_bytes() for folder in (cut, tmp_path / "cut")]
    assert models[0] == models[1]
    assert models[0] == checkpoints.load(trained[0]).codec_model.numpy().tobytes()  # type: ignore[union-attr]


def test_another_cut_of_the_network_has_no_model_and_leaves_none_behind(
    trained: tuple[Path, TrainReport], copied: Callable[[], Path]
) -> None:
    folder = copied().parent
    other = write_cut(trained[0], ["encoder.blocks_2.1"], folder, 1e-3, force=True)
    assert other.codec_model is None
    assert not (folder / "latent.model").exists()
    split = SplitNetwork.open(folder)
    assert split.link().codec == "fast"
    with pytest.raises(UsageError, match="`codec` learned needs a model"):
        split.link(LinkOptions(codec="learned"))


@pytest.mark.parametrize("change", ["missing", "damaged", "of another"])
def test_a_model_that_is_not_the_cuts_is_refused(copied: Callable[[], Path], change: str) -> None:
    path = copied()
    model = path.with_name("latent.model")
    content = model.read_bytes()
    if change == "missing":
        model.unlink()
    else:
        model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"latent\.model.*make the cut again"):
        SplitNetwork.open(path).link()


def test_a_named_model_that_cannot_be_read_is_refused(copied: Callable[[], Path]) -> None:
    path = copied()
    model = path.with_name("latent.model")
    model.write_bytes(b"SPLM")
    report = read_report(path, CutReport)
    assert report.codec_model is not None
    record = msgspec.structs.replace(report.codec_model, sha256=sha256(model), bytes=4)
    path.write_bytes(encode(msgspec.structs.replace(report, codec_model=record)))
    with pytest.raises(InputError, match="model of codec 'learned'"):
        SplitNetwork.open(path).link()


def test_frames_of_another_model_are_refused(
    cut: Path, copied: Callable[[], Path], pixels: np.ndarray
) -> None:
    path = copied()
    model = path.with_name("latent.model")
    content = bytearray(model.read_bytes())
    content[-1] = 1 - content[-1] % 2
    model.write_bytes(bytes(content))
    report = read_report(path, CutReport)
    assert report.codec_model is not None
    record = msgspec.structs.replace(report.codec_model, sha256=sha256(model))
    path.write_bytes(encode(msgspec.structs.replace(report, codec_model=record)))
    here, there = SplitNetwork.open(cut), SplitNetwork.open(path)
    frame = here.link().encode(0, here.head(F32).run(pixels))
    with pytest.raises(FrameError):
        there.link().decode(frame)


@pytest.mark.parametrize(
    "options",
    [
        LinkOptions(bits=4, codec="learned"),
        LinkOptions(bits=f"{LATENT}=4", codec="learned"),
        LinkOptions(ranges="frame", codec="learned"),
        LinkOptions(per_channel=False, codec={LATENT: "learned"}),
        LinkOptions(key_interval=5, codec="learned"),
    ],
)
def test_whole_numbers_have_no_ranges_to_choose(cut: Path, options: LinkOptions) -> None:
    with pytest.raises(UsageError, match="`codec` learned sends whole numbers as they are"):
        SplitNetwork.open(cut).link(options)


def test_a_latent_can_still_be_quantised(cut: Path, pixels: np.ndarray) -> None:
    split = SplitNetwork.open(cut)
    link = split.link(LinkOptions(bits=4))
    assert (link.codec, link.ranges, link.common_bits) == ("fast", "frame", 4)
    (latent,) = split.head(F32).run(pixels)
    (arrived,) = link.decode(link.encode(0, [latent])).tensors
    assert np.abs(arrived - latent).max() <= (latent.max() - latent.min()) / 15


def test_compare_has_a_row_for_it(trained: tuple[Path, TrainReport], steel: Path) -> None:
    how = CompareOptions(codecs=["raw"], formats=[], qualities=[], run=F32)
    report = compare(Network.load(trained[0]), steel / "train_images", bits=[8], how=how)
    arms = {arm.codec: arm for arm in report.arms if arm.kind == "cut"}
    assert set(arms) == {"raw", "learned"}
    assert arms["learned"].payload_bytes_per_frame < arms["raw"].payload_bytes_per_frame
    assert arms["learned"].bits == LATENT_BITS


def test_bitrate_prices_whole_numbers_as_the_bytes_they_are(cut: Path) -> None:
    command = [sys.executable, "-m", "splittool", "bitrate", str(cut / "cut.json"), "--json"]
    run = subprocess.run(command, capture_output=True, check=True)
    (row,) = json.loads(run.stdout)["rows"][1:]
    assert (row["bits"], row["payload_bytes"]) == (8, row["elements"])
