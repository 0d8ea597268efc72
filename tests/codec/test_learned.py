import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import independent_learned
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from latents import make_latents

from splittool.codec import learned
from splittool.codec.frame import decode_frame, encode_frame, frame_cut_id
from splittool.codec.latent_model import LatentModel, read_model
from splittool.codec.learned import decode, encode, ideal_bits
from splittool.codec.payload import Format, PayloadError
from splittool.codec.quantiser import Ranges
from splittool.codec.tensors import Sending, TensorSpec
from splittool.errors import FrameError, InputError
from splittool.training.latent_fit import fit

GOLDEN = Path(__file__).parent / "golden"
CUT_ID = bytes(range(16))
GOLDEN_SYMBOLS = (36, 0.625)  # the largest, and the share of zeros
SIZES = {"small": (8, 14, 14), "strip": (12, 16, 100), "large": (12, 64, 400)}
SHAPES = st.tuples(st.just(3), st.integers(0, 11), st.integers(0, 11))
SYMBOLS = SHAPES.flatmap(
    lambda shape: hnp.arrays(
        np.int32, shape, elements=st.integers(-2, 2) | st.integers(-32768, 65535)
    )
)


@pytest.fixture(scope="module")
def model() -> LatentModel:
    return fit(make_latents((60, 3, 10, 12), 0.5), steps=100)


@given(SYMBOLS)
@example(np.full((3, 9, 9), 65535, np.int32))
@example(np.full((3, 2, 40), -32768, np.int32))
def test_symbols_survive(model: LatentModel, symbols: np.ndarray) -> None:
    found = decode(model, encode(model, symbols), symbols.shape)
    assert np.array_equal(found, symbols)
    assert found.shape == symbols.shape


@pytest.mark.parametrize("sparsity", [-0.5, 0.8, 2.0])
@pytest.mark.parametrize("shape", [(1, 1), (5, 30), (24, 26)])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_a_second_implementation_reads_the_same(
    sparsity: float, shape: tuple[int, int], groups: int
) -> None:
    latents = make_latents((12, 3, *shape), sparsity)
    latents[-1, 0, 0, 0] = 300
    found = fit(latents[:-2], groups, steps=20)
    for latent in latents[-2:]:
        payload = encode(found, latent)
        again = independent_learned.decode_learned(found.to_bytes(), payload, latent.shape)
        assert np.array_equal(np.array(again), latent)


@pytest.mark.parametrize(("size", "sparsity"), [("small", 1.2), ("strip", 1.8), ("large", 2.6)])
def test_real_bytes_are_the_models_and_fewer_than_without_neighbours(
    size: str, sparsity: float
) -> None:
    count = {"small": 300, "strip": 40, "large": 6}[size]
    latents = make_latents((count + 4, *SIZES[size]), sparsity)
    found = fit(latents[:count], steps=150)
    real = 0
    for latent in latents[count:]:
        payload, ideal = encode(found, latent), ideal_bits(found, latent) / 8
        assert ideal - 8 <= len(payload) <= 1.03 * ideal + 4
        assert np.array_equal(decode(found, payload, latent.shape), latent)
        real += len(payload)
    assert real < 0.8 * _bytes_of_frequencies(latents[:count], latents[count:])


def _bytes_of_frequencies(seen: np.ndarray, latents: np.ndarray) -> float:
    """What an ideal coder makes of them that knows each channel's frequencies."""
    bits = 0.0
    lowest, highest = int(min(seen.min(), latents.min())), int(max(seen.max(), latents.max()))
    for channel in range(seen.shape[1]):
        counts = np.bincount((seen[:, channel] - lowest).ravel(), minlength=highest - lowest + 1)
        likely = (counts + 0.1) / (counts + 0.1).sum()
        bits -= np.log2(likely[latents[:, channel] - lowest]).sum()
    return bits / 8


def test_nothing_unusual_costs_next_to_nothing(model: LatentModel) -> None:
    usual = np.broadcast_to(model.usual[:, None, None], (3, 16, 100))
    assert len(encode(model, usual)) <= 2


def test_dense_latents_work_too() -> None:
    latents = np.random.default_rng(0).integers(-40, 40, (4, 2, 30, 40))
    found = fit(latents, steps=20)
    payload = encode(found, latents[0])
    assert np.array_equal(decode(found, payload, latents[0].shape), latents[0])
    assert len(payload) <= 1.03 * ideal_bits(found, latents[0]) / 8 + 4


def test_floats_of_either_size_decide_alike(model: LatentModel) -> None:
    latent = make_latents((1, 3, 40, 50), 0.5, seed=9)[0]
    payload = encode(model, latent)
    assert {weights.dtype for weights in model.exact} == {np.dtype(np.float32)}
    double = read_model(model.to_bytes())
    double.__dict__["exact"] = tuple(weights.astype(np.float64) for weights in model.exact)
    assert encode(double, latent) == payload


