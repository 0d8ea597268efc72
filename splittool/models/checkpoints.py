"""Checkpoint files: plain tensors, numbers and text, loaded without running anything in them."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from splittool.data.images import Canvas
from splittool.errors import InputError, StoppedError
from splittool.files import require_file, write_bytes
from splittool.models import NETWORKS, Segmenter, build

MODEL = "splittool.checkpoint/1"
STATE = "splittool.training/1"


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path, kind: str) -> dict[str, Any]:
    """Read a checkpoint of a kind, `MODEL` or `STATE`.

    Raises:
        InputError: It is missing, damaged, not ours, of another kind, or holds pickled code.
    """
    require_file(path, "make one with: splittool train")
    if _is_pickle(path):
        raise InputError(f"{path} is a bare pickle, {_NEVER_RUN}")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is damaged or not a PyTorch checkpoint; copy it again, or train a new one"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(f"{path} holds pickled code, {_NEVER_RUN}") from None
    except StoppedError:
        raise
    except Exception as error:  # torch raises whatever its reader stumbles over
        first_line = str(error).partition("\n")[0][:100]
        raise InputError(
            f"{path} is damaged ({first_line}); copy it again, or train a new one"
        ) from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != kind:
        raise InputError(f"{path} is {_call(found)}, not {_call(kind)}; {_FIX[kind]}")
    return dict(content)


_NEVER_RUN = (
    "which is never run; give a checkpoint written by splittool train, or export the model to ONNX"
    " with the tool that made it"
)


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == pickle.PROTO


_FIX = {
    MODEL: "give one written by splittool train, or an .xml or .onnx model",
    STATE: "give the same -o as the run that stopped",
}


def _call(kind: object) -> str:
    names = {MODEL: "a splittool checkpoint", STATE: "a splittool training state"}
    return (
        names.get(kind, "a checkpoint of another tool")
        if isinstance(kind, str)
        else ("a checkpoint of another tool")
    )


def model_content(
    model: Segmenter, arch: str, options: dict[str, Any], classes: tuple[str, ...], canvas: Canvas
) -> dict[str, Any]:
    """What every model checkpoint holds; training adds how it was made."""
    return {
        "format": MODEL,
        "arch": arch,
        "options": options,
        "classes": list(classes),
        "canvas": {"height": canvas.height, "width": canvas.width, "fit": canvas.fit},
        "state": {key: value.detach().cpu().clone() for key, value in model.state_dict().items()},
    }


def restore_model(path: Path, content: dict[str, Any]) -> Segmenter:
    """Build the network of a checkpoint, ready to evaluate.

    Raises:
        InputError: The checkpoint does not fit any network here.
    """
    arch = content.get("arch")
    if arch not in NETWORKS:
        raise InputError(f"{path} holds network {arch!r}, unknown here; install a newer splittool")
    try:
        model = build(arch, len(content["classes"]), content["options"])
        model.load_state_dict(content["state"])
        Canvas(**content["canvas"])
    except (KeyError, TypeError, RuntimeError) as error:
        first_line = str(error).partition("\n")[0][:100]
        raise InputError(
            f"{path} does not hold a whole {arch} ({first_line}); train a new one"
        ) from None
    for name, weights in model.named_parameters():
        if not weights.isfinite().all():
            raise InputError(
                f"{path}: weights {name} are not all finite numbers; train again with a lower"
                " --learning-rate"
            )
    return model.eval()
