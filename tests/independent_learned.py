"""A decoder of codec `learned` in plain Python, from docs/frame-format.md alone, without numpy."""

import struct
from collections.abc import Iterator

RARE = "3 5 8 13 22 36 60 98 162 267 439 720 1179 1921 3108 4971 7812 11955 17625 24743 32768"
P = [int(word) for word in RARE.split()]
CORNERS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
DIAGONAL = CORNERS + [(3 * y, x) for y, x in CORNERS] + [(y, 3 * x) for y, x in CORNERS]
STRAIGHT = [(-1, 0), (1, 0), (0, -1), (0, 1)]
STRAIGHT += [(2 * y, x) for y, x in CORNERS] + [(y, 2 * x) for y, x in CORNERS]
PASSES: list = [  # grids, neighbours in strides, stride
    ([(0, 0, 4)], [], 0),
    ([(2, 2, 4)], DIAGONAL, 2),
    ([(0, 2, 4), (2, 0, 4)], STRAIGHT, 2),
    ([(1, 1, 2)], DIAGONAL, 1),
    ([(0, 1, 2), (1, 0, 2)], STRAIGHT, 1),
]


def decode_learned(model: bytes, payload: bytes, shape: tuple) -> list:
    """The symbols, nested as the shape (1, C, H, W) or (C, H, W) says."""
    magic, version, groups, channels, hidden = struct.unpack_from("<4sBBHH", model)
    assert (magic, version, channels) == (b"SPLM", 2, shape[-3])
    first, second = 24 * channels + 1, hidden + 2 * channels + 1
    words = channels + 5 * hidden * first + 5 * 4 * channels * second
    numbers = struct.unpack_from(f"<{words}h", model, 10)
    usual, numbers = numbers[:channels], numbers[channels:]
    rows = [numbers[k * first : (k + 1) * first] for k in range(5 * hidden)]
    numbers = numbers[5 * hidden * first :]
    heads = [numbers[k * second : (k + 1) * second] for k in range(5 * 4 * channels)]
    tables = model[10 + 2 * words :]
    assert len(tables) == 5 + 13 * channels
    latent = Latent(hidden, rows, heads, tables, groups, shape[-3:], Steps(payload))
    for number in range(5):
        latent.code_pass(number)
    latent.sizes()
    latent.steps.finish()
    found = [
        [
            [latent.d.get((c, y, x), 0) + usual[c] for x in range(shape[-1])]
            for y in range(shape[-2])
        ]
        for c in range(channels)
    ]
    return [found] if len(shape) == 4 else found


def within(low: int, value: int, high: int) -> int:
    return min(max(value, low), high)


