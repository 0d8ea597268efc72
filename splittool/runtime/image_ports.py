"""Make any segmentation graph take 8-bit pixels (1, 3, H, W) and put out maps (1, C, H, W).

Our own graphs do; those of other tools may take normalised numbers, or have the channels last.
"""

from dataclasses import dataclass
from pathlib import Path

import openvino as ov
from openvino.preprocess import PrePostProcessor

from splittool.errors import InputError
from splittool.runtime.info import ModelInfo


@dataclass(frozen=True)
class Normalisation:
    """What a graph that takes real numbers wants of a pixel value p: (p - mean) / scale."""

    mean: float
    scale: float


def take_pixels(path: Path | str, model: ov.Model, normalisation: Normalisation | None) -> ov.Model:
    """Put normalisation and layout before the only input, where it has not pixels already.

    Raises:
        InputError: The model does not take one image, or real numbers of an unknown range.
    """
    shape = tuple(model.inputs[0].get_shape()) if len(model.inputs) == 1 else ()
    layout = _layout(shape)
    if layout is None:
        raise InputError(
            f"{path} does not take one image (1, 3, height, width) or (1, height, width, 3);"
            " give a segmentation network for colour images"
        )
    kind = model.inputs[0].get_element_type()
    if kind.is_real() and normalisation is None:
        raise InputError(
            f"{path} takes real numbers, and only who trained it knows which: give --mean M"
            " --scale S for (pixel - M) / S; --mean 0 --scale 1 are the pixel values"
        )
    if layout == "NCHW" and kind == ov.Type.u8 and normalisation is None:
        return model
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NCHW"))
    steps.input().model().set_layout(ov.Layout(layout))
    if normalisation is not None:
        steps.input().preprocess().convert_element_type(ov.Type.f32).mean(normalisation.mean).scale(
            normalisation.scale
        )
    return steps.build()


def put_maps(
    path: Path | str, model: ov.Model, image: tuple[int, ...], info: ModelInfo
) -> tuple[ov.Model, int]:
    """Put the channels of the only output before its height and width.

    Args:
        path: The model's file.
        model: The graph.
        image: (1, 3, height, width) of the input.
        info: What the graph says about itself.

    Returns:
        The graph, and its number of maps: one for each class.

    Raises:
        InputError: It puts out something else than maps of the image's size.
    """
    shape = tuple(model.outputs[0].get_shape()) if len(model.outputs) == 1 else ()
    first, last = shape[2:] == image[2:], shape[1:3] == image[2:]
    maps = shape[1] if first else shape[3] if last and len(shape) == 4 else 0
    if len(shape) != 4 or not maps or (info.classes and maps != len(info.classes)):
        raise InputError(
            f"{path} does not put out one map (height, width) per class;"
            " give a whole segmentation network, or the cut.json of a cut"
        )
    if first:
        return model, maps
    steps = PrePostProcessor(model)
    steps.output().model().set_layout(ov.Layout("NHWC"))
    steps.output().tensor().set_layout(ov.Layout("NCHW"))
    return steps.build(), maps


def _layout(shape: tuple[int, ...]) -> str | None:
    if len(shape) != 4 or shape[0] != 1 or 3 not in (shape[1], shape[3]):
        return None
    return "NCHW" if shape[1] == 3 else "NHWC"
