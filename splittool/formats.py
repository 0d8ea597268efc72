"""Models of formats that are not read here, and how each becomes one that is."""

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
    ".pt2": "is an exported program of PyTorch; convert it:"
    " torch.onnx.export(torch.export.load('{name}').module(), torch.zeros(1, 3, H, W),"
    " '{stem}.onnx')",
    ".json": "is not a model that is read here; of a program of Paddle 3 make ONNX: paddle2onnx"
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
