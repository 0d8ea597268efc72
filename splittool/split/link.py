"""What is between head and tail: frames that hold the crossing tensors of one cut."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from splittool.codec.choices import (
    DEFAULT_BITS,
    LEARNED,
    Choice,
    check_bits,
    parse_bits,
    parse_codecs,
)
from splittool.codec.frame import Received, decode_frame, encode_frame, frame_cut_id
from splittool.codec.symbols import History
from splittool.codec.tensors import Sending, TensorSpec
from splittool.errors import (
    DamagedFrameError,
    InputError,
    OtherCutError,
    UncalibratedError,
    UsageError,
)
from splittool.files import sha256
from splittool.reports import CalibrationReport, CutReport, TensorRecord, read_report
from splittool.split.calibration_file import (
    FILE_NAME,
    calibrated_specs,
    chosen_bits,
    with_ranges,
)
from splittool.split.latent import SENDING as LATENT_SENDING
from splittool.split.latent import latent_specs
from splittool.split.options import LinkOptions
from splittool.vocabulary import LATENT_BITS, RangesUsed

DEFAULT_LINK = LinkOptions()
_REAL = ("f64", "f32", "f16", "bf16")  # quantised as 32 bits, and come back so
_WHOLE = ("u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64")


class Link:
    """Both ends of the link of one cut; either can be used without the other.

    Args:
        cut_id: From `frame_cut_id`.
        specs: What crosses the cut.
        sendings: How each of it is sent.
        calibration: The file that the quantiser's ranges are from, or None.
        note: Why calibrated ranges that are there are not used, or None.
        key_interval: Every so many frames one stands alone; those between say what changed since
            the frame before where that is smaller.
    """

    def __init__(
        self,
        cut_id: bytes,
        specs: Sequence[TensorSpec],
        sendings: Sequence[Sending],
        calibration: Path | None = None,
        note: str | None = None,
        key_interval: int = 1,
    ) -> None:
        self.cut_id = cut_id
        self.calibration = calibration
        self.note = note
        self.specs = list(specs)
        self.sendings = list(sendings)
        self.key_interval = key_interval
        self._frames = 0
        self._sent, self._received = History(), History()

    @property
    def codec(self) -> str:
        """What the sender codes with, or `mixed`."""
        codecs = {sending.codec for sending in self.sendings}
        return codecs.pop() if len(codecs) == 1 else "mixed"

    @property
    def codecs(self) -> dict[str, str]:
        """What it codes each crossing tensor with."""
        pairs = zip(self.specs, self.sendings, strict=True)
        return {spec.name: sending.codec for spec, sending in pairs}

    @property
    def ranges(self) -> RangesUsed:
        """Where the quantiser's ranges come from."""
        if self.calibration is not None:
            return "calibrated"
        return "latent" if self.is_latent else "frame"

    @property
    def is_latent(self) -> bool:
        """Whether whole numbers of a latent are sent, in short frames."""
        return self.calibration is None and any(sending.calibrated for sending in self.sendings)

    @property
    def ranges_per(self) -> Literal["channel", "tensor"] | None:
        """What one range of a frame is of; None where ranges are calibrated."""
        if self.ranges != "frame":
            return None
        return "channel" if self.sendings[0].per_channel else "tensor"

    @property
    def bits(self) -> dict[str, int]:
        """Bits of an element of each crossing tensor, as sent."""
        return {
            spec.name: sending.bits if spec.is_quantised else 8 * spec.dtype.itemsize
            for spec, sending in zip(self.specs, self.sendings, strict=True)
        }

    @property
    def common_bits(self) -> int | None:
        """Bits of an element of every tensor that is quantised; None where they differ."""
        pairs = zip(self.specs, self.sendings, strict=True)
        bits = {sending.bits for spec, sending in pairs if spec.is_quantised}
        return bits.pop() if len(bits) == 1 else None

    def encode(self, frame_id: int, tensors: Sequence[NDArray[Any]]) -> bytes:
        """The head's results as a frame; see `encode_frame`."""
        if self._frames % self.key_interval == 0:
            self._sent.clear()
        frame = encode_frame(
            self.cut_id, frame_id, self.specs, tensors, self.sendings, self._sent, self.is_latent
        )
        self._frames += 1
        return frame

    def decode(self, frame: bytes) -> Received:
        """The tail's inputs from a frame; see `decode_frame`."""
        return decode_frame(frame, self.cut_id, self.specs, self._received)


def open_link(path: Path, cut: CutReport, options: LinkOptions = DEFAULT_LINK) -> Link:
    """The link of a cut on disk.

    Args:
        path: The cut.json.
        cut: Its content.
        options: How the crossing tensors are sent.

    Raises:
        InputError: A tensor is of a type that cannot be sent, or calibrated ranges are needed and
            not to be had, or damaged.
        UsageError: Bits or a codec make no sense for this cut, or frames are to say what changed
            with ranges of their own.
    """
    specs = cut_specs(path, cut)
    latent = latent_specs(path, cut, specs) if cut.codec_model else None
    sending = _latent_sending(latent, options)
    if latent and sending:
        return Link(frame_cut_id(sha256(path)), latent, [sending])
    bits, codecs = chosen_ways(path, [spec.name for spec in specs], options)
    ways = list(zip(bits, codecs, strict=True))
    if options.key_interval > 1 and (options.ranges == "frame" or not options.per_channel):
        raise UsageError(
            "`key_interval` needs calibrated ranges, the same for all frames; leave out"
            " `ranges` frame and `per_tensor`"
        )
    needed = options.ranges == "calibrated" or options.key_interval > 1
    wanted = options.ranges is None and options.per_channel
    calibration, note = path.parent / FILE_NAME, None
    if needed or (wanted and calibration.exists()):
        try:
            specs = calibrated_specs(path, specs, bits)
            sendings = [Sending(each, codec, calibrated=True) for each, codec in ways]
            cut_id = frame_cut_id(sha256(path), sha256(calibration))
            return Link(cut_id, specs, sendings, calibration, key_interval=options.key_interval)
        except UncalibratedError as error:
            if needed:
                raise
            note = f"the ranges of each frame are used: {error}"
    sendings = [Sending(each, codec, per_channel=options.per_channel) for each, codec in ways]
    return Link(frame_cut_id(sha256(path)), specs, sendings, note=note)


