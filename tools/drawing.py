"""Draw docs/unet-cut.svg: U-Net, cut at maxpool_2, and the tensors that cross.

python tools/drawing.py           write docs/unet-cut.svg
python tools/drawing.py --check   fail if it is not what would be written

Shapes and sizes are worked out from the network's own widths, nothing is typed in twice.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from splittool.models.unet import BOTTLENECK, WIDTHS

FILE = Path(__file__).resolve().parent.parent / "docs" / "unet-cut.svg"
HEIGHT, WIDTH = 256, 1600
CUT = 2  # the head is everything up to this pooling

HEAD, TAIL, CROSSING = "#3b6ea5", "#b5722a", "#b3212f"
BOX_WIDTH, BOX_HEIGHT, ROW = 190, 44, 92
LEFT, RIGHT, TOP = 40, 570, 84
CANVAS = (800, 680)


def main() -> None:
    """Write the drawing, or compare it."""
    wanted = drawing()
    if sys.argv[1:] == ["--check"]:
        if not FILE.is_file() or FILE.read_text() != wanted:
            sys.exit(f"out of date: {FILE.name}; run: python tools/drawing.py")
        return
    FILE.write_text(wanted)


def crossing() -> list[tuple[str, tuple[int, int, int]]]:
    """Name and (C, H, W) of every tensor that crosses the cut."""
    skips = [(f"encoder_{level}", shape(level)) for level in range(1, CUT + 1)]
    channels, rows, columns = shape(CUT)
    return [*skips, (f"maxpool_{CUT}", (channels, rows // 2, columns // 2))]


def shape(level: int) -> tuple[int, int, int]:
    """(C, H, W) of what an encoder level puts out."""
    return WIDTHS[level - 1], HEIGHT >> (level - 1), WIDTH >> (level - 1)


def drawing() -> str:
    """The whole drawing as SVG."""
    width, height = CANVAS
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="14">',
        f"<title>U-Net cut at maxpool_{CUT}: three tensors cross from head to tail</title>",
        *(f"<defs>{marker(color)}</defs>" for color in ("#555555", CROSSING)),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *levels(),
        *bottom(),
        *ends(),
        *legend(),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def levels() -> Iterator[str]:
    """Encoder and decoder of every level, and the skip connection between them."""
    for level in range(1, len(WIDTHS) + 1):
        y = TOP + ROW * (level - 1)
        in_head = level <= CUT
        text = f"{'x'.join(map(str, shape(level)))}"
        yield box(LEFT, y, f"encoder_{level}", text, HEAD if in_head else TAIL)
        yield box(RIGHT, y, f"decoder_{level}", text, TAIL)
        middle = y + BOX_HEIGHT // 2
        yield arrow(LEFT + BOX_WIDTH, middle, RIGHT, middle, CROSSING if in_head else "#555555")
        if in_head:
            yield crossing_label((LEFT + BOX_WIDTH + RIGHT) // 2, middle - 8, shape(level))
        yield from pooling(level, y + BOX_HEIGHT, level == CUT)


def pooling(level: int, y: int, cut: bool) -> Iterator[str]:
    """The way down to the next level, and the way up beside it."""
    down, up = LEFT + BOX_WIDTH // 2, RIGHT + BOX_WIDTH // 2
    color = CROSSING if cut else "#555555"
    yield arrow(down, y, down, y + ROW - BOX_HEIGHT, color)
    yield label(down - 10, y + 29, f"maxpool_{level}", color, anchor="end")
    yield arrow(up, y + ROW - BOX_HEIGHT, up, y, "#555555")
    if cut:
        yield crossing_label(down + 14, y + 29, crossing()[-1][1], anchor="start")
        yield (
            f'<path d="M 12 {y + 38} H {LEFT + BOX_WIDTH + 90} V {TOP - 34}" fill="none"'
            f' stroke="{CROSSING}" stroke-width="2" stroke-dasharray="7 5"/>'
        )


def bottom() -> Iterator[str]:
    """The bottleneck, and the way to it and from it."""
    y = TOP + ROW * len(WIDTHS)
    rows, columns = HEIGHT >> len(WIDTHS), WIDTH >> len(WIDTHS)
    yield box(LEFT, y, "bottleneck", f"{BOTTLENECK}x{rows}x{columns}", TAIL)
    middle, up = y + BOX_HEIGHT // 2, RIGHT + BOX_WIDTH // 2
    yield (
        f'<path d="M {LEFT + BOX_WIDTH} {middle} H {up} V {y - 4}" fill="none"'
        ' stroke="#555555" stroke-width="1.6"/>'
    )


def ends() -> Iterator[str]:
    """The image above the encoder, the masks above the decoder."""
    down, up = LEFT + BOX_WIDTH // 2, RIGHT + BOX_WIDTH // 2
    yield label(down, 34, f"image, 3x{HEIGHT}x{WIDTH} pixels", "#222222")
    yield arrow(down, 42, down, TOP, "#555555")
    yield label(up, 34, f"defect probabilities, 4x{HEIGHT}x{WIDTH}", "#222222")
    yield arrow(up, TOP, up, 42, "#555555")


def legend() -> Iterator[str]:
    """What the colours mean, and what all crossing tensors come to."""
    y = CANVAS[1] - 44
    total = sum(channels * rows * columns for _, (channels, rows, columns) in crossing())
    for x, color, text in (
        (LEFT, HEAD, "head: runs on the device"),
        (LEFT + 240, TAIL, "tail: runs in the cloud"),
    ):
        yield f'<rect x="{x}" y="{y}" width="16" height="16" rx="3" fill="{color}"/>'
        yield label(x + 24, y + 13, text, "#222222", anchor="start")
    text = f"cross the cut: {len(crossing())} tensors, {total:,} elements for each image"
    yield arrow(LEFT, y + 32, LEFT + 18, y + 32, CROSSING)
    yield label(LEFT + 24, y + 37, text, "#222222", anchor="start")


def crossing_label(x: int, y: int, size: tuple[int, int, int], anchor: str = "middle") -> str:
    """How many elements of a tensor are sent."""
    channels, rows, columns = size
    return label(x, y, f"{channels * rows * columns:,} elements", CROSSING, anchor)


def box(x: int, y: int, name: str, text: str, color: str) -> str:
    """A block of the network with the shape of what it puts out."""
    middle = x + BOX_WIDTH // 2
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="{color}"/>'
        + label(middle, y + 19, name, "#ffffff", bold=True)
        + label(middle, y + 36, text, "#ffffff")
    )


def label(x: int, y: int, text: str, color: str, anchor: str = "middle", bold: bool = False) -> str:
    """A line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{color}" text-anchor="{anchor}"{weight}>{text}</text>'


def arrow(x1: int, y1: int, x2: int, y2: int, color: str) -> str:
    """A straight arrow."""
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="1.6"'
        f' marker-end="url(#{name_of(color)})"/>'
    )


def marker(color: str) -> str:
    """The point of an arrow."""
    return (
        f'<marker id="{name_of(color)}" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="7"'
        f' markerHeight="7" orient="auto"><path d="M 0 0 L 10 5 L 0 10 z" fill="{color}"/></marker>'
    )


def name_of(color: str) -> str:
    """A colour as an identifier."""
    return f"point-{color[1:]}"


if __name__ == "__main__":
    main()
