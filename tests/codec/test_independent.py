"""A decoder that knows only docs/frame-format.md reads the same tensors, bit for bit."""

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import independent_frame
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latents import make_latents

from splittool.codec.frame import decode_frame, encode_frame
from splittool.codec.latent_model import LatentModel
from splittool.codec.quantiser import ranges_between
from splittool.codec.symbols import History
from splittool.codec.tensors import Sending, TensorSpec
from splittool.training.latent_fit import fit

GOLDEN = Path(__file__).parent / "golden"
CUT_ID = bytes(range(7, 23))
REAL = ["float32", "float16"]
WHOLE = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "bool"]
SHAPES = st.lists(st.integers(0, 6), max_size=4).map(lambda rest: (1, *rest)) | st.just(())


@pytest.fixture(scope="module")
def model() -> LatentModel:
    return fit(make_latents((60, 3, 10, 12), 0.5) + 8, steps=50)


def _specs(draw: Any, model: LatentModel) -> tuple[list[TensorSpec], list[Sending]]:
    """Some tensors, and how to send them."""
    specs, sendings = [], []
    for number in range(draw(st.integers(1, 3))):
        bits = draw(st.integers(1, 16))
        codec = draw(st.sampled_from(["raw", "fast", "small", "learned"]))
        shape, kind = draw(SHAPES), draw(st.sampled_from(REAL * 4 + WHOLE))
        ranges, calibrated = {}, draw(st.booleans())
        if codec == "learned":
            height, width = draw(st.integers(0, 9)), draw(st.integers(0, 9))
            kind, shape = "float32", (1, model.channels, height, width)
        if kind in REAL:
            channels = shape[1] if len(shape) > 1 else 1
            lows = -np.arange(draw(st.sampled_from([1, channels])), dtype=np.float32) - 0.3
            ranges = {bits: ranges_between(lows, lows + 2.7, bits)}
        coding = model if codec == "learned" else None
        specs.append(TensorSpec(f"t{number}", shape, np.dtype(kind), ranges, model=coding))
        sendings.append(Sending(bits, codec, calibrated and bool(ranges), draw(st.booleans())))
    return specs, sendings


def _values(spec: TensorSpec, chance: np.random.Generator, spread: float) -> np.ndarray:
    if spec.dtype.kind == "f":
        return (chance.standard_normal(spec.shape) * spread).astype(spec.dtype)
    return np.asarray(chance.integers(0, 100 if spec.dtype.kind != "b" else 2, spec.shape)).astype(
        spec.dtype
    )


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {
        "shape": list(spec.shape),
        "dtype": "float32" if spec.is_quantised else spec.dtype.name,
        "ranges": {bits: (each.low, each.step) for bits, each in spec.ranges.items()},
        "model": spec.model.to_bytes() if spec.model else None,
    }


@settings(max_examples=150)
@given(data=st.data())
def test_both_decoders_read_the_same_bits(data: st.DataObject, model: LatentModel) -> None:
    specs, sendings = _specs(data.draw, model)
    chance = np.random.default_rng(data.draw(st.integers(0, 99)))
    spread, is_short = data.draw(st.sampled_from([0.0, 0.1, 1.0])), data.draw(st.booleans())
    cut = [_described(spec) for spec in specs]
    sent, received, before = History(), History(), None
    tensors = [_values(spec, chance, spread) for spec in specs]
    for number in (0, 1, 2**64 - 1):
        frame = encode_frame(CUT_ID, number, specs, tensors, sendings, sent, is_short)
        ours = decode_frame(frame, CUT_ID, specs, received)
        frame_id, theirs, before = independent_frame.decode(frame, CUT_ID, cut, before)
        assert frame_id == ours.frame_id == number
        for one, other in zip(ours.tensors, theirs, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            assert one.tobytes() == other.tobytes()
        tensors = [tensor if number else np.roll(tensor, 1) for tensor in tensors]


def _golden_cut(samples: SimpleNamespace) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "shape": list(spec.shape),
            "dtype": "float32" if spec.is_quantised else spec.dtype.name,
            "ranges": {
                str(bits): {"low": each.low.tolist(), "step": each.step.tolist()}
                for bits, each in spec.ranges.items()
            },
        }
        for spec in samples.specs
    ]


def test_golden_frames_are_described_and_read_from_their_description(
    samples: SimpleNamespace,
) -> None:
    """SPLITTOOL_REGENERATE=1 writes the description anew, from splittool's own decoder."""
    path = GOLDEN / "frames.json"
    if os.environ.get("SPLITTOOL_REGENERATE"):
        path.write_text(json.dumps(_description(samples), indent=1) + "\n")
    found = json.loads(path.read_text())
    assert found["cut"] == _golden_cut(samples)
    assert {p.stem for p in GOLDEN.glob("v[12]*.bin")} == set(found["frames"])
    cut = [
        {**each, "ranges": {int(b): (r["low"], r["step"]) for b, r in each["ranges"].items()}}
        for each in found["cut"]
    ]
    for name, frames in found["frames"].items():
        content, before = (GOLDEN / f"{name}.bin").read_bytes(), None
        for each in frames:
            frame = content[each["offset"] : each["offset"] + each["bytes"]]
            frame_id, tensors, before = independent_frame.decode(
                frame, bytes.fromhex(found["cut_id"]), cut, before
            )
            assert frame_id == each["frame_id"]
            assert [_digest(tensor) for tensor in tensors] == each["sha256"]
            assert [tensor.ravel()[:4].tolist() for tensor in tensors] == each["first"]


def _digest(tensor: np.ndarray) -> str:
    """Of the elements, little-endian, the last dimension fastest."""
    return hashlib.sha256(tensor.astype(tensor.dtype.newbyteorder("<")).tobytes()).hexdigest()


def _description(samples: SimpleNamespace) -> dict[str, Any]:
    frames: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(GOLDEN.glob("v[12]*.bin")):
        content, history = path.read_bytes(), History()
        starts = [at for at in range(len(content)) if content[at : at + 4] == b"SPLF"]
        frames[path.stem] = []
        for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
            found = decode_frame(content[start:end], samples.cut_id, samples.specs, history)
            frames[path.stem].append(
                {
                    "offset": start,
                    "bytes": end - start,
                    "frame_id": found.frame_id,
                    "sha256": [_digest(tensor) for tensor in found.tensors],
                    "first": [tensor.ravel()[:4].tolist() for tensor in found.tensors],
                }
            )
    return {"cut_id": samples.cut_id.hex(), "cut": _golden_cut(samples), "frames": frames}