def _latent_sending(specs: Sequence[TensorSpec] | None, options: LinkOptions) -> Sending | None:
    """How a latent's whole numbers are sent; None where real numbers are to be quantised.

    Raises:
        UsageError: Codec `learned` is asked for and there is no model, or other bits or ranges.
    """
    given = options.codec
    if isinstance(given, Mapping):
        given = ",".join(f"{name}={codec}" for name, codec in given.items())
    quantised = options.bits not in (None, LATENT_BITS) or options.ranges is not None
    quantised |= not options.per_channel or options.key_interval > 1
    codec = None if given is None else parse_codecs(given)
    wanted = codec is not None and LEARNED in (codec.others, *codec.named.values())
    if specs is None:
        if wanted:
            raise UsageError(
                "`codec` learned needs a model, which cuts of trained networks at their latent"
                " have; give another codec"
            )
        return None
    if quantised and wanted:
        raise UsageError(
            "`codec` learned sends whole numbers as they are; leave out `bits`, `ranges`,"
            " `per_tensor` and `key_interval`"
        )
    if quantised:
        return None
    (name,) = (spec.name for spec in specs)
    return replace(LATENT_SENDING, codec=LEARNED if codec is None else codec.of([name])[name])


@dataclass(frozen=True)
class Receiver:
    """The cloud's end of the link, for frames that each stand alone; several threads may use it.

    Attributes:
        cut_id: From `frame_cut_id`.
        specs: What crosses the cut, with all ranges that are known.
    """

    cut_id: bytes
    specs: Sequence[TensorSpec]

    def decode(self, frame: bytes) -> Received:
        """The tail's inputs from a frame; see `decode_frame`."""
        return decode_frame(frame, self.cut_id, self.specs)


def open_receivers(path: Path, cut: CutReport) -> list[Receiver]:
    """The cloud's ends of all links there may be: ranges in each frame, and calibrated ones.

    Args:
        path: The cut.json.
        cut: Its content.

    Raises:
        InputError: A tensor is of a type that cannot be sent, or the calibration is damaged.
    """
    specs = cut_specs(path, cut)
    digest = sha256(path)
    # With a model, frames that it codes and frames of quantised numbers are both read.
    found = [Receiver(frame_cut_id(digest), latent_specs(path, cut, specs) or specs)]
    calibration = path.parent / FILE_NAME
    if calibration.is_file():
        report = read_report(calibration, CalibrationReport)
        if report.cut.sha256 == digest:
            cut_id = frame_cut_id(digest, sha256(calibration))
            found.append(Receiver(cut_id, with_ranges(report, specs, calibration)))
    return found


def receive(frame: bytes, receivers: Sequence[Receiver]) -> tuple[Receiver, Received]:
    """The tail's inputs from a frame for any of several receivers, and the one it was for.

    Raises:
        FrameError: It is for none of them, or damaged.
    """
    for receiver in receivers[:-1]:
        with suppress(OtherCutError, DamagedFrameError):  # short frames hardly tell them apart
            return receiver, receiver.decode(frame)
    return receivers[-1], receivers[-1].decode(frame)


def chosen_ways(
    path: Path, names: Sequence[str], options: LinkOptions
) -> tuple[list[int], list[str]]:
    """Bits and codec of each crossing tensor, in the order of their names.

    Raises:
        UsageError: One is out of range or unknown, or given for a tensor that does not cross.
    """
    given, codec = options.bits, options.codec
    if isinstance(given, Mapping):
        named = {name: check_bits(number) for name, number in given.items()}
        bits = Choice("bits", DEFAULT_BITS, named).of(names)
    elif isinstance(given, int):
        bits = dict.fromkeys(names, check_bits(given))
    else:
        found = chosen_bits(path) if given is None else None
        bits = {**parse_bits(given).of(names), **(found or {})}
    text = ",".join(f"{n}={c}" for n, c in codec.items()) if isinstance(codec, Mapping) else codec
    codecs = parse_codecs(text).of(names)
    return [bits[name] for name in names], [codecs[name] for name in names]


def cut_specs(path: Path, cut: CutReport) -> list[TensorSpec]:
    """What both sides know of the crossing tensors of a cut on disk.

    Raises:
        InputError: cut.json names one of a type that cannot be sent.
    """
    try:
        return [tensor_spec(record) for record in cut.split.tensors]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def tensor_spec(record: TensorRecord) -> TensorSpec:
    """What both sides know of a crossing tensor, from the cut.

    Raises:
        InputError: It is of a type that cannot be sent.
    """
    shape = tuple(record.shape)
    if record.type in _REAL:
        return TensorSpec(record.name, shape)
    if record.type in _WHOLE:
        return TensorSpec(
            record.name, shape, np.dtype(f"{record.type[0]}{int(record.type[1:]) // 8}")
        )
    if record.type == "boolean":
        return TensorSpec(record.name, shape, np.dtype(np.bool_))
    raise InputError(
        f"crossing tensor {record.name} is of type {record.type}, which cannot be sent;"
        " cut elsewhere"
    )