class Latent:
    def __init__(self, hidden, rows, heads, tables, groups, shape, steps) -> None:  # type: ignore[no-untyped-def]
        self.hidden, self.rows, self.heads, self.tables = hidden, rows, heads, tables
        self.groups, self.steps = groups, steps
        self.channels, self.height, self.width = shape
        self.d: dict[tuple[int, int, int], int] = {}

    def small(self, c: int, y: int, x: int) -> int:
        return within(-2, self.d.get((c, y, x), 0), 2)

    def code_pass(self, number: int) -> None:
        grids, neighbours, s = PASSES[number]
        places = [
            (y, x)
            for y0, x0, step in grids
            for y in range(y0, self.height, step)
            for x in range(x0, self.width, step)
        ]
        around = {
            (y, x): [
                self.small(c, y + s * dy, x + s * dx)
                for c in range(self.channels)
                for dy, dx in neighbours
            ]
            for y, x in places
        }
        quiet = [p for p in places if not any(around[p])]
        some = self.steps.flags([self.tables[number]] * len(quiet))
        answers = dict(zip(quiet, some, strict=True))
        used = [p for p in places if answers.get(p, True)]
        layer = {p: self.layer(number, around[p]) for p in used}
        first = 0
        for group in range(self.groups):
            size = self.channels // self.groups + (group < self.channels % self.groups)
            self.code_group(number, range(first, first + size), used, layer)
            first += size

    def layer(self, number: int, around: list[int]) -> list[int]:
        values = around or [0] * (12 * self.channels)
        seen = [*values, *map(abs, values), 1]
        rows = self.rows[number * self.hidden : (number + 1) * self.hidden]
        return [
            within(0, sum(a * b for a, b in zip(row, seen, strict=True)) // 16, 255) for row in rows
        ]

    def code_group(self, number, group, used, layer):  # type: ignore[no-untyped-def]
        order = [(c, *p) for c in group for p in used]
        buckets = {k: self.buckets(number, k, group[0], layer[k[1:]]) for k in order}
        unusual = self.asked(order, [buckets[k][0] for k in order])
        both = [buckets[k][1] for k in unusual] + [buckets[k][2] for k in unusual]
        flags = self.steps.flags(both)
        negative = dict(zip(unusual, flags[: len(unusual)], strict=True))
        larger = [k for k, flag in zip(unusual, flags[len(unusual) :], strict=True) if flag]
        further = set(self.asked(larger, [buckets[k][3] for k in larger]))
        size = {k: 1 + (k in set(larger)) + (k in further) for k in unusual}
        self.d.update({k: -size[k] if negative[k] else size[k] for k in unusual})

    def buckets(self, number, k, first, layer):  # type: ignore[no-untyped-def]
        c, y, x = k
        here = [self.small(o, y, x) if o < first else 0 for o in range(self.channels)]
        features = [*layer, *(16 * v for v in here), *(16 * abs(v) for v in here), 16]
        found = []
        for decision in range(4):
            row = self.heads[(number * 4 + decision) * self.channels + c]
            score = sum(a * b for a, b in zip(row, features, strict=True))
            found.append(within(0, (score + 41984) // 2048, 40))
        return found

    def asked(self, keys, buckets):  # type: ignore[no-untyped-def]
        flags = self.steps.flags(buckets)
        return [k for k, flag in zip(keys, flags, strict=True) if flag]

    def sizes(self) -> None:
        large = sorted(k for k, value in self.d.items() if abs(value) == 3)
        size, left = dict.fromkeys(large, 3), large
        for least in range(3, 16):
            left = self.asked(left, [self.tables[5 + 13 * k[0] + least - 3] for k in left])
            for k in left:
                size[k] += 1
        for k, rest in zip(left, self.rest(len(left)), strict=True):
            size[k] += rest
        for k in large:
            self.d[k] = size[k] if self.d[k] > 0 else -size[k]

    def rest(self, count: int) -> list[int]:
        lengths, left = [0] * count, list(range(count))
        for _ in range(16):
            left = self.asked(left, [20] * len(left))
            for k in left:
                lengths[k] += 1
        found = [1] * count
        for bit in range(max(lengths, default=0) - 1, -1, -1):
            which = [k for k in range(count) if lengths[k] > bit]
            for k, flag in zip(which, self.steps.flags([20] * len(which)), strict=True):
                found[k] = 2 * found[k] + flag
        return [value - 1 for value in found]


class Steps:
    def __init__(self, data: bytes) -> None:
        self.data: Iterator[int] = iter(data)
        self.state = 0
        self.fill()

    def fill(self) -> None:
        while self.state < 2**20:
            byte = next(self.data, None)
            if byte is None:
                return
            self.state = 256 * self.state + byte

    def finish(self) -> None:
        assert self.state == 0
        assert next(self.data, None) is None

    def step(self, frequencies: list[int]) -> int:
        slot, start = self.state % 65536, 0
        for found, frequency in enumerate(frequencies):
            if start <= slot < start + frequency:
                self.state = frequency * (self.state // 65536) + slot - start
                self.fill()
                return found
            start += frequency
        raise AssertionError

    def flags(self, buckets) -> list[bool]:  # type: ignore[no-untyped-def]
        folded = [min(k, 40 - k) for k in buckets]
        many = [k for k in range(21) if folded.count(k) >= 64]
        found = [False] * len(buckets)
        for at, k in enumerate(folded):
            if k not in many:
                found[at] = bool(self.step([65536 - P[k], P[k]]))
        for k in many:
            which = [at for at, each in enumerate(folded) if each == k]
            for at, flag in zip(which, self.many(P[k], len(which)), strict=True):
                found[at] = flag
        return [flag != (k > 20) for flag, k in zip(found, buckets, strict=True)]

    def many(self, p: int, count: int) -> list[bool]:
        ps, counts = [p], [count]
        groups = -(-count // 8)
        while ps[-1] < 4096 and groups >= 64:
            ps.append(65536 - ((65536 - ps[-1]) ** 8 >> 112))
            counts.append(groups)
            groups = -(-groups // 8)
        present = [True] * groups
        for level in range(len(ps) - 1, -1, -1):
            flags: list[bool] = []
            for group, there in enumerate(present):
                size = min(8, counts[level] - 8 * group)
                mask = self.step(masks(ps[level], size, level < len(ps) - 1)) if there else 0
                flags += [bool(mask >> bit & 1) for bit in range(size)]
            present = flags
        return present


def masks(p: int, size: int, some: bool) -> list[int]:
    weights = [p**n * (65536 - p) ** (size - n) for n in range(size + 1)]
    total = 65536**size - (weights[0] if some else 0)
    found = [max(1, 65536 * weights[mask.bit_count()] // total) for mask in range(2**size)]
    if some:
        found[0] = 0
    found[found.index(max(found))] += 65536 - sum(found)
    return found
