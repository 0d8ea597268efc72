"""Masks, bytes and scores of a network, whole or split."""

from typing import Literal

import msgspec

from splittool.reports.base import FileRecord, Report


class ImageRecord(msgspec.Struct, frozen=True):
    """One image: what was sent for it, and its Dice by class where it has labels."""

    image: str
    height: int
    width: int
    file_bytes: int
    payload_bytes: int | None
    pixels: dict[str, int]
    dice: dict[str, float] | None


class ScoreRecord(msgspec.Struct, frozen=True):
    """Means over (image, class) pairs; see `splittool.data.scores`.

    `dice_interval` holds 95 % of what `dice` is over 1000 resamplings of the images.
    """

    kaggle: float
    floor: float
    dice: float | None
    pooled_dice: float | None
    dice_per_class: dict[str, float | None]
    pairs: int
    defective_pairs: int
    dice_interval: tuple[float, float] | None = None


class InferReport(Report, tag="splittool.infer/1"):
    """Predictions of a whole model or of both halves; bytes are means per frame.

    `mbps` is by frame rate, of what is sent: the crossing tensors of a cut, or the image files.
    `bits` is null and `codec` "mixed" where tensors differ, `bits_per_tensor` and
    `codec_per_tensor` have each; `ranges` says whether those of
    the quantiser came with each frame, one range per channel or tensor, or were calibrated. Of
    `key_interval` frames, all but one may say only what changed since the frame before.
    `bits_per_element` and `bits_per_pixel` are all bits of the frames over crossing values and over
    pixels of the images; times are means.
    """

    source: FileRecord
    cut: str | None
    bits: int | None
    folder: str
    device: str
    precision_requested: str
    precision_actual: str
    threshold: float
    images: int
    seconds: float
    images_per_second: float
    payload_bytes_per_frame: float | None
    bits_per_element: float | None
    image_file_bytes_per_frame: float
    raw_image_bytes_per_frame: float
    mbps: dict[str, float]
    scores: ScoreRecord | None
    rows: list[ImageRecord]
    codec: str | None = None
    ranges: Literal["frame", "calibrated"] | None = None
    calibration: FileRecord | None = None
    bits_per_tensor: dict[str, int] | None = None
    bits_per_pixel: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    key_interval: int | None = None
    ranges_per: Literal["channel", "tensor"] | None = None
    codec_per_tensor: dict[str, str] | None = None
