"""Masks as pictures: label maps, and overlays on the image."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from splittool.data.images import Pixels
from splittool.tables import printable

# Okabe and Ito's colours, which most colour-blind people can tell apart, without black; those that
# stay far apart as a tint on grey steel come first. More classes start over.
COLOURS = np.array(
    [
        (86, 180, 233),
        (213, 94, 0),
        (240, 228, 66),
        (204, 121, 167),
        (0, 158, 115),
        (230, 159, 0),
        (0, 114, 178),
    ],
    dtype=np.uint8,
)

_STRIP = 64  # rows
_STRIPE = 6  # pixels, along a row or a column, of a class where several overlap
_LINE, _SWATCH, _GAP = 18, 12, 8  # pixels of the legend
_LONGEST_NAME = 40  # characters


def colour(index: int) -> NDArray[np.uint8]:
    """RGB of a class."""
    return np.asarray(COLOURS[index % len(COLOURS)])


def label_map(probabilities: NDArray[np.float32], masks: NDArray[np.bool_]) -> Image.Image:
    """Make a palette image: 0 is no defect, c + 1 is class c; where masks overlap, the likeliest.

    Args:
        probabilities: (C, H, W).
        masks: (C, H, W), the probabilities after the threshold.
    """
    return label_image(likeliest(probabilities, masks), len(masks))


def likeliest(probabilities: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W) labels: 0 is no defect, c + 1 is class c, the likeliest where masks overlap.

    Args:
        probabilities: (C, H, W).
        masks: (C, H, W), the probabilities after the threshold.
    """
    labels = np.zeros(masks.shape[1:], dtype=np.uint8)
    best = np.full(masks.shape[1:], -1, dtype=np.float32)
    for index, (mask, likely) in enumerate(zip(masks, probabilities, strict=True)):
        better = mask & (likely > best)
        labels[better] = (index + 1) % 256
        np.copyto(best, likely, where=better)
    return labels


def label_image(labels: NDArray[np.uint8], classes: int) -> Image.Image:
    """(H, W) labels as a palette image."""
    image = Image.fromarray(labels)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for index in range(min(classes, 255)):
        palette[index + 1] = colour(index)
    image.putpalette(palette.tobytes())
    return image


def overlay(
    pixels: Pixels, masks: NDArray[np.bool_], truth: NDArray[np.bool_] | None
) -> Image.Image:
    """The image with predicted masks tinted, and the outlines of the true ones.

    Where classes overlap, their colours take turns in diagonal stripes: a blend of two would be the
    colour of neither.

    Args:
        pixels: (H, W, 3).
        masks: (C, H, W) predicted.
        truth: (C, H, W) true, or None.
    """
    picture = pixels.copy()
    for top in range(0, len(picture), _STRIP):  # few rows at a time need little memory
        strip = picture[top : top + _STRIP]
        for index, mask, is_line in _drawn(masks, truth, top):
            painted = colour(index) if is_line else strip // 2 + colour(index) // 2
            np.copyto(strip, painted, where=mask[..., None])
    return Image.fromarray(picture)


def layer(masks: NDArray[np.bool_], truth: NDArray[np.bool_] | None) -> Image.Image:
    """What `overlay` draws, without the image: transparent, to be laid upon it.

    Args:
        masks: (C, H, W) predicted.
        truth: (C, H, W) true, or None.
    """
    picture = np.zeros((*masks.shape[1:], 4), dtype=np.uint8)
    for top in range(0, len(picture), _STRIP):
        strip = picture[top : top + _STRIP]
        for index, mask, is_line in _drawn(masks, truth, top):
            strip[mask] = (*colour(index), 255 if is_line else 128)
    return Image.fromarray(picture)


def _drawn(
    masks: NDArray[np.bool_], truth: NDArray[np.bool_] | None, top: int
) -> Iterator[tuple[int, NDArray[np.bool_], bool]]:
    """Class, pixels in the strip from row `top`, and whether they are an outline, in order."""
    for index, mask in enumerate(_in_turn(masks[:, top : top + _STRIP], top)):
        yield index, mask, False
    for index, mask in enumerate(() if truth is None else _in_turn(_outlines(truth, top), top)):
        yield index, mask, True


def _in_turn(masks: NDArray[np.bool_], top: int) -> NDArray[np.bool_]:
    """(C, H, W) masks below row `top`, without overlap: stripes of each where there was one."""
    rows, columns = np.ogrid[top : top + masks.shape[1], : masks.shape[2]]
    place = np.cumsum(masks, axis=0, dtype=np.int16)
    turn = (rows + columns) // _STRIPE % np.maximum(place[-1], 1) + 1
    found: NDArray[np.bool_] = masks & (place == turn)
    return found


def with_legend(picture: Image.Image, classes: Sequence[str], outlined: bool) -> Image.Image:
    """An overlay with the colours of the classes named in a strip below it.

    Args:
        picture: The overlay.
        classes: Names of the masks, in order.
        outlined: Whether the outlines of true masks are drawn, which the legend then explains.
    """
    font = ImageFont.load_default(11)
    names = [_shortened(name) for name in classes]
    entries = [(f"class {name}", index) for index, name in enumerate(names)]
    places, x, y = [], _GAP, 0
    for text, index in entries:
        width = _SWATCH + _GAP // 2 + round(font.getlength(text)) + _GAP
        if x > _GAP and x + width > picture.width:
            x, y = _GAP, y + _LINE
        places.append((x, y, text, index))
        x += width
    meaning = "filled: predicted" + ("; line: true" if outlined else "")
    if x + font.getlength(meaning) > picture.width:
        x, y = _GAP, y + _LINE
    legend = Image.new("RGB", (picture.width, picture.height + y + _LINE), "white")
    legend.paste(picture)
    draw = ImageDraw.Draw(legend)
    for left, above, text, index in places:
        top = picture.height + above + (_LINE - _SWATCH) // 2
        box = (left, top, left + _SWATCH - 1, top + _SWATCH - 1)
        draw.rectangle(box, fill=tuple(colour(index).tolist()), outline="black")
        draw.text((left + _SWATCH + _GAP // 2, top), text, "black", font)
    draw.text((x, picture.height + y + (_LINE - _SWATCH) // 2), meaning, "black", font)
    return legend


def _shortened(name: str) -> str:
    name = " ".join(printable(name).split())  # on one line
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _outlines(masks: NDArray[np.bool_], top: int) -> NDArray[np.bool_]:
    """The pixels of masks in the strip from row `top` that have a neighbour outside their mask."""
    rows = np.arange(top - 1, min(top + _STRIP, masks.shape[1]) + 1)
    inside = (rows >= 0) & (rows < masks.shape[1])
    near = masks[:, rows.clip(0, masks.shape[1] - 1)] & inside[:, None]
    padded = np.pad(near, ((0, 0), (0, 0), (1, 1)))
    inner = padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1]
    inner &= padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    found: NDArray[np.bool_] = near[:, 1:-1] & ~inner
    return found
