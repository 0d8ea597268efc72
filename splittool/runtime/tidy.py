"""Small repairs to graphs as the readers deliver them."""

from collections import Counter

import numpy as np
import openvino as ov
from openvino.op import Constant


def fold_shapes(model: ov.Model) -> None:
    """Replace the shapes that are asked for at run time by what they are: constants.

    Otherwise a tail that only asks for the size of an early tensor would need that tensor sent.
    """
    for node in model.get_ops():
        if node.get_type_name() == "ShapeOf" and node.input(0).get_partial_shape().is_static:
            shape = node.input(0).get_shape()
            dtype = node.get_output_element_type(0).to_dtype()
            constant = Constant(np.array([shape[i] for i in range(len(shape))], dtype))
            constant.set_friendly_name(node.get_friendly_name())
            for target in node.output(0).get_target_inputs():
                target.replace_source_output(constant.output(0))


def unique_names(names: list[str]) -> list[str]:
    """Number the later ones of equal names: "x", "x_2", "x_3"."""
    taken = set(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        candidate = name
        while seen[name] > 1 and candidate in taken:
            candidate = f"{name}_{seen[name]}"
            seen[name] += candidate in taken
        taken.add(candidate)
        unique.append(candidate)
    return unique
