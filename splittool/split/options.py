"""How a network is run, and how the crossing tensors of a split one are sent."""

from collections.abc import Mapping
from dataclasses import dataclass

from splittool.vocabulary import MAX_PIXELS, Fit, RangesFrom, RuntimeName


@dataclass(frozen=True)
class Normalisation:
    """What a graph that takes real numbers wants of a pixel value p: (p - mean) / scale."""

    mean: float
    scale: float


@dataclass(frozen=True)
class RunOptions:
    """Where and how a network computes, and what becomes of its probabilities.

    Attributes:
        device: Device of the head or of the whole network, as its runtime names it.
        precision: "auto" leaves the number type to the device; else f32, f16 or bf16.
        normalisation: For a network that takes real numbers: what to make of a pixel.
        fit: "pad" or "resize" images to the input; None does what the network was trained with.
        threshold: Probability from which a pixel belongs to a class.
        fps: Frame rates to give Mbit/s for.
        max_pixels: The largest image file, height times width, that is read.
        runtime: Which runs .onnx files: "openvino" or "onnxruntime"; all others run in OpenVINO.
        tail_device: Device of a tail, as its runtime names it.
        beside_whole: Whether a split network also computes what the whole one would, to tell what
            the link lost: its tail takes the crossing tensors as the head put them out, too.
    """

    device: str = "CPU"
    precision: str = "auto"
    normalisation: Normalisation | None = None
    fit: Fit | None = None
    threshold: float = 0.5
    fps: tuple[float, ...] = (10.0,)
    max_pixels: int = MAX_PIXELS
    runtime: RuntimeName = "openvino"
    tail_device: str = "CPU"
    beside_whole: bool = False


@dataclass(frozen=True)
class LinkOptions:
    """How crossing tensors become bytes.

    Attributes:
        bits: Bits of each element, 1 to 16: one number for all tensors, numbers by the tensor's
            name with 16 for those left out, or text such as "8,maxpool_2=4". None takes what
            `calibrate` found with automatic bits, else 16.
        codec: "raw", "fast", "small" or, for a latent, "learned" for all tensors, names by the
            tensor's name, or text such as "fast,maxpool_2=raw". None is "learned" where the cut has
            its model, else "fast".
        ranges: Ranges of the quantiser: sent with each "frame", or "calibrated"; None takes
            calibrated ones where a calibration.json of this cut and these bits is there.
        per_channel: Whether ranges sent with a frame are one for each channel, or one for each
            tensor.
        key_interval: 1 sends every frame whole. Of so many frames, all but the first may say only
            what changed since the frame before; this needs calibrated ranges.
    """

    bits: int | str | Mapping[str, int] | None = None
    codec: str | Mapping[str, str] | None = None
    ranges: RangesFrom | None = None
    per_channel: bool = True
    key_interval: int = 1
