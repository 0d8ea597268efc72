"""The quantiser inside head and tail: a plain server or a stick then moves small tensors of bytes.

What the baked head puts out is, bit for bit, what the codec packs, and what the baked tail makes of
it is what the codec unpacks. That takes some care: a runtime may turn a division into a product
with the reciprocal, and a product and a sum into one step with one rounding. The codec multiplies
by reciprocals, too, and a ReLU on what is never below zero keeps products and sums apart.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset8 as opset

from splittool.codec.quantiser import Quantised, dequantise, quantise, reciprocals
from splittool.codec.symbols import pack, packed_bytes
from splittool.codec.tensors import TensorSpec
from splittool.errors import InputError, VerificationError
from splittool.graph.halves import Halves, Verification, Verifier, random_input, run_in_f32
from splittool.reports import BakedRecord, CutReport, TensorRecord, read_report
from splittool.runtime.ir import read_info, write_info
from splittool.split.calibration_file import calibrated_specs
from splittool.split.files import BothForms, Form, Written, verification_record, write_halves
from splittool.split.link import cut_specs

BakedBits = Literal[8, 4]
_BYTE = opset.constant(np.float32(16))


def bake(
    path: Path, halves: Halves, bits: BakedBits, tolerance: float, folder: Path, force: bool = False
) -> CutReport:
    """Write a cut whose halves hold the quantiser, with the ranges calibrated for it.

    Args:
        path: The cut.json; its calibration.json is beside it.
        halves: Its head and tail.
        bits: 8, or 4 with two elements in a byte.
        tolerance: Largest difference allowed from the same halves joined by the codec, as a share
            of the output's range. The head's bytes must be the same.
        folder: Where the files go.
        force: Replace files that exist.

    Raises:
        InputError: The cut is damaged, not calibrated for these bits, or baked already.
        VerificationError: The halves do not compute what the codec does; nothing is written.
        OutputError: The files exist or cannot be written.
    """
    cut = read_report(path, CutReport)
    if cut.baked:
        raise InputError(f"{path} is baked already; bake the cut that it was made from")
    specs = cut_specs(path, cut)
    specs = calibrated_specs(path, specs, [bits] * len(specs))
    proof = _Joined(halves, specs, bits)

    def describe(written: Written) -> CutReport:
        difference = proof.hold(written.halves, tolerance)
        return _report(cut, specs, bits, written, difference)

    baked = Halves(bake_head(halves.head, specs, bits), bake_tail(halves.tail, specs, bits))
    return write_halves(folder, BothForms(baked), describe, Form(), force)


def _report(
    cut: CutReport,
    specs: Sequence[TensorSpec],
    bits: BakedBits,
    written: Written,
    proof: Verification,
) -> CutReport:
    pairs = zip(cut.split.tensors, specs, strict=True)
    tensors = [_crossing(record, spec, bits) for record, spec in pairs]
    return CutReport(
        source=cut.source,
        split=msgspec.structs.replace(
            cut.split,
            tensors=tensors,
            elements=sum(tensor.elements for tensor in tensors),
            difference=proof.share,
        ),
        head=written.head,
        tail=written.tail,
        input=cut.input,
        inputs=cut.inputs,
        classes=cut.classes,
        fit=cut.fit,
        verification=verification_record(proof),
        baked=BakedRecord(bits, cut.split.tensors),
    )


def _crossing(record: TensorRecord, spec: TensorSpec, bits: int) -> TensorRecord:
    """What crosses in place of a tensor of real numbers."""
    if not spec.is_quantised:
        return record
    shape = _shape(spec, bits)
    return TensorRecord(record.name, list(shape), "u8", 8, int(np.prod(shape)))


def _shape(spec: TensorSpec, bits: int) -> tuple[int, ...]:
    count = int(np.prod(spec.shape))
    return spec.shape if bits == 8 else (1, packed_bytes(count, bits))


def bake_head(head: ov.Model, specs: Sequence[TensorSpec], bits: int) -> ov.Model:
    """A head that puts out packed symbols in place of real numbers; the original stays."""
    model = head.clone()
    results = []
    for result, spec in zip(model.get_results(), specs, strict=True):
        value = result.input_value(0)
        value.get_tensor().set_names(set())
        baked = _symbols(value, spec, bits) if spec.is_quantised else value
        output = baked if isinstance(baked, ov.Output) else baked.output(0)
        output.get_tensor().set_names({spec.name})
        results.append(opset.result(output, name=f"{spec.name}/result"))
    baked_model = ov.Model(results, model.get_parameters(), model.get_friendly_name())
    write_info(baked_model, read_info(head))
    return baked_model


def _symbols(value: ov.Output, spec: TensorSpec, bits: int) -> ov.Node:
    ranges = spec.ranges[bits]
    real = opset.convert(value, "f32") if value.get_element_type() != ov.Type.f32 else value
    above = opset.relu(opset.subtract(real, _per_channel(ranges.low, spec)))
    scaled = opset.multiply(above, _per_channel(reciprocals(ranges), spec))
    whole = opset.clamp(opset.round(scaled, "half_to_even"), 0.0, float(2**bits - 1))
    if bits == 8:
        return opset.convert(whole, "u8")
    count, size = int(np.prod(spec.shape)), _shape(spec, bits)[1]
    flat = opset.reshape(whole, _whole(1, count), False)
    if 2 * size > count:
        flat = opset.concat([flat, opset.constant(np.zeros((1, 1), np.float32))], 1)
    low, high = opset.split(flat, opset.constant(np.int64(1)), 2).outputs()
    return opset.convert(opset.add(low, opset.multiply(high, _BYTE)), "u8")


def bake_tail(tail: ov.Model, specs: Sequence[TensorSpec], bits: int) -> ov.Model:
    """A tail that takes packed symbols in place of real numbers; the original stays."""
    model = tail.clone()
    parameters = []
    for old, spec in zip(model.get_parameters(), specs, strict=True):
        if not spec.is_quantised:
            parameters.append(old)
            continue
        kind = old.get_element_type()
        parameter = opset.parameter(_shape(spec, bits), ov.Type.u8, name=spec.name)
        values = _values(parameter, spec, bits)
        real = values if kind == ov.Type.f32 else opset.convert(values, kind.get_type_name())
        for target in old.output(0).get_target_inputs():
            target.replace_source_output(real.output(0))
        parameter.output(0).get_tensor().set_names({spec.name})
        parameters.append(parameter)
    baked = ov.Model(model.get_results(), parameters, model.get_friendly_name())
    write_info(baked, read_info(tail))
    return baked


def _values(parameter: ov.Node, spec: TensorSpec, bits: int) -> ov.Node:
    ranges, symbols = spec.ranges[bits], opset.convert(parameter, "f32")
    if bits == 4:
        high = opset.floor(opset.multiply(symbols, opset.constant(np.float32(1 / 16))))
        low = opset.subtract(symbols, opset.multiply(high, _BYTE))
        count = int(np.prod(spec.shape))
        flat = opset.slice(
            opset.concat([low, high], 1), _whole(0), _whole(count), _whole(1), _whole(1)
        )
        symbols = opset.reshape(flat, _whole(*spec.shape), False)
    scaled = opset.relu(opset.multiply(symbols, _per_channel(ranges.step, spec)))
    return opset.add(scaled, _per_channel(ranges.low, spec))


def _whole(*values: int) -> ov.Node:
    return opset.constant(np.array(values, np.int64))


def _per_channel(values: NDArray[np.float32], spec: TensorSpec) -> ov.Node:
    shape = (1, len(values), *[1] * (len(spec.shape) - 2)) if len(spec.shape) > 1 else (1,)
    return opset.constant(np.ascontiguousarray(values.reshape(shape)))


class _Joined:
    """Plain halves joined by the codec, run once on a random input, for baked ones to equal."""

    def __init__(self, halves: Halves, specs: Sequence[TensorSpec], bits: int) -> None:
        self._inputs = random_input(halves.head)
        self._specs = specs
        self._sent, received = [], []
        values = run_in_f32(halves.head, list(self._inputs.values()))
        for spec, value in zip(specs, values, strict=True):
            quantised = _quantise(value, spec, bits)
            received.append(dequantise(quantised) if quantised else value)
            self._sent.append(pack(quantised.symbols, bits) if quantised else value.tobytes())
        self._verifier = Verifier(self._inputs, run_in_f32(halves.tail, received))

    def hold(self, baked: Halves, tolerance: float) -> Verification:
        """Hold baked halves against them.

        Raises:
            VerificationError: The head's bytes are not the codec's, or the outputs differ.
        """
        found = run_in_f32(baked.head, list(self._inputs.values()))
        for spec, value, sent in zip(self._specs, found, self._sent, strict=True):
            if value.tobytes() != sent:
                raise VerificationError(
                    f"the baked head's bytes of {spec.name} are not the codec's; nothing was"
                    " written"
                )
        proof = self._verifier.compare(run_in_f32(baked.tail, found), tolerance)
        if not proof.holds:
            raise VerificationError(
                f"baked halves differ from those joined by the codec by {proof.difference:.2e},"
                f" more than {tolerance:g} of the output's range; nothing was written"
            )
        return proof


def _quantise(value: NDArray[Any], spec: TensorSpec, bits: int) -> Quantised | None:
    if not spec.is_quantised:
        return None
    return quantise(value.astype(np.float32), bits, spec.name, spec.ranges[bits])
