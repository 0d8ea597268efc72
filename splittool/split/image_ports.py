"""What goes into a network and comes out of it: pixels of an image, and one map for each class.

A graph in OpenVINO is changed, so that it takes pixels and puts out maps itself; around an .onnx
file that ONNX Runtime runs, the same is done to the arrays.
"""

from pathlib import Path

import numpy as np
import openvino as ov
from openvino.preprocess import PrePostProcessor

from splittool.data.images import Pixels
from splittool.errors import InputError, NoMapsError
from splittool.graph.layouts import image_layout
from splittool.runtime.ir import ModelInfo
from splittool.split.engines import Change, Values
from splittool.split.options import Normalisation


def to_planes(pixels: Pixels) -> Pixels:
    """(H, W, 3) to (1, 3, H, W)."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def take_pixels(path: Path | str, model: ov.Model, normalisation: Normalisation | None) -> ov.Model:
    """Put normalisation and layout before the only input, where it has not pixels already.

    Raises:
        InputError: The model does not take one image, or real numbers of an unknown range.
    """
    shape = tuple(model.inputs[0].get_shape()) if len(model.inputs) == 1 else ()
    layout = image_layout(shape)
    if layout is None:
        raise InputError(
            f"{path} does not take one image (1, 3, height, width) or (1, height, width, 3);"
            " give a segmentation network for colour images"
        )
    kind = model.inputs[0].get_element_type()
    if kind.is_real() and normalisation is None:
        raise InputError(
            f"{path} takes real numbers, and only who trained it knows which: give `mean` M"
            " `scale` S for (pixel - M) / S; `mean` 0 `scale` 1 are the pixel values"
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
        NoMapsError: It puts out something else than maps of the image's size.
        InputError: It has another number of maps than of classes.
    """
    maps = _number_of_maps(model, image)
    refusal = (
        f"{path} does not put out one map (height, width) per class;"
        " give a whole segmentation network, or the cut.json of a cut"
    )
    if not maps:
        raise NoMapsError(refusal)
    if info.classes and maps != len(info.classes):
        raise InputError(refusal)
    if tuple(model.outputs[0].get_shape())[2:] == image[2:]:
        return model, maps
    steps = PrePostProcessor(model)
    steps.output().model().set_layout(ov.Layout("NHWC"))
    steps.output().tensor().set_layout(ov.Layout("NCHW"))
    return steps.build(), maps


def _number_of_maps(model: ov.Model, image: tuple[int, ...]) -> int:
    """How many maps of the image's size the only output holds; 0 where it holds something else.

    Args:
        model: A network or a tail.
        image: (1, 3, height, width) of the input.
    """
    if len(model.outputs) != 1 or model.outputs[0].get_partial_shape().is_dynamic:
        return 0
    shape = tuple(model.outputs[0].get_shape())
    if len(shape) != 4:
        return 0
    return int(shape[1]) if shape[2:] == image[2:] else int(shape[3]) * (shape[1:3] == image[2:])


def pixels_for(port: ov.Output, normalisation: Normalisation | None) -> Change | None:
    """How (1, 3, H, W) pixels become what an input takes, as `take_pixels` does in a graph."""
    shape, dtype = tuple(port.get_shape()), port.get_element_type().to_dtype()
    last = shape[1] != 3
    if not last and normalisation is None and dtype == np.uint8:
        return None

    def change(pixels: Values) -> Values:
        values = pixels
        if normalisation is not None:
            values = (values.astype(np.float32) - normalisation.mean) / normalisation.scale
        values = values.transpose(0, 2, 3, 1) if last else values
        return np.ascontiguousarray(values.astype(dtype, copy=False))

    return change


def maps_from(port: ov.Output, image: tuple[int, ...]) -> Change | None:
    """How an output becomes (1, C, H, W) maps, as `put_maps` does in a graph."""
    if tuple(port.get_shape())[2:] == image[2:]:
        return None
    return lambda maps: np.ascontiguousarray(maps.transpose(0, 3, 1, 2))
