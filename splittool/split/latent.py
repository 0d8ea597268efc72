"""The latent of a network made to be split: what both ends know of its whole numbers."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from splittool.codec.latent_model import LatentModel, read_model
from splittool.codec.quantiser import Ranges
from splittool.codec.tensors import Sending, TensorSpec
from splittool.errors import InputError
from splittool.files import require_file, sha256
from splittool.reports import CutReport
from splittool.runtime.ir import ModelInfo
from splittool.vocabulary import LATENT, LATENT_BITS, LATENT_LARGEST

CODEC = "learned"
SENDING = Sending(LATENT_BITS, CODEC, calibrated=True)


def model_of(info: ModelInfo, specs: Sequence[TensorSpec]) -> LatentModel | None:
    """The model of codec `learned` that a network holds for what crosses a cut.

    Args:
        info: What the network says about itself.
        specs: What crosses the cut.

    Returns:
        The model; None where the network has none, or something else than its latent crosses.

    Raises:
        InputError: The model is damaged.
    """
    if not info.codec_model or [spec.name for spec in specs] != [LATENT]:
        return None
    try:
        model = read_model(base64.b64decode(info.codec_model, validate=True))
    except binascii.Error:
        raise InputError(
            "the network's model of codec 'learned' is damaged; export it again"
        ) from None
    return model if _fits(model, specs[0]) else None


def whole_numbers(spec: TensorSpec, model: LatentModel) -> TensorSpec:
    """A latent whose symbols are its whole numbers, from -`LATENT_LARGEST` up."""
    ranges = Ranges(np.array([-LATENT_LARGEST], np.float32), np.ones(1, np.float32))
    return replace(spec, ranges={LATENT_BITS: ranges}, model=model)


def latent_specs(
    path: Path, cut: CutReport, specs: Sequence[TensorSpec]
) -> list[TensorSpec] | None:
    """What crosses a cut at a latent, with the model beside cut.json; None at another cut.

    Args:
        path: The cut.json.
        cut: Its content.
        specs: What crosses.

    Raises:
        InputError: The model is missing, damaged, or not the one that cut.json names.
    """
    if cut.codec_model is None:
        return None
    file = path.parent / cut.codec_model.path
    require_file(file, f"{path} names it; make the cut again")
    if sha256(file) != cut.codec_model.sha256:
        raise InputError(f"{file} is not the one that {path} names; make the cut again")
    model = read_model(file.read_bytes())
    if len(specs) != 1 or not _fits(model, specs[0]):
        raise InputError(f"{file} is not for what crosses {path}; make the cut again")
    return [whole_numbers(specs[0], model)]


def _fits(model: LatentModel, spec: TensorSpec) -> bool:
    return spec.is_quantised and len(spec.shape) == 4 and spec.shape[:2] == (1, model.channels)