def test_weights_too_large_for_small_floats_get_large_ones() -> None:
    chance = np.random.default_rng(0)
    shapes = (5, 40, 24 * 20 + 1), (5, 4, 20, 40 + 41)
    first, second = (
        chance.integers(-32768, 32767, shape, np.int16, endpoint=True) for shape in shapes
    )
    buckets = np.full(5, 10, np.uint8), np.full((20, 13), 9, np.uint8)
    heavy = LatentModel(np.zeros(20, np.int16), 3, first, second, *buckets)
    assert {weights.dtype for weights in heavy.exact} == {np.dtype(np.float64)}
    latent = make_latents((1, 20, 9, 10), 0)[0]
    payload = encode(heavy, latent)
    assert np.array_equal(decode(heavy, payload, latent.shape), latent)
    again = independent_learned.decode_learned(heavy.to_bytes(), payload, latent.shape)
    assert np.array_equal(np.array(again), latent)


SCRIPT = """
import hashlib, sys
import numpy as np
from latents import make_latents
from splittool.codec.latent_model import read_model
from splittool.codec.learned import decode, encode
model = read_model(open(sys.argv[1], "rb").read())
found = hashlib.sha256()
for latent in make_latents((3, 3, 64, 400), 0.7, seed=3):
    payload = encode(model, latent)
    assert np.array_equal(decode(model, payload, latent.shape), latent)
    found.update(payload)
print(found.hexdigest())
"""


def test_threads_and_instruction_sets_change_nothing(model: LatentModel, tmp_path: Path) -> None:
    """Sums of whole numbers that floats hold exactly do not depend on their order."""
    path = tmp_path / "model.bin"
    path.write_bytes(model.to_bytes())
    found = set()
    for variables in (
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F"},
    ):
        environment = {**os.environ, **variables, "PYTHONWARNINGS": "ignore"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, path], env=environment, capture_output=True, check=False
        )
        assert run.returncode == 0, run.stderr.decode()
        found.add(run.stdout)
    assert len(found) == 1


def test_golden_payload(model: LatentModel) -> None:
    """SPLITTOOL_REGENERATE=1 writes what is not there; what is there never changes."""
    paths = [GOLDEN / f"v3-learned{end}" for end in (".model", ".payload", ".bin")]
    if not paths[0].exists() and os.environ.get("SPLITTOOL_REGENERATE"):
        latent = make_latents((1, 3, 21, 34), 0.4, seed=4)[0]
        paths[0].write_bytes(model.to_bytes())
        paths[1].write_bytes(encode(model, latent))
        paths[2].write_bytes(_frame(_spec(model), latent))
    golden, payload, frame = (path.read_bytes() for path in paths)
    symbols = np.array(independent_learned.decode_learned(golden, payload, (3, 21, 34)))
    assert (np.abs(symbols).max(), (symbols == 0).mean().round(3)) == GOLDEN_SYMBOLS
    assert encode(read_model(golden), symbols) == payload
    spec = _spec(read_model(golden))
    assert _frame(spec, symbols) == frame
    found = decode_frame(frame, CUT_ID, [spec])
    assert found.frame_id == 77
    assert np.array_equal(found.tensors[0][0], symbols)


def _spec(model: LatentModel) -> TensorSpec:
    """Whole numbers from -128 to 127, as a head gives them, are symbols of 8 bits."""
    ranges = {8: Ranges(np.array([-128], np.float32), np.array([1], np.float32))}
    shifted = dataclasses.replace(model, usual=(model.usual + 128).astype(np.int16))
    return TensorSpec("latent", (1, 3, 21, 34), ranges=ranges, model=shifted)


def _frame(spec: TensorSpec, latent: np.ndarray, number: int = 77) -> bytes:
    tensor = latent[None].astype(np.float32)
    return encode_frame(CUT_ID, number, [spec], [tensor], [Sending(8, "learned", True)])


def test_a_frame_adds_at_most_eight_bytes(model: LatentModel) -> None:
    latent = make_latents((1, 3, 21, 34), 0.4, seed=4)[0]
    payload = encode(model, latent)
    spec = _spec(model)
    sizes = {number: len(_frame(spec, latent, number)) for number in (0, 1, 127, 16383)}
    assert [size - len(payload) for size in sizes.values()] == [6, 7, 7, 8]
    assert decode_frame(_frame(spec, latent, 16383), CUT_ID, [spec]).frame_id == 16383


