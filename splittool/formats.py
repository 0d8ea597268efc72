"""Models of formats that are not read here, and how each becomes one that is; programs."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

# How a network of PyTorch becomes ONNX; H and W are for the user to fill in.
TORCH_TO_ONNX = "torch.onnx.export(model.eval(), torch.zeros(1, 3, H, W), '{stem}.onnx')"

_PICKLE = (
    "holds weights or a pickled network of PyTorch; in the program that defines the network, load"
    f" it and export it: {TORCH_TO_ONNX}"
)
_KERAS = (
    "is a Keras model; export it with Keras 3.8 or newer:"
    " keras.saving.load_model('{name}').export('{stem}.onnx', format='onnx')"
)
_ENGINE = (
    "is a TensorRT engine, compiled for one kind of GPU; it cannot be converted back: give the"
    " ONNX file that it was built from"
)
_FORMATS = {
    ".pth": _PICKLE,
    ".ckpt": _PICKLE,
    ".json": "is no model that OpenVINO reads; of a program of Paddle 3 make ONNX: paddle2onnx"
    " --model_dir . --model_filename {name} --params_filename {stem}.pdiparams --save_file"
    " {stem}.onnx",
    ".safetensors": "holds weights without their network; load them into it with"
    " safetensors.torch.load_model(model, '{name}') and export it: " + TORCH_TO_ONNX,
    ".h5": _KERAS,
    ".hdf5": _KERAS,
    ".keras": _KERAS,
    ".engine": _ENGINE,
    ".plan": _ENGINE,
    ".trt": _ENGINE,
}


def how_to_convert(path: Path) -> str | None:
    """What a file of another tool is, and how to get ONNX from it, judged by its suffix.

    Returns:
        The end of a sentence that begins with the file's name; None for other suffixes.
    """
    text = _FORMATS.get(path.suffix.lower())
    return text and fill_in(text, path)


def fill_in(text: str, path: Path) -> str:
    """An instruction with the names of a file in it."""
    return text.replace("{name}", path.name).replace("{stem}", path.stem)


# What PyTorch writes to be read without the program that defines the network. Reading runs it.
TORCHSCRIPT = "a TorchScript program"
EXPORTED = "an exported program of PyTorch"
PROGRAM_SUFFIXES = {".pt2": EXPORTED, ".ts": TORCHSCRIPT, ".torchscript": TORCHSCRIPT}
_MEMBERS = {"/constants.pkl": TORCHSCRIPT, "/models/model.json": EXPORTED}


def program_kind(path: Path) -> str | None:
    """What program of PyTorch a file holds: `TORCHSCRIPT`, `EXPORTED`, or None if it holds none.

    Nothing is run: the suffix says it, and of a .pt the names in the archive.
    """
    if path.suffix == ".pt" and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                return program_among(archive.namelist())
        except (zipfile.BadZipFile, OSError, ValueError):
            return None  # whoever reads it says what is wrong
    return PROGRAM_SUFFIXES.get(path.suffix)


def program_among(names: Iterable[str]) -> str | None:
    """What program an archive of PyTorch with these names in it holds; None if none."""
    names = list(names)
    for end, kind in _MEMBERS.items():
        if any(name.endswith(end) for name in names):
            return kind
    return None
