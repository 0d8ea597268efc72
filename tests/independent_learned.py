"""A decoder of codec `learned` in plain Python, from docs/frame-format.md alone, without numpy."""

import struct
from collections.abc import Iterator

RARE = "3 5 8 13 22 36 60 98 162 267 439 720 1179 1921 3108 4971 7812 11955 17625 24743 32768"
P = [int(word) for word in RARE.split()]
AXES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
CORNERS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
FAR_CORNERS = [(3 * y, x) for y, x in CORNERS] + [(y, 3 * x) for y, x in CORNERS]
FAR_AXES = [(2 * y, x) for y, x in CORNERS] + [(y, 2 * x) for y, x in CORNERS]
PASSES: list = [  # grids; near and far neighbours in strides
    ([(0, 0, 4)], [], []),
    ([(2, 2, 4)], CORNERS, FAR_CORNERS),
    ([(0, 2, 4), (2, 0, 4)], AXES, FAR_AXES),
    ([(1, 1, 2)], CORNERS, FAR_CORNERS),
    ([(0, 1, 2), (1, 0, 2)], AXES, FAR_AXES),
]
STRIDES = [0, 2, 2, 1, 1]


def decode_learned(model: bytes, payload: bytes, shape: tuple) -> list:
    """The symbols, nested as the shape (1, C, H, W) or (C, H, W) says."""
    magic, version, groups, channels, zero = struct.unpack_from("<4sBBHH", model)
    assert (magic, version, zero, channels) == (b"SPLM", 1, 0, shape[-3])
    words, at = channels + 5 * channels * (3 * channels + 2), 10
    numbers = struct.unpack_from(f"<{words}h", model, at)
    at += 2 * words
    tables = {}
    for name, size in [
        ("any", 5),
        ("unusual", 160 * channels),
        ("negative", 3 * channels),
        ("larger", 105 * channels),
    ]:
        tables[name] = model[at : at + size]
        at += size
    assert at == len(model)
    latent = Latent(numbers[channels:], tables, groups, shape[-3:], Steps(payload))
    for number in range(5):
        latent.code_pass(number)
    latent.steps.finish()
    found = [
        [
            [latent.d.get((c, y, x), 0) + numbers[c] for x in range(shape[-1])]
            for y in range(shape[-2])
        ]
        for c in range(channels)
    ]
    return [found] if len(shape) == 4 else found


class Latent:
    def __init__(self, weights, tables, groups, shape, steps) -> None:  # type: ignore[no-untyped-def]
        self.weights, self.tables, self.groups, self.steps = weights, tables, groups, steps
        self.channels, self.height, self.width = shape
        self.d: dict[tuple[int, int, int], int] = {}

    def code_pass(self, number: int) -> None:
        grids, near_by, far_by = PASSES[number]
        s = STRIDES[number]
        places = [
            (y, x)
            for y0, x0, step in grids
            for y in range(y0, self.height, step)
            for x in range(x0, self.width, step)
        ]
        sums = {}
        for y, x in places:
            for c in range(self.channels):
                known = [
                    sum(min(abs(self.d.get((c, y + s * dy, x + s * dx), 0)), 2) for dy, dx in by)
                    for by in (near_by, far_by)
                ]
                sums[c, y, x] = known
        quiet = [p for p in places if not any(any(sums[c, *p]) for c in range(self.channels))]
        some = dict(
            zip(quiet, self.steps.flags([self.tables["any"][number]] * len(quiet)), strict=True)
        )
        used = [p for p in places if some.get(p, True)]
        unusual = self.unusual(number, used, sums, set(quiet))
        self.values(unusual, near_by, s)

    def unusual(self, number, used, sums, quiet):  # type: ignore[no-untyped-def]
        c_all, found, first = self.channels, {}, 0
        for group in range(self.groups):
            size = c_all // self.groups + (group < c_all % self.groups)
            order, buckets = [], []
            for c in range(first, first + size):
                row = (number * c_all + c) * (3 * c_all + 2)
                w = self.weights[row : row + 3 * c_all + 2]
                for p in used:
                    features = [sums[o, *p][0] for o in range(c_all)]
                    features += [sums[o, *p][1] for o in range(c_all)]
                    features += [int(o < first and found[o, *p]) for o in range(c_all)]
                    features += [int(p in quiet), 1]
                    score = sum(a * b for a, b in zip(w, features, strict=True))
                    level = min(max((score + 2048) // 128, 0), 31)
                    buckets.append(self.tables["unusual"][(number * c_all + c) * 32 + level])
                    order.append((c, *p))
            found.update(zip(order, self.steps.flags(buckets), strict=True))
            first += size
        return [(c, *p) for c in range(c_all) for p in used if found[c, *p]]

    def values(self, which, near_by, s):  # type: ignore[no-untyped-def]
        near = {
            (c, y, x): [self.d.get((c, y + s * dy, x + s * dx), 0) for dy, dx in near_by]
            for c, y, x in which
        }
        signs = [sum((v > 0) - (v < 0) for v in near[k]) for k in which]
        buckets = [
            self.tables["negative"][3 * k[0] + 1 + (t > 0) - (t < 0)]
            for k, t in zip(which, signs, strict=True)
        ]
        negative = dict(zip(which, self.steps.flags(buckets), strict=True))
        around = {k: sum(min(abs(v), 15) for v in near[k]).bit_length() for k in which}
        size, left = dict.fromkeys(which, 1), which
        for least in range(1, 16):
            buckets = [self.tables["larger"][(k[0] * 15 + least - 1) * 7 + around[k]] for k in left]
            flags = self.steps.flags(buckets)
            left = [k for k, flag in zip(left, flags, strict=True) if flag]
            for k in left:
                size[k] += 1
        for k, rest in zip(left, self.rest(len(left)), strict=True):
            size[k] += rest
        self.d.update({k: -size[k] if negative[k] else size[k] for k in which})

    def rest(self, count: int) -> list[int]:
        lengths, left = [0] * count, list(range(count))
        for _ in range(16):
            flags = self.steps.flags([20] * len(left))
            left = [k for k, flag in zip(left, flags, strict=True) if flag]
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