def test_latents_are_never_predicted_nor_longer_than_packed(model: LatentModel) -> None:
    spec = _spec(model)
    noise = np.random.default_rng(0).integers(-128, 128, spec.shape)
    frame = _frame(spec, noise[0])
    assert frame[0] == ord("S")  # packed, and so an ordinary frame
    assert np.array_equal(decode_frame(frame, CUT_ID, [spec]).tensors[0], noise)


@given(st.binary(max_size=60), st.integers(0, 12), st.integers(0, 12))
def test_other_bytes_are_refused_or_read(
    model: LatentModel, payload: bytes, height: int, width: int
) -> None:
    try:
        found = decode(model, payload, (1, 3, height, width))
    except PayloadError:
        return
    assert encode(model, found) == payload


def test_what_does_not_fit_is_refused(model: LatentModel) -> None:
    latent = make_latents((1, 3, 21, 34), 0.4)[0]
    payload = encode(model, latent)
    with pytest.raises(PayloadError, match="do not end where they should"):
        decode(model, payload + bytes(9), latent.shape)
    with pytest.raises(PayloadError, match="a model of 3 channels"):
        decode(model, payload, (1, 4, 21, 34))
    with pytest.raises(InputError, match="and the model is of 3 channels"):
        encode(model, latent[:2])
    with pytest.raises(InputError, match="200000 from the usual one"):
        encode(model, latent.astype(np.int32) * 0 + 200_000)
    with pytest.raises(PayloadError, match="that 8 bits do not hold"):
        learned.decode_symbols(model, encode(model, latent - 20), latent.shape, 8)


def test_only_short_frames_of_cuts_with_a_model_have_the_format(model: LatentModel) -> None:
    latent = make_latents((1, 3, 21, 34), 0.4)[0]
    spec = _spec(model)
    frame = _frame(spec, latent)
    bare = TensorSpec("latent", spec.shape, ranges=spec.ranges)
    with pytest.raises(FrameError, match="has format 3, which is not accepted"):
        decode_frame(frame, CUT_ID, [bare])
    refusing = TensorSpec(
        "latent",
        spec.shape,
        ranges=spec.ranges,
        model=spec.model,
        formats=frozenset({Format.PACKED}),
    )
    with pytest.raises(FrameError, match="has format 3, which is not accepted"):
        decode_frame(frame, CUT_ID, [refusing])
    with pytest.raises(InputError, match="latent has no model for codec 'learned'"):
        _frame(bare, latent)


def test_a_model_is_covered_by_the_cut_id(model: LatentModel) -> None:
    first, second = "ab" * 32, "cd" * 32
    assert frame_cut_id(first, model_sha256=model.sha256) != frame_cut_id(first)
    assert frame_cut_id(first, second, model.sha256) != frame_cut_id(first, second)


def test_a_models_file_comes_back(model: LatentModel) -> None:
    again = read_model(model.to_bytes())
    assert again.to_bytes() == model.to_bytes()
    assert again.sha256 == model.sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "bad magic bytes"),
        (lambda data: b"SPLX" + data[4:], "bad magic bytes"),
        (lambda data: data[:4] + b"\1" + data[5:], "has version 1, not 2"),
        (lambda data: data[:5] + b"\0" + data[6:], "has 0 groups of 3 channels"),
        (lambda data: data[:5] + b"\4" + data[6:], "has 4 groups of 3 channels"),
        (lambda data: data[:8] + b"\0\0" + data[10:], "has 0 hidden values"),
        (lambda data: data[:-1], "bytes, not"),
        (lambda data: data + b"\0", "bytes, not"),
        (lambda data: data[:-1] + b"\x29", "a damaged table 'larger'"),
    ],
)
def test_other_files_are_refused(model: LatentModel, change: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_model(change(model.to_bytes()))  # type: ignore[operator]


def test_a_model_is_made_of_symbols() -> None:
    for symbols in (np.zeros((3, 4, 4), int), np.zeros((0, 3, 4, 4), int)):
        with pytest.raises(InputError, match="are not"):
            fit(symbols)
    with pytest.raises(InputError, match="16 bits"):
        fit(np.full((1, 1, 2, 2), 40_000))


def test_fitting_tells_how_far_it_is() -> None:
    told: list[tuple[float, float, str]] = []
    fit(make_latents((7, 2, 6, 6), 0.5), steps=4, progress=lambda *args: told.append(args))
    assert told[-1][:2] == (5, 5)
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)


def test_the_same_latents_give_the_same_model_and_leave_the_random_state_alone() -> None:
    latents = make_latents((7, 2, 6, 6), 0.5)
    before = torch.get_rng_state()
    first = fit(latents, steps=3).to_bytes()
    torch.rand(7)
    assert fit(latents, steps=3).to_bytes() == first
    torch.set_rng_state(before)
    fit(latents, steps=3)
    assert torch.equal(torch.get_rng_state(), before)
