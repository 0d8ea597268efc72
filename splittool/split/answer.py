"""What a network says of one image."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splittool.data.images import Canvas, Pixels
from splittool.data.overlays import overlay, with_legend
from splittool.split.runners import Inference, Runner


@dataclass(frozen=True)
class Answer:
    """What a network says of one image; a notebook shows it as an overlay.

    Attributes:
        classes: Names of the maps.
        pixels: (H, W, 3) of the image.
        probabilities: (C, H, W) float32.
        masks: (C, H, W) bool: where a probability reaches the threshold.
        payload_bytes: Bytes that crossed the link; None for a whole network.
        head_ms: Time of the head, or of the whole network.
        encode_ms: Time to turn the crossing tensors into bytes; None for a whole network.
        decode_ms: Time to turn the bytes into tensors again; None for a whole network.
        tail_ms: Time of the tail; None for a whole network.
    """

    classes: list[str]
    pixels: Pixels
    probabilities: NDArray[np.float32]
    masks: NDArray[np.bool_]
    payload_bytes: int | None
    head_ms: float | None
    encode_ms: float | None
    decode_ms: float | None
    tail_ms: float | None

    def _repr_html_(self) -> str:
        stream = io.BytesIO()
        picture = overlay(self.pixels, self.masks, None)
        with_legend(picture, self.classes, outlined=False).save(stream, "PNG")
        data = base64.b64encode(stream.getvalue()).decode()
        found = ", ".join(
            f"class {name}: {int(mask.sum()):,} pixels"
            for name, mask in zip(self.classes, self.masks, strict=True)
        )
        sent = "" if self.payload_bytes is None else f"; {self.payload_bytes:,} bytes sent"
        return f'<img src="data:image/png;base64,{data}"/><p>{found}{sent}</p>'


def answer(
    runner: Runner, pixels: Pixels, canvas: Canvas, classes: list[str], threshold: float
) -> Answer:
    """Run one image of any size that fits.

    Args:
        runner: The network, whole or split.
        pixels: (H, W, 3).
        canvas: What the image is fitted to.
        classes: Names of the maps.
        threshold: Probability from which a pixel belongs to a class.
    """
    found: Inference = runner.run(canvas.image(pixels))
    probabilities = canvas.restore(found.probabilities, *pixels.shape[:2])
    return Answer(
        classes,
        pixels,
        probabilities,
        probabilities >= threshold,
        found.payload_bytes,
        found.head_ms,
        found.encode_ms,
        found.decode_ms,
        found.tail_ms,
    )
