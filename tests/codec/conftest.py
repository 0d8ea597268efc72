"""A cut and its tensors that several tests share; the golden frames are of them."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from splittool.codec.frame import encode_frame
from splittool.codec.quantiser import ranges_between
from splittool.codec.symbols import History
from splittool.codec.tensors import Sending, TensorSpec

CUT_ID = bytes(range(16))
RANGES = {4: ranges_between([0, 0, -1], [2, 3, 1], 4)}
SPECS = [
    TensorSpec("skip", (1, 3, 15, 21), ranges=RANGES),
    TensorSpec("pooled", (1, 4, 2, 3)),
    TensorSpec("pixels", (1, 3, 4, 6), np.dtype(np.uint8)),
    TensorSpec("indices", (1, 5), np.dtype(np.int64)),
    TensorSpec("nothing", (1, 2, 0)),
]


def _smooth(shape: tuple[int, ...]) -> np.ndarray:
    """Like an activation: waves, with what is below zero cut off; the same on every machine."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    waves = np.abs((numbers % 23).astype(np.float32) - 11) / 4 - 1
    return np.maximum(waves, 0).astype(np.float32)


def _tensors(shift: int = 0) -> list[np.ndarray]:
    """Values for SPECS; of a film, those so many frames later."""
    return [
        np.roll(_smooth(spec.shape), shift, axis=-2)
        if spec.is_quantised
        else (np.arange(int(np.prod(spec.shape))) * 3 % 200).reshape(spec.shape).astype(spec.dtype)
        for spec in SPECS
    ]


def _frame(codec: str, bits: int = 4, calibrated: bool = False) -> bytes:
    """A frame of all of them."""
    sendings = [Sending(bits, codec, calibrated and bool(spec.ranges)) for spec in SPECS]
    return encode_frame(CUT_ID, 7, SPECS, _tensors(), sendings)


def _film(codec: str) -> list[bytes]:
    """A frame of all of them, and the next one."""
    history = History()
    sendings = [Sending(4, codec, bool(spec.ranges)) for spec in SPECS]
    return [
        encode_frame(CUT_ID, number, SPECS, _tensors(number), sendings, history)
        for number in range(2)
    ]


def _digest(arrays: list[np.ndarray]) -> str:
    """Of shapes, types and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape}{array.dtype.str}".encode() + array.tobytes())
    return found.hexdigest()


@pytest.fixture(scope="session")
def samples() -> SimpleNamespace:
    """cut_id, specs and the functions above."""
    return SimpleNamespace(
        cut_id=CUT_ID, specs=SPECS, tensors=_tensors, frame=_frame, film=_film, digest=_digest
    )
