"""Checkpoint files: plain tensors, numbers and text, loaded without running anything in them."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor

from splittool.data.images import Canvas
from splittool.errors import InputError, StoppedError
from splittool.files import require_file, write_bytes
from splittool.formats import TORCH_TO_ONNX, fill_in, program_among
from splittool.models import NETWORKS, Segmenter, build
from splittool.reports import EpochRecord

MODEL = "splittool.checkpoint/1"
STATE = "splittool.training/1"

# PyTorch stores without compression; whoever packs a checkpoint again gains little.
_MOST_INFLATED = 20

MAX_SIDE = 2**16  # of a canvas, in pixels


class PartitionRecord(msgspec.Struct, frozen=True):
    """The names of the images that a network was trained on, and of those held out."""

    training: list[str]
    validation: list[str]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A network and how it was made.

    Attributes:
        arch: Name of the network in `NETWORKS`.
        options: Options that the network was built with.
        classes: Names of the masks that it predicts, in their order.
        canvas: The size of its input, and how images are fitted to it.
        state: All weights, and the running statistics of batch normalisation.
        split: The images it was trained and validated on; None where it was not trained.
        training: The epoch that the weights are from; None where it was not trained.
        codec_model: The file of the model of codec `learned` for its latent, (bytes,) uint8; None
            where it has no latent, or its training is not at its end.
    """

    arch: str
    options: dict[str, Any]
    classes: Annotated[list[str], msgspec.Meta(min_length=1)]
    canvas: Canvas
    state: dict[str, Tensor]
    split: PartitionRecord | None = None
    training: EpochRecord | None = None
    codec_model: Tensor | None = None

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        content = {
            "format": MODEL,
            **msgspec.structs.asdict(self),
            "canvas": asdict(self.canvas),
            "split": msgspec.to_builtins(self.split),
            "training": msgspec.to_builtins(self.training),
        }
        write(path, {name: value for name, value in content.items() if value is not None})


def weights_of(model: Segmenter) -> dict[str, Tensor]:
    """A copy of the weights in main memory, which does not change with the model."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain tensors, numbers and text, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read the checkpoint of a network.

    Raises:
        InputError: The file is missing, damaged, not ours, incomplete, or holds pickled code.
    """
    content = read(path, MODEL)
    arch = content.get("arch")
    if not isinstance(arch, str) or arch not in NETWORKS:
        raise InputError(f"{path} holds network {arch!r}, unknown here; install a newer splittool")
    try:
        return msgspec.convert(content, Checkpoint)
    except msgspec.ValidationError as error:
        raise _incomplete(path, arch, error) from None


def restore(path: Path, checkpoint: Checkpoint) -> Segmenter:
    """Build the network of a checkpoint, ready to evaluate.

    Args:
        path: The checkpoint's file, for messages.
        checkpoint: Its content, whose tensors the network takes over.

    Raises:
        InputError: The weights do not fit the network, or are not finite.
    """
    try:
        with torch.device("meta"):  # nothing is allocated or drawn at random
            model = build(checkpoint.arch, len(checkpoint.classes), checkpoint.options)
        expected = model.state_dict()
        model.load_state_dict(checkpoint.state, assign=True)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _incomplete(path, checkpoint.arch, error) from None
    _check_canvas(path, checkpoint, model.stride)
    for name, value in model.state_dict().items():
        if value.dtype != expected[name].dtype:
            wrong = f"{name} is {value.dtype}, not {expected[name].dtype}"
            raise _incomplete(path, checkpoint.arch, wrong)
        if not value.isfinite().all():
            raise InputError(
                f"{path}: weights {name} are not all finite numbers; train again with a lower"
                " `learning_rate`"
            )
    return model.eval()


def _check_canvas(path: Path, checkpoint: Checkpoint, stride: int) -> None:
    """Refuse an input size that the network cannot have been trained with.

    Raises:
        InputError: It is not positive, larger than any image, or off the network's stride.
    """
    size = (checkpoint.canvas.height, checkpoint.canvas.width)
    if not all(0 < side <= MAX_SIDE and side % stride == 0 for side in size):
        wrong = f"its canvas is {size[0]}x{size[1]}, not multiples of {stride} up to {MAX_SIDE}"
        raise _incomplete(path, checkpoint.arch, wrong)


def _incomplete(path: Path, arch: str, cause: object) -> InputError:
    first_line = str(cause).partition("\n")[0][:100]
    return InputError(f"{path} does not hold a whole {arch} ({first_line}); train a new one")


def read(path: Path, kind: str) -> dict[str, Any]:
    """Read the plain values of a file of a kind, `MODEL` or `STATE`.

    Raises:
        InputError: The file is missing, damaged, not ours, of another kind, or holds pickled code.
    """
    require_file(path, "make one with: splittool train")
    _refuse_programs(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(f"{path} holds pickled code{fill_in(_NEVER_RUN, path)}") from None
    except StoppedError:
        raise
    except Exception as error:  # torch raises whatever its reader stumbles over
        first_line = str(error).partition("\n")[0][:100]
        raise InputError(
            f"{path} is damaged ({first_line}); copy it again, or train a new one"
        ) from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != kind:
        fix = fill_in(_WEIGHTS if kind == MODEL and _has_weights(content) else _FIX[kind], path)
        raise InputError(f"{path} is {_call(found)}, not {_call(kind)}; {fix}")
    return dict(content)


def _refuse_programs(path: Path) -> None:
    """Refuse what `torch.load` would not read, in words of its own.

    Raises:
        InputError: The file is a bare pickle, a program, or no archive at all.
    """
    if _is_pickle(path):
        raise InputError(f"{path} is a bare pickle{fill_in(_NEVER_RUN, path)}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            inflated = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        raise InputError(
            f"{path} is damaged or not a PyTorch checkpoint; copy it again, or train a new one"
        ) from None
    if inflated > max(_MOST_INFLATED * path.stat().st_size, 2**24):
        raise InputError(
            f"{path} would become {inflated:,} bytes in memory; it is damaged or meant to do harm"
        )
    if program := program_among(names):
        raise InputError(f"{path} is {program}, not a splittool checkpoint; {_FIX[MODEL]}")


_NEVER_RUN = (
    ", such as a whole network, which is never run; in the program that made it, export the network"
    f" to ONNX: {TORCH_TO_ONNX}"
)
_WEIGHTS = (
    "it holds weights without their network: load them into it and export that:"
    f" {TORCH_TO_ONNX}, or give a .pt of splittool train"
)


def _has_weights(content: object) -> bool:
    """Whether it is a state dictionary, or has one among other things."""
    if not isinstance(content, dict):
        return False
    return any(
        isinstance(value, Tensor)
        or (isinstance(value, dict) and any(isinstance(v, Tensor) for v in value.values()))
        for value in content.values()
    )


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == pickle.PROTO


_FIX = {
    MODEL: "give one written by splittool train, or an .xml or .onnx model",
    STATE: "give the same `output` as the run that stopped",
}


def _call(kind: object) -> str:
    names = {MODEL: "a splittool checkpoint", STATE: "a splittool training state"}
    known = isinstance(kind, str) and kind in names
    return names[str(kind)] if known else "a checkpoint of another tool"
