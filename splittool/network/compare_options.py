"""What `compare` is asked for, and what it leaves open."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from splittool.codec.choices import CODEC_NAMES, check_bits
from splittool.data.image_codecs import available, require
from splittool.errors import UsageError
from splittool.network.arm_energy import EnergyOptions
from splittool.network.arms import Grid
from splittool.network.network import Network
from splittool.split.options import RunOptions
from splittool.split.split_network import SplitNetwork

BITS = (16, 8, 6, 4, 3, 2)
QUALITIES = (95, 85, 75, 50, 30, 20, 10, 5)


@dataclass(frozen=True)
class Rivals:
    """Other networks of the same classes, and cuts on disk.

    Where the input of a network is open, it gets the shape of the one that is compared.

    Attributes:
        clouds: Networks that run in the cloud, on the compressed input.
        devices: Networks that run on the device; their coded masks are sent.
        cuts: Files cut.json; each is sent with its default bits and codec.
        trust: Read networks that are programs of PyTorch, too, which can run code.
    """

    clouds: Sequence[str | Path] = ()
    devices: Sequence[str | Path] = ()
    cuts: Sequence[str | Path] = ()
    trust: bool = False


@dataclass(frozen=True)
class CompareOptions:
    """What to compare beside the split points and their bits.

    Attributes:
        codecs: Codecs of the link; they are lossless and differ in bytes alone. None takes all
            that are installed.
        formats: Image formats of the input; None takes all that can be written.
        qualities: Qualities of the lossy formats, 1 to 100.
        run: Where everything runs, and the threshold.
        halved: Send the input at half its height and width, too.
        rivals: Other networks and cuts.
        at_dice: Dice to give each way's bytes for; None takes that of the whole network, and
            0.005 less.
        output: Where the report goes, and beside it what is done so far; None writes nothing.
        resume: Go on where a stopped comparison left off.
        force: Replace a report that exists.
        energy: What the energy of the device is reckoned from; by default it is not.
    """

    codecs: Sequence[str] | None = None
    formats: Sequence[str] | None = None
    qualities: Sequence[int] = QUALITIES
    run: RunOptions = field(default_factory=RunOptions)
    halved: bool = True
    rivals: Rivals = field(default_factory=Rivals)
    at_dice: Sequence[float] | None = None
    output: Path | None = None
    resume: bool = False
    force: bool = False
    energy: EnergyOptions = field(default_factory=EnergyOptions)


def grid_of(
    network: Network, at: Sequence[str] | None, bits: Sequence[int], how: CompareOptions
) -> Grid:
    """What was left open filled in, and everything checked; see `comparison.compare`."""
    points = list(network.info.split_points if at is None else at)
    if at is None and not points and not how.rivals.cuts:
        raise UsageError(f"{network.name} names no split points; name them with `at`")
    formats = available() if how.formats is None else list(how.formats)
    for name in formats:
        require(name)
    for quality in how.qualities:
        if not 1 <= quality <= 100:
            raise UsageError(f"`qualities` {quality} is out of range; give 1 to 100")
    for dice in how.at_dice or ():
        if not 0 < dice <= 1:
            raise UsageError(f"`at_dice` {dice} is out of range; give 0 to 1")
    bits, codecs = [check_bits(number) for number in bits], _codecs(how.codecs)
    rivals = how.rivals
    same = "x".join(map(str, network.model.inputs[0].get_shape()))
    opened = {
        path: Network.load(path, trust=rivals.trust, if_open=same)
        for path in [*rivals.clouds, *rivals.devices]
    }
    return Grid(
        points,
        bits,
        codecs,
        formats,
        how.qualities,
        how.halved,
        clouds=[opened[path] for path in how.rivals.clouds],
        devices=[opened[path] for path in how.rivals.devices],
        cuts=[SplitNetwork.open(path) for path in how.rivals.cuts],
    )


def _codecs(given: Sequence[str] | None) -> Sequence[str]:
    if given is None:
        return [name for name in CODEC_NAMES if name != "small" or find_spec("imagecodecs")]
    for name in given:
        if name not in CODEC_NAMES:
            raise UsageError(f"unknown codec {name!r}; give some of: {', '.join(CODEC_NAMES)}")
    return given
